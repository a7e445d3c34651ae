"""Whose code gets pauses: that of the script's folder, wherever the folder is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab.agent import keeper

PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
from mplab_inside import observe, sample
from types import SimpleNamespace
sample.begin(SimpleNamespace(user=sys.argv[2]))
print(observe._is_users(SimpleNamespace(co_filename=sys.argv[3])))
"""

DECISIONS = """
import sys
sys.path.insert(0, sys.argv[1])
from mplab_inside import observe
slept = []
observe._sleep = slept.append
pauses = observe.Pauses(int(sys.argv[2]), sys.argv[3], sys.argv[4])
for number in range(5000):
    before = len(slept)
    pauses.step()
    if len(slept) > before:
        print(number, slept[-1])
"""

LIBRARY = str(Path(os.__file__).parent)
PACKAGES = "/venv/lib/site-packages"
INSTALLED = f"{PACKAGES}/lab/scenarios"


@pytest.mark.parametrize(
    ("folder", "file", "expected"),
    [
        ("/home/me", "/home/me/app.py", True),
        ("/home/me", "/home/me/helpers/more.py", True),
        ("/home/me", "/home/meadow/app.py", False),
        ("/home/me", "/home/me/venv/lib/python3.11/site-packages/numpy/core.py", False),
        (INSTALLED, f"{INSTALLED}/x.py", True),
        (INSTALLED, f"{PACKAGES}/numpy/core.py", False),
        (f"{LIBRARY}/site-packages/lab", f"{LIBRARY}/site-packages/lab/x.py", True),
        ("/", f"{LIBRARY}/queue.py", False),
    ],
)
def test_whose_code_gets_pauses(folder: str, file: str, expected: bool) -> None:
    told = subprocess.run(
        [sys.executable, "-c", PROBE, str(keeper.INSIDE), folder, file],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert told.strip() == str(expected)


def decisions(seed: int, path: str, salt: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", DECISIONS, str(keeper.INSIDE), str(seed), path, salt],
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_pauses_hang_on_the_seed_the_process_and_the_place_alone() -> None:
    told = decisions(1, "0.1", "stores")
    assert len(told.splitlines()) == 8
    assert told == decisions(1, "0.1", "stores")
    others = {decisions(2, "0.1", "stores"), decisions(1, "0.2", "stores")}
    others.add(decisions(1, "0.1", "calls"))
    assert len(others | {told}) == 4
