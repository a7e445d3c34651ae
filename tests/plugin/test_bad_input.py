"""What a user can get wrong: one clear error, the right exit code, and nothing has run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from commands import COMMAND, Lab, end, plain

WRONG = {
    # what is typed after `lab`: what the error says, besides the value itself
    "frob": ["frob", "run", "report", "list", "doctor", "`lab --help`"],
    "run nowhere.py": ["nowhere.py", "no such file", "`lab list scenarios`"],
    "run pool": ["pool", "Did you mean pool_apply"],
    "run empty": ["empty", "no scenario", "`# /// script` block"],
    "run modules": ["modules", "no scenario", '`if __name__ == "__main__"`'],
    "run fine.py other/fine.py": ["other/fine.py", "one name", "Rename"],
    "run fine.py --start-method frok": ["--start-method frok", "fork, spawn", "all"],
    "run fine.py --start-method fork,": ["--start-method fork,", "Allowed are"],
    "run fine.py --profile amiga": ["--profile amiga", "Allowed are default"],
    "run fine.py --host mars": ["--host mars", "local, compose"],
    "run fine.py --cores 0": ["--cores 0", "from 1 to", "auto"],
    "run fine.py --cores x": ["--cores x", "from 1 to", "auto"],
    "run fine.py --cores 1,,2": ["--cores 1,,2", "an empty part", "auto"],
    "run fine.py --cores 1e1": ["--cores 1e1", "from 1 to"],
    "run fine.py --python 3.99": ["--python 3.99", "no such", "`lab list pythons`"],
    "run fine.py --python ./gone": ["--python ./gone", "No such file", "`lab list pythons`"],
    "run fine.py --python ./empty": ["--python ./empty", "`lab list pythons`"],
    "run fine.py --python /bin/ls": ["--python /bin/ls", "Python", "`lab list pythons`"],
    "run fine.py --samples 0": ["--samples 0", "from 1 to 10000"],
    "run fine.py --samples many": ["--samples many", "no whole number"],
    "run fine.py --timeout -1": ["--timeout -1", "above 0"],
    "run fine.py --timeout 0": ["--timeout 0", "above 0"],
    "run fine.py --timeout nan": ["--timeout nan", "above 0"],
    "run fine.py --timeout soon": ["--timeout soon", "number of seconds"],
    "run fine.py --seed -1": ["--seed -1", "from 0 to 4294967295"],
    "run fine.py --seed 1.5": ["--seed 1.5", "no whole number"],
    "run fine.py --time-budget nonsense": ["--time-budget nonsense", "quick, default, thorough"],
    "run fine.py --time-budget -3": ["--time-budget -3", "quick, default, thorough"],
    "run fine.py --args 'a": ["--args", "'a", "No closing quotation"],
    "run fine.py --frob": ["--frob", "`lab run --help`"],
    "run fine.py --sampel=3": ["--sampel=3", "`lab run --help`"],
    "run fine.py --samples": ["--samples", "expected one argument", "`lab run --help`"],
    "run fine.py -n 0": ["-n 0", "from 1 to 1024"],
    "run fine.py -n many": ["-n many", "from 1 to 1024"],
    "run fine.py -k (spawn": ["-k '(spawn'", "right parenthesis", "`and`"],
    "run fine.py -k and": ["-k 'and'", "`not`"],
    "run fine.py -k spawn(x=1)": ["-k 'spawn(x=1)'", "takes no arguments"],
    "list planets": ["planets", "scenarios, cells, profiles, hosts, pythons"],
    "list cells nowhere": ["nowhere", "no such file", "`lab list scenarios`"],
    "report": ["RUN", "`lab report --help`"],
    "report latest": ["no run in reports", "`lab run`"],
    "report nowhere": ["nowhere", "does not exist", "`latest`"],
    "report empty": ["empty", "no results.jsonl"],
    "report fine.py": ["fine.py", "is no run"],
}


@pytest.mark.parametrize("typed", WRONG)
def test_bad_input_is_told_in_one_line(fine: Lab, typed: str) -> None:
    (fine.folder / "empty").mkdir()
    fine.script("modules/module.py", "ANSWER = 42\n")
    fine.script("other/fine.py", (fine.folder / "fine.py").read_text())
    before = sorted(fine.folder.rglob("*"))
    done = fine(*typed.split(" "))
    assert (done.code, done.out) == (4, "")
    for part in WRONG[typed]:
        assert part in done.error
    assert sorted(fine.folder.rglob("*")) == before, "something was made"


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        ('expct = "clean"', [":3: ", "expct", "known are"]),
        ('expect = "tidy"', [":3: ", "expect", "tidy", "clean"]),
        ("timeout = -1", [":3: ", "timeout", "-1"]),
        ('checks = ["locks", "looks"]', [":3: ", "checks", "looks", "determinism"]),
        ("outcome = '('", [":3: ", "outcome", "regular expression"]),
        ('summary = "no end', [":3: ", "TOML"]),
    ],
)
def test_broken_metadata_names_line_and_key(lab: Lab, block: str, parts: list[str]) -> None:
    lab.script("script.py", f"# /// script\n# [tool.lab]\n# {block}\n# ///\nprint(1)\n")
    for command in (["run", "script.py"], ["list", "cells", "script.py"]):
        done = lab(*command)
        assert (done.code, done.out) == (4, "")
        for part in ("script.py", *parts):
            assert part in done.error


def test_a_script_that_is_not_text(lab: Lab) -> None:
    (lab.folder / "script.py").write_bytes(b"print('\xff\xfe')\n")
    done = lab("run", "script.py")
    assert done.code == 4
    assert "script.py: not UTF-8" in done.error


def old_python(version: str) -> str:
    """An interpreter that is too old, from pyenv; one that says it is, where there is none."""
    found = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
    return str(found[0]) if found else ""


@pytest.mark.parametrize(("version", "reason"), [("2.7", "Python"), ("3.6", "too old")])
def test_a_python_that_is_too_old(fine: Lab, version: str, reason: str) -> None:
    python = old_python(version)
    if not python:
        stand_in = fine.script("old", f"#!/bin/sh\necho {version}.18 cpython\n")
        stand_in.chmod(0o755)
        python = str(stand_in)
    done = fine("run", "fine.py", "--python", python)
    assert done.code == 4
    assert python in done.error
    assert reason in done.error


def test_a_selector_that_selects_nothing(fine: Lab) -> None:
    done = fine("run", "fine.py", "--cores", "1", "-k", "fork and spawn")
    assert (done.code, done.out) == (5, "")
    assert "-k 'fork and spawn' selects none of the 3 cells" in done.error
    assert "`lab list cells`" in done.error
    assert not (fine.folder / "reports").exists()


def test_more_cores_than_there_are(fine: Lab) -> None:
    done = fine("run", "fine.py", "--cores", "999")
    assert (done.code, done.err) == (5, "")
    assert "3 cells: 999 cores asked for" in plain(done.out)
    cells = fine.read().cells.values()
    assert [cell["status"] for cell in cells] == ["unsupported"] * 3
    assert all("999 cores asked for" in cell["reason"] for cell in cells)
    assert not any(cell["ok"] for cell in cells)


def test_unsupported_cells_beside_others(fine: Lab) -> None:
    words = ["run", "fine.py", "--start-method", "fork", "--cores", "1,999", "--samples", "1"]
    assert fine(*words).code == 0
    done = fine(*words, "--strict")
    assert done.code == 1
    assert "1 unsupported" in done.out


@pytest.mark.parametrize("out", ["fine.py", "fine.py/below", "/proc/x", "/sys/x", "/dev/null"])
def test_a_results_folder_that_cannot_be_one(fine: Lab, out: str) -> None:
    done = fine("run", "fine.py", "--start-method", "fork", "--cores", "1", "--out", out)
    assert (done.code, done.out) == (3, "")
    assert f"{out} cannot be written" in done.error
    assert "Nothing was run" in done.error
    assert "--out" in done.error


def test_out_twice_keeps_both_runs(fine: Lab) -> None:
    words = ["run", "--start-method", "fork", "--cores", "1", "--samples", "2", "--out", "out"]
    assert fine(*words, "fails.py").code == 1
    assert fine(*words, "fine.py").code == 0
    assert list(fine.read("out").cells) == [f"fine[fork-1cpu-py{PYTHON}-default]"]
    earlier = fine.folder / "out" / "results-1.jsonl"
    assert "fails[" in earlier.read_text()
    assert "fails" in fine("report", str(earlier)).out


@pytest.mark.parametrize("workers", ["1", "2"])
def test_leases_that_cannot_be_taken(fine: Lab, workers: str) -> None:
    fine.environment["LAB_LEASE_DIR"] = "/proc/leases"
    words = ["run", "fine.py", "--start-method", "fork,spawn", "--cores", "1", "-n", workers]
    done = fine(*words)
    assert (done.code, done.err) == (3, "")
    assert "cannot lease CPUs in /proc/leases" in plain(done.out)
    assert "Set LAB_LEASE_DIR to a folder that can be written" in plain(done.out)
    assert set(fine.read().verdicts.values()) == {"error"}


def test_compose_outside_of_its_containers(fine: Lab) -> None:
    fine.environment["LAB_AGENTS"] = str(fine.folder)
    done = fine("run", "fine.py", "--host", "compose")
    assert (done.code, done.out) == (3, "")
    assert "docker compose run --rm lab" in done.error
    assert "--host local" in done.error


def test_a_folder_that_is_gone(fine: Lab) -> None:
    script = f'mkdir gone && cd gone && rmdir ../gone && exec "{COMMAND}" run fine.py'
    done = fine.command("sh", "-c", script)
    assert done.code == 4
    assert "current folder" in done.error


def test_bad_values_in_the_environment(fine: Lab) -> None:
    fine.environment["LAB_TIME_BUDGET"] = "a while"
    assert "--time-budget a while" in fine("run", "fine.py").error
    fine.environment = {"LAB_HOST": "mars"}
    assert "--host mars" in fine("run", "fine.py").error


# ------------------------------------------------------------------------------- odd scripts

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CELL = ["--start-method", "fork", "--cores", "1"]

ODD = {
    # name: (script, verdict, exit code, what the screen says)
    "unparsable": ("import os\ndef f(:\n", "exception", 1, "SyntaxError"),
    "exits_at_import": ("import sys\nsys.exit(7)\n", "crashed", 1, "exit=7"),
    "ends_at_import": ("import sys\nprint('bye')\nsys.exit(0)\n", "clean", 0, "clean"),
    "raises_at_import": ("import no_such_module\n", "exception", 1, "no_such_module"),
    "prints_much": (
        "import sys\nfor _ in range(100):\n    sys.stdout.write('x' * (1 << 20) + '\\n')\n",
        "clean",
        0,
        "clean",
    ),
    "prints_bytes": (
        "import os\nos.write(1, bytes(range(256)) + b'\\x1b[2J')\n",
        "clean",
        0,
        "clean",
    ),
    "closes_stdout": ("import os\nos.close(1)\n", "clean", 0, "clean"),
    "kills_itself": (
        "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
        "crashed",
        1,
        "SIGKILL",
    ),
    "kills_its_parent": (
        "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\n",
        "error",
        3,
        "the process that kept the sample was killed",
    ),
    "lingers": (
        """\
