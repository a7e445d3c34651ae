"""From samples to a verdict: outcome texts, grades, which finding wins, the lab's own errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report_results import cell as finished
from samples import event, observed, sample, started

from lab.judge import judge, judge_scenario, outcome_of
from lab.model import (
    Cell,
    CellResult,
    Finding,
    Grade,
    Outcome,
    Sample,
    Status,
    Verdict,
)
from lab.scenario import Row, Scenario

TOGETHER = ((1, "runs"), (2, "runs"), (1, "ends"), (2, "ends"))


class TestOutcome:
    @pytest.mark.parametrize(
        ("values", "pattern", "outcome"),
        [
            ({}, "", "exit=0, no output"),
            ({"stdout": "done\n"}, "", "exit=0, done"),
            ({"stdout": "x" * 60}, "", "exit=0, " + "x" * 60),
            ({"stdout": "x" * 61}, "", "exit=0, 1 line (c508e75f): " + "x" * 40),
            ({"stdout": "one\ntwo\n"}, "", "exit=0, 2 lines (c3f9c8c2): one"),
            ({"exit_code": 3, "stdout": "done"}, "", "exit=3"),
            ({"exit_code": -11}, "", "signal=SIGSEGV"),
            ({"stdout": "n=1\nn=22\n"}, r"n=\d+", "n=22"),
            ({"stdout": "a 1, b 2"}, r"a (\d), b (\d)", "1 2"),
            ({"stdout": "a 1"}, r"(a) (\d)( \w)?", "a 1 "),
            ({"stdout": "a 1, b 2"}, r"a (?P<a>\d), (b) (?P<b>\d)", "a=1 b=2"),
            ({"stdout": "a 1"}, r"a (?P<a>\d)(, b (?P<b>\d))?", "a=1 b="),
            ({"stdout": "nothing"}, r"n=\d+", "no outcome in stdout"),
            ({"stdout": "n=1", "exit_code": 1}, r"n=\d+", "exit=1"),
            ({"stdout": "n=1", "exit_code": -9}, r"n=\d+", "signal=SIGKILL"),
            ({"stdout": "n=1", "end": "deadlock", "exit_code": -9}, r"n=\d+", "deadlock"),
            ({"stdout": "n=1", "end": "hang"}, "", "hang"),
            ({"end": "too many processes"}, "", "too many processes"),
        ],
    )
    def test_is_a_short_text(self, values: dict[str, Any], pattern: str, outcome: str) -> None:
        assert outcome_of(sample(**values), pattern) == outcome

    def test_long_ones_that_differ_anywhere_differ(self) -> None:
        one, other = ("x\n" * 50 + end for end in ("a", "b"))
        assert outcome_of(sample(stdout=one), "") != outcome_of(sample(stdout=other), "")


ROWS = (
    Row("total=4", Grade.ACCEPTABLE, "none met"),
    Row(r"total=\d", Grade.INTERESTING, "one was lost"),
    Row("total=-.*", Grade.FORBIDDEN, "below none"),
)
PATTERN = r"total=\S+"


def scenario(**values: Any) -> Scenario:
    """A scenario with no checks but how samples end, unless told otherwise."""
    return Scenario(Path("s.py"), **{"checks": (), "outcome": PATTERN, **values})


def expects(verdict: Verdict, **values: Any) -> Scenario:
    return scenario(expect=(("*", verdict),), **values)


def judged(which: Scenario, *samples: Sample, start_method: str = "fork") -> CellResult:
    return judge(
        which,
        Cell("s", start_method, 1, "3.13"),
        samples,
        path="s.py",
        host="local",
        seconds=1.23456,
        repro="lab run s.py",
    )


def total(number: object, seed: int = 2, **values: Any) -> Sample:
    """A sample that printed a total."""
    return sample(seed, stdout=f"total={number}\n", **values)


def verdicts(result: CellResult) -> list[Verdict]:
    return [finding.verdict for finding in result.findings]


RAISED = event("exception", where="main", type="ValueError", args="()", line="s.py:4")


def raised(seed: int = 2) -> Sample:
    return sample(seed, exit_code=1, events=[RAISED])


class TestResult:
    def test_of_a_clean_cell(self) -> None:
        samples = (total(4, cpu_seconds=0.25), replace(observed(*TOGETHER), stdout="total=4"))
        assert judged(scenario(rows=ROWS), *samples) == CellResult(
            id="s[fork-1cpu-py3.13-default]",
            scenario="s",
            path="s.py",
            start_method="fork",
            cores=1,
            python="3.13.1",
            profile="default",
            host="local",
            cpus=(0,),
            status=Status.RAN,
            reason="",
            verdict=Verdict.CLEAN,
            expected=Verdict.CLEAN,
            ok=True,
            samples=2,
            outcomes=(Outcome("total=4", Grade.ACCEPTABLE, 2, "none met"),),
            findings=(),
            power={
                "samples": 2,
                "with_pauses": 1,
                "processes_together": 2,
                "missed_at_most": 0.7764,
            },
            seconds=1.2346,
            cpu_seconds=0.25,
            repro="lab run s.py",
        )

    def test_outcomes_are_most_frequent_first_with_their_grades(self) -> None:
        result = judged(scenario(rows=ROWS), total(3), total(4), total(4), total("x"), raised())
        assert result.outcomes == (
            Outcome("total=4", Grade.ACCEPTABLE, 2, "none met"),
            Outcome("total=3", Grade.INTERESTING, 1, "one was lost"),
            Outcome("total=x", Grade.UNGRADED, 1, "on no row of the outcome table"),
            Outcome("exit=1", Grade.FORBIDDEN, 1, "the script did not end well"),
        )

    def test_power_says_what_the_checks_saw(self) -> None:
        result = judged(scenario(checks=("locks", "updates"), rows=ROWS), total(4))
        assert result.power["lock_sections"] == result.power["lock_waits"] == 0
        assert result.power["lost_updates_missed_at_most"] == 1.0

    def test_each_check_is_asked(self) -> None:
        left = [{"kind": "file", "name": "x", "by": None, "line": ""}]
        child = [started(7, "Process-1"), event("reaped", child=7, code=1)]
        one, other = total(4, left=left), total(3, 4, events=child)

        def found(*checks: str) -> list[Verdict]:
            return verdicts(judged(scenario(checks=checks, rows=ROWS), one, other))

        assert found() == []
        assert found("determinism") == [Verdict.NONDETERMINISTIC]
        assert found("locks") == [Verdict.INCONCLUSIVE]
        assert found("updates") == [Verdict.LOST_UPDATES]
        assert found("exceptions") == [Verdict.CRASHED]
        assert found("cleanup") == [Verdict.LEAK]

    def test_inline_cells_have_nothing_to_contend_for(self) -> None:
        which = scenario(checks=("locks", "updates"), rows=ROWS)
        assert judged(which, total(4), start_method="inline").verdict == Verdict.CLEAN
        assert judged(which, total(4), start_method="fork").verdict == Verdict.INCONCLUSIVE


class TestTable:
    def test_a_forbidden_outcome(self) -> None:
        result = judged(scenario(rows=ROWS), total(4), total(-1), total(-2))
        assert (result.verdict, result.ok) == (Verdict.FORBIDDEN, False)
        assert result.findings == (
            Finding(
                "outcomes",
                Verdict.FORBIDDEN,
                "forbidden outcome 'total=-1' in 2 of 3 samples",
                {"outcomes": {"total=-1": 1, "total=-2": 1}},
            ),
        )

    def test_an_outcome_on_no_row(self) -> None:
        result = judged(scenario(rows=ROWS), total(4), total("x"))
        assert (result.verdict, result.ok) == (Verdict.UNGRADED, False)
        assert result.findings[0].message == "ungraded outcome 'total=x' in 1 of 2 samples"

    def test_interesting_outcomes_are_none_of_its_business(self) -> None:
        assert judged(scenario(rows=ROWS), total(3)).verdict == Verdict.CLEAN

    def test_no_table_grants_every_outcome(self) -> None:
        assert judged(scenario(), total("x")).verdict == Verdict.CLEAN

    def test_a_row_that_has_to_be_seen(self) -> None:
        rows = (Row("total=4", Grade.ACCEPTABLE), Row("total=3", Grade.ACCEPTABLE, required=True))
        assert judged(scenario(rows=rows), total(4), total(3)).verdict == Verdict.CLEAN
        result = judged(scenario(rows=rows), total(4))
        assert (result.verdict, result.ok) == (Verdict.INCONCLUSIVE, False)
        assert "no sample ended with 'total=3', which has to be seen" in result.findings[0].message

    def test_a_row_may_grant_a_failure(self) -> None:
        rows = (*ROWS, Row("exit=3", Grade.ACCEPTABLE))
        assert judged(scenario(rows=rows), sample(exit_code=3)).verdict == Verdict.CLEAN
        assert judged(scenario(rows=rows), sample(exit_code=4)).verdict == Verdict.CRASHED

    @pytest.mark.parametrize("id", [".*", ".+", r"\w+=\w+", "total=.*|.*"])
    @pytest.mark.parametrize("grade", [Grade.ACCEPTABLE, Grade.INTERESTING])
    def test_a_row_for_whatever_comes_grants_none(self, id: str, grade: Grade) -> None:
        which = scenario(rows=(*ROWS, Row(id, grade, "any other")))
        assert judged(which, total("x")).verdict == Verdict.CLEAN
        for bad, verdict in (
            (raised(), Verdict.EXCEPTION),
            (sample(exit_code=3), Verdict.CRASHED),
            (sample(exit_code=-11), Verdict.CRASHED),
            (sample(end="deadlock"), Verdict.DEADLOCK),
        ):
            result = judged(which, bad)
            assert (result.verdict, result.ok) == (verdict, False)
            assert result.outcomes[0].grade == Grade.FORBIDDEN
            assert result.outcomes[0].why == "the script did not end well"
            assert judged(replace(which, expect=(("*", verdict),)), bad).ok

    @pytest.mark.parametrize(
        ("id", "code", "verdict"),
        [
            ("exit=3", 3, Verdict.CLEAN),
            (r"exit=\d+", 3, Verdict.CLEAN),
            ("(exit|signal)=.*", -11, Verdict.CLEAN),
            ("exit=.*|.*", -11, Verdict.CRASHED),
            ("signal=SIGKILL", -9, Verdict.CLEAN),
        ],
    )
    def test_a_row_that_names_a_failure_grants_it(
        self, id: str, code: int, verdict: Verdict
    ) -> None:
        """Also where a row above it takes whatever comes."""
        rows = (*ROWS, Row(".*", Grade.INTERESTING), Row(id, Grade.ACCEPTABLE))
        assert judged(scenario(rows=rows), sample(exit_code=code)).verdict == verdict

    def test_a_row_for_whatever_comes_may_forbid_a_failure(self) -> None:
        rows = (*ROWS, Row(".*", Grade.FORBIDDEN, "any other"))
        assert judged(scenario(rows=rows), raised()).outcomes[0].why == "any other"

    def test_a_failure_after_a_good_outcome_is_one_all_the_same(self) -> None:
        result = judged(scenario(rows=ROWS), total(4), total(4, exit_code=1))
        assert (result.verdict, result.ok) == (Verdict.CRASHED, False)

    def test_a_failure_is_told_once(self) -> None:
        rows = (*ROWS, Row(".*", Grade.FORBIDDEN))
        assert verdicts(judged(scenario(rows=rows), raised())) == [Verdict.EXCEPTION]
        assert verdicts(judged(scenario(rows=ROWS), raised())) == [Verdict.EXCEPTION]


class TestVerdict:
    def test_what_was_expected_and_found(self) -> None:
        result = judged(expects(Verdict.EXCEPTION), raised())
        assert (result.verdict, result.expected, result.ok) == (
            Verdict.EXCEPTION,
            Verdict.EXCEPTION,
            True,
        )

    def test_what_was_expected_and_did_not_come(self) -> None:
        result = judged(expects(Verdict.EXCEPTION), total(4))
        assert (result.verdict, result.ok) == (Verdict.CLEAN, False)

    def test_what_was_not_expected_wins_over_what_was(self) -> None:
        left = [{"kind": "file", "name": "x", "by": None, "line": ""}]
        leaky = replace(raised(), left=left)
        result = judged(expects(Verdict.EXCEPTION, checks=("cleanup",)), leaky)
        assert verdicts(result) == [Verdict.EXCEPTION, Verdict.LEAK]
        assert (result.verdict, result.ok) == (Verdict.LEAK, False)

    @pytest.mark.parametrize(
        "odd",
        [sample(6, exit_code=-11), sample(6, end="hang"), sample(6, end="deadlock")],
        ids=["crash", "hang", "deadlock"],
    )
    def test_another_bad_end_does_not_hide_behind_the_expected_one(self, odd: Sample) -> None:
        result = judged(expects(Verdict.EXCEPTION), raised(), odd)
        assert result.verdict in (Verdict.CRASHED, Verdict.HANG, Verdict.DEADLOCK)
        assert not result.ok

    def test_nor_does_an_outcome_that_must_not_be(self) -> None:
        stuck = sample(end="deadlock", exit_code=-9)
        which = expects(Verdict.DEADLOCK, rows=ROWS)
        assert judged(which, stuck, total(4)).ok
        assert judged(which, stuck, total(-1)).verdict == Verdict.FORBIDDEN
        assert judged(which, stuck, total("x")).verdict == Verdict.UNGRADED

    def test_of_several_the_most_severe(self) -> None:
        left = [{"kind": "file", "name": "x", "by": None, "line": ""}]
        which = scenario(rows=ROWS, checks=("determinism", "cleanup"))
        result = judged(which, total(4, left=left), total("x"), sample(end="hang"))
        assert set(verdicts(result)) == {
            Verdict.HANG,
            Verdict.UNGRADED,
            Verdict.LEAK,
            Verdict.NONDETERMINISTIC,
        }
        assert result.verdict == Verdict.HANG

    def test_nothing_to_see_is_not_clean(self) -> None:
        result = judged(scenario(checks=("determinism",)), total(4))
        assert (result.verdict, result.ok) == (Verdict.INCONCLUSIVE, False)

    def test_but_something_seen_is_something(self) -> None:
        """One check saw what was expected: that another saw nothing takes nothing from it."""
        which = expects(Verdict.EXCEPTION, checks=("determinism", "locks"))
        assert judged(which, raised()).ok

    def test_by_the_cell(self) -> None:
        which = scenario(expect=(("spawn-*", Verdict.EXCEPTION), ("*", Verdict.CLEAN)))
        assert judged(which, raised(), start_method="spawn").ok
        assert not judged(which, raised(), start_method="fork").ok


class TestUpdates:
    def test_a_loss_is_a_lost_update_whatever_its_grade(self) -> None:
        result = judged(scenario(checks=("updates",), rows=ROWS), total(4), total(-1))
        assert verdicts(result) == [Verdict.LOST_UPDATES]

    def test_expected_losses_differ_from_sample_to_sample(self) -> None:
        which = expects(Verdict.LOST_UPDATES, checks=("updates", "determinism"), rows=ROWS)
        result = judged(which, total(4), total(3), total(2))
        assert set(verdicts(result)) == {Verdict.LOST_UPDATES, Verdict.NONDETERMINISTIC}
        assert (result.verdict, result.ok) == (Verdict.LOST_UPDATES, True)

    def test_what_is_forbidden_is_so_among_expected_losses_too(self) -> None:
        which = expects(Verdict.LOST_UPDATES, checks=("updates",), rows=ROWS)
        assert judged(which, total(3)).ok
        result = judged(which, total(3), total(-1))
        assert (result.verdict, result.ok) == (Verdict.FORBIDDEN, False)

    def test_and_so_is_what_is_on_no_row(self) -> None:
        which = expects(Verdict.LOST_UPDATES, checks=("updates",), rows=ROWS)
        result = judged(which, total(3), total("x"))
        assert (result.verdict, result.ok) == (Verdict.UNGRADED, False)


class TestLabsOwnErrors:
    """Where the lab cannot say, it says so; never that all is well."""

    @pytest.mark.parametrize(
        ("samples", "reason"),
        [
            ((), "no sample was run"),
            (
                (total(4), sample(4, error="Traceback:\n  line\nOSError: no space\n")),
                "sample with seed 4: OSError: no space",
            ),
            ((sample(4, error=" \n"),), "sample with seed 4: no reason given"),
            (
                (total(4), sample(4, cpus=[], exit_code=1, stderr="x\nno module\n")),
                "the interpreter did not come up for seed 4: no module",
            ),
            (
                (sample(4, cpus=[], exit_code=1, stderr="\n"),),
                "the sample with seed 4 never said on which CPUs it ran",
            ),
            (
                (sample(4, cpus=[], exit_code=-9),),
                "the sample with seed 4 never said on which CPUs it ran",
            ),
            (
                (sample(4, cpus=[], stderr="a warning"),),
                "the sample with seed 4 never said on which CPUs it ran",
            ),
            (
                (total(4), sample(4, cpus=[0, 1])),
                "pinned to CPUs [0], but the sample saw [0, 1]",
            ),
        ],
    )
    def test_are_told(self, samples: tuple[Sample, ...], reason: str) -> None:
        result = judged(scenario(), *samples)
        assert (result.status, result.reason) == (Status.ERROR, reason)
        assert (result.verdict, result.ok) == (Verdict.INCONCLUSIVE, False)
        assert (result.outcomes, result.findings, result.samples) == ((), (), len(samples))

    def test_are_no_expected_verdict_either(self) -> None:
        assert not judged(expects(Verdict.INCONCLUSIVE)).ok

    def test_each_sample_knows_to_what_it_was_pinned(self) -> None:
        result = judged(scenario(), total(4), total(4, 3, cpus=[1], pinned=(1,)))
        assert (result.ok, result.cpus) == (True, (0,))

    def test_a_host_that_does_not_pin_is_not_asked(self) -> None:
        assert judged(scenario(), total(4, cpus=[0, 1], pinned=())).ok


class TestNotes:
    def notes(self, *samples: Sample, start_method: str = "fork") -> tuple[str, ...]:
        return judged(scenario(), *samples, start_method=start_method).notes

    def test_nothing_odd(self) -> None:
        forked = event("start", child=8, method="os.fork", name="", line="")
        assert self.notes(total(4, events=[started(7, "Process-1"), forked])) == ()

    def test_a_start_method_of_its_own(self) -> None:
        assert self.notes(total(4, events=[started(7, "P")]), start_method="spawn") == (
            "the script chose its own start method: fork instead of spawn",
        )

    def test_a_full_record(self) -> None:
        full = observed(stdout="total=4")
        assert full.locks
        assert self.notes(replace(full, locks={**full.locks, "cut": True})) == (
            "more lock events than fit the record: those until it was full were judged",
        )

    def test_trouble_of_the_observer(self) -> None:
        assert self.notes(total(4, events=[event("trouble", what="dump", error="x")])) == (
            "part of the lab's own observation failed inside the sample",
        )

    def test_much_output(self) -> None:
        assert self.notes(total(4, stdout_bytes=2 << 20)) == ()
        assert self.notes(total(4), total(4, stdout_bytes=5 << 20)) == (
            "5 MiB were printed; the first and the last MiB were kept",
        )


def across(expected: Verdict = Verdict.NONDETERMINISTIC, **values: Any) -> Scenario:
    """A scenario of which the cells, side by side, should amount to this."""
    return Scenario(Path("s.py"), summary="A global", expect_across=expected, **values)


def ended(start_method: str, outcome: str, cores: int = 1, **values: Any) -> CellResult:
    outcomes = (Outcome(outcome, Grade.ACCEPTABLE, 4),)
    return finished("s", start_method, cores, **{"outcomes": outcomes, **values})


FORK, SPAWN = ended("fork", "changed"), ended("spawn", "imported")
FORKSERVER = ended("forkserver", "imported")


class TestScenario:
    def test_cells_that_agree_as_they_should(self) -> None:
        result = judge_scenario(across(Verdict.CLEAN), "s.py", [SPAWN, FORKSERVER])
        assert result.to_record() == {
            "record": "scenario",
            "scenario": "s",
            "path": "s.py",
            "summary": "A global",
            "cells": 2,
            "verdict": "clean",
            "expected": "clean",
            "ok": True,
            "findings": [],
        }

    def test_cells_that_should_agree_and_do_not(self) -> None:
        result = judge_scenario(across(Verdict.CLEAN), "s.py", [FORK, SPAWN])
        assert (result.verdict, result.ok) == (Verdict.NONDETERMINISTIC, False)
        assert result.findings[0].evidence["axis"] == "start method"

    def test_cells_that_differ_as_they_should(self) -> None:
        result = judge_scenario(across(), "s.py", [FORK, SPAWN, FORKSERVER])
        assert (result.verdict, result.ok) == (Verdict.NONDETERMINISTIC, True)
        assert judge_scenario(across(), "s.py", [FORK, SPAWN]).ok

    def test_cells_that_should_differ_and_do_not(self) -> None:
        same = [FORK, ended("spawn", "changed"), ended("forkserver", "changed")]
        result = judge_scenario(across(), "s.py", same)
        assert (result.verdict, result.ok) == (Verdict.CLEAN, False)

    @pytest.mark.parametrize(
        ("cells", "verdict"),
        [
            ([FORK], Verdict.INCONCLUSIVE),
            ([FORK, ended("fork", "changed", cores=2)], Verdict.CLEAN),
            ([SPAWN, FORKSERVER], Verdict.CLEAN),
            ([FORK, replace(SPAWN, status=Status.UNSUPPORTED)], Verdict.INCONCLUSIVE),
            ([], Verdict.INCONCLUSIVE),
        ],
        ids=["one cell", "one start method", "two of three", "one ran", "none"],
    )
    def test_with_one_side_selected_nothing_can_differ(
        self, cells: list[CellResult], verdict: Verdict
    ) -> None:
        result = judge_scenario(across(), "s.py", cells)
        assert (result.verdict, result.ok, result.cells) == (verdict, True, len(cells))

    def test_one_start_method_may_be_all_there_is(self) -> None:
        alone = across(start_methods=("fork",))
        cells = [FORK, ended("fork", "changed", cores=2)]
        assert not judge_scenario(alone, "s.py", cells).ok
        assert judge_scenario(alone, "s.py", cells[:1]).ok

    def test_cells_are_not_compared_unless_the_scenario_asks_for_it(self) -> None:
        which = across(Verdict.CLEAN, checks=("cleanup",))
        result = judge_scenario(which, "s.py", [FORK, SPAWN])
        assert (result.verdict, result.findings, result.ok) == (Verdict.CLEAN, (), True)
