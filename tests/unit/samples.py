"""Hand-made samples, lock records and cases, for the tests of checks and verdicts."""

from __future__ import annotations

from typing import Any

from lab.agent.inside.mplab_inside.records import (
    ENDS,
    NOT_TAKEN,
    RELEASED,
    RUNS,
    TAKEN,
    TAKEN_AFTER_WAIT,
)
from lab.agent.sections import Record, summarize
from lab.checks.case import Case
from lab.model import Finding, Grade, Sample, Verdict

ROOT = 100
"""The pid of the first process of every sample."""

LOCK: dict[str, Any] = {"sort": 1, "value": 1, "max": 1, "line": "app.py:3", "pid": ROOT}
RLOCK: dict[str, Any] = {**LOCK, "sort": 0}
SEMAPHORE: dict[str, Any] = {**LOCK, "value": 2, "max": 2147483647}
SIGNAL: dict[str, Any] = {**LOCK, "value": 0, "max": 2147483647}

_OPERATIONS = {
    "takes": TAKEN,
    "waits and takes": TAKEN_AFTER_WAIT,
    "releases": RELEASED,
    "gives up": NOT_TAKEN,
    "runs": RUNS,
    "ends": ENDS,
}


def records(*steps: tuple[int, str] | tuple[int, str, int]) -> list[Record]:
    """Lock records of (pid, what it does, key of the lock or 7), one step apart in time."""
    made = []
    for at, (pid, does, *key) in enumerate(steps, 1):
        number = key[0] if key else 7
        made.append(Record(at, pid, pid, number, _OPERATIONS[does], f"app.py:{pid}"))
    return made


def sample(seed: int = 2, **values: Any) -> Sample:
    """A sample that ended well, but for `values`."""
    plain = {"seed": seed, "cpus": [0], "pinned": (0,), "python": "3.13.1", "root": ROOT}
    return Sample(**{**plain, **values})


def observed(
    *steps: tuple[int, str] | tuple[int, str, int],
    made: dict[int, dict[str, Any]] | None = None,
    **values: Any,
) -> Sample:
    """A sample whose locks were followed; `steps` are those of `records`."""
    locks = {**summarize(records(*steps), {7: LOCK} if made is None else made), "cut": False}
    return sample(**{"seed": 1, "observed": True, "locks": locks, **values})


def event(kind: str, pid: int = ROOT, **fields: Any) -> list[Any]:
    """An event of a process."""
    return [kind, pid, 0, fields]


def started(child: int, name: str) -> list[Any]:
    """The event that the first process started a child."""
    return event("start", child=child, method="fork", name=name, daemon=False, line="app.py:9")


def wait(pid: int, kind: str, on: str = "", **values: Any) -> dict[str, Any]:
    """What the main thread of a process waits for, without a time limit."""
    return {
        "pid": pid,
        "tid": pid,
        "process": "",
        "thread": "MainThread",
        "main": True,
        "kind": kind,
        "on": on,
        "for": [],
        "timed": False,
        "line": f"app.py:{pid} in main",
        "stack": [f"app.py:{pid} in main"],
        "held_by": [],
        "dead": [],
        **values,
    }


def case(
    *samples: Sample,
    outcomes: tuple[str, ...] = (),
    grades: tuple[Grade, ...] = (),
    expected: Verdict = Verdict.CLEAN,
    concurrent: bool = True,
) -> Case:
    """A case; every outcome is `done` and acceptable unless told otherwise."""
    return Case(
        samples,
        outcomes or ("done",) * len(samples),
        grades or (Grade.ACCEPTABLE,) * len(samples),
        expected,
        concurrent,
    )


def only(findings: list[Finding]) -> Finding:
    """The one finding that there is."""
    assert len(findings) == 1, findings
    return findings[0]
