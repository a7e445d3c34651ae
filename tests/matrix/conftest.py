"""The bundled scenarios' cells, as parameters.

LAB_START_METHODS    methods to run, such as `fork,spawn` (default: each scenario's own)
LAB_TIME_BUDGET      as --time-budget of `lab run` (default: quick)
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab import matrix
from lab.bench import Bench, Options
from lab.errors import LabError
from lab.model import START_METHODS

CELLS = pytest.StashKey[Bench]()
PAIRS = pytest.StashKey[Bench]()
METHODS = pytest.StashKey[tuple[str, ...]]()


def pytest_configure(config: pytest.Config) -> None:
    """Plan the cells."""
    try:
        asked = matrix.parse_start_methods(os.environ.get("LAB_START_METHODS", ""))
        budget = os.environ.get("LAB_TIME_BUDGET") or "quick"
        config.stash[CELLS] = Bench(Options(time_budget=budget))
        config.stash[PAIRS] = Bench(Options(cores="1", samples=2))
    except LabError as error:
        raise pytest.UsageError(f"LAB_START_METHODS or LAB_TIME_BUDGET: {error}") from None
    methods = asked or START_METHODS
    # Cells without processes go along with fork's.
    config.stash[METHODS] = ("inline", *methods) if "fork" in methods else methods


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of the hosts."""
    for key in (CELLS, PAIRS):
        if key in config.stash:
            config.stash[key].close()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """A scenario's cells are compared once, whatever a run is limited to: along with fork's."""
    is_side_by_side = collection_path.name == "test_side_by_side.py"
    return True if is_side_by_side and "fork" not in config.stash[METHODS] else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test a cell, in the order in which cells pack best; a test a scenario to compare."""
    stash = metafunc.config.stash
    if "cell_id" in metafunc.fixturenames:
        cells = stash[CELLS].cells.items()
        ids = [cell_id for cell_id, planned in cells if planned.cell.start_method in stash[METHODS]]
        metafunc.parametrize("cell_id", ids)
    elif "scenario_name" in metafunc.fixturenames:
        scenarios = [which for which in stash[PAIRS].scenarios if "determinism" in which.checks]
        metafunc.parametrize("scenario_name", [which.name for which in scenarios])


@pytest.fixture
def bench(pytestconfig: pytest.Config) -> Bench:
    """The cells of the run."""
    return pytestconfig.stash[CELLS]


@pytest.fixture
def pairs(pytestconfig: pytest.Config) -> Bench:
    """Cells to be compared with each other: every start method, one CPU, two samples."""
    return pytestconfig.stash[PAIRS]
