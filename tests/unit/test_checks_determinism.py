"""determinism: samples of a cell that differ, cells that differ, and along which axis."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_results import cell
from samples import case, observed, only, sample

from lab.checks import determinism
from lab.model import CellResult, Grade, Outcome, Status, Verdict


class TestOneCell:
    def test_samples_that_differ(self) -> None:
        three = case(sample(), observed(), sample(4), outcomes=("a", "b", "a"))
        found = only(determinism.judge(three))
        assert (found.check, found.verdict) == ("determinism", Verdict.NONDETERMINISTIC)
        assert found.message == "2 different outcomes in 3 samples of one cell"
        assert found.evidence == {
            "axis": "samples",
            "sides": {"plain samples": {"a": 2}, "samples with pauses": {"b": 1}},
        }

    def test_a_side_without_samples_is_left_out(self) -> None:
        found = only(determinism.judge(case(sample(), sample(4), outcomes=("a", "b"))))
        assert found.evidence["sides"] == {"plain samples": {"a": 1, "b": 1}}

    def test_samples_that_agree(self) -> None:
        assert determinism.judge(case(sample(), observed())) == []

    def test_one_sample_says_nothing(self) -> None:
        found = only(determinism.judge(case(sample())))
        assert found.verdict == Verdict.INCONCLUSIVE
        assert found.message == "one sample has nothing to be compared with"


def ended(start_method: str, *outcomes: str, cores: int = 1, **values: object) -> CellResult:
    """A cell whose samples ended with these outcomes."""
    found = tuple(Outcome(one, Grade.ACCEPTABLE, 2) for one in outcomes)
    return cell("s", start_method, cores, outcomes=found, **values)


class TestAcrossCells:
    def test_the_start_method_tells_them_apart(self) -> None:
        cells = [
            ended("fork", "changed"),
            ended("fork", "changed", cores=2),
            ended("spawn", "imported"),
            ended("spawn", "imported", cores=2),
            ended("forkserver", "imported"),
        ]
        found = only(determinism.across(cells))
        assert (found.check, found.verdict) == ("determinism", Verdict.NONDETERMINISTIC)
        assert found.message == (
            "the outcome depends on the start method (fork: changed; spawn, forkserver: imported)"
        )
        assert found.evidence == {
            "axis": "start method",
            "sides": {
                "fork": {"changed": 2},
                "spawn": {"imported": 2},
                "forkserver": {"imported": 1},
            },
        }

    @pytest.mark.parametrize(
        ("axis", "one", "other", "told"),
        [
            ("cores", {"cores": 1}, {"cores": 2}, "1 core: a; 2 cores: b"),
            ("python", {"python": "3.12.9"}, {"python": "3.13.1"}, "3.12.9: a; 3.13.1: b"),
            ("profile", {"profile": "default"}, {"profile": "macos"}, "default: a; macos: b"),
            ("host", {"host": "local"}, {"host": "compose"}, "local: a; compose: b"),
        ],
    )
    def test_another_axis_does(
        self, axis: str, one: dict[str, object], other: dict[str, object], told: str
    ) -> None:
        cells = [
            ended(method, outcome, **values)
            for method in ("fork", "spawn")
            for outcome, values in (("a", one), ("b", other))
        ]
        found = only(determinism.across(cells))
        assert found.evidence["axis"] == axis
        assert found.message == f"the outcome depends on the {axis} ({told})"

    def test_no_single_axis_does(self) -> None:
        cells = [
            ended("fork", "a"),
            ended("fork", "b", cores=2),
            ended("spawn", "b"),
            ended("spawn", "a", cores=2),
        ]
        found = only(determinism.across(cells))
        assert found.evidence["axis"] == "several axes"
        assert found.message == (
            "the outcome differs between cells "
            f"({cells[0].id}, {cells[3].id}: a; {cells[1].id}, {cells[2].id}: b)"
        )
        assert found.evidence["sides"][cells[0].id] == {"a": 1}

    def test_cells_that_agree(self) -> None:
        assert determinism.across([ended("fork", "a"), ended("spawn", "a")]) == []

    def test_cells_that_say_nothing_are_left_out(self) -> None:
        failed = replace(ended("spawn", "b"), status=Status.ERROR)
        unsupported = replace(ended("spawn", "b", cores=4), status=Status.UNSUPPORTED)
        unsure = ended("forkserver", "a", "b")
        assert determinism.across([ended("fork", "a"), failed, unsupported, unsure]) == []
        assert determinism.across([]) == []