import os, signal
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for fd in range(3):
            os.close(fd)
        while True:
            signal.pause()
    os._exit(0)
""",
        "leak",
        1,
        "left behind",
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_scripts(lab: Lab, name: str) -> None:
    script, verdict, code, said = ODD[name]
    lab.script(f"{name}.py", script)
    done = lab("run", f"{name}.py", *CELL, "--samples", "2")
    assert (done.code, done.err) == (code, "")
    assert list(lab.read().verdicts.values()) == [verdict]
    assert said in plain(done.out)
    told, report = done.out.split("mplab", 1)
    assert told.count("\n") <= 2  # told at once, in a line that can be searched for
    assert max(map(len, report.splitlines())) <= 80
    assert not set(done.out) & set("\x1b\x00\x07")
    assert len(done.out) < 10_000


def test_names_that_mean_something_to_pytest(lab: Lab) -> None:
    """A bracket starts parameters there, and `::` a test in the file."""
    names = ["a [x] b.py", "a::b.py", "./-dash.py", "test_it.py"]
    for name in names:
        lab.script(name, "print(1)\n")
    done = lab("run", *names, *CELL, "--samples", "2")
    assert (done.code, done.err) == (0, "")
    assert len(lab.read().verdicts) == 4


def test_a_worker_that_is_killed(fine: Lab) -> None:
    """Its cell is the lab's error; the others run."""
    fine.script(
        "murder.py",
        "import os, signal\n"
        "def parent(pid):\n"
        "    text = open(f'/proc/{pid}/stat').read()\n"
        "    return int(text.rpartition(')')[2].split()[1])\n"
        "keeper = os.getppid()\n"
        "agent = parent(parent(keeper))\n"
        "worker = parent(agent)\n"
        "os.kill(worker, signal.SIGKILL)\n"
        "signal.pause()\n",
    )
    done = fine(
        "run", "murder.py", "fine.py", *CELL, "--samples", "1", "-n", "2", "--timeout", "30"
    )
    assert done.code == 3
    assert sorted(fine.read().verdicts.values()) == ["clean", "error"]
    assert "the worker failed" in plain(done.out)


