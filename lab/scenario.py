"""Scenarios: a script and what its metadata block says the lab should expect of it."""

from __future__ import annotations

import ast
import difflib
import math
import re
import tokenize
import tomllib
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from lab.errors import MetadataError, UsageError
from lab.model import CHECKS, DEFAULT_START_METHODS, START_METHODS, Cell, Grade, Verdict

_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
"""The inline script metadata block, from PEP 723."""

_MEANT = re.compile(r"(?m)^#\s*///\s*script\s*$(?s:.*?)^#\s*\[+tool\.lab\b")
"""What was meant for such a block, with something for the lab in it."""

_KEYS = (
    "summary",
    "checks",
    "outcome",
    "expect",
    "expect-across",
    "start-methods",
    "args",
    "timeout",
    "outcomes",
)
_ROW_KEYS = ("id", "grade", "why", "required")


@dataclass(frozen=True)
class Row:
    """A row of the outcome table: outcomes that match `id` as a whole get `grade`."""

    id: str
    grade: Grade
    why: str = ""
    required: bool = False

    def matches(self, outcome: str, ended_well: bool = True) -> bool:
        """Whether the row is for this outcome.

        That of a bad end, such as `exit=3`, it has to name, unless it forbids it: `.*` is meant for
        whatever a script prints, and must not excuse a crash.
        """
        meant = self.grade == Grade.FORBIDDEN or outcome.partition("=")[0] in self.id
        return (ended_well or meant) and re.fullmatch(self.id, outcome) is not None


@dataclass(frozen=True)
class Scenario:
    """A script and its expectations; docs/scenarios.md describes each key of the metadata.

    `expect` pairs selectors with verdicts in the order in which they are tried.
    """

    path: Path
    summary: str = ""
    checks: tuple[str, ...] = ("determinism", "exceptions", "cleanup")
    outcome: str = ""
    expect: tuple[tuple[str, Verdict], ...] = (("*", Verdict.CLEAN),)
    expect_across: Verdict = Verdict.CLEAN
    start_methods: tuple[str, ...] = DEFAULT_START_METHODS
    args: tuple[str, ...] = ()
    timeout: float | None = None
    rows: tuple[Row, ...] = ()
    requires_python: str = ""
    has_block: bool = field(default=False, compare=False)

    @property
    def name(self) -> str:
        """The file's stem."""
        return self.path.stem

    def expected(self, cell: Cell) -> Verdict:
        """The verdict that a cell of this scenario must have."""
        for selector, verdict in self.expect:
            if fnmatchcase(cell.point, selector):
                return verdict
        return Verdict.CLEAN

    def grade(self, outcome: str, ended_well: bool = True) -> tuple[Grade, str]:
        """The grade of an outcome and why; with no table every outcome is acceptable."""
        if not self.rows:
            return Grade.ACCEPTABLE, ""
        for row in self.rows:
            if row.matches(outcome, ended_well):
                return row.grade, row.why
        return Grade.UNGRADED, "on no row of the outcome table"


def load(path: Path) -> Scenario:
    """Read a script. Raises UsageError if it cannot be read, MetadataError for its block."""
    try:
        text = _read(path)
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file. Give a script or a folder of scripts.") from None
    except UnicodeDecodeError as error:
        why = f"not {error.encoding.upper()} ({error.reason} at byte {error.start})"
        raise UsageError(f"{path}: {why}.") from None
    except SyntaxError as error:
        unknown = error.msg.startswith("unknown encoding")
        why = error.msg.partition(" for ")[0] if unknown else "not UTF-8, nor declared otherwise"
        raise UsageError(f"{path}: {why}.") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from None
    blocks = list(_BLOCK.finditer(text))
    if len(blocks) > 1:
        line = _line(text, blocks[1].start())
        raise MetadataError(f"{path}:{line}: a second `# /// script` block; there may be one.")
    if blocks:
        return _Block(path, text, blocks[0]).scenario()
    if meant := _MEANT.search(text):
        raise MetadataError(
            f"{path}:{_line(text, meant.start())}: this script block is not whole, so nobody reads "
            "it. It begins with the line `# /// script` and ends with `# ///`; each line between "
            "is `#`, or `# ` and more."
        )
    return Scenario(path, summary=_first_line_of_docstring(text))


def collect(targets: list[str], bundled: Path) -> list[Scenario]:
    """The scenarios of scripts, folders and bundled names, in a stable order, each once.

    With no target, the bundled ones. Raises UsageError for a target that is none of these.
    """
    paths: list[Path] = []
    for target in targets or [str(bundled)]:
        path = Path(target)
        if _is(Path.is_dir, path):
            inside = [p for p in sorted(path.glob("*.py")) if not p.name.startswith("_")]
            if path != bundled:
                inside = [p for p in inside if _is_runnable(p)]
            if not inside:
                raise UsageError(
                    f"{target}: no scenario in this folder. A scenario is a .py file with an "
                    '`if __name__ == "__main__"` guard or a `# /// script` block.'
                )
            paths += inside
        elif _is(Path.exists, path):
            paths.append(path)
        elif _is(Path.exists, bundled / f"{target}.py"):
            paths.append(bundled / f"{target}.py")
        else:
            raise UsageError(
                f"{target}: no such file or folder, and no bundled scenario of that name."
                f"{_hint(target, bundled)} `lab list scenarios` shows the bundled ones."
            )
    unique = {path.resolve(): path for path in paths}
    return [load(path) for path in unique.values()]


