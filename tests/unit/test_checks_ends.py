"""How samples ended: who waits for whom, where a script failed, and how often."""

from __future__ import annotations

from typing import Any

import pytest
from samples import SEMAPHORE, SIGNAL, case, event, observed, only, sample, started, wait

from lab.checks import ends
from lab.model import Finding, Grade, Verdict

NAMES: list[list[Any]] = [started(1, "Process-1"), started(2, "Process-2")]
RAISED = {"type": "builtins.ValueError", "args": "(1,)", "line": "app.py:4"}


@pytest.mark.parametrize(
    ("code", "text"),
    [(0, "exit=0"), (1, "exit=1"), (255, "exit=255"), (-9, "signal=SIGKILL"), (-99, "signal=99")],
)
def test_exit_text(code: int, text: str) -> None:
    assert ends.exit_text(code) == text


def test_samples_that_ended_well() -> None:
    assert ends.judge(case(sample(), observed())) == []
    assert ends.judge(case()) == []


class TestDeadlock:
    def found(self, *waits: dict[str, Any], **values: Any) -> Finding:
        stuck = sample(
            **{"end": "deadlock", "exit_code": -9, "ladder": "kill", "events": NAMES, **values},
            waits=list(waits),
        )
        return only(ends.judge(case(sample(), stuck)))

    def test_says_who_waits_for_whom(self) -> None:
        found = self.found(
            wait(1, "semaphore", "semaphore:7", held_by=[2]),
            wait(2, "semaphore", "semaphore:8", held_by=[1]),
        )
        assert (found.check, found.verdict) == ("ends", Verdict.DEADLOCK)
        assert found.message == (
            "no process can go on (1 of 2 samples): "
            "Process-1 (pid 1) waits for a lock, held by Process-2 (pid 2); "
            "Process-2 (pid 2) waits for a lock, held by Process-1 (pid 1)"
        )
        assert found.evidence == {
            "seed": 2,
            "samples": 2,
            "deadlocked": 1,
            "waits": [
                {
                    "process": "Process-1 (pid 1)",
                    "thread": "MainThread",
                    "waits_for": "a lock, held by Process-2 (pid 2)",
                    "line": "app.py:1 in main",
                    "held_by": "Process-2 (pid 2)",
                },
                {
                    "process": "Process-2 (pid 2)",
                    "thread": "MainThread",
                    "waits_for": "a lock, held by Process-1 (pid 1)",
                    "line": "app.py:2 in main",
                    "held_by": "Process-1 (pid 1)",
                },
            ],
            "stacks": {
                "Process-1 (pid 1) MainThread": "app.py:1 in main",
                "Process-2 (pid 2) MainThread": "app.py:2 in main",
            },
            "ended_by": "kill",
        }

    @pytest.mark.parametrize(
        ("waits", "told"),
        [
            (wait(1, "process", "pid 2", **{"for": [2]}), "the end of Process-2 (pid 2)"),
            (wait(1, "pipe", "pipe:[5]", **{"for": [1, 2]}), "a pipe of Process-2 (pid 2)"),
            (wait(1, "pipe", "pipe:[5]", **{"for": [1]}), "a pipe of its own"),
            (wait(1, "socket", "socket:[5]"), "a message on a socket"),
            (wait(1, "thread", "another thread"), "another of its threads"),
            (wait(1, "sleep"), "a sleep to end"),
            (wait(1, "running"), "nothing: it runs"),
            (wait(1, "other", "system call 999"), "system call 999"),
            (wait(1, "other"), "something outside the sample"),
            (wait(1, "semaphore", "semaphore:7"), "a lock that nobody alive holds"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    def test_names_what_is_waited_for(self, waits: dict[str, Any], told: str) -> None:
        assert self.found(waits).message.endswith(f": Process-1 (pid 1) waits for {told}")

    def test_an_observed_sample_knows_where_a_lock_was_made_and_who_died_with_it(self) -> None:
        waits = [wait(2, "semaphore", "semaphore:7")]
        steps = ((1, "takes"), (2, "gives up"))
        stuck = observed(*steps, events=NAMES, waits=waits, end="deadlock")
        plain = sample(events=NAMES, waits=waits, end="deadlock")
        found = only(ends.judge(case(plain, stuck)))
        assert found.message == (
            "no process can go on (2 of 2 samples): Process-2 (pid 2) waits for a lock made at "
            "app.py:3, taken at app.py:1 by Process-1 (pid 1), which ended without releasing it"
        )
        assert found.evidence["seed"] == 1

    @pytest.mark.parametrize(
        ("made", "told"),
        [
            (SEMAPHORE, "a semaphore made at app.py:3 that nobody alive holds"),
            (SIGNAL, "a signal made at app.py:3 that nobody gives"),
        ],
    )
    def test_an_observed_sample_knows_the_sort(self, made: dict[str, Any], told: str) -> None:
        waits = [wait(2, "semaphore", "semaphore:7")]
        steps = ((1, "takes"), (1, "releases"), (2, "gives up"))
        stuck = observed(*steps, made={7: made}, waits=waits, end="deadlock")
        assert f"waits for {told}" in only(ends.judge(case(stuck))).message

    def test_idle_helpers_are_left_out_but_not_those_that_wait_for_a_holder(self) -> None:
        found = self.found(
            wait(1, "semaphore", "semaphore:7", main=False, held_by=[2]),
            wait(1, "semaphore", "semaphore:8", main=False),
            wait(1, "thread", main=False),
        )
        assert [told["waits_for"] for told in found.evidence["waits"]] == [
            "a lock, held by Process-2 (pid 2)"
        ]

    def test_where_nothing_is_known_nothing_is_told(self) -> None:
        assert self.found().message == "no process can go on (1 of 2 samples)"


class TestHang:
    def test_says_where_the_first_process_was(self) -> None:
        left = [{"kind": "file", "name": "x", "by": None, "line": ""}]
        hung = sample(
            end="hang", seconds=60.04, ladder="terminate", waits=[wait(100, "running")], left=left
        )
        found = only(ends.judge(case(sample(), sample(), hung)))
        assert (found.check, found.verdict) == ("ends", Verdict.HANG)
        assert found.message == (
            "still at work after 60.0 s (1 of 3 samples); the first process was at "
            "app.py:100 in main"
        )
        assert found.evidence["hung"] == 1
        assert found.evidence["ended_by"] == "terminate"
        assert found.evidence["left"] == left

    def test_where_nothing_is_known(self) -> None:
        found = only(ends.judge(case(sample(end="hang", seconds=1))))
        assert found.message == "still at work after 1.0 s (1 of 1 samples)"


def test_a_script_that_forks_without_end() -> None:
    found = only(ends.judge(case(sample(end="too many processes", stderr="x" * 3000))))
    assert found.verdict == Verdict.CRASHED
    assert "forks without end (1 of 1 samples)" in found.message
    assert len(found.evidence["stderr"]) == 2000


class TestFailure:
    UNGRADED = Grade.FORBIDDEN

    def found(self, *samples: Any, grades: tuple[Grade, ...] = ()) -> list[Finding]:
        return ends.judge(case(*samples, grades=grades or (self.UNGRADED,) * len(samples)))

    def raised(self, seed: int = 2, **values: Any) -> Any:
        events = [event("exception", where="main", **{**RAISED, **values})]
        return sample(seed, exit_code=1, stderr="Traceback", events=events)

    def test_of_a_script_that_raised(self) -> None:
        found = only(self.found(sample(), self.raised(4), self.raised(6)))
        assert (found.check, found.verdict) == ("ends", Verdict.EXCEPTION)
        assert found.message == (
            "the script raised builtins.ValueError(1,) at app.py:4 (2 of 3 samples)"
        )
        assert found.evidence == {"seed": 4, "exit": "exit=1", "stderr": "Traceback", **RAISED}

    @pytest.mark.parametrize(
        ("kind", "args", "told"),
        [
            ("SyntaxError", "('invalid syntax', ('my app.py', 4, 6, 'type X = int\\n', 4, 7))", 4),
            ("IndentationError", "('unexpected indent', ('my app.py', 2, 1, ' x\\n'))", 2),
            ("TabError", """("it's (', ('x', 1, ", ("my app.py", 7, 1, 'x...""", 7),  # cut off
        ],
    )
    def test_of_a_script_that_cannot_be_parsed(self, kind: str, args: str, told: int) -> None:
        raised = self.raised(type=f"builtins.{kind}", args=args, line="")
        found = only(self.found(raised))
        assert f"{args} at my app.py:{told} (1 of 1 samples)" in found.message
        assert found.evidence["line"] == f"my app.py:{told}"

    @pytest.mark.parametrize(
        ("kind", "args"),
        [
            ("builtins.SyntaxError", "('source code string cannot contain null bytes',)"),
            ("builtins.SyntaxError", "('x', ('app.py', None, None, None))"),
            ("app.Refused", "('x', ('app.py', 3, 1, 'x'))"),
        ],
    )
    def test_of_a_line_that_nobody_knows(self, kind: str, args: str) -> None:
        found = only(self.found(self.raised(type=kind, args=args, line="")))
        assert found.message == f"the script raised {kind}{args} (1 of 1 samples)"

    def test_that_parsed_something_else(self) -> None:
        args = "('invalid syntax', ('<string>', 1, 2, 'x x'))"
        raised = self.raised(type="builtins.SyntaxError", args=args)
        assert f"{args} at app.py:4 (" in only(self.found(raised)).message

    def test_of_a_script_that_ended_itself(self) -> None:
        found = only(self.found(sample(exit_code=3)))
        assert found.verdict == Verdict.CRASHED
        assert found.message == "the script ended with exit=3 (1 of 1 samples)"

    def test_of_a_script_that_was_killed(self) -> None:
        found = only(self.found(sample(exit_code=-11)))
        assert found.message == "the script ended with signal=SIGSEGV (1 of 1 samples)"

    def test_of_a_child_is_not_the_scripts(self) -> None:
        child = event("exception", 7, where="child", **RAISED)
        found = only(self.found(sample(exit_code=1, events=[child])))
        assert found.verdict == Verdict.CRASHED

    def test_one_way_does_not_hide_another(self) -> None:
        both = self.found(self.raised(4), sample(6, exit_code=-11), self.raised(8))
        assert [(found.verdict, found.evidence["seed"]) for found in both] == [
            (Verdict.EXCEPTION, 4),
            (Verdict.CRASHED, 6),
        ]
        assert "(2 of 3 samples)" in both[0].message
        assert "(1 of 3 samples)" in both[1].message

    @pytest.mark.parametrize(
        ("grade", "found"),
        [
            (Grade.ACCEPTABLE, 0),
            (Grade.INTERESTING, 0),
            (Grade.FORBIDDEN, 1),
            (Grade.UNGRADED, 1),
        ],
    )
    def test_that_the_outcome_table_grants_is_none(self, grade: Grade, found: int) -> None:
        assert len(self.found(sample(exit_code=1), grades=(grade,))) == found


def test_every_way_to_end_badly_is_told() -> None:
    samples = (
        sample(end="hang"),
        sample(exit_code=2),
        sample(end="too many processes"),
        sample(end="deadlock"),
    )
    grades = (Grade.FORBIDDEN,) * 4
    assert [found.verdict for found in ends.judge(case(*samples, grades=grades))] == [
        Verdict.DEADLOCK,
        Verdict.HANG,
        Verdict.CRASHED,
        Verdict.CRASHED,
    ]
