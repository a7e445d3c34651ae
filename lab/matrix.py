"""Axes and the cells they span."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.specifiers import SpecifierSet

from lab.errors import UsageError
from lab.model import PROFILES, START_METHODS, Cell
from lab.scenario import Scenario

MOST_CORES = 4096

_ORDER = ("spawn", "forkserver", "fork", "inline")
"""Start methods by how long their cells take, the longest first."""


@dataclass(frozen=True)
class Interpreter:
    """A Python that samples can run with. `path` is empty where the host alone knows it."""

    path: str
    version: str  # full
    asked: str = field(default="", compare=False)  # as the user named it

    @property
    def minor(self) -> str:
        """`3.13`."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True)
class Axes:
    """What is asked for. `start_methods` is None where each scenario's own apply."""

    start_methods: tuple[str, ...] | None
    cores: tuple[int, ...]
    pythons: tuple[Interpreter, ...]
    profiles: tuple[str, ...] = PROFILES


def current() -> Interpreter:
    """The Python that runs the lab."""
    return Interpreter(sys.executable, ".".join(map(str, sys.version_info[:3])))


def parse_start_methods(text: str) -> tuple[str, ...] | None:
    """`fork,spawn`, `all`, or nothing. Raises UsageError."""
    if not text:
        return None
    methods = _choices("--start-method", text, (*START_METHODS, "all"))
    return START_METHODS if "all" in methods else methods


def parse_profiles(text: str) -> tuple[str, ...]:
    """Raises UsageError."""
    return _choices("--profile", text, PROFILES) if text else PROFILES


def parse_cores(text: str, auto: tuple[int, ...]) -> tuple[int, ...]:
    """`1,2,4`, or `auto` for those that the host has. Raises UsageError."""
    if text == "auto":
        return auto
    counts = []
    for part in text.split(","):
        if not re.fullmatch(r"\s*[0-9]{1,9}\s*", part) or not 1 <= int(part) <= MOST_CORES:
            raise UsageError(
                f"--cores {text}: {part.strip() or 'an empty part'} is no core count. "
                f"Give counts from 1 to {MOST_CORES} such as 1,2,4, or auto "
                f"({','.join(map(str, auto))} on this machine)."
            )
        counts.append(int(part))
    return tuple(dict.fromkeys(counts))


def parse_pythons(text: str) -> tuple[Interpreter, ...]:
    """Versions (`3.12`, `3.12.1`) or paths of interpreters; nothing: the one that runs the lab.

    Raises UsageError for one that cannot be found, does not run, or is too old.
    """
    if not text:
        return (current(),)
    parts = [part.strip() for part in text.split(",")]
    return tuple(dict.fromkeys(replace(_interpreter(part), asked=part) for part in parts))


def interpreters() -> tuple[Interpreter, ...]:
    """Every CPython of this machine that can be found by its version, oldest first."""
    found = {}
    for minor in range(8, 20):
        path = _find(f"3.{minor}")
        if path:
            try:
                interpreter = _interpreter(path)
            except UsageError:
                continue
            found[interpreter.version] = interpreter
    return tuple(found.values())


def cells(scenarios: list[Scenario], axes: Axes) -> list[tuple[Scenario, Cell, Interpreter]]:
    """All cells, in the order in which they pack best: the widest first, then the longest.

    Raises UsageError where two cells would have the same id.
    """
    found: dict[str, tuple[Scenario, Cell, Interpreter]] = {}
    for scenario in scenarios:
        for method in axes.start_methods or scenario.start_methods:
            for cores in axes.cores:
                for python in axes.pythons:
                    for profile in axes.profiles:
                        cell = Cell(scenario.name, method, cores, python.minor, profile)
                        if cell.id in found:
                            other, _, its_python = found[cell.id]
                            raise UsageError(_alike(other, scenario, its_python, python))
                        found[cell.id] = (scenario, cell, python)
    return sorted(
        found.values(), key=lambda item: (-item[1].cores, _ORDER.index(item[1].start_method))
    )