def bundled_folder() -> Path:
    """Where the bundled scenarios are: beside the package in a checkout, in it once installed."""
    package = Path(__file__).parent
    installed = package / "scenarios"
    return installed if installed.is_dir() else package.parent / "scenarios"


def _is(test: Callable[[Path], bool], path: Path) -> bool:
    """The answer of `Path.exists` or `Path.is_dir`; no, where the path itself is impossible."""
    try:
        return test(path)
    except OSError:
        return False


def _hint(target: str, bundled: Path) -> str:
    """A sentence with the bundled names that come nearest to what was typed; empty for none."""
    name = Path(target).stem
    names = sorted(path.stem for path in bundled.glob("*.py"))
    close = [each for each in names if name in each][:3] or difflib.get_close_matches(name, names)
    return f" Did you mean {' or '.join(close)}?" if close else ""


def _read(path: Path) -> str:
    """A script's text, decoded as Python would. Raises OSError, UnicodeDecodeError, SyntaxError."""
    with tokenize.open(path) as file:
        return file.read()


def _is_runnable(path: Path) -> bool:
    try:
        text = _read(path)
    except (OSError, UnicodeDecodeError, SyntaxError):
        return False
    return "__main__" in text or _BLOCK.search(text) is not None


def _first_line_of_docstring(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they come when it runs, for whom they concern
            docstring = ast.get_docstring(ast.parse(text)) or ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ""  # what is wrong with it shows when it runs
    return docstring.partition("\n")[0]


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


_Step = str | int

_LAB: tuple[_Step, ...] = ("tool", "lab")


class _Block:
    """A metadata block being read; its errors name file, line, key and what is allowed.

    Keys are paths into the data, such as ("tool", "lab", "outcomes", 0, "id").
    """

    def __init__(self, path: Path, text: str, match: re.Match[str]) -> None:
        self.path = path
        self.text = text
        self.first = _line(text, match.start()) + 1
        self.lines = [line[2:] for line in match["content"].removesuffix("\n").split("\n")]
        try:
            self.data = tomllib.loads("\n".join(self.lines))
        except tomllib.TOMLDecodeError as error:
            told = re.search(r"\(at line (\d+)", str(error))
            at = self.first + int(told[1]) - 1 if told else self.first + len(self.lines) - 1
            why = re.sub(r" \(at .*\)", "", str(error))
            raise MetadataError(f"{path}:{at}: the script block is not TOML: {why}.") from None

    def error(self, key: tuple[_Step, ...], message: str) -> MetadataError:
        """An error at the line where `key` is set."""
        steps = key[2:] if key[:2] == _LAB and len(key) > 2 else key
        name = "".join(f"[{step + 1}]" if isinstance(step, int) else f".{step}" for step in steps)
        return MetadataError(f"{self.path}:{self.line(key)}: {name[1:]}: {message}")

    def line(self, key: tuple[_Step, ...]) -> int:
        """Where the statement begins that sets `key`: the first after which the data has it."""
        begin = 0
        for end in range(1, len(self.lines) + 1):
            try:
                data = tomllib.loads("\n".join(self.lines[:end]))
            except tomllib.TOMLDecodeError:
                continue  # in the middle of a statement
            if _has(data, key):
                return self.first + begin
            begin = end
        return self.first

    def scenario(self) -> Scenario:
        lab: Any = self.data
        for depth in (1, 2):
            lab = lab.get(_LAB[depth - 1], {})
            if not isinstance(lab, dict):
                raise self.error(_LAB[:depth], "must be a table.")
        for key in lab:
            if key not in _KEYS:
                raise self.error((*_LAB, key), f"unknown key; known are {', '.join(_KEYS)}.")
        checks = self.choices(lab, "checks", CHECKS, ("determinism", "exceptions", "cleanup"))
        rows = self.rows(lab.get("outcomes", []))
        if "updates" in checks and not rows:
            raise self.error(
                (*_LAB, "checks"),
                "`updates` needs an outcome table ([[tool.lab.outcomes]]) that says what lost "
                "nothing.",
            )
        return Scenario(
            self.path,
            summary=self.string((*_LAB, "summary"), lab.get("summary", ""))
            or _first_line_of_docstring(self.text),
            checks=checks,
            outcome=self.regex((*_LAB, "outcome"), lab.get("outcome", "")),
            expect=self.expect(lab.get("expect", "clean")),
            expect_across=self.across(lab.get("expect-across", "clean"), checks),
            start_methods=self.choices(lab, "start-methods", START_METHODS, DEFAULT_START_METHODS),
            args=self.strings((*_LAB, "args"), lab.get("args", [])),
            timeout=self.seconds((*_LAB, "timeout"), lab["timeout"]) if "timeout" in lab else None,
            rows=rows,
            requires_python=self.requires_python(),
            has_block=True,
        )

    def string(self, key: tuple[_Step, ...], value: Any) -> str:
        if not isinstance(value, str):
            raise self.error(key, f"must be text, not {value!r}.")
        return value

    def strings(self, key: tuple[_Step, ...], value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, f"must be a list of texts, not {value!r}.")
        return tuple(value)

    def choices(
        self, lab: dict[str, Any], name: str, allowed: tuple[str, ...], default: tuple[str, ...]
    ) -> tuple[str, ...]:
        if name not in lab:
            return default
        key = (*_LAB, name)
        values = self.strings(key, lab[name])
        for value in values:
            if value not in allowed:
                raise self.error(key, f"unknown {value!r}; allowed are {', '.join(allowed)}.")
        if not values:
            raise self.error(key, f"is empty; allowed are {', '.join(allowed)}.")
        return tuple(dict.fromkeys(values))

    def seconds(self, key: tuple[_Step, ...], value: Any) -> float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not 0 < value < math.inf:
            raise self.error(key, f"must be a number of seconds above 0, not {value!r}.")
        return float(value)

    def regex(self, key: tuple[_Step, ...], value: Any) -> str:
        pattern = self.string(key, value)
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            raise self.error(key, f"{pattern!r} is no regular expression: {error}.") from None
        return pattern

    def verdict(self, key: tuple[_Step, ...], value: Any) -> Verdict:
        allowed = [verdict.value for verdict in Verdict if verdict != Verdict.INCONCLUSIVE]
        if value in allowed:
            return Verdict(value)
        why = f"unknown verdict {value!r}"
        if value == Verdict.INCONCLUSIVE:  # a cell would pass by having shown nothing
            why = "'inconclusive' is no verdict to expect, for it says that nothing was judged"
        raise self.error(key, f"{why}; allowed are {', '.join(allowed)}.")

    def expect(self, value: Any) -> tuple[tuple[str, Verdict], ...]:
        key = (*_LAB, "expect")
        if not isinstance(value, dict):
            return (("*", self.verdict(key, value)),)
        if not value:
            raise self.error(key, "is an empty table.")
        pairs = (
            (selector, self.verdict((*key, selector), each)) for selector, each in value.items()
        )
        return tuple(sorted(pairs, key=lambda pair: pair[0] == "*"))

    def across(self, value: Any, checks: tuple[str, ...]) -> Verdict:
        key = (*_LAB, "expect-across")
        allowed = (Verdict.CLEAN, Verdict.NONDETERMINISTIC)
        if value not in allowed:
            raise self.error(key, f"unknown {value!r}; allowed are {', '.join(allowed)}.")
        if value != Verdict.CLEAN and "determinism" not in checks:
            raise self.error(key, "needs the check `determinism`, which compares the cells.")
        return Verdict(value)

    def requires_python(self) -> str:
        value = self.data.get("requires-python", "")
        if not isinstance(value, str):
            message = f"must be text such as '>=3.11', not {value!r}."
            raise self.error(("requires-python",), message)
        try:
            SpecifierSet(value)
        except InvalidSpecifier:
            message = f"{value!r} is no version specifier such as '>=3.11'."
            raise self.error(("requires-python",), message) from None
        return value

    def rows(self, value: Any) -> tuple[Row, ...]:
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            message = "must be an array of tables: [[tool.lab.outcomes]]."
            raise self.error((*_LAB, "outcomes"), message)
        return tuple(self.row((*_LAB, "outcomes", at), row) for at, row in enumerate(value))

    def row(self, key: tuple[_Step, ...], row: dict[str, Any]) -> Row:
        for name in row:
            if name not in _ROW_KEYS:
                raise self.error((*key, name), f"unknown key; known are {', '.join(_ROW_KEYS)}.")
        if "id" not in row:
            raise self.error(key, "has no `id`, the regular expression of its outcomes.")
        grades = [grade.value for grade in Grade if grade != Grade.UNGRADED]
        if "grade" not in row:
            raise self.error(key, f"has no `grade`; allowed are {', '.join(grades)}.")
        if row["grade"] not in grades:
            message = f"unknown {row['grade']!r}; allowed are {', '.join(grades)}."
            raise self.error((*key, "grade"), message)
        required = row.get("required", False)
        if not isinstance(required, bool):
            raise self.error((*key, "required"), f"must be true or false, not {required!r}.")
        return Row(
            self.regex((*key, "id"), row["id"]),
            Grade(row["grade"]),
            self.string((*key, "why"), row.get("why", "")),
            required,
        )


def _has(data: Any, key: tuple[_Step, ...]) -> bool:
    for step in key:
        try:
            data = data[step]
        except (KeyError, IndexError, TypeError):
            return False
    return True
