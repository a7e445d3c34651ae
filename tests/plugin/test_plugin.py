"""`pytest --lab`: the same runs from pytest's own command line; and no change to plain pytest."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from commands import Done, Lab, Run, plain

PYTHON = f"py{sys.version_info.major}.{sys.version_info.minor}"
CELL = ["--start-method", "fork", "--cores", "1", "--samples", "2"]


def pytest_lab(lab: Lab, *words: str) -> Done:
    """`pytest --lab WORDS` in the folder."""
    return lab.command(sys.executable, "-m", "pytest", "--lab", *words)


@pytest.mark.parametrize("more", [[], ["-n", "auto"], ["-p", "no:xdist"]])
def test_the_same_run(fine: Lab, more: list[str]) -> None:
    words = ["fine.py", "fails.py", "--start-method", "fork,spawn", *CELL[2:]]
    assert fine("run", *words, "--out", "ours").code == 1
    done = pytest_lab(fine, *words, "--out", "theirs", *more)
    assert (done.code, done.err) == (1, "")
    ours, theirs = fine.read("ours"), fine.read("theirs")
    assert theirs.verdicts == ours.verdicts
    for name, record in theirs.cells.items():
        assert set(record) == set(ours.cells[name])
        assert record["repro"] == ours.cells[name]["repro"]
    assert "4 cells: 2 as expected, 2 not" in done.out
    assert "passed" not in done.out
    assert "test session starts" not in done.out


def test_options_before_and_after_targets(fine: Lab) -> None:
    done = pytest_lab(fine, "--samples=2", "--cores", "1", "-k", "fork and not server", "fine.py")
    assert (done.code, done.err) == (0, "")
    assert list(fine.read().cells) == [f"fine[fork-1cpu-{PYTHON}-default]"]


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["nowhere.py"], 4, "nowhere.py: no such file"),
        (["fine.py", "--cores", "0"], 4, "--cores 0"),
        (["fine.py", "--samples", "x"], 4, "--samples x"),
        (["fine.py", "-k", "a and"], 4, "-k 'a and'"),
        (["fine.py", "-m", "a and"], 4, "-m 'a and'"),
        (["fine.py", "-k", "nothing"], 5, "selects none"),
        (["fine.py", "--out", "fine.py"], 3, "fine.py cannot be written"),
    ],
)
def test_bad_input(fine: Lab, words: list[str], code: int, part: str) -> None:
    done = pytest_lab(fine, *words, "-n", "2")
    assert (done.code, done.out) == (code, "")
    assert part in done.error


def test_an_option_without_its_value(fine: Lab) -> None:
    done = pytest_lab(fine, "fine.py", "--samples")
    assert done.code == 4
    assert "--samples: expected one argument" in done.err
    assert "Traceback" not in done.err


def test_help(lab: Lab) -> None:
    told = pytest_lab(lab, "--help").out
    for option in ("--start-method", "--cores", "--time-budget", "--strict"):
        assert option in told


def test_collecting_only(fine: Lab) -> None:
    done = pytest_lab(fine, "fine.py", *CELL, "--collect-only", "-q")
    assert done.code == 0
    assert f"fine[fork-1cpu-{PYTHON}-default]" in done.out
    assert not (fine.folder / "reports").exists()


def test_junit(fine: Lab) -> None:
    assert pytest_lab(fine, "fails.py", *CELL, "--junitxml", "out.xml").code == 1
    assert "crashed, expected clean" in (fine.folder / "out.xml").read_text()


CLASHES = """\
def pytest_addoption(parser):
    group = parser.getgroup("another plugin")
    for name in ("--timeout", "--seed", "--samples", "--out", "--profile", "--args", "--host"):
        group.addoption(name, default="unset")
    for name in ("--python", "--cores", "--start-method", "--time-budget"):
        group.addoption(name, default="unset")


def pytest_runtest_setup(item):
    assert item.config.getoption("--timeout") == "unset", "the lab's option reached another plugin"
