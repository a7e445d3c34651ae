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
import mplab_observe
from types import SimpleNamespace
mplab_observe._state = SimpleNamespace(user=sys.argv[2])
print(mplab_observe._is_users(SimpleNamespace(co_filename=sys.argv[3])))
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
