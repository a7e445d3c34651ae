"""Scenarios: a script and what its metadata block says the lab should expect of it."""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lab.errors import MetadataError, UsageError
from lab.model import CHECKS, DEFAULT_START_METHODS, START_METHODS, Cell, Grade, Verdict

_BLOCK = re.compile(r"(?m)^# /// script$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
"""The inline script metadata block, from PEP 723."""

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

    def matches(self, outcome: str) -> bool:
        """Whether the row is for this outcome."""
        return re.fullmatch(self.id, outcome) is not None


@dataclass(frozen=True)
class Scenario:
    """A script and its expectations; docs/scenarios.md describes each key of the metadata."""

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

    def grade(self, outcome: str) -> tuple[Grade, str]:
        """The grade of an outcome and why; with no table every outcome is acceptable."""
        if not self.rows:
            return Grade.ACCEPTABLE, ""
        for row in self.rows:
            if row.matches(outcome):
                return row.grade, row.why
        return Grade.UNGRADED, "on no row of the outcome table"


def load(path: Path) -> Scenario:
    """Read a script. Raises UsageError if it cannot be read, MetadataError for its block."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file. Give a script or a folder of scripts.") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}).") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from None
    blocks = list(_BLOCK.finditer(text))
    if len(blocks) > 1:
        line = _line(text, blocks[1].start())
        raise MetadataError(f"{path}:{line}: a second `# /// script` block; there may be one.")
    if not blocks:
        return Scenario(path, summary=_first_line_of_docstring(text))
    return _Block(path, text, blocks[0]).scenario()


def collect(targets: list[str], bundled: Path) -> list[Scenario]:
    """The scenarios of scripts, folders and bundled names, in a stable order, each once.

    With no target, the bundled ones. Raises UsageError for a target that is none of these.
    """
    paths: list[Path] = []
    for target in targets or [str(bundled)]:
        path = Path(target)
        if path.is_dir():
            inside = [p for p in sorted(path.glob("*.py")) if not p.name.startswith("_")]
            if path != bundled:
                inside = [p for p in inside if _is_runnable(p)]
            if not inside:
                raise UsageError(
                    f"{target}: no scenario in this folder. A scenario is a .py file with an "
                    '`if __name__ == "__main__"` guard or a `# /// script` block.'
                )
            paths += inside
        elif path.exists():
            paths.append(path)
        elif (bundled / f"{target}.py").exists():
            paths.append(bundled / f"{target}.py")
        else:
            names = sorted(p.stem for p in bundled.glob("*.py"))
            close = [name for name in names if target in name][:3]
            hint = f" Did you mean {' or '.join(close)}?" if close else ""
            raise UsageError(
                f"{target}: no such file or folder, and no bundled scenario of that name.{hint} "
                "`lab list scenarios` shows the bundled ones."
            )
    unique = {path.resolve(): path for path in paths}
    return [load(path) for path in unique.values()]


def bundled_folder() -> Path:
    """Where the bundled scenarios are: beside the package in a checkout, in it once installed."""
    package = Path(__file__).parent
    installed = package / "scenarios"
    return installed if installed.is_dir() else package.parent / "scenarios"


def _is_runnable(path: Path) -> bool:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return "__main__" in text or _BLOCK.search(text) is not None


def _first_line_of_docstring(text: str) -> str:
    try:
        docstring = ast.get_docstring(ast.parse(text)) or ""
    except (SyntaxError, ValueError):
        return ""  # what is wrong with it shows when it runs
    return docstring.partition("\n")[0]


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


class _Block:
    """A metadata block being read; its errors name file, line, key and what is allowed."""

    def __init__(self, path: Path, text: str, match: re.Match[str]) -> None:
        self.path = path
        self.text = text
        self.first = _line(text, match.start()) + 1
        self.lines = [line[2:] for line in match.group("content").splitlines()]
        try:
            self.data = tomllib.loads("\n".join(self.lines))
        except tomllib.TOMLDecodeError as error:
            told = re.search(r"\(at line (\d+)", str(error))
            at = self.first + int(told[1]) - 1 if told else self.first + len(self.lines) - 1
            why = re.sub(r" \(at .*\)", "", str(error))
            raise MetadataError(f"{path}:{at}: the script block is not TOML: {why}.") from None

    def error(self, key: str, message: str) -> MetadataError:
        """An error at the line where `key` stands."""
        pattern = re.compile(rf"^\s*(\[\[?)?[\w.\"'-]*\b{re.escape(key.split('.')[-1])}\b")
        at = next((n for n, line in enumerate(self.lines) if pattern.match(line)), 0)
        return MetadataError(f"{self.path}:{self.first + at}: {key}: {message}")

    def scenario(self) -> Scenario:
        tool = self.data.get("tool", {})
        if not isinstance(tool, dict) or not isinstance(tool.get("lab", {}), dict):
            raise self.error("tool.lab", "must be a table.")
        lab = tool.get("lab", {})
        for key in lab:
            if key not in _KEYS:
                raise self.error(key, f"unknown key; known are {', '.join(_KEYS)}.")
        across = self.verdict("expect-across", lab.get("expect-across", "clean"))
        if across not in (Verdict.CLEAN, Verdict.NONDETERMINISTIC):
            raise self.error("expect-across", "must be `clean` or `nondeterministic`.")
        timeout = lab.get("timeout")
        if timeout is not None and (
            isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0
        ):
            raise self.error("timeout", f"must be a number of seconds above 0, not {timeout!r}.")
        requires = self.data.get("requires-python", "")
        if not isinstance(requires, str):
            raise self.error("requires-python", "must be text such as '>=3.11'.")
        return Scenario(
            self.path,
            summary=self.string(lab, "summary") or _first_line_of_docstring(self.text),
            checks=self.choices(lab, "checks", CHECKS, ("determinism", "exceptions", "cleanup")),
            outcome=self.regex("outcome", self.string(lab, "outcome")),
            expect=self.expect(lab.get("expect", "clean")),
            expect_across=across,
            start_methods=self.choices(lab, "start-methods", START_METHODS, DEFAULT_START_METHODS),
            args=self.strings(lab, "args"),
            timeout=float(timeout) if timeout is not None else None,
            rows=self.rows(lab.get("outcomes", [])),
            requires_python=requires,
            has_block=True,
        )

    def string(self, table: dict[str, Any], key: str) -> str:
        value = table.get(key, "")
        if not isinstance(value, str):
            raise self.error(key, f"must be text, not {value!r}.")
        return value

    def strings(self, table: dict[str, Any], key: str) -> tuple[str, ...]:
        value = table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, f"must be a list of texts, not {value!r}.")
        return tuple(value)

    def choices(
        self, table: dict[str, Any], key: str, allowed: tuple[str, ...], default: tuple[str, ...]
    ) -> tuple[str, ...]:
        if key not in table:
            return default
        values = self.strings(table, key)
        for value in values:
            if value not in allowed:
                raise self.error(key, f"unknown {value!r}; allowed are {', '.join(allowed)}.")
        if not values:
            raise self.error(key, f"is empty; allowed are {', '.join(allowed)}.")
        return values

    def regex(self, key: str, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise self.error(key, f"{pattern!r} is no regular expression: {error}.") from None
        return pattern

    def verdict(self, key: str, value: Any) -> Verdict:
        try:
            return Verdict(value)
        except ValueError:
            allowed = ", ".join(verdict.value for verdict in Verdict)
            raise self.error(key, f"unknown verdict {value!r}; allowed are {allowed}.") from None

    def expect(self, value: Any) -> tuple[tuple[str, Verdict], ...]:
        if isinstance(value, dict):
            if not value:
                raise self.error("expect", "is an empty table.")
            return tuple((key, self.verdict("expect", item)) for key, item in value.items())
        return (("*", self.verdict("expect", value)),)

    def rows(self, value: Any) -> tuple[Row, ...]:
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise self.error("outcomes", "must be an array of tables: [[tool.lab.outcomes]].")
        return tuple(self.row(number, row) for number, row in enumerate(value, 1))

    def row(self, number: int, row: dict[str, Any]) -> Row:
        key = f"outcomes[{number}]"
        for name in row:
            if name not in _ROW_KEYS:
                raise self.error(name, f"unknown key in {key}; known are {', '.join(_ROW_KEYS)}.")
        if not isinstance(row.get("id"), str):
            raise self.error("outcomes", f"{key} has no `id`.")
        grades = [grade.value for grade in Grade if grade != Grade.UNGRADED]
        if row.get("grade") not in grades:
            raise self.error(
                "grade", f"{row.get('grade')!r} in {key}; allowed are {', '.join(grades)}."
            )
        required = row.get("required", False)
        if not isinstance(required, bool):
            raise self.error("required", f"must be true or false in {key}.")
        return Row(
            self.regex("id", row["id"]), Grade(row["grade"]), self.string(row, "why"), required
        )
