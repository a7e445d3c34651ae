"""The bundled scenarios without the lab: scripts that run, teach, and say what to expect."""

import ast
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab.model import CHECKS, START_METHODS, Grade, Verdict

FOLDER = Path(__file__).parents[2] / "scenarios"
PATHS = sorted(FOLDER.glob("*.py"))

STUCK = {
    # name: the last line before it hangs, the line it hangs in
    "terminate_holding_lock": ("now the parent wants the lock", "lock.acquire()"),
    "exceptions_unpicklable": ("TypeError: BadRecord.__init__() missing", "pending.get()"),
}

FAILS_ON_PURPOSE = {"exceptions_process"}
"""Scenarios whose children print a traceback."""

KEYS = {
    "summary": str,
    "checks": list,
    "outcome": str,
    "expect": (str, dict),
    "expect-across": str,
    "start-methods": list,
    "args": list,
    "timeout": (int, float),
    "outcomes": list,
}

PATIENCE = 60
"""Seconds after which something that should have happened on the busiest machine has not."""


def block(path: Path) -> dict[str, Any]:
    """The metadata block of `path`, by the regular expression of PEP 723."""
    pattern = r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
    (match,) = re.finditer(pattern, path.read_text())
    lines = match["content"].splitlines(keepends=True)
    return tomllib.loads("".join(line[2:] if line.startswith("# ") else line[1:] for line in lines))


def outcome(metadata: dict[str, Any], stdout: str) -> str:
    """The outcome that `stdout` states: its last match, as docs/scenarios.md says."""
    *_, last = re.finditer(metadata["outcome"], stdout)
    if named := last.groupdict():
        return " ".join(f"{name}={value}" for name, value in named.items())
    return " ".join(last.groups()) or last[0]


def grade(metadata: dict[str, Any], text: str) -> str:
    """The grade of the first row whose id matches the whole of `text`."""
    for row in metadata["outcomes"]:
        if re.fullmatch(row["id"], text):
            return row["grade"]
    return Grade.UNGRADED


def named(paths: list[Path]) -> list[Any]:
    return [pytest.param(path, id=path.stem) for path in paths]


@pytest.mark.parametrize("path", named(PATHS))
def test_docstring_teaches(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    first, blank, *_ = docstring.splitlines()
    assert first.endswith(".")
    assert blank == ""
    assert f"python scenarios/{path.name}\n" in docstring
    assert f"lab run {path.stem}\n" in docstring
    assert re.search(r"What to expect:\n\n    outcome +grade +(why|where)\n", docstring)


@pytest.mark.parametrize("path", named(PATHS))
def test_is_an_ordinary_script(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert imported <= sys.stdlib_module_names
    assert ast.unparse(tree.body[-1]) == "if __name__ == '__main__':\n    main()"


@pytest.mark.parametrize("path", named(PATHS))
def test_metadata_is_well_formed(path: Path) -> None:
    metadata = block(path)
    assert metadata["requires-python"]
    assert metadata["tool"].keys() == {"lab"}
    lab = metadata["tool"]["lab"]
    assert lab.keys() <= KEYS.keys()
    for key, value in lab.items():
        assert isinstance(value, KEYS[key]), key
    assert lab["summary"]
    assert set(lab.get("checks", [])) <= set(CHECKS)
    assert set(lab.get("start-methods", [])) <= set(START_METHODS)
    assert lab.get("expect-across", "clean") in {Verdict.CLEAN, Verdict.NONDETERMINISTIC}
    expect = lab["expect"]
    verdicts = list(expect.values()) if isinstance(expect, dict) else [expect]
    assert set(verdicts) <= set(Verdict)
    assert not isinstance(expect, dict) or list(expect)[-1] == "*"


@pytest.mark.parametrize("path", named(PATHS))
def test_outcome_table_is_well_formed(path: Path) -> None:
    lab = block(path)["tool"]["lab"]
    re.compile(lab["outcome"])
    for row in lab["outcomes"]:
        assert row.keys() <= {"id", "grade", "why", "required"}
        re.compile(row["id"])
        assert row["grade"] in {Grade.ACCEPTABLE, Grade.INTERESTING, Grade.FORBIDDEN}
        assert row["why"]
        assert isinstance(row.get("required", False), bool)


@pytest.mark.parametrize("path", named([path for path in PATHS if path.stem not in STUCK]))
def test_runs_with_plain_python(path: Path) -> None:
    lab = block(path)["tool"]["lab"]
    run = subprocess.run(
        [sys.executable, path], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert run.returncode == 0, run.stderr
    assert path.stem in FAILS_ON_PURPOSE or run.stderr == ""
    text = outcome(lab, run.stdout)
    assert grade(lab, text) in {Grade.ACCEPTABLE, Grade.INTERESTING}, text
    for row in lab["outcomes"]:
        assert not row.get("required") or re.fullmatch(row["id"], text)


@pytest.mark.parametrize("name", STUCK)
def test_gets_stuck_with_plain_python(name: str) -> None:
    said_last, hangs_in = STUCK[name]
    path = FOLDER / f"{name}.py"
    with started(path) as process:
        assert process.stdout
        assert any(said_last in line for line in process.stdout)
        wait_until_still(process.pid)
        process.send_signal(signal.SIGABRT)  # the fault handler prints where each thread is
        stacks = process.stdout.read()
    main_thread = stacks[stacks.index("Current thread") :]
    line_numbers = re.findall(rf'File ".*{path.name}", line (\d+)', main_thread)
    source = path.read_text().splitlines()
    assert hangs_in in source[int(line_numbers[0]) - 1]
    assert block(path)["tool"]["lab"]["expect"] == Verdict.DEADLOCK


@contextmanager
def started(path: Path) -> Iterator[subprocess.Popen[str]]:
    """`path` running in a process group of its own, which is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, path],
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def wait_until_still(pid: int) -> None:
    """Return when process `pid` and its children have slept through several looks in a row.

    A process that sleeps and is not switched in between two looks waits for something. That none of
    them is switched in, time after time, means that they wait for each other.
    """
    root = psutil.Process(pid)
    deadline = time.monotonic() + PATIENCE
    looks: list[object] = []
    while len(looks) < 10 or looks[-10:] != [looks[-1]] * 10 or looks[-1] is None:
        assert time.monotonic() < deadline, f"still at work after {PATIENCE} s: {looks[-1]}"
        family = [root, *root.children(recursive=True)]
        asleep = all(member.status() == psutil.STATUS_SLEEPING for member in family)
        looks.append(
            [(m.pid, m.num_ctx_switches(), m.cpu_times()) for m in family] if asleep else None
        )
        time.sleep(0.02)
