"""exceptions: failures that nobody was told of, and exceptions that arrive as others."""

from __future__ import annotations

from typing import Any

from samples import case, event, only, sample, started

from lab.checks import exceptions
from lab.model import Finding, Sample, Verdict

RAISED = {"type": "builtins.ValueError", "args": "(1,)", "line": "app.py:4"}
CHILD = started(7, "Process-1")
FAILED = event("exception", 7, where="child", **RAISED)
REAPED = event("reaped", child=7, code=1)


def judged(*events: list[Any], **values: Any) -> list[Finding]:
    """What is found in two samples, the second of which has these events."""
    return exceptions.judge(case(sample(), sample(4, events=list(events), **values)))


class TestProcess:
    def test_that_raised_and_nobody_looked(self) -> None:
        found = only(judged(CHILD, FAILED, REAPED, stderr="Traceback"))
        assert (found.check, found.verdict) == ("exceptions", Verdict.EXCEPTION)
        assert found.message == (
            "Process-1 (pid 7) raised builtins.ValueError(1,) at app.py:4; "
            "nobody looked at its exit code, and the script ended as if all were well"
        )
        assert found.evidence == {
            "seed": 4,
            "process": "Process-1 (pid 7)",
            **RAISED,
            "stderr": "Traceback",
        }

    def test_that_raised_where_nobody_knows(self) -> None:
        nowhere = event("exception", 7, where="child", **{**RAISED, "line": ""})
        found = only(judged(CHILD, nowhere, REAPED))
        assert found.message.startswith(
            "Process-1 (pid 7) raised builtins.ValueError(1,); nobody looked"
        )

    def test_that_was_killed_and_nobody_looked(self) -> None:
        found = only(judged(CHILD, event("reaped", child=7, code=-9)))
        assert found.verdict == Verdict.CRASHED
        assert found.message.startswith(
            "Process-1 (pid 7) ended with signal=SIGKILL; nobody looked"
        )
        assert found.evidence["exit"] == "signal=SIGKILL"

    def test_that_nobody_even_reaped(self) -> None:
        found = only(judged(CHILD, event("exit", 7, name="Process-1", code=3)))
        assert found.message.startswith("Process-1 (pid 7) ended with exit=3; nobody looked")

    def test_each_of_several(self) -> None:
        others = [event("reaped", child=8, code=2), event("reaped", child=9, code=-11)]
        assert [found.verdict for found in judged(CHILD, FAILED, REAPED, *others)] == [
            Verdict.EXCEPTION,
            Verdict.CRASHED,
            Verdict.CRASHED,
        ]

    def test_whose_exit_code_was_read(self) -> None:
        assert judged(CHILD, FAILED, REAPED, event("looked", of=7, code=1)) == []

    def test_that_the_script_ended_itself(self) -> None:
        sent = event("signal", to=7, sig=15, line="app.py:8")
        assert judged(CHILD, sent, event("reaped", child=7, code=-15)) == []

    def test_that_ended_well(self) -> None:
        assert judged(CHILD, event("exit", 7, name="Process-1", code=0)) == []

    def test_in_a_script_that_failed_too(self) -> None:
        assert judged(CHILD, FAILED, REAPED, exit_code=1) == []
        assert judged(CHILD, FAILED, REAPED, end="hang") == []


class TestPool:
    LOST = event("failed", key=5, **RAISED)

    def test_a_result_that_nobody_asked_for(self) -> None:
        found = only(judged(event("raised", 7, **RAISED), self.LOST))
        assert (found.check, found.verdict) == ("exceptions", Verdict.EXCEPTION)
        assert found.message == (
            "a task of a Pool raised builtins.ValueError(1,), and nobody asked for its "
            "result, so nobody ever knew"
        )
        assert found.evidence == {"seed": 4, **RAISED}

    def test_a_result_of_another_key_or_process(self) -> None:
        other = [event("got", key=6, remote=True, **RAISED)]
        also = [event("got", 7, key=5, remote=True, **RAISED)]
        assert only(judged(event("raised", 7, **RAISED), self.LOST, *other, *also))

    def test_a_result_that_was_asked_for(self) -> None:
        got = event("got", key=5, remote=True, **RAISED)
        assert judged(event("raised", 7, **RAISED), self.LOST, got) == []

    def test_in_a_script_that_failed_itself(self) -> None:
        assert judged(self.LOST, exit_code=1) == []


class TestArrival:
    def got(
        self, raised: dict[str, str], got: dict[str, str], remote: bool = True
    ) -> list[Finding]:
        return judged(event("raised", 7, **raised), event("got", key=5, remote=remote, **got))

    def test_of_another_type(self) -> None:
        found = only(self.got(RAISED, {**RAISED, "type": "builtins.TypeError"}))
        assert found.verdict == Verdict.EXCEPTION
        assert found.message == ("get() raised builtins.TypeError(1,), which no worker had raised")
        assert found.evidence["raised"] == [["builtins.ValueError", "(1,)"]]

    def test_with_other_arguments(self) -> None:
        found = only(self.got(RAISED, {**RAISED, "args": "()"}))
        assert found.message == "get() raised builtins.ValueError(), which no worker had raised"

    def test_without_the_workers_traceback(self) -> None:
        found = only(self.got(RAISED, RAISED, remote=False))
        assert found.message == ("builtins.ValueError arrived without the traceback of the worker")

    def test_as_it_was_raised(self) -> None:
        assert self.got(RAISED, RAISED) == []

    def test_with_an_argument_that_shows_its_address(self) -> None:
        """The copy that arrives is at another one."""
        one, other = (
            {**RAISED, "args": f"(<app.Item object at {at}>,)"} for at in ("0x7f1", "0x5e")
        )
        assert self.got(one, other) == []
        assert self.got(one, {**other, "args": other["args"].replace("Item", "Order")}) != []

    def test_of_what_the_pool_itself_made(self) -> None:
        made = {**RAISED, "type": "multiprocessing.pool.MaybeEncodingError"}
        assert self.got(RAISED, made) == []
        assert judged(event("got", key=5, remote=False, **RAISED)) == []


def test_nothing_raised_is_nothing_found() -> None:
    assert judged() == []
    assert exceptions.judge(case()) == []


def test_the_first_sample_with_a_finding_will_do() -> None:
    def failed(seed: int) -> Sample:
        return sample(seed, events=[CHILD, FAILED, REAPED])

    found = only(exceptions.judge(case(sample(), failed(6), failed(8))))
    assert found.evidence["seed"] == 6
