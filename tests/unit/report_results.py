"""A small run with one of everything, for the tests of reports and of the store."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lab.model import CellResult, Finding, Grade, Outcome, ScenarioResult, Status, Verdict
from lab.store import Run

LOST = "an increment was lost: += on a Value is a read, then a write"


def cell(scenario: str, start_method: str = "fork", cores: int = 1, **values: Any) -> CellResult:
    """A cell that is clean as expected, but for `values`."""
    python = values.pop("python", "3.13.1")
    profile = values.pop("profile", "default")
    short = ".".join(python.split(".")[:2])
    defaults: dict[str, Any] = {
        "id": f"{scenario}[{start_method}-{cores}cpu-py{short}-{profile}]",
        "path": f"scenarios/{scenario}.py",
        "host": "local",
        "cpus": tuple(range(cores)),
        "verdict": Verdict.CLEAN,
        "expected": Verdict.CLEAN,
        "ok": True,
        "samples": 20,
        "seconds": 4.12,
        "cpu_seconds": 7.9,
        "repro": f"lab run scenarios/{scenario}.py --start-method {start_method} --cores {cores}"
        f" --python {short} --samples 20 --seed 7",
    }
    return CellResult(
        scenario=scenario,
        start_method=start_method,
        cores=cores,
        python=python,
        profile=profile,
        **{**defaults, **values},
    )


def scenario(name: str, summary: str, cells: int, **values: Any) -> ScenarioResult:
    """A scenario whose cells agree, but for `values`."""
    defaults: dict[str, Any] = {"verdict": Verdict.CLEAN, "expected": Verdict.CLEAN, "ok": True}
    path = f"scenarios/{name}.py"
    return ScenarioResult(name, path, summary, cells, **{**defaults, **values})


LOST_UPDATES: dict[str, Any] = {
    "verdict": Verdict.LOST_UPDATES,
    "expected": Verdict.LOST_UPDATES,
    "outcomes": (
        Outcome("total=3971", Grade.INTERESTING, 12, LOST),
        Outcome("total=4000", Grade.ACCEPTABLE, 8, "no two increments met"),
    ),
    "findings": (
        Finding(
            "updates",
            Verdict.LOST_UPDATES,
            "12 of 20 samples lost an update",
            {"samples": 20, "lost": 12, "rate": 0.6, "ci95": [0.387, 0.781]},
        ),
    ),
    "power": {"samples": 20, "overlap": 0.85},
}

DEADLOCK = Finding(
    "exceptions",
    Verdict.DEADLOCK,
    "2 processes wait for each other",
    {
        "waits": [
            {
                "process": "Process-1 (pid 11)",
                "thread": "MainThread",
                "waits_for": "lock b",
                "held_by": "Process-2 (pid 12)",
                "line": "app.py:31 in work",
            },
            {
                "process": "Process-2 (pid 12)",
                "thread": "MainThread",
                "waits_for": "lock a",
                "held_by": "Process-1 (pid 11)",
                "line": "app.py:38 in work",
            },
        ],
        "stacks": {"pid 11 (Process-1)": 'File "app.py", line 31 in work\nFile "app.py", line 50'},
    },
)

DISAGREE = Finding(
    "determinism",
    Verdict.NONDETERMINISTIC,
    "cells of one outcome each disagree along the start method",
    {
        "axis": "start method",
        "sides": {"fork": {"seen=7": 40}, "spawn": {"seen=0": 40}},
    },
)


def small_run(folder: Path = Path("reports/2026-11-24T16-44-55")) -> Run:
    """Three scenarios: as expected, with one cell not as expected, and all that can befall."""
    cells = (
        *(
            cell("value_unlocked", method, cores, **LOST_UPDATES)
            for cores in (1, 2)
            for method in ("fork", "spawn")
        ),
        cell("two_locks", "fork", 1),
        cell("two_locks", "spawn", 1),
        cell(
            "two_locks",
            "fork",
            2,
            verdict=Verdict.DEADLOCK,
            ok=False,
            samples=3,
            outcomes=(Outcome("deadlock", Grade.FORBIDDEN, 3, "both wait for ever"),),
            findings=(DEADLOCK,),
            notes=("stopped after 3 samples: each took its 10 s",),
        ),
        cell("two_locks", "spawn", 2),
        cell("globals_seen", "fork", 1),
        cell("globals_seen", "spawn", 1),
        cell(
            "globals_seen",
            "fork",
            2,
            status=Status.UNSUPPORTED,
            reason="needs 2 CPUs, this machine lets us use 1",
            ok=False,
            samples=0,
        ),
        cell(
            "globals_seen",
            "spawn",
            2,
            status=Status.ERROR,
            reason="the agent answered nothing for 60 s\nlast line: ready",
            ok=False,
            samples=0,
        ),
    )
    scenarios = (
        scenario(
            "value_unlocked",
            "Four processes add to one Value without holding its lock",
            4,
            verdict=Verdict.LOST_UPDATES,
            expected=Verdict.CLEAN,
        ),
        scenario("two_locks", "Two processes take two locks in opposite orders", 4),
        scenario(
            "globals_seen",
            "What a child sees of a global that its parent changed",
            4,
            verdict=Verdict.NONDETERMINISTIC,
            ok=False,
            findings=(DISAGREE,),
        ),
    )
    facts = {
        "versions": {"lab": "0.1.0", "python": "3.13.1", "pytest": "9.0.1", "psutil": "7.1.0"},
        "machine": {
            "name": "build-7",
            "system": "Linux",
            "release": "6.1.0",
            "architecture": "x86_64",
            "cpus": 8,
            "cpus_usable": [0, 1, 2, 5],
        },
        "argv": ["lab", "run", "scenarios", "--cores", "1,2"],
        "axes": {"start methods": ["fork", "spawn"], "cores": [1, 2]},
        "seed": 7,
        "cells": 12,
        "started": "2026-11-24T16:44:55.000+01:00",
        "ended": "2026-11-24T16:48:07.000+01:00",
    }
    return Run(folder, cells, scenarios, facts)
