"""determinism: one outcome over all samples of a cell, and the same in all cells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from lab.checks.case import Case, inconclusive
from lab.model import CellResult, Finding, Status, Verdict

AXES: dict[str, Callable[[CellResult], str]] = {
    "start method": lambda cell: cell.start_method,
    "cores": lambda cell: f"{cell.cores} cores" if cell.cores != 1 else "1 core",
    "python": lambda cell: cell.python,
    "profile": lambda cell: cell.profile,
    "host": lambda cell: cell.host,
}


def judge(case: Case) -> list[Finding]:
    """A finding if samples of the cell differ; `inconclusive` if there are not two to compare."""
    counts = case.counts()
    if len(counts) > 1:
        sides = {
            kind: dict(
                Counter(o for o, s in zip(case.outcomes, case.samples, strict=True) if which(s))
            )
            for kind, which in (
                ("plain samples", lambda sample: not sample.observed),
                ("samples with pauses", lambda sample: sample.observed),
            )
        }
        return [
            Finding(
                "determinism",
                Verdict.NONDETERMINISTIC,
                f"{len(counts)} different outcomes in {len(case.samples)} samples of one cell",
                {"axis": "samples", "sides": {kind: side for kind, side in sides.items() if side}},
            )
        ]
    if len(case.samples) < 2:
        return [inconclusive("determinism", "one sample has nothing to be compared with")]
    return []


def across(cells: Iterable[CellResult]) -> list[Finding]:
    """A finding if cells, each of one outcome, disagree; it names the axis that divides them."""
    cells = [cell for cell in cells if cell.status == Status.RAN and len(cell.outcomes) == 1]
    outcomes = {cell.outcomes[0].id for cell in cells}
    if len(outcomes) < 2:
        return []
    for axis, value in AXES.items():
        sides: dict[str, Counter[str]] = {}
        for cell in cells:
            sides.setdefault(value(cell), Counter())[cell.outcomes[0].id] += 1
        if len(sides) > 1 and all(len(side) == 1 for side in sides.values()):
            return [_finding(axis, sides)]
    each = {cell.id: Counter({cell.outcomes[0].id: 1}) for cell in cells}
    return [_finding("several axes", each)]


def _finding(axis: str, sides: dict[str, Counter[str]]) -> Finding:
    by_outcome: dict[str, list[str]] = {}
    for side, counts in sides.items():
        by_outcome.setdefault(", ".join(counts), []).append(side)
    told = "; ".join(f"{', '.join(names)}: {outcome}" for outcome, names in by_outcome.items())
    return Finding(
        "determinism",
        Verdict.NONDETERMINISTIC,
        f"the outcome depends on the {axis} ({told})"
        if axis != "several axes"
        else f"the outcome differs between cells ({told})",
        {"axis": axis, "sides": {side: dict(counts) for side, counts in sides.items()}},
    )
