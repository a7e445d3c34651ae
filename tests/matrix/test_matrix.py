"""Every bundled scenario in every cell that this machine has: `pytest -n auto tests/matrix`.

A cell leases its CPUs, so cells of several workers, and of other labs, never share one.
"""

from __future__ import annotations

import pytest

from lab.bench import Bench
from lab.model import Status
from lab.report.explain import explain_cell
from lab.report.style import Style


def test_cell(bench: Bench, cell_id: str) -> None:
    result = bench.run(bench.cells[cell_id])
    if result.status == Status.UNSUPPORTED:
        pytest.skip(result.reason)
    if result.status == Status.ERROR or not result.ok:
        pytest.fail("\n".join([cell_id, *explain_cell(result, Style(width=100))]), pytrace=False)
