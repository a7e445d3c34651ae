"""The command `lab`: what a user types, what comes out, and that nothing around it disturbs it."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from commands import COMMAND, Done, Lab, end, plain

PYTHON = f"py{sys.version_info.major}.{sys.version_info.minor}"
CELL = ["--start-method", "fork", "--cores", "1"]
QUICK = ["--cores", "1", "--samples", "2"]

FIELDS: dict[str, type | tuple[type, ...]] = {
    "id": str,
    "scenario": str,
    "path": str,
    "start_method": str,
    "cores": int,
    "python": str,
    "profile": str,
    "host": str,
    "cpus": list,
    "status": str,
    "reason": str,
    "verdict": str,
    "expected": str,
    "ok": bool,
    "samples": int,
    "outcomes": list,
    "findings": list,
    "power": dict,
    "seconds": float,
    "cpu_seconds": float,
    "repro": str,
}


def cell(name: str, method: str = "fork", cores: int = 1) -> str:
    """The id of a cell."""
    return f"{name}[{method}-{cores}cpu-{PYTHON}-default]"


# ------------------------------------------------------------------------------- lab run


def test_targets(fine: Lab) -> None:
    """Files, folders and names of bundled scenarios, in any order among the options."""
    fine.script("folder/one.py", "if __name__ == '__main__':\n    print(1)\n")
    fine.script("folder/_private.py", "if __name__ == '__main__':\n    print(2)\n")
    fine.script("folder/module.py", "ANSWER = 42\n")
    done = fine("run", "fine.py", *CELL, "folder", "--samples", "2", "event_signal")
    assert (done.code, done.err) == (0, "")
    assert set(fine.read().cells) == {cell(name) for name in ("fine", "one", "event_signal")}


def test_the_bundled_scenarios_are_the_default(lab: Lab) -> None:
    done = lab("run", *QUICK, "-k", "event_signal and fork and not forkserver")
    assert (done.code, done.err) == (0, "")
    assert list(lab.read().cells) == [cell("event_signal")]


def test_one_script_by_two_paths_runs_once(fine: Lab) -> None:
    assert fine("run", "fine.py", "./fine.py", ".", *QUICK, "-k", "fine and inline").code == 5
    fine("run", "fine.py", "./fine.py", str(fine.folder / "fine.py"), *CELL, "--samples", "2")
    assert list(fine.read().cells) == [cell("fine")]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_stop_at_the_first_unexpected_cell(fine: Lab, workers: str) -> None:
    done = fine("run", "fails.py", *QUICK, "--start-method", "all", "-x", "-n", workers)
    assert (done.code, done.err) == (1, "")
    verdicts = fine.read().verdicts
    assert set(verdicts.values()) == {"crashed"}
    assert len(verdicts) < 4
    assert f"ended early: {4 - len(verdicts)} cell" in plain(done.out)
    assert fine.read().facts["interrupted"] is False


def test_the_last_failures_again(fine: Lab) -> None:
    words = ["run", "fine.py", "fails.py", *QUICK, "--start-method", "fork,spawn"]
    assert fine(*words).code == 1
    assert len(fine.read().cells) == 4
    assert fine(*words, "--", "--lf").code == 1
    assert set(fine.read().cells) == {cell("fails"), cell("fails", "spawn")}
    assert "2 cells: 0 as expected, 2 not" in fine("report", "latest").out


def test_junit_of_pytest_and_ours(fine: Lab) -> None:
    done = fine(
        "run", "fine.py", "fails.py", *CELL, "--samples", "2", "--", "--junitxml=theirs.xml"
    )
    assert (done.code, done.err) == (1, "")
    for path in ("theirs.xml", "reports/latest/junit.xml"):
        root = ElementTree.parse(fine.folder / path).getroot()
        assert len(list(root.iter("failure"))) == 1
        assert len(list(root.iter("testcase"))) >= 2


def test_an_option_that_pytest_does_not_know(fine: Lab) -> None:
    done = fine("run", "fine.py", *CELL, "--", "--frob")
    assert done.code == 4
    assert "--frob" in done.err
    assert "Traceback" not in done.err


def test_collecting_only(fine: Lab) -> None:
    done = fine("run", "fine.py", *CELL, "--", "--collect-only")
    assert done.code == 0
    assert cell("fine") in done.out
    assert not (fine.folder / "reports" / "latest").exists()


def test_arguments_that_begin_with_a_dash(lab: Lab) -> None:
    lab.script("shows.py", "import sys\nprint(sys.argv[1:])\n")
    assert lab("run", "shows.py", *CELL, "--samples", "2", "--args", "-v 'a b'").code == 0
    (outcome,) = lab.read().cells[cell("shows")]["outcomes"]
    assert "['-v', 'a b']" in outcome["id"]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("fails.py", []),
        ("some folder/it's.py", ["--args", "-x 'a b'", "--seed", "7", "--timeout", "20"]),
        ("fails.py", ["--python", sys.executable]),
    ],
)
def test_the_command_that_runs_a_cell_again(fine: Lab, name: str, more: list[str]) -> None:
    fine.script("some folder/it's.py", "import sys\nsys.exit(len(sys.argv))\n")
    words = ["run", "fine.py", name, *QUICK, "--start-method", "fork,spawn", *more]
    assert fine(*words).code == 1
    bad = [record for record in fine.read().cells.values() if not record["ok"]]
    assert len(bad) == 2
    for first in bad:
        command = shlex.split(first["repro"])
        assert command[0] == "lab"
        done = fine(*command[1:])
        assert (done.code, done.err) == (1, "")
        (again,) = fine.read().cells.values()
        for key in ("id", "path", "python", "verdict", "outcomes", "samples", "repro"):
            assert again[key] == first[key]
        assert all(word in command for word in more)


def test_exit_codes(fine: Lab) -> None:
    fine.script("knows.py", "# /// script\n# [tool.lab]\n# expect = 'crashed'\n# ///\nexit(3)\n")
    assert fine("run", "fine.py", "knows.py", *CELL, "--samples", "2").code == 0
    assert fine("run", "fine.py", "fails.py", *CELL, "--samples", "2").code == 1
    assert fine("run", "fine.py", *CELL, "--out", "fine.py").code == 3
    assert fine("run", "none.py").code == 4
    assert fine("run", "fine.py", "-k", "none").code == 5


def test_records(fine: Lab) -> None:
    """As the design has them, complete, for cells that ran and for one that could not."""
    fine("run", "fine.py", "fails.py", "--cores", "1,999", *CELL[:2], "--samples", "3")
    run = fine.read()
    assert {record["record"] for record in run.records} == {"cell", "scenario"}
    assert len(run.cells) == 4
    for name, record in run.cells.items():
        assert set(FIELDS) <= set(record)
        for key, kind in FIELDS.items():
            assert type(record[key]) is kind, f"{name}: {key} is {record[key]!r}"
        point = (record["start_method"], f"{record['cores']}cpu", PYTHON, record["profile"])
        assert name == f"{record['scenario']}[{'-'.join(point)}]"
        assert record["path"] == f"{record['scenario']}.py"
        assert re.fullmatch(r"3\.\d+\.\d+", record["python"])
        assert shlex.split(record["repro"])[:2] == ["lab", "run"]
        if record["status"] == "unsupported":
            assert record["reason"]
            assert (record["samples"], record["ok"], record["cpus"]) == (0, False, [])
            continue
        assert (record["status"], record["reason"]) == ("ran", "")
        assert len(record["cpus"]) == record["cores"] == 1
        assert record["samples"] == sum(outcome["count"] for outcome in record["outcomes"]) == 3
        for outcome in record["outcomes"]:
            assert set(outcome) >= {"id", "grade", "count"}
        for finding in record["findings"]:
            assert set(finding) >= {"check", "verdict", "message", "evidence"}
            assert isinstance(finding["evidence"], dict)
        assert record["ok"] == (record["verdict"] == record["expected"])
        assert record["seconds"] > 0
        assert record["cpu_seconds"] > 0
    facts = run.facts
    assert facts["argv"][:3] == ["lab", "run", "fine.py"]
    assert (facts["seed"], facts["cells"], facts["exit_code"]) == (0, 4, 1)
    assert facts["ended"] > facts["started"]
    assert facts["machine"]["cpus_usable"]
    assert facts["versions"]["lab"]


def test_where_the_results_are(fine: Lab) -> None:
    for name in ("fails.py", "fine.py"):
        done = fine("run", name, *CELL, "--samples", "2")
        where = re.search("^results in (.*)$", done.out, re.MULTILINE)
        assert where
        latest = fine.folder / "reports" / "latest"
        assert latest.resolve() == fine.folder / where[1]
        made = {"results.jsonl", "run.json", "junit.xml", "report.html"}
        assert {path.name for path in latest.iterdir()} == made
        assert list(fine.read(where[1]).cells) == [cell(Path(name).stem)]
    # Nothing but these folders was made, there or beside it.
    assert {path.name for path in fine.folder.iterdir()} == {"fine.py", "fails.py", "reports"}


# ------------------------------------------------------------------------------- other verbs


def test_report(fine: Lab) -> None:
    done = fine("run", "fine.py", "fails.py", *CELL, "--samples", "2")
    shown = done.out[done.out.index(fine.read().facts["started"][:10]) :]
    for place in ("latest", "reports/latest", "reports/latest/results.jsonl"):
        again = fine("report", place)
        assert (again.code, again.err) == (0, "")
        assert strip_place(again.out) == strip_place(shown)


def strip_place(text: str) -> str:
    """A report without the line that says where its results are."""
    return re.sub("^results in .*\n", "", text, flags=re.MULTILINE)


def test_report_as_html(fine: Lab) -> None:
    fine("run", "fails.py", *CELL, "--samples", "2")
    done = fine("report", "latest", "--html", "page.html")
    assert (done.code, done.err) == (0, "")
    page = (fine.folder / "page.html").read_text()
    assert page.startswith("<!doctype html>")
    assert cell("fails") in page
    done = fine("report", "latest", "--html", "fails.py/page.html")
    assert done.code == 3
    assert "fails.py/page.html cannot be written" in done.error


@pytest.mark.parametrize(
    ("what", "keys"),
    [
        ("scenarios", {"name", "expect", "summary"}),
        ("cells", {"id", "expect"}),
        ("profiles", {"name", "summary"}),
        ("hosts", {"name", "summary"}),
        ("pythons", {"version", "path"}),
    ],
)
def test_lists(lab: Lab, what: str, keys: set[str]) -> None:
    done = lab("list", what, "--json")
    assert (done.code, done.err) == (0, "")
    rows = json.loads(done.out)
    assert rows
    assert all(set(row) == keys for row in rows)
    table = lab("list", what).out.splitlines()
    assert len(table) == len(rows)
    for line, row in zip(table, rows, strict=True):
        assert all(str(value) in line for value in row.values())


def test_the_list_of_cells_is_that_of_a_run(fine: Lab) -> None:
    listed = {row["id"] for row in json.loads(fine("list", "cells", "fine.py", "--json").out)}
    fine("run", "fine.py", "--samples", "1")
    assert set(fine.read().cells) == listed


def test_doctor(lab: Lab) -> None:
    done = lab("doctor")
    assert (done.code, done.err) == (0, "")
    names = ("system", "CPUs", "leases", "start methods", "interpreters", "docker")
    assert all(name in done.out for name in names)
    assert str(lab.leases) in "".join(done.out.split())  # wrapped where it must be


def test_doctor_says_what_is_wrong(lab: Lab) -> None:
    lab.environment["LAB_LEASE_DIR"] = "/proc/leases"
    done = lab("doctor")
    assert (done.code, done.err) == (3, "")
    assert re.search("FAIL +leases +.*/proc/leases", done.out)
    assert "LAB_LEASE_DIR" in done.out


@pytest.mark.parametrize(
    "words",
    [["--help"], ["run", "--help"], ["report", "--help"], ["list", "-h"], ["doctor", "-h"]],
)
def test_help_fits_on_a_terminal(lab: Lab, words: list[str]) -> None:
    done = lab(*words)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"usage: lab{' ' * (len(words) - 1)}")
    assert max(map(len, done.out.splitlines())) <= 80


def test_help_names_every_option(lab: Lab) -> None:
    told = lab("run", "--help").out
    for option in (
        *("--start-method", "--cores", "--python", "--profile", "--host", "--samples"),
        *("--time-budget", "--timeout", "--seed", "-k", "-n", "-x", "--args", "--out", "--strict"),
    ):
        assert re.search(rf"^  {option}\b", told, re.MULTILINE), option
    assert "2 interrupted" in plain(told)


def test_version(lab: Lab) -> None:
    done = lab("--version")
    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"mplab \d+\.\d+\.\d+\n", done.out)


# ------------------------------------------------------------------------------- a terminal


def on_a_terminal(lab: Lab, *words: str, **environment: str) -> Done:
    """`lab WORDS` on a terminal of 80 columns; all that it wrote there."""
    lab.environment |= environment | {"COLUMNS": "80", "LINES": "24"}
    ours, theirs = os.openpty()
    process = lab.start(str(COMMAND), *words, stdout=theirs)
    os.close(theirs)
    told = bytearray()
    try:
        assert process.stderr
        while select.select([ours], [], [], 60)[0]:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # so a terminal says that nobody holds its other end
                break
            told += piece
        _, err = process.communicate(timeout=60)
    finally:
        os.close(ours)
        end(process)
    return Done(process.returncode, told.decode().replace("\r\n", "\n"), err)


def test_a_run_on_a_terminal(fine: Lab) -> None:
    words = ["run", "fine.py", "fails.py", *CELL, "--samples", "2"]
    done = on_a_terminal(fine, *words)
    assert (done.code, done.err) == (1, "")
    assert "\x1b[31m" in done.out or "\x1b[1;31m" in done.out
    assert "2 running" in done.out or "1 running" in done.out
    lines = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", done.out).replace("\r", "\n").splitlines()
    assert max(map(len, lines)) <= 80


def test_a_run_without_color(fine: Lab) -> None:
    done = on_a_terminal(fine, "run", "fails.py", *CELL, "--samples", "2", NO_COLOR="1")
    assert done.code == 1
    assert not re.search(r"\x1b\[[0-9;]*m", done.out)
    done = fine("run", "fails.py", *CELL, "--samples", "2")
    assert "\x1b" not in done.out
    fine.environment = {"FORCE_COLOR": "1"}
    assert re.search(r"\x1b\[[0-9;]*m", fine("report", "latest").out)


def test_a_list_on_a_terminal(lab: Lab) -> None:
    done = on_a_terminal(lab, "list", "scenarios")
    assert done.code == 0
    assert max(map(len, done.out.splitlines())) <= 80


# ------------------------------------------------------------------------------- hostile folders

SEES = """\
# /// script
# [tool.lab]
# checks = ["exceptions", "cleanup"]
# ///
import multiprocessing as mp
import os


