"""A run's results arranged for reading: totals, and for each scenario a grid. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from lab.model import START_METHODS, CellResult, ScenarioResult
from lab.report.words import Standing, duration, several, standing
from lab.store import Run


@dataclass(frozen=True)
class Totals:
    """How many cells stand how, and how many scenarios fail across cells that each pass."""

    cells: int
    expected: int
    unexpected: int
    unsupported: int
    errors: int
    across: int = 0
    planned: int | None = None
    seconds: float | None = None
    seed: int | None = None

    @classmethod
    def of(cls, run: Run) -> Totals:
        """Count `run`. Its time is the wall time by run.json, unknown where it has not ended."""
        stands = [standing(cell) for cell in run.cells]
        return cls(
            cells=len(stands),
            expected=stands.count("clean") + stands.count("known"),
            unexpected=stands.count("unexpected"),
            unsupported=stands.count("unsupported"),
            errors=stands.count("error"),
            across=sum(not scenario.ok for scenario in run.scenarios),
            planned=run.facts.get("cells"),
            seconds=run.seconds,
            seed=run.facts.get("seed"),
        )

    @property
    def ok(self) -> bool:
        """Whether something ran and all that ran was as expected."""
        return bool(self.expected) and not (self.unexpected or self.errors or self.across)

    @property
    def missing(self) -> int:
        """How many planned cells have no result: the run was ended early."""
        return max((self.planned or 0) - self.cells, 0)

    def sentence(self) -> str:
        """`228 cells: 226 as expected, 1 not, 1 unsupported, 0 errors in 3 min 12 s (seed 7)`."""
        count = several(self.cells, "cell")
        if self.missing:
            count = f"{self.cells} of {self.planned} cells"
        text = (
            f"{count}: {self.expected} as expected, {self.unexpected} not, "
            f"{self.unsupported} unsupported, {several(self.errors, 'error')}"
        )
        if self.across:
            text += f", {several(self.across, 'scenario')} not as expected across cells"
        if self.seconds is not None:
            text += f" in {duration(self.seconds)}"
        if self.seed is not None:
            text += f" (seed {self.seed})"
        return text


@dataclass(frozen=True)
class Group:
    """The cells of a scenario with the same Python, profile and host; `label` names those of the
    three that differ in the run."""

    label: str
    cells: tuple[CellResult, ...]

    @cached_property
    def cores(self) -> list[int]:
        """The rows."""
        return sorted({cell.cores for cell in self.cells})

    def at(self, start_method: str, cores: int) -> CellResult | None:
        """The cell at a place of the grid; None where there is none."""
        return self._places.get((start_method, cores))

    @cached_property
    def _places(self) -> dict[tuple[str, int], CellResult]:
        return {(cell.start_method, cell.cores): cell for cell in self.cells}


@dataclass(frozen=True)
class Sheet:
    """One scenario's cells. `result` is None where the run ended before its last cell."""

    scenario: str
    path: str
    cells: tuple[CellResult, ...]
    result: ScenarioResult | None
    groups: tuple[Group, ...]

    @property
    def summary(self) -> str:
        """The scenario's line; empty where it is not known."""
        return self.result.summary if self.result else ""

    @property
    def methods(self) -> list[str]:
        """The columns, in the order of START_METHODS."""
        return sorted({cell.start_method for cell in self.cells}, key=method_order)

    @property
    def expected(self) -> str:
        """What was expected of the cells: one verdict, or each with the cells it is for."""
        verdicts: dict[str, dict[str, set[str]]] = {}
        for cell in sorted(self.cells, key=lambda cell: method_order(cell.start_method)):
            verdicts.setdefault(cell.start_method, {}).setdefault(cell.expected.value, set())
            verdicts[cell.start_method][cell.expected.value].add(cell.id)
        where: dict[str, list[str]] = {}
        for method, expected in verdicts.items():
            for verdict, ids in expected.items():
                # A start method of several expectations names its cells.
                names = [method] if len(expected) == 1 else [_point(id) for id in sorted(ids)]
                where.setdefault(verdict, []).extend(names)
        if len(where) == 1:
            return next(iter(where))
        return "; ".join(f"{verdict} ({', '.join(names)})" for verdict, names in where.items())

    @property
    def standing(self) -> Standing:
        """The worst that befell a cell, or all of them together."""
        stands = {standing(cell) for cell in self.cells}
        if self.result is not None and not self.result.ok:
            stands.add("unexpected")
        worst: tuple[Standing, ...] = ("error", "unexpected", "unsupported", "known")
        return next((stand for stand in worst if stand in stands), "clean")

    @property
    def ok(self) -> bool:
        """Whether every cell ran as expected, and all of them together."""
        return self.standing in ("clean", "known")


def sheets(run: Run) -> list[Sheet]:
    """The scenarios of `run`, by path; cells by Python, profile, host, cores, start method.

    The order does not depend on which cell ended first.
    """
    cells: dict[tuple[str, str], list[CellResult]] = {}
    axes = zip(*(_group_key(cell) for cell in run.cells), strict=True)
    varying = [position for position, values in enumerate(axes) if len(set(values)) > 1]
    results = {(result.path, result.scenario): result for result in run.scenarios}
    for key in results:
        cells[key] = []
    for cell in run.cells:
        cells.setdefault((cell.path, cell.scenario), []).append(cell)
    return [
        _sheet(path, scenario, members, results.get((path, scenario)), varying)
        for (path, scenario), members in sorted(cells.items())
    ]


def _sheet(
    path: str,
    scenario: str,
    cells: Sequence[CellResult],
    result: ScenarioResult | None,
    varying: Sequence[int],
) -> Sheet:
    ordered = sorted(cells, key=_cell_order)
    keys = list(dict.fromkeys(_group_key(cell) for cell in ordered))
    groups = tuple(
        Group(
            " ".join(_axis_label(position, key[position]) for position in varying),
            tuple(cell for cell in ordered if _group_key(cell) == key),
        )
        for key in keys
    )
    return Sheet(scenario, path, tuple(ordered), result, groups)


def _point(cell_id: str) -> str:
    """The part of a cell's id between the brackets."""
    return cell_id.partition("[")[2].removesuffix("]")


def _group_key(cell: CellResult) -> tuple[str, str, str]:
    """Python as in the cells' ids: one that never started has not told the rest of its version."""
    return ".".join(cell.python.split(".")[:2]), cell.profile, cell.host


def _axis_label(position: int, value: str) -> str:
    return f"py{value}" if position == 0 else value


def _cell_order(cell: CellResult) -> tuple[object, ...]:
    return (
        version_order(cell.python),
        cell.profile != "default",
        cell.profile,
        cell.host,
        cell.cores,
        method_order(cell.start_method),
    )


def method_order(method: str) -> tuple[int, str]:
    """A key for the order of columns: as in START_METHODS, unknown ones last."""
    known = method in START_METHODS
    return (START_METHODS.index(method) if known else len(START_METHODS), method)


def version_order(version: str) -> list[tuple[int, int | str]]:
    """A key under which 3.9 comes before 3.13."""
    parts = version.replace("-", ".").split(".")
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def by_reason(cells: Iterable[CellResult]) -> dict[str, list[CellResult]]:
    """`cells` under the reason they give, the most frequent first."""
    groups: dict[str, list[CellResult]] = {}
    for cell in cells:
        groups.setdefault(cell.reason or "no reason given", []).append(cell)
    return dict(sorted(groups.items(), key=lambda item: -len(item[1])))
