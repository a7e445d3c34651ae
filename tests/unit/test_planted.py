"""Planted bugs and their clean twins, through a real agent: each detector finds its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.bench import Bench, Options
from lab.model import CellResult, Verdict

PLANTED = Path(__file__).parents[1] / "planted"


def run(script: str, *args: str, method: str = "fork", samples: int = 4) -> CellResult:
    bench = Bench(
        Options(
            targets=(str(PLANTED / f"{script}.py"),),
            start_method=method,
            cores="1",
            samples=samples,
            timeout=5,
            args=" ".join(args),
        )
    )
    try:
        (planned,) = bench.cells.values()
        return bench.run(planned)
    finally:
        bench.close()


RED = [
    ("locks", "stray", Verdict.LOCK_VIOLATED),
    ("locks", "once_too_often", Verdict.LOCK_VIOLATED),
    ("locks", "holder_exits", Verdict.DEADLOCK),
    ("locks", "holder_terminated", Verdict.DEADLOCK),
    ("locks", "uncontended", Verdict.INCONCLUSIVE),
    ("locks", "none", Verdict.INCONCLUSIVE),
    ("exceptions", "unseen", Verdict.EXCEPTION),
    ("exceptions", "quits", Verdict.CRASHED),
    ("exceptions", "exits", Verdict.CRASHED),
    ("exceptions", "killed", Verdict.CRASHED),
    ("exceptions", "task_unfetched", Verdict.EXCEPTION),
    ("exceptions", "changed", Verdict.EXCEPTION),
    ("exceptions", "in_main", Verdict.EXCEPTION),
    ("exceptions", "exit_three", Verdict.CRASHED),
    ("cleanup", "detached", Verdict.LEAK),
    ("cleanup", "grandchild", Verdict.LEAK),
    ("cleanup", "zombie", Verdict.LEAK),
    ("cleanup", "memory", Verdict.LEAK),
    ("cleanup", "shm_file", Verdict.LEAK),
    ("cleanup", "unix_socket", Verdict.LEAK),
    ("cleanup", "file", Verdict.LEAK),
    ("cleanup", "folder", Verdict.LEAK),
    ("ends", "lock_order", Verdict.DEADLOCK),
    ("ends", "join_before_drain", Verdict.DEADLOCK),
    ("ends", "join_waiting", Verdict.DEADLOCK),
    ("ends", "busy", Verdict.HANG),
    ("ends", "sleeping", Verdict.HANG),
    ("ends", "in_c", Verdict.HANG),
]

GREEN = [
    ("locks", "clean"),
    ("locks", "rlock"),
    ("locks", "semaphore"),
    ("locks", "handed_over"),
    ("locks", "internals"),
    ("exceptions", "looked"),
    ("exceptions", "terminated"),
    ("exceptions", "task_fetched"),
    ("exceptions", "task_callback"),
    ("cleanup", "nothing"),
    ("cleanup", "tidy"),
    ("cleanup", "daemon"),
    ("cleanup", "manager"),
    ("cleanup", "pool"),
    ("ends", "slow"),
]


@pytest.mark.parametrize(("script", "bug", "verdict"), RED, ids=[f"{s}-{b}" for s, b, _ in RED])
def test_a_planted_bug_is_found(script: str, bug: str, verdict: Verdict) -> None:
    result = run(script, bug, samples=2 if script in ("ends", "cleanup") else 4)
    assert result.verdict == verdict, (result.reason, result.findings)


@pytest.mark.parametrize(("script", "twin"), GREEN, ids=["-".join(pair) for pair in GREEN])
def test_a_clean_twin_is_left_alone(script: str, twin: str) -> None:
    result = run(script, twin)
    assert result.verdict == Verdict.CLEAN, (result.reason, result.findings)


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("kind", ["value", "raw", "memory"])
def test_a_lock_that_is_stripped_loses_updates_on_one_core(kind: str, method: str) -> None:
    assert run("updates", kind, "bare", method=method, samples=12).verdict == Verdict.LOST_UPDATES


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_with_its_lock_nothing_is_lost(method: str) -> None:
    assert run("updates", "value", "locked", method=method).verdict == Verdict.CLEAN


def test_a_lock_that_each_child_makes_anew_keeps_nobody_out() -> None:
    result = run("module_lock", "global", method="spawn", samples=8)
    assert result.verdict == Verdict.LOCK_VIOLATED, result.findings
    assert "each has a lock of its own" in result.findings[0].message
    assert run("module_lock", "handed", method="spawn", samples=8).verdict == Verdict.CLEAN