"""


@pytest.mark.parametrize("more", [[], ["-n", "2"]])
@pytest.mark.parametrize("place", ["clashes.py", "conftest.py"])
def test_plugins_with_options_of_the_same_names(fine: Lab, place: str, more: list[str]) -> None:
    """Loaded before the lab's plugin, or after it."""
    fine.script(place, CLASHES)
    fine.script("test_one.py", "def test_one(pytestconfig): assert pytestconfig.option.seed\n")
    early = ["-p", "clashes"] if place == "clashes.py" else []
    words = [sys.executable, "-m", "pytest", "-p", "no:timeout", *early]
    done = fine.command(*words, "test_one.py", "--seed", "5", *more)
    assert (done.code, done.err) == (0, "")
    done = fine.command(
        *words, "--lab", "fine.py", *CELL, "--timeout", "30", "--seed", "5", "--strict", *more
    )
    assert (done.code, done.err) == (0, "")
    assert fine.read().facts["seed"] == 5
    (record,) = fine.read().cells.values()
    assert "--timeout 30" in record["repro"]


def test_beside_pytest_timeout(fine: Lab) -> None:
    """Its limit is one for tests; a cell has as many samples as it has."""
    pytest.importorskip("pytest_timeout")
    fine.script("test_one.py", "def test_one(): pass\n")
    done = fine.command(sys.executable, "-m", "pytest", "--timeout", "30")
    assert (done.code, done.err) == (0, "")
    assert "timeout: 30.0s" in done.out
    for more in ([], ["-n", "2"]):
        done = pytest_lab(fine, "fine.py", *CELL, "--timeout", "0.9", "--samples", "20", *more)
        assert (done.code, done.err) == (0, "")
    assert fine("run", "fine.py", *CELL, "--timeout", "0.9", "--samples", "20").code == 0


# ------------------------------------------------------------------------------- plain pytest

PROJECT = {
    "conftest": """
        def pytest_addoption(parser):
            parser.addoption("--timeout", type=float, default=1.5)
            parser.addoption("--out")
    """,
    "test_some": """
        import multiprocessing
        import signal
        import sys

        import pytest


        def test_passes(pytestconfig):
            assert pytestconfig.getoption("--timeout") == 1.5


        def test_fails():
            print("captured")
            assert [1, 2] == [1, 3]


        @pytest.mark.parametrize("n", [1, 2])
        def test_parameters(n):
            pass


        def test_signals():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


        def test_the_lab_is_not_imported():
            assert "lab.bench" not in sys.modules or "xdist" in sys.modules


        @pytest.mark.skip(reason="of no reason")
        def test_skipped():
            pass
    """,
    "fine_scenario": """
        # /// script
        # [tool.lab]
        # expect = "clean"
        # ///
        raise SystemExit("imported")
    """,
}


def lines(text: str) -> list[str]:
    """What pytest printed, without what differs from run to run: times, and its plugins."""
    text = re.sub(r"\d+\.\d+s", "0s", text)
    return [line for line in text.splitlines() if not line.startswith("plugins: ")]


@pytest.mark.parametrize(
    "words",
    [[], ["-v"], ["-q", "--collect-only"], ["-n", "1"], ["-k", "parameters", "-rA"], ["-x"]],
)
def test_plain_pytest_is_not_changed(pytester: pytest.Pytester, words: list[str]) -> None:
    """Its output is the same, to the letter, with the plugin and without."""
    pytester.makepyfile(**PROJECT)
    pytester.makeini("[pytest]\naddopts = --strict-markers --strict-config -p no:timeout")
    without = pytester.runpytest_subprocess("-p", "no:lab", *words)
    with_it = pytester.runpytest_subprocess(*words)
    assert with_it.ret == without.ret
    assert with_it.ret == (0 if words and words[0] in ("-k", "-q") else 1)
    assert lines(with_it.stdout.str()) == lines(without.stdout.str())
    assert with_it.stderr.str() == without.stderr.str()


def test_plain_help_has_one_option_more(pytester: pytest.Pytester) -> None:
    without = pytester.runpytest_subprocess("-p", "no:lab", "--help").stdout.str()
    with_it = pytester.runpytest_subprocess("--help").stdout.str()
    more = [line for line in with_it.splitlines() if line not in without.splitlines()]
    assert plain(more[0]) == "a lab for multiprocessing:"
    assert more[1].split()[0] == "--lab"
    assert not any(line.startswith("  -") for line in more[2:])


def test_a_run_in_the_same_process(pytester: pytest.Pytester) -> None:
    """As an editor may start pytest: handlers of signals are as before."""
    import signal

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    pytester.makepyfile(script="if __name__ == '__main__':\n    print(1)\n")
    result = pytester.runpytest_inprocess("--lab", "script.py", *CELL)
    assert result.ret == 0
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
    assert list(Run(pytester.path / Path("reports/latest")).verdicts.values()) == ["clean"]
