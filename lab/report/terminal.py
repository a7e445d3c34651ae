"""A run as text for a terminal or a log: matrix, what was not as expected, totals. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TextIO

from lab.model import CellResult
from lab.report.explain import INDENT, explain_cell, explain_scenario
from lab.report.matrix import legend, matrix_lines
from lab.report.progress import Progress
from lab.report.style import Style, Tone
from lab.report.tally import Totals, by_reason, method_order, sheets
from lab.report.words import ranges, several, standing
from lab.store import Run

__all__ = ["Progress", "print_report", "report_lines"]


def print_report(run: Run, stream: TextIO, style: Style | None = None, where: str = "") -> None:
    """Write `report_lines` to `stream`, in the style that suits it if none is given."""
    style = style or Style.of(stream)
    stream.write("\n".join([*report_lines(run, style, where), ""]))
    stream.flush()


def report_lines(run: Run, style: Style, where: str = "") -> list[str]:
    """The whole report, the totals last, for that is where a reader looks first.

    `where` says where the results are; the run's folder unless given.
    """
    lines = [*facts_lines(run, style), ""]
    if run.cells:
        lines += [*matrix_lines(sheets(run), style), *legend(run.cells, style), ""]
    lines += unexpected_lines(run, style)
    lines += unsupported_lines(run.cells, style)
    lines += error_lines(run.cells, style)
    for sentence in run.damage:
        lines += [style.paint(line, "lab") for line in style.wrap(style.clean(sentence))]
    return lines + totals_lines(run, style, where)


def facts_lines(run: Run, style: Style) -> list[str]:
    """When, on what and how it ran, as far as run.json says."""
    dot = f" {style.glyphs.dot} "
    lines = [
        style.wrap(style.clean(dot.join(facts)), "", INDENT)
        for facts in run_facts(run)
        if any(facts)
    ]
    return [style.paint(line, "quiet") for several_lines in lines for line in several_lines]


def run_facts(run: Run) -> list[list[str]]:
    """Three rows of facts: time and versions; machine; command. Rows may be empty."""
    facts = run.facts
    versions = facts.get("versions") or {}
    machine = facts.get("machine") or {}
    when = facts.get("started")
    row = [readable_time(when)] if when else []
    names = {"lab": "mplab", "python": "Python", "pytest": "pytest"}
    row += [f"{name} {versions[key]}" for key, name in names.items() if versions.get(key)]
    system = [machine.get(key) for key in ("system", "release", "architecture")]
    where = [" ".join(part for part in system if part)]
    if machine.get("cpus_usable"):
        usable = machine["cpus_usable"]
        plural = "s" if len(usable) > 1 else ""
        where.append(f"CPU{plural} {ranges(usable)} of {machine.get('cpus', '?')}")
    if machine.get("name"):
        where.append(machine["name"])
    argv = " ".join(str(word) for word in facts.get("argv") or [])
    return [row, [part for part in where if part], [argv] if argv else []]


def readable_time(stamp: str) -> str:
    """`2026-11-24 16:44:55 +01:00` of an ISO time; another text as it is."""
    try:
        time = datetime.fromisoformat(stamp)
    except ValueError:
        return stamp
    return time.isoformat(" ", "seconds").replace("+", " +")


def unexpected_lines(run: Run, style: Style) -> list[str]:
    """The cells that were not as expected, and the scenarios that were not across theirs."""
    cells = [
        cell for sheet in sheets(run) for cell in sheet.cells if standing(cell) == "unexpected"
    ]
    across = [sheet.result for sheet in sheets(run) if sheet.result and not sheet.result.ok]
    if not (cells or across):
        return []
    lines = _heading(f"Not as expected: {_several_of(cells, across)}", style)
    for cell in cells:
        lines += [style.rule(style.clean(cell.id), tone="bad"), *explain_cell(cell, style), ""]
    for result in across:
        name = style.clean(f"{result.scenario}, across its cells")
        lines += [style.rule(name, tone="bad"), *explain_scenario(result, style), ""]
    return lines


def unsupported_lines(cells: Iterable[CellResult], style: Style) -> list[str]:
    """Cells that could not run here, grouped by the reason."""
    groups = by_reason(cell for cell in cells if standing(cell) == "unsupported")
    if not groups:
        return []
    count = sum(len(members) for members in groups.values())
    lines = _heading(f"Unsupported here: {several(count, 'cell')}, which is no pass", style)
    for reason, members in groups.items():
        lines += style.wrap(style.clean(f"{several(len(members), 'cell')}: {reason}"), "", INDENT)
        lines += [style.paint(line, "quiet") for line in style.wrap(_extent(members), INDENT * 2)]
    return [*lines, ""]


def error_lines(cells: Iterable[CellResult], style: Style) -> list[str]:
    """Cells for which the lab itself failed."""
    failed = [cell for cell in cells if standing(cell) == "error"]
    if not failed:
        return []
    lines = _heading(f"The lab's own errors: {several(len(failed), 'cell')}", style)
    for cell in failed:
        lines += [style.rule(style.clean(cell.id), tone="bad"), *explain_cell(cell, style), ""]
    return lines


def totals_lines(run: Run, style: Style, where: str = "") -> list[str]:
    """The last lines: where the results are, whether the run was cut short, the totals."""
    totals = Totals.of(run)
    lines = []
    if totals.missing:
        early = "was interrupted" if run.facts.get("interrupted") else "ended early"
        text = f"The run {early}: {several(totals.missing, 'cell')} of the matrix did not run."
        lines += [style.paint(line, "bad") for line in style.wrap(text)]
    lines += [style.paint(line, "quiet") for line in style.wrap(power_sentence(run.cells))]
    lines += style.wrap(style.clean(f"results in {where or run.folder}"))
    tone: Tone = "good" if totals.ok and not totals.missing else "bad"
    return lines + [style.paint(line, tone) for line in style.wrap(totals.sentence())]


def power_sentence(cells: Iterable[CellResult]) -> str:
    """What the cells as expected can vouch for, from the best to the worst; empty if none says."""
    fine = [cell for cell in cells if standing(cell) in ("clean", "known")]
    rates = [cell.power.get("missed_at_most") for cell in fine]
    missed = sorted({f"{100 * rate:.1f}" for rate in rates if isinstance(rate, float)}, key=float)
    samples = sorted({cell.samples for cell in fine})
    if not missed:
        return ""
    return (
        f"{_span(samples)} samples of each cell: what happens in fewer than {_span(missed)} % of "
        "runs may have been missed"
    )


def _span(values: Sequence[object]) -> str:
    return f"{values[0]} to {values[-1]}" if len(values) > 1 else f"{values[0]}"


def _heading(text: str, style: Style) -> list[str]:
    return [style.rule(style.clean(text), heavy=True), ""]


def _several_of(cells: Sequence[object], across: Sequence[object]) -> str:
    parts = [several(len(cells), "cell")] if cells else []
    if across:
        parts.append(f"{several(len(across), 'scenario')} across cells")
    return ", ".join(parts)


def _extent(cells: Sequence[CellResult]) -> str:
    """Which cells, briefly: scenarios and axes where they are a full product, else every id."""
    names = sorted({cell.scenario for cell in cells})
    axes = [
        sorted({cell.start_method for cell in cells}, key=method_order),
        [f"{cores}cpu" for cores in sorted({cell.cores for cell in cells})],
        sorted({f"py{cell.python}" for cell in cells}),
        sorted({cell.profile for cell in cells}),
    ]
    size = len(names)
    for axis in axes:
        size *= len(axis)
    if size != len(cells) or len(cells) == 1:
        return ", ".join(sorted(cell.id for cell in cells))
    scenarios = ", ".join(names) if len(names) <= 4 else several(len(names), "scenario")
    return f"{scenarios}: {' x '.join(', '.join(axis) for axis in axes)}"
