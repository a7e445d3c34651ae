"""Tests of the command `lab` and of the pytest plugin, from outside."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from commands import Lab, end_all, until

FINE = """\
# /// script
# [tool.lab]
# checks = ["exceptions", "cleanup"]
# ///
import multiprocessing as mp


def work(number):
    return number * number


if __name__ == "__main__":
    with mp.Pool(1) as pool:
        print(pool.map(work, range(3)))
"""

FAILS = """\
import sys

if __name__ == "__main__":
    sys.exit(3)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """The command in an empty folder; once the test is over nothing of it may run."""
    folder = tmp_path / "work"
    folder.mkdir()
    lab = Lab(folder, uuid.uuid4().hex, tmp_path / "leases")
    yield lab
    try:
        until(lambda: not lab.running(), "all that the test started has ended", 20)
    finally:
        left = lab.running()
        end_all(left)
    assert not left


@pytest.fixture
def fine(lab: Lab) -> Lab:
    """A folder with `fine.py`, clean in every cell, and `fails.py`, which exits 3 in every cell."""
    lab.script("fine.py", FINE)
    lab.script("fails.py", FAILS)
    return lab
