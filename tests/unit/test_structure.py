"""The shape of the code: imports go one way, what runs in samples stands alone, files are small."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAB = ROOT / "lab"
INSIDE = LAB / "agent" / "inside"

ROOMS: tuple[tuple[str, ...], ...] = (
    ("lab", "lab.model", "lab.errors", "lab.agent.inside"),
    ("lab.agent", "lab.scenario", "lab.cpus", "lab.checks", "lab.store"),
    ("lab.matrix", "lab.judge"),
    ("lab.hosts", "lab.report"),
    (
        "lab.bench",
        "lab.options",
        "lab.session",
        "lab.plugin",
        "lab.runner",
        "lab.listing",
        "lab.doctor",
    ),
    ("lab.cli",),
)
"""Modules and packages by floor: each imports from floors below, or from its own room."""

BESIDE = {
    ("lab.options", "lab.bench"),
    ("lab.session", "lab.bench"),
    ("lab.plugin", "lab.bench"),
    ("lab.plugin", "lab.options"),
    ("lab.plugin", "lab.session"),
    ("lab.runner", "lab.bench"),
    ("lab.runner", "lab.options"),
}
"""Imports along a floor. None of them may go round in a circle."""

FLOOR = {room: floor for floor, rooms in enumerate(ROOMS) for room in rooms}

MODULES = sorted(LAB.rglob("*.py"))
LIMIT = 500


def name_of(path: Path) -> str:
    """`lab.checks.locks` of lab/checks/locks.py, `lab.checks` of its __init__.py."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """The room that a module is in: itself, or the package it belongs to."""
    parts = module.split(".")
    found = [".".join(parts[:n]) for n in range(len(parts), 1, -1)]
    room = next((one for one in found if one in FLOOR), "lab" if module == "lab" else "")
    assert room, f"{module} is in no room: say in ROOMS what it may import, and who may import it"
    return room


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import in a file, wherever it stands; of names, whole.

    Only what runs in samples has relative ones, as it does not know where it is; they are named as
    samples name them.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            inside = INSIDE in path.parents
            assert node.level == 0 or inside, f"{path}:{node.lineno}: a relative import"
            module, root = node.module or "", ROOT
            if node.level:
                folder = path.parents[node.level - 1].relative_to(INSIDE)
                module, root = ".".join([*folder.parts, *module.split(".")]).strip("."), INSIDE
            for alias in node.names:
                whole = f"{module}.{alias.name}"
                yield node.lineno, whole if is_module(whole, root) else module


def is_module(name: str, root: Path = ROOT) -> bool:
    path = root.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def allowed(importer: str, imported: str) -> bool:
    """Whether a room may import another."""
    if importer == imported or imported == "lab":
        return True
    if FLOOR[imported] == FLOOR[importer]:
        return (importer, imported) in BESIDE
    return FLOOR[imported] < FLOOR[importer]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    importer = room_of(name_of(path))
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {importer} imports {module}"
        for line, module in imports(path)
        if module.split(".")[0] == "lab" and not allowed(importer, room_of(module))
    ]
    assert not wrong, "\n".join(wrong)


def test_the_rule_can_fail() -> None:
    assert allowed("lab.cli", "lab.bench")
    assert allowed("lab.checks", "lab.checks")
    assert not allowed("lab.bench", "lab.cli")
    assert not allowed("lab.checks", "lab.store")
    assert not allowed("lab.model", "lab.errors")
    with pytest.raises(AssertionError, match=r"lab\.novel is in no room"):
        room_of("lab.novel")
    assert list(imports(LAB / "checks" / "updates.py"))[-1] == (6, "lab.model")


def test_no_import_along_a_floor_is_granted_in_vain() -> None:
    made = {
        (room_of(name_of(path)), room_of(module))
        for path in MODULES
        for _, module in imports(path)
        if module.startswith("lab.")
    }
    assert made >= BESIDE


def test_no_circle_along_a_floor() -> None:
    seen: set[str] = set()
    order = [room for rooms in ROOMS for room in rooms]
    while order:
        free = [room for room in order if all(b in seen for a, b in BESIDE if a == room)]
        assert free, f"these import each other in a circle: {', '.join(order)}"
        seen.update(free)
        order = [room for room in order if room not in seen]


def outside(path: Path, *known: str) -> list[str]:
    """Imports of a file that are neither of the standard library nor of `known`."""
    return [
        f"{path.relative_to(ROOT)}:{line}: {module}"
        for line, module in imports(path)
        if module.split(".")[0] not in sys.stdlib_module_names
        and not any(module == one or module.startswith(f"{one}.") for one in known)
    ]


def below(folder: Path) -> list[Path]:
    return [path for path in MODULES if folder in path.parents]


@pytest.mark.parametrize("path", below(LAB / "agent"), ids=name_of)
def test_the_agent_depends_on_nothing_but_the_model(path: Path) -> None:
    inside = INSIDE in path.parents
    known = ("mplab_inside",) if inside else ("lab.model", "lab.agent", "psutil")
    assert outside(path, *known) == []


@pytest.mark.parametrize("path", below(LAB / "report"), ids=name_of)
def test_reports_read_results_only(path: Path) -> None:
    ours = [module for _, module in imports(path) if module.split(".")[0] == "lab"]
    rooms = {room_of(module) for module in ours}
    assert rooms <= {"lab", "lab.model", "lab.errors", "lab.store", "lab.report"}


@pytest.mark.parametrize("path", below(LAB / "checks"), ids=name_of)
def test_checks_are_pure(path: Path) -> None:
    rooms = {room_of(module) for _, module in imports(path) if module.startswith("lab.")}
    assert rooms <= {"lab.model", "lab.checks"}
    touching = {"os", "subprocess", "socket", "pathlib", "io", "time", "random", "tempfile"}
    assert not touching & {module for _, module in imports(path)}


WITHIN = (
    ("sample", "frames", "records"),
    ("exceptions", "made", "processes", "dump"),
    ("inline", "observe"),
    ("",),
)
"""The modules of `mplab_inside` by floor; the last one is the package itself."""


@pytest.mark.parametrize("path", below(INSIDE / "mplab_inside"), ids=name_of)
def test_imports_go_one_way_in_samples_too(path: Path) -> None:
    def floor(module: str) -> int:
        return next(n for n, modules in enumerate(WITHIN) if module in modules)

    own = floor("" if path.stem == "__init__" else path.stem)
    ours = [
        module.removeprefix("mplab_inside").removeprefix(".")
        for _, module in imports(path)
        if module.split(".")[0] == "mplab_inside"
    ]
    assert [module for module in ours if floor(module) >= own] == []


def test_relative_imports_are_seen() -> None:
    seen = {module for _, module in imports(INSIDE / "mplab_inside" / "inline.py")}
    assert {"mplab_inside.exceptions", "mplab_inside.sample", "mplab_inside.frames"} <= seen
    assert "mplab_inside" in {module for _, module in imports(INSIDE / "mplab_start.py")}


@pytest.mark.parametrize("path", below(INSIDE), ids=name_of)
def test_what_runs_in_samples_is_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_feature_version_tells_newer_syntax() -> None:
    with pytest.raises(SyntaxError):
        ast.parse("match x:\n    case 1: pass\n", feature_version=(3, 8))


def test_docker_holds_no_python() -> None:
    """It would shadow the package of that name."""
    assert list((ROOT / "docker").rglob("*.py")) == []


def test_what_the_lab_imports_it_asks_for() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        asked = tomllib.load(file)["project"]["dependencies"]
    names = [re.split("[^a-z-]", requirement)[0] for requirement in asked]
    ours = ["lab", "mplab_inside"]
    known = [*(name.removeprefix("pytest-") for name in names), "_pytest"]  # xdist, of pytest-xdist
    assert [line for path in MODULES for line in outside(path, *ours, *known)] == []


def test_every_package_is_named_in_pyproject() -> None:
    with (ROOT / "pyproject.toml").open("rb") as file:
        named = tomllib.load(file)["tool"]["setuptools"]["packages"]
    there = {".".join(path.relative_to(ROOT).parts[:-1]) for path in MODULES}
    assert there <= set(named)
    # Scenarios are beside the package in a checkout, in it once installed.
    assert set(named) - there == {"lab.scenarios"}
    assert len(named) == len(set(named))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_stay_small(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").count("\n")
    assert lines <= LIMIT, f"{path.relative_to(ROOT)} has {lines} lines: split it"