def work(queue):
    import helper

    queue.put(helper.ANSWER)


if __name__ == "__main__":
    import random

    queue = mp.Queue()
    process = mp.Process(target=work, args=(queue,))
    process.start()
    answer = queue.get()
    process.join()
    set_by_pytest = [name for name in os.environ if name.startswith(("PYTEST_", "LAB_SET"))]
    print(random.ANSWER, answer, os.environ.get("PYTEST_ADDOPTS"), len(set_by_pytest))
"""

THEIR_RANDOM = """\
import os

with open(os.path.join(os.path.dirname(os.__file__), "random.py")) as file:
    exec(file.read())
ANSWER = "theirs"
"""


def test_files_in_the_folder_do_not_disturb(lab: Lab) -> None:
    trap = "raise SystemExit('this file is not for the lab')\n"
    names = ["lab.py", "conftest.py", "pytest.py", "psutil.py", "xdist.py", "sitecustomize.py"]
    names += ["tomllib.py", "argparse.py", "docker/__init__.py", "execnet.py", "pluggy/__init__.py"]
    for name in names:
        lab.script(name, trap)
    lab.script("random.py", THEIR_RANDOM)
    lab.script("helper.py", "ANSWER = 'helped'\n")
    lab.script("pytest.ini", "[pytest]\naddopts = --frob -p no:lab\ntestpaths = nowhere\n")
    lab.script("pyproject.toml", "[tool.pytest.ini_options]\naddopts = '--frob'\n")
    lab.script("sees.py", SEES)
    lab.environment |= {
        "PYTEST_ADDOPTS": "--frob",
        "PYTEST_PLUGINS": "no_such_plugin",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    plainly = lab.command(sys.executable, "sees.py")
    assert plainly.code == 0
    done = lab("run", "sees.py", *QUICK, "--start-method", "fork,spawn", "-n", "2")
    assert (done.code, done.err) == (0, "")
    for record in lab.read().cells.values():
        (outcome,) = record["outcomes"]
        assert plainly.out.strip() in outcome["id"]
    for words in (["doctor"], ["list", "cells", "sees.py"], ["report", "latest"]):
        assert lab(*words).err == ""


def test_settings_for_pytest_stay_away(fine: Lab) -> None:
    """Nor do the user's plugins and settings change what a cell is."""
    fine.script("conftest.py", "def pytest_collection_modifyitems(items):\n    items.clear()\n")
    fine.script("pytest.ini", "[pytest]\nlog_cli = true\nusefixtures = nothing\n")
    assert fine("run", "fine.py", *CELL, "--samples", "2").code == 0


def test_a_folder_with_nothing_but_a_script_elsewhere(fine: Lab, tmp_path: Path) -> None:
    """Paths are as the user typed them, wherever the script is."""
    empty = tmp_path / "empty"
    empty.mkdir()
    done = fine("run", str(fine.folder / "fine.py"), *CELL, "--samples", "2", cwd=empty)
    assert (done.code, done.err) == (0, "")
    record: dict[str, Any] = json.loads(
        (empty / "reports" / "latest" / "results.jsonl").read_text().splitlines()[0]
    )
    assert record["path"] == str(fine.folder / "fine.py")