def test_ignoring_a_pipe_that_is_read_no_more(fine: Lab) -> None:
    for words in (["list", "scenarios"], ["run", "--help"], ["run", "fine.py", *CELL]):
        process = fine.start(str(COMMAND), *words)
        try:
            assert process.stdout
            process.stdout.close()
            process.stdout = None
            _, err = process.communicate(timeout=60)
        finally:
            end(process)
        assert (process.returncode, err) == (0, "")
    assert list(fine.read().verdicts.values()) == ["clean"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_standard_output_that_is_full(fine: Lab) -> None:
    with Path("/dev/full").open("w") as full:
        done = fine("run", "fine.py", *CELL, stdout=full)
        assert done.code == 3
        assert "standard output cannot be written" in done.error
        assert list(fine.read().verdicts.values()) == ["clean"]
        assert fine("list", "cells", stdout=full).code == 3


def test_closed_standard_streams(fine: Lab) -> None:
    script = f'exec "{COMMAND}" run fine.py {" ".join(CELL)} --samples 2 <&- >&- 2>&-'
    assert fine.command("sh", "-c", script).code == 0
    assert list(fine.read().verdicts.values()) == ["clean"]


def test_an_encoding_without_the_signs(fine: Lab) -> None:
    fine.environment |= {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    fine.script("naïve.py", "print('ö')\nraise SystemExit('ü')\n")
    done = fine("run", "naïve.py", *CELL, "--samples", "2")
    assert (done.code, done.err) == (1, "")
    assert done.out.isascii()


def test_signals_ignored_by_the_caller_stay_so(fine: Lab) -> None:
    """As under nohup, or in the background of a script."""
    signals = {signal.SIGINT}
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        process = fine.start(str(COMMAND), "run", "fine.py", *CELL, "--samples", "2")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    try:
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        pytest.fail("the run did not end")
    finally:
        end(process)
    assert process.returncode == 0


# ------------------------------------------------------------------------------ a full /dev/shm

FILLS = """\
import os

with open(f"/dev/shm/ballast-{os.getpid()}", "wb", buffering=0) as file:
    try:
        while file.write(bytes(1 << 16)):
            pass
    except OSError as error:
        print(error.strerror)
"""

TOUCHES = """\
from multiprocessing.shared_memory import SharedMemory

memory = SharedMemory(create=True, size=16 << 20)
memory.buf[:] = bytes(16 << 20)
"""

LOCKS = """\
from multiprocessing import Lock

print(Lock())
"""


def test_scripts_that_fill_shared_memory(lab: Lab) -> None:
    """Each is judged, and what it left is gone before the next one needs the room."""
    lab.script("fills.py", FILLS)
    lab.script("touches.py", TOUCHES)
    lab.script("locks.py", LOCKS)
    words = [str(COMMAND), "run", "fills.py", "touches.py", "locks.py", "--samples", "2"]
    words += ["--start-method", "fork,spawn", "--cores", "1", "-n", "1"]
    script = 'mount -t tmpfs -o size=4m tmpfs /dev/shm || exit 99; "$@"; code=$?; ls -A /dev/shm'
    alone = ["unshare", "--mount", "sh", "-c", f"{script}; exit $code", "sh"]
    if os.getuid() != 0:
        pytest.skip("only root may mount a small /dev/shm")
    done = lab.command(*alone, *words)
    assert (done.code, done.err) == (1, ""), done
    verdicts = lab.read().verdicts
    assert {name.partition("[")[0]: verdict for name, verdict in verdicts.items()} == {
        "fills": "leak",
        "touches": "crashed",
        "locks": "clean",
    }
    assert len(verdicts) == 6
    text = plain(done.out)
    assert "No space left on device" in text
    assert "shared memory ballast-" in text
    assert "signal=SIGBUS" in text
    assert done.out.splitlines()[-1].startswith("6 cells: 2 as expected, 4 not")  # nothing is left
