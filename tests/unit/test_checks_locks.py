"""locks: two inside a lock, locks that are not shared, locks whose holder died."""

from __future__ import annotations

from typing import Any

import pytest
from samples import LOCK, SEMAPHORE, SIGNAL, case, event, observed, only, sample, started, wait

from lab.checks import locks
from lab.model import Verdict

NAMES: list[list[Any]] = [started(1, "Process-1"), started(2, "Process-2")]
CONTENDED = ((1, "takes"), (1, "releases"), (2, "waits and takes"), (2, "releases"))


class TestOverlap:
    def test_two_inside_a_lock(self) -> None:
        steps = ((1, "takes"), (2, "takes"), (1, "releases"), (2, "releases"))
        found = only(locks.judge(case(sample(), observed(*steps, events=NAMES))))
        assert (found.check, found.verdict) == ("locks", Verdict.LOCK_VIOLATED)
        assert found.message == (
            "2 processes were inside the lock made at app.py:3 at the same time"
        )
        assert found.evidence == {
            "seed": 1,
            "lock": "app.py:3",
            "limit": 1,
            "overlaps": 1,
            "sections": [
                {"process": "Process-2 (pid 2)", "from_ns": 2, "to_ns": 4, "line": "app.py:2"},
                {"process": "Process-1 (pid 1)", "from_ns": 1, "to_ns": 3, "line": "app.py:1"},
            ],
            "strays": [],
        }

    def test_three_inside_a_semaphore_of_two(self) -> None:
        steps = ((1, "takes"), (2, "takes"), (3, "takes"))
        found = only(locks.judge(case(observed(*steps, made={7: SEMAPHORE}))))
        assert found.message == (
            "3 processes were inside the semaphore of 2 made at app.py:3 at the same time"
        )

    def test_let_in_by_a_stray_release(self) -> None:
        steps = ((1, "takes"), (2, "releases"), (3, "takes"), (1, "releases"), (3, "releases"))
        found = only(locks.judge(case(observed(*steps, events=NAMES))))
        assert found.message == (
            "2 processes were inside the lock made at app.py:3 at the same time; "
            "Process-2 (pid 2) released it at app.py:2 without having taken it"
        )
        assert found.evidence["strays"] == [
            "Process-2 (pid 2) released it at app.py:2 without having taken it"
        ]

    def test_none_under_locks_that_were_waited_for(self) -> None:
        assert locks.judge(case(sample(), observed(*CONTENDED))) == []
        semaphore = observed(*CONTENDED, made={7: SEMAPHORE})
        assert locks.judge(case(semaphore)) == []


class TestPrivateLock:
    """A lock at module level, which every spawned process makes anew."""

    def made(self, *pids: int) -> dict[int, dict[str, Any]]:
        return {7 + pid: {**LOCK, "pid": pid} for pid in pids}

    def at_one_line(
        self,
        steps: tuple[tuple[int, str, int], ...],
        line: str = "app.py:5",
        made: dict[int, dict[str, Any]] | None = None,
    ) -> Any:
        found = observed(*steps, made=made or self.made(1, 2), events=NAMES)
        assert found.locks
        for lock in found.locks["locks"]:
            lock["sections"] = [(since, to, pid, line) for since, to, pid, _ in lock["sections"]]
        return found

    def test_sections_of_one_line_overlap(self) -> None:
        steps = ((1, "takes", 8), (2, "takes", 9), (1, "releases", 8), (2, "releases", 9))
        found = only(locks.judge(case(self.at_one_line(steps))))
        assert found.verdict == Verdict.LOCK_VIOLATED
        assert found.message == (
            "the section at app.py:5 was entered by two processes at the same time: "
            "each has a lock of its own, made at app.py:3"
        )
        assert found.evidence["locks"] == 2
        assert [s["process"] for s in found.evidence["sections"]] == [
            "Process-1 (pid 1)",
            "Process-2 (pid 2)",
        ]

    def test_a_lock_of_the_fork_server_and_one_of_the_parent(self) -> None:
        steps = (
            (1, "takes", 8),
            (1, "releases", 8),
            (2, "takes", 8),
            (3, "takes", 9),
            (2, "releases", 8),
            (3, "releases", 9),
        )
        made = {8: {**LOCK, "pid": 4, "preloaded": True}, 9: {**LOCK, "pid": 3}}
        found = only(locks.judge(case(self.at_one_line(steps, made=made))))
        assert found.verdict == Verdict.LOCK_VIOLATED
        assert "each has a lock of its own" in found.message

    def test_sections_of_one_line_one_after_the_other(self) -> None:
        steps = ((1, "takes", 8), (1, "releases", 8), (2, "takes", 9), (2, "releases", 9))
        found = only(locks.judge(case(self.at_one_line(steps))))
        assert found.verdict == Verdict.INCONCLUSIVE

    def test_sections_of_different_lines(self) -> None:
        steps = ((1, "takes", 8), (2, "takes", 9), (1, "releases", 8), (2, "releases", 9))
        found = only(locks.judge(case(observed(*steps, made=self.made(1, 2)))))
        assert found.verdict == Verdict.INCONCLUSIVE

    @pytest.mark.parametrize(
        "made",
        [
            {8: {**LOCK, "pid": 1}, 9: LOCK},
            {8: {**LOCK, "pid": 1, "line": ""}, 9: {**LOCK, "pid": 2, "line": ""}},
            {8: {**LOCK, "pid": 1}, 9: {**LOCK, "pid": 2, "line": "app.py:4"}},
        ],
        ids=["one of them was handed over", "nobody knows where they were made", "made elsewhere"],
    )
    def test_locks_that_are_not_one_in_two_places(self, made: dict[int, dict[str, Any]]) -> None:
        steps = ((1, "takes", 8), (2, "takes", 9), (1, "releases", 8), (2, "releases", 9))
        found = only(locks.judge(case(self.at_one_line(steps, made=made))))
        assert found.verdict == Verdict.INCONCLUSIVE

    def test_two_locks_of_one_process(self) -> None:
        steps = ((1, "takes", 8), (1, "takes", 9), (1, "releases", 8), (1, "releases", 9))
        made = {8: {**LOCK, "pid": 1}, 9: {**LOCK, "pid": 1}}
        assert only(locks.judge(case(observed(*steps, made=made)))).verdict == Verdict.INCONCLUSIVE


