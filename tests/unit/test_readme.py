"""README.md: its commands run, its example does what it says, its pictures are of real runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import cpus, store
from lab.model import Status, Verdict

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
FENCE = re.compile(
    r"(?:^<!-- (?P<mark>.+?) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")

SET_UP = ".venv/bin/lab run --time-budget quick"
TESTS = ".venv/bin/tox"
CONTAINERS = "docker compose run --rm lab"
LOOKS = (
    "lab list scenarios",
    "lab run --help",
    "lab report latest --html report.html",
    "lab doctor",
)


@dataclass(frozen=True)
class Block:
    """A block of code, and the comment just before it."""

    mark: str
    kind: str
    text: str


BLOCKS = [Block(m["mark"] or "", m["kind"], m["text"]) for m in FENCE.finditer(TEXT)]


def block(mark: str) -> Block:
    """The one block after the comment with that text."""
    (found,) = [block for block in BLOCKS if block.mark == mark]
    return found


def commands() -> list[str]:
    """Every command of every block."""
    found = []
    for each in BLOCKS:
        lines = each.text.splitlines()
        if each.kind == "sh":
            found += lines
        elif each.kind == "console":
            found += [line[2:] for line in lines if line.startswith("$ ")]
    return found


def pictured(mark: str) -> tuple[str, list[str]]:
    """The command of a block, and the lines that it is said to print."""
    first, *lines = block(mark).text.splitlines()
    assert first.startswith("$ ")
    return first[2:], lines


def type_in(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command as a user with this Python's `lab` and two CPUs would."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    pinned = f"import os, sys; os.sched_setaffinity(0, {set(cpus.usable()[:2])}); "
    env = {
        name: text for name, text in os.environ.items() if name not in ("FORCE_COLOR", "LAB_HOST")
    }
    return subprocess.run(
        [sys.executable, "-c", pinned + "os.execvp('sh', ['sh', '-c', sys.argv[1]])", command],
        cwd=folder,
        env={**env, "PATH": path, "COLUMNS": "80", "LAB_TIME_BUDGET": "", "PYTHONUTF8": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def in_order(wanted: list[str], said: list[str]) -> list[str]:
    """The lines of `wanted` that do not come in `said`, in this order, with others between."""
    rest = iter(said)
    return [line for line in wanted if line.strip() != "..." and line not in rest]


def without_times(line: str) -> str:
    """A line with dates and durations masked."""
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(-\d+)?", "DATE", line)
    return re.sub(r"\b\d[\d.]*( h| min| s)\b( \d+( min| s)\b)?", "TIME", line)


def without_numbers(line: str) -> str:
    """A line with every number masked, and blanks and rules of any length the same."""
    return re.sub(r"[ ─]+", " ", re.sub(r"\d+(\.\d+)*(-\d+)?", "N", without_times(line))).strip()


two_cpus = pytest.mark.skipif(len(cpus.usable()) < 2, reason="needs two CPUs")


def test_every_command_is_run_by_a_test_or_in_ci() -> None:
    shown = [pictured(mark)[0] for mark in ("picture", "example output")]
    for command in commands():
        known = command in (CONTAINERS, *LOOKS, *shown) or command.endswith((SET_UP, TESTS))
        assert known, f"nothing runs {command!r}"


def test_the_files_it_names_are_there() -> None:
    assert [name for name in LINK.findall(TEXT) if not (ROOT / name).exists()] == []


def test_ci_runs_what_it_says_of_tests_and_containers() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    assert "readme_command test" in ci
    assert block("ci: test").text.rstrip().endswith(TESTS)
    assert re.search(rf"^stage .* {CONTAINERS}$", ci, re.M)
    assert CONTAINERS in commands()


def test_the_verdicts_are_all_explained() -> None:
    assert set(re.findall(r"^\| `([\w-]+)` \|", TEXT, re.M)) == {v.value for v in Verdict}


@two_cpus
def test_the_picture_is_of_a_real_run(tmp_path: Path) -> None:
    command, lines = pictured("picture")
    done = type_in(command, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    said = [without_times(line) for line in done.stdout.splitlines()]
    assert in_order([without_times(line) for line in lines], said) == [], done.stdout


@two_cpus
def test_the_example_is_found_wrong_in_every_cell_and_right_with_the_lock(tmp_path: Path) -> None:
    script = tmp_path / "bank.py"
    script.write_text(block("example").text)
    command, lines = pictured("example output")
    done = type_in(command, tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    said = [without_numbers(line) for line in done.stdout.splitlines()]
    assert in_order([without_numbers(line) for line in lines], said) == [], done.stdout
    cells = store.read_run(tmp_path / "reports" / "latest").cells
    assert [cell.verdict for cell in cells] == [Verdict.NONDETERMINISTIC] * 6

    line = "        balance.value += 1\n"
    lock = re.search(r"`(with balance\.get_lock\(\):)`", TEXT)
    assert lock
    folder = tmp_path / "mytests"
    folder.mkdir()
    text = script.read_text().replace(line, f"        {lock[1]}\n    {line}")
    (folder / "bank.py").write_text(text)
    assert "`lab run mytests/`" in TEXT
    done = type_in(f"{command.replace('bank.py', 'mytests/')} --out locked", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    cells = store.read_run(tmp_path / "locked").cells
    assert [cell.verdict for cell in cells] == [Verdict.CLEAN] * 6


def test_what_only_looks_can_be_typed(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("if __name__ == '__main__':\n    print(1)\n")
    run = "lab run one.py --samples 2 --start-method fork --cores 1"
    for command in (run, *LOOKS):
        assert command == run or command in commands()
        done = type_in(command, tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        assert done.stdout
    assert "<html" in (tmp_path / "report.html").read_text()


@pytest.mark.slow
def test_the_first_command_sets_everything_up(tmp_path: Path) -> None:
    (command,) = [command for command in commands() if command.endswith(SET_UP)]
    clone = tmp_path / "clone"
    shutil.copytree(
        ROOT, clone, ignore=shutil.ignore_patterns(".*", "reports", "build", "*.egg-info")
    )
    clean = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", command],
        cwd=clone,
        env={name: text for name, text in os.environ.items() if name not in clean},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cells = store.read_run(clone / "reports" / "latest").cells
    assert {cell.status for cell in cells} == {Status.RAN}
    assert (clone / "reports" / "latest" / "report.html").exists()