def _alike(one: Scenario, other: Scenario, python: Interpreter, its_python: Interpreter) -> str:
    """Why two cells have the same id, and what to do about it."""
    if one is not other:
        return (
            f"{one.path} and {other.path}: two scenarios of one name, {one.name}, so nobody could "
            "tell their cells apart. Rename one."
        )
    return (
        f"--python: {python.path} and {its_python.path} are both Python {python.minor}, so nobody "
        "could tell their cells apart. Give one of them."
    )


def unsupported(scenario: Scenario, python: Interpreter) -> str:
    """Why a script cannot run with an interpreter; empty if it can."""
    if not SpecifierSet(scenario.requires_python).contains(python.version, prereleases=True):
        return f"the script asks for Python {scenario.requires_python}, not {python.version}"
    return ""


def _choices(option: str, text: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    values = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    for value in values:
        if value not in allowed:
            raise UsageError(
                f"{option} {text}: unknown {value!r}. Allowed are {', '.join(allowed)}."
            )
    return values


def _interpreter(text: str) -> Interpreter:
    path = text if os.sep in text else _find(text)
    if not path:
        found = ", ".join(interpreter.version for interpreter in interpreters())
        raise UsageError(
            f"--python {text or 'with an empty part'}: no such interpreter. Give the version of "
            f"one that `lab list pythons` finds ({found}), or the path of another."
        )
    try:
        told = _ask(path)
    except (OSError, subprocess.SubprocessError) as error:
        why = getattr(error, "strerror", None) or "it does not run as a Python"
        raise UsageError(f"--python {text}: {why}. `lab list pythons` shows those found.") from None
    if len(told) != 2 or not re.fullmatch(r"3\.\d+\.\d+", told[0]):
        it_said = " ".join(told)[:60] or "no answer"
        raise UsageError(f"--python {text}: not a Python 3 ({it_said}).")
    interpreter = Interpreter(path, told[0])
    if int(interpreter.minor.split(".")[1]) < 8:
        raise UsageError(
            f"--python {text}: Python {told[0]} is too old; samples need 3.8 or later."
        )
    return interpreter


def _ask(path: str) -> list[str]:
    """The version and the kind that a Python says it is. Raises OSError, SubprocessError."""
    code = "import sys; print('.'.join(map(str, sys.version_info[:3])), sys.implementation.name)"
    answer = subprocess.run(
        [path, "-I", "-c", code],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=30,
        check=True,
    )
    return answer.stdout.split()


def _find(version: str) -> str:
    """The interpreter of a version such as 3.12 or 3.12.1, from PATH and pyenv; empty for none."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)*[a-z]*", version):
        return ""
    if version in (current().minor, current().version):
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    exact = re.fullmatch(r"(3\.[0-9]+)\.[0-9]+", version)
    if exact:  # programs are named after the minor version: of several, any may be the one
        found = [shutil.which(f"python{exact[1]}", path=folder) for folder in os.get_exec_path()]
        found.append(str(pyenv / version / "bin" / "python"))
        return next((path for path in found if path and _version(path) == version), "")
    on_path = shutil.which(f"python{version}")
    if on_path and _version(on_path):
        return on_path
    for folder in sorted(pyenv.glob(f"{version}.*"), key=_numbers, reverse=True):
        if (folder / "bin" / "python").exists():
            return str(folder / "bin" / "python")
    return ""


def _numbers(folder: Path) -> list[int]:
    """`3.9.18` is newer than `3.9.2`."""
    return [int(number) for number in re.findall(r"[0-9]+", folder.name)]


def _version(path: str) -> str:
    """What version it is; empty if it does not start, as pyenv's shims of ones not selected."""
    try:
        return next(iter(_ask(path)), "")
    except (OSError, subprocess.SubprocessError):
        return ""