class TestHolderThatDied:
    STEPS = ((1, "takes"), (2, "gives up"))

    def test_while_another_waits(self) -> None:
        waits = [wait(2, "semaphore", "semaphore:7")]
        stuck = observed(*self.STEPS, events=NAMES, waits=waits, end="deadlock")
        found = only(locks.judge(case(stuck)))
        assert (found.check, found.verdict) == ("locks", Verdict.DEADLOCK)
        assert found.message == (
            "Process-1 (pid 1) took the lock made at app.py:3 in app.py:1 "
            "and ended without releasing it"
        )
        assert found.evidence["holder"] == "Process-1 (pid 1)"
        assert found.evidence["sections"][0]["to_ns"] is None

    def test_while_nobody_waits(self) -> None:
        assert only(locks.judge(case(observed(*self.STEPS)))).verdict == Verdict.INCONCLUSIVE

    def test_that_is_alive_and_holds_it(self) -> None:
        waits = [wait(2, "semaphore", "semaphore:7", held_by=[1])]
        stuck = observed(*self.STEPS, waits=waits, end="deadlock")
        assert only(locks.judge(case(stuck))).verdict == Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ((sample(),), "no sample was observed, so no lock could be followed"),
        ((observed(),), "no lock was taken by more than one process"),
        (
            (observed((1, "takes"), (1, "releases")),),
            "no lock was taken by more than one process",
        ),
        (
            (observed(*CONTENDED, made={7: SIGNAL}),),
            "no lock was taken by more than one process",
        ),
        (
            (observed((1, "takes"), (1, "releases"), (2, "takes"), (2, "releases")),),
            "no process ever had to wait for a lock, so none was put to the test",
        ),
    ],
)
def test_nothing_seen_is_nothing_claimed(samples: tuple[Any, ...], message: str) -> None:
    found = only(locks.judge(case(*samples)))
    assert (found.check, found.verdict, found.message) == ("locks", Verdict.INCONCLUSIVE, message)


def test_inline_has_nobody_to_wait_for() -> None:
    assert locks.judge(case(sample(), concurrent=False)) == []


def test_the_first_sample_with_a_finding_will_do() -> None:
    steps = ((1, "takes"), (2, "takes"))
    many = case(observed(*CONTENDED), observed(*steps, seed=3), observed(*steps, seed=5))
    assert only(locks.judge(many)).evidence["seed"] == 3


def test_power() -> None:
    signal = observed((1, "takes"), made={7: SIGNAL})
    both = case(sample(), observed(*CONTENDED), observed(*CONTENDED), signal)
    assert locks.power(both) == {"lock_sections": 4, "lock_waits": 2}
    assert locks.power(case(sample(events=[event("got")]))) == {"lock_sections": 0, "lock_waits": 0}
