"""The harness of our own tests: which cells it runs, in which order, on how many workers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cpus
from lab.bench import Bench, Options

ROOT = Path(__file__).parents[2]
CELL = re.compile(r"::test_cell\[(.+)\]$")


def run_pytest(*args: str, affinity: int | None = None, **more: str) -> tuple[int, str]:
    """The exit code of pytest on our tests, and what it printed; `affinity` is the one CPU."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    pin = f"import os; os.sched_setaffinity(0, [{affinity}]); " if affinity is not None else ""
    code = f"{pin}import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "-p", "no:cacheprovider", *args],
        cwd=ROOT,
        env={**kept, "LAB_START_METHODS": "", "LAB_TIME_BUDGET": "", **more},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def collected(**more: str) -> list[str]:
    """The tests in tests/matrix, by their ids."""
    code, said = run_pytest("--collect-only", "-q", "tests/matrix", **more)
    assert code == 0, said
    return [line for line in said.splitlines() if "::" in line]


def test_every_cell_is_a_test_in_the_order_that_packs_best() -> None:
    cells = [found[1] for line in collected() if (found := CELL.search(line))]
    assert cells == list(Bench(Options()).cells)
    assert len(cells) > 3 * len(cpus.default_counts(len(cpus.usable())))


def test_start_methods_can_be_limited_and_inline_goes_along_with_fork() -> None:
    every = collected()
    fork = collected(LAB_START_METHODS="fork")
    rest = collected(LAB_START_METHODS="spawn,forkserver")
    methods = {line: found[1] for line in every if (found := re.search(r"\[(\w+)-\d+cpu-", line))}
    assert {methods[line] for line in fork if line in methods} == {"fork", "inline"}
    assert sorted(fork + rest) == sorted(every)
    assert any("side_by_side" in line for line in fork)
    assert not any("side_by_side" in line for line in rest)


@pytest.mark.parametrize(
    ("name", "value"), [("LAB_START_METHODS", "frok"), ("LAB_TIME_BUDGET", "-1")]
)
def test_a_wrong_setting_ends_the_run(name: str, value: str) -> None:
    code, said = run_pytest("--collect-only", "tests/matrix", **{name: value})
    assert code == pytest.ExitCode.USAGE_ERROR
    assert name in said
    assert value in said


def test_auto_means_as_many_workers_as_cpus_that_may_be_used() -> None:
    this = f"{__file__}::{test_a_wrong_setting_ends_the_run.__name__}[LAB_TIME_BUDGET--1]"
    code, said = run_pytest("-n", "auto", this, affinity=cpus.usable()[0])
    assert code == 0, said
    assert "1/1 worker" in said
