"""updates: lost ones are counted; where none could be lost, nothing is claimed."""

from __future__ import annotations

import pytest
from samples import case, observed, only, sample

from lab.checks import updates
from lab.model import Grade, Verdict

TOGETHER = ((1, "runs"), (2, "runs"), (1, "ends"), (2, "ends"))
IN_TURN = ((1, "runs"), (1, "ends"), (2, "runs"), (2, "ends"))
OK, ODD, BAD, NONE = Grade.ACCEPTABLE, Grade.INTERESTING, Grade.FORBIDDEN, Grade.UNGRADED


def test_lost_updates_are_counted() -> None:
    four = case(
        *(observed(*TOGETHER) for _ in range(4)),
        outcomes=("total=40", "total=39", "total=12", "total=x"),
        grades=(OK, ODD, BAD, NONE),
    )
    found = only(updates.judge(four))
    assert (found.check, found.verdict) == ("updates", Verdict.LOST_UPDATES)
    assert found.message == (
        "updates were lost in 3 of 4 samples (rate 0.75, 95% interval 0.30 to 0.95)"
    )
    assert found.evidence == {
        "samples": 4,
        "lost": 3,
        "rate": 0.75,
        "ci95": [0.3006, 0.9544],
        "examples": ["total=39", "total=12", "total=x"],
    }


def test_a_few_examples_will_do() -> None:
    many = case(*(sample() for _ in range(9)), outcomes=("39",) * 9, grades=(ODD,) * 9)
    assert only(updates.judge(many)).evidence["examples"] == ["39"] * 5


def test_none_lost_although_processes_were_at_work_together() -> None:
    assert updates.judge(case(sample(), observed(*TOGETHER))) == []


@pytest.mark.parametrize(
    ("samples", "seen"), [((sample(),), (0, 0)), ((sample(), observed(*IN_TURN)), (1, 1))]
)
def test_none_lost_where_none_could_be(samples: tuple[object, ...], seen: tuple[int, int]) -> None:
    found = only(updates.judge(case(*samples)))  # type: ignore[arg-type]
    assert found.verdict == Verdict.INCONCLUSIVE
    assert "no two processes were seen at work at the same time" in found.message
    assert found.evidence == {"together": seen[0], "observed": seen[1]}


def test_a_loss_counts_whoever_was_seen_together() -> None:
    found = only(updates.judge(case(observed(*IN_TURN), outcomes=("39",), grades=(ODD,))))
    assert found.verdict == Verdict.LOST_UPDATES


def test_inline_has_nobody_to_lose_to() -> None:
    assert updates.judge(case(sample(), concurrent=False)) == []


def test_samples_that_did_not_end_well_are_not_judged() -> None:
    failed = sample(exit_code=1)
    stuck = sample(end="deadlock", exit_code=-9)
    assert updates.judge(case(failed, stuck, grades=(BAD, BAD))) == []
    found = only(updates.judge(case(failed, sample(), grades=(BAD, ODD))))
    assert (found.evidence["lost"], found.evidence["samples"]) == (1, 1)


def test_power() -> None:
    five = case(sample(), *(observed(*TOGETHER) for _ in range(4)))
    assert updates.power(five) == {"lost_updates_missed_at_most": 0.5271}
    assert updates.power(case(sample())) == {"lost_updates_missed_at_most": 1.0}
