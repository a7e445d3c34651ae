"""The matrix: what options mean, which cells they span, which Pythons there are."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lab import cpus, matrix
from lab.errors import UsageError
from lab.hosts.local import Local
from lab.matrix import Axes, Interpreter, cells, unsupported
from lab.model import START_METHODS
from lab.scenario import Scenario

PY313 = Interpreter("/py/3.13/python", "3.13.1")
PY312 = Interpreter("/py/3.12/python", "3.12.9")


class TestStartMethods:
    @pytest.mark.parametrize(
        ("text", "methods"),
        [
            ("", None),
            ("fork", ("fork",)),
            ("spawn, fork,spawn", ("spawn", "fork")),
            ("all", START_METHODS),
            ("fork,all", START_METHODS),
        ],
    )
    def test_are_parsed(self, text: str, methods: tuple[str, ...] | None) -> None:
        assert matrix.parse_start_methods(text) == methods

    @pytest.mark.parametrize(
        ("text", "odd"), [("vfork", "vfork"), ("fork,", ""), ("all,Fork", "Fork"), (" ", "")]
    )
    def test_an_unknown_one_is_refused(self, text: str, odd: str) -> None:
        with pytest.raises(UsageError) as error:
            matrix.parse_start_methods(text)
        assert str(error.value) == (
            f"--start-method {text}: unknown {odd!r}. "
            "Allowed are inline, fork, spawn, forkserver, all."
        )


class TestProfiles:
    def test_are_parsed(self) -> None:
        assert matrix.parse_profiles("") == ("default",)
        assert matrix.parse_profiles("default,default") == ("default",)

    def test_an_unknown_one_is_refused(self) -> None:
        with pytest.raises(UsageError, match=r"--profile beos: unknown 'beos'\. Allowed are"):
            matrix.parse_profiles("beos")


class TestCores:
    @pytest.mark.parametrize(
        ("text", "counts"), [("auto", (1, 2)), ("4", (4,)), ("4, 1,4", (4, 1)), ("4096", (4096,))]
    )
    def test_are_parsed(self, text: str, counts: tuple[int, ...]) -> None:
        assert matrix.parse_cores(text, (1, 2)) == counts

    @pytest.mark.parametrize(
        ("text", "odd"),
        [
            ("0", "0"),
            ("4097", "4097"),
            ("-1", "-1"),
            ("two", "two"),
            ("1.5", "1.5"),
            ("1,,2", "an empty part"),
            ("", "an empty part"),
            ("9" * 5000, "9" * 5000),
        ],
        ids=lambda text: text[:10],
    )
    def test_what_is_no_count_is_refused(self, text: str, odd: str) -> None:
        with pytest.raises(UsageError) as error:
            matrix.parse_cores(text, (1, 2))
        assert str(error.value) == (
            f"--cores {text}: {odd} is no core count. Give counts from 1 to 4096 such as 1,2,4, "
            "or auto (1,2 on this machine)."
        )


class TestCells:
    def test_the_widest_come_first_then_the_longest(self) -> None:
        axes = Axes(START_METHODS, (1, 2), (PY313,))
        assert [cell.point for _, cell, _ in cells([Scenario(Path("a.py"))], axes)] == [
            "spawn-2cpu-py3.13-default",
            "forkserver-2cpu-py3.13-default",
            "fork-2cpu-py3.13-default",
            "inline-2cpu-py3.13-default",
            "spawn-1cpu-py3.13-default",
            "forkserver-1cpu-py3.13-default",
            "fork-1cpu-py3.13-default",
            "inline-1cpu-py3.13-default",
        ]

    def test_each_scenario_has_its_own_start_methods_unless_some_are_asked_for(self) -> None:
        own = Scenario(Path("own.py"), start_methods=("inline",))
        plain = Scenario(Path("plain.py"))

        def ids(methods: tuple[str, ...] | None) -> list[str]:
            return [cell.id for _, cell, _ in cells([own, plain], Axes(methods, (1,), (PY313,)))]

        assert ids(None) == [
            "plain[spawn-1cpu-py3.13-default]",
            "plain[forkserver-1cpu-py3.13-default]",
            "plain[fork-1cpu-py3.13-default]",
            "own[inline-1cpu-py3.13-default]",
        ]
        assert ids(("fork",)) == [
            "own[fork-1cpu-py3.13-default]",
            "plain[fork-1cpu-py3.13-default]",
        ]

    def test_a_cell_comes_with_its_scenario_and_its_python(self) -> None:
        one = Scenario(Path("one.py"))
        found = cells([one], Axes(("fork",), (1,), (PY312, PY313)))
        assert [(which is one, cell.python, python) for which, cell, python in found] == [
            (True, "3.12", PY312),
            (True, "3.13", PY313),
        ]

    def test_two_scenarios_of_one_name_are_refused(self) -> None:
        with pytest.raises(UsageError) as error:
            cells([Scenario(Path("a/x.py")), Scenario(Path("b/x.py"))], Axes(None, (1,), (PY313,)))
        assert str(error.value) == (
            "a/x.py and b/x.py: two scenarios of one name, x, so nobody could tell their cells "
            "apart. Rename one."
        )

    def test_two_pythons_of_one_version_are_refused(self) -> None:
        other = Interpreter("/other/python", "3.13.0")
        with pytest.raises(UsageError) as error:
            cells([Scenario(Path("x.py"))], Axes(None, (1,), (PY313, other)))
        assert str(error.value) == (
            "--python: /py/3.13/python and /other/python are both Python 3.13, so nobody could "
            "tell their cells apart. Give one of them."
        )


class TestUnsupported:
    def reason(self, requires: str = "", python: Interpreter = PY313) -> str:
        return unsupported(Scenario(Path("x.py"), requires_python=requires), python)

    def test_a_script_that_fits_is_supported(self) -> None:
        assert self.reason() == self.reason(">=3.13") == ""

    def test_more_cores_than_there_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cpus, "usable", lambda: (3,))
        assert Local().lacks(1) == ""
        assert Local().lacks(2) == "2 cores asked for, 1 CPU usable here"

    def test_another_python(self) -> None:
        assert self.reason(">=3.14") == "the script asks for Python >=3.14, not 3.13.1"
        assert (
            self.reason("<3.13.1,>=3.8") == "the script asks for Python <3.13.1,>=3.8, not 3.13.1"
        )


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no Python but ours: `bin` is its PATH, `pyenv` its pyenv."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return tmp_path


def program(path: Path, text: str, mode: int = 0o755) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def python(path: Path, version: str, name: str = "cpython") -> str:
    """A program that answers as a Python of this version would."""
    return program(path, f"#!/bin/sh\necho {version} {name}\n")


@pytest.mark.usefixtures("machine")
class TestPythons:
    OURS = ".".join(map(str, sys.version_info[:3]))

    def test_ours_unless_others_are_asked_for(self) -> None:
        ours = Interpreter(sys.executable, self.OURS)
        assert matrix.current() == ours
        assert matrix.parse_pythons("") == (ours,)
        assert matrix.parse_pythons(ours.minor) == (ours,)
        assert matrix.parse_pythons(f"{sys.executable},{ours.minor}, {ours.minor}") == (ours,)

    def test_from_the_path_from_pyenv_or_as_a_file(self, machine: Path) -> None:
        on_path = python(machine / "bin/python3.40", "3.40.1")
        in_pyenv = python(machine / "pyenv/versions/3.41.7/bin/python", "3.41.7")
        anywhere = python(machine / "else/where", "3.8.0")
        assert matrix.parse_pythons(f"3.40,3.41,{anywhere}") == (
            Interpreter(on_path, "3.40.1"),
            Interpreter(in_pyenv, "3.41.7"),
            Interpreter(anywhere, "3.8.0"),
        )

    def test_the_newest_of_pyenv(self, machine: Path) -> None:
        for version in ("3.41.9", "3.41.18", "3.41.2"):
            python(machine / f"pyenv/versions/{version}/bin/python", version)
        assert [found.version for found in matrix.parse_pythons("3.41")] == ["3.41.18"]

    def test_a_shim_that_leads_nowhere_is_passed_over(self, machine: Path) -> None:
        program(machine / "bin/python3.41", "#!/bin/sh\nexit 127\n")
        python(machine / "pyenv/versions/3.41.7/bin/python", "3.41.7")
        (machine / "pyenv/versions/3.41.9").mkdir()
        assert [found.version for found in matrix.parse_pythons("3.41")] == ["3.41.7"]

    def test_an_exact_version(self, machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", f"{machine}/first:{machine}/bin")
        python(machine / "first/python3.40", "3.40.1")
        on_path = python(machine / "bin/python3.40", "3.40.2")
        in_pyenv = python(machine / "pyenv/versions/3.40.7/bin/python", "3.40.7")
        python(machine / "pyenv/versions/3.40.17/bin/python", "3.40.17")
        for version, path in ((self.OURS, sys.executable), ("3.40.2", on_path)):
            assert matrix.parse_pythons(version) == (Interpreter(path, version),)
        assert matrix.parse_pythons("3.40.7") == (Interpreter(in_pyenv, "3.40.7"),)

    def test_an_exact_version_is_none_that_only_begins_alike(self, machine: Path) -> None:
        python(machine / "bin/python3.17", "3.17.2")
        python(machine / "pyenv/versions/3.17.1/bin/python", "3.17.11")  # not what it is named
        python(machine / "pyenv/versions/3.17.12/bin/python", "3.17.12")
        with pytest.raises(UsageError) as error:
            matrix.parse_pythons("3.17.1")
        assert str(error.value).startswith("--python 3.17.1: no such interpreter. ")
        assert f"({self.OURS}, 3.17.2)" in str(error.value)

    def test_an_exact_version_that_is_too_old(self, machine: Path) -> None:
        python(machine / "pyenv/versions/3.7.16/bin/python", "3.7.16")
        with pytest.raises(UsageError, match=r"--python 3\.7\.16: Python 3\.7\.16 is too old"):
            matrix.parse_pythons("3.7.16")

    @pytest.mark.parametrize("text", ["3.77", "3.77.1", "", "*", "3.*", "../bin"[3:], "python"])
    def test_one_that_is_not_installed(self, machine: Path, text: str) -> None:
        python(machine / "bin/python", "3.40.0")
        python(machine / "pyenv/versions/3.41.7/bin/python", "3.41.7")
        with pytest.raises(UsageError) as error:
            matrix.parse_pythons(f"{text},{text}")
        assert str(error.value) == (
            f"--python {text or 'with an empty part'}: no such interpreter. Give the version of "
            f"one that `lab list pythons` finds ({self.OURS}), or the path of another."
        )

    @pytest.mark.parametrize(
        ("text", "mode", "says"),
        [
            ("#!/bin/sh\nexit 1\n", 0o755, "it does not run as a Python. "),
            ("#!/bin/sh\nexit 1\n", 0o644, "Permission denied. "),
            ("not a program\n", 0o755, "Exec format error. "),
            ("#!/bin/sh\n", 0o755, "not a Python 3 (no answer)."),
            ("#!/bin/sh\nprintf '\\377\\376'\n", 0o755, "not a Python 3 ("),
            ("#!/bin/sh\necho 2.7.18 cpython\n", 0o755, "not a Python 3 (2.7.18 cpython)."),
            ("#!/bin/sh\necho 3.7.16 cpython\n", 0o755, "Python 3.7.16 is too old; samples need"),
            ('#!/bin/sh\necho "$@" "$@"\n', 0o755, "not a Python 3 (-I -c import sys; print("),
        ],
        ids=["fails", "no program", "no format", "silent", "no text", "2", "old", "echo"],
    )
    def test_one_that_is_broken(self, machine: Path, text: str, mode: int, says: str) -> None:
        path = program(machine / "else/python", text, mode)
        with pytest.raises(UsageError) as error:
            matrix.parse_pythons(path)
        assert str(error.value).startswith(f"--python {path}: {says}")
        assert len(str(error.value)) < len(path) + 120

    def test_a_path_that_is_missing(self, machine: Path) -> None:
        with pytest.raises(UsageError) as error:
            matrix.parse_pythons(f"{machine}/none")
        assert str(error.value) == (
            f"--python {machine}/none: No such file or directory. "
            "`lab list pythons` shows those found."
        )

    def test_all_of_the_machine_but_those_that_do_not_run(self, machine: Path) -> None:
        python(machine / "bin/python3.9", "3.9.2")
        python(machine / "bin/python3.19", "3.19.0")
        python(machine / "pyenv/versions/3.10.5/bin/python", "3.10.5")
        program(machine / "pyenv/versions/3.18.1/bin/python", "#!/bin/sh\nexit 1\n")
        found = [one.version for one in matrix.interpreters()]
        assert found == ["3.9.2", "3.10.5", self.OURS, "3.19.0"]
