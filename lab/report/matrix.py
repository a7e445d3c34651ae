"""The matrix on a terminal: for each scenario, start methods across and core counts down.

A scenario whose cells are all as expected takes two lines: its name and summary, and one row for
the core counts that agree. Where there are several Pythons, each has a row of its own, for what
differs between them is what the reader looks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lab.model import CellResult
from lab.report.explain import INDENT, TONES
from lab.report.style import Style, columns, pad
from lab.report.tally import Group, Sheet, method_order
from lab.report.words import Standing, against, standing, word

REPEAT = 30
"""Lines after which the names of the columns are printed again."""


@dataclass(frozen=True)
class _Row:
    """Core counts of one group whose cells agree; a place is None where there is no cell."""

    cores: tuple[int, ...]
    places: tuple[CellResult | None, ...]

    @property
    def signature(self) -> tuple[tuple[str, str] | None, ...]:
        return tuple((standing(cell), word(cell)) if cell else None for cell in self.places)

    def label(self, brief: bool) -> str:
        """Its core counts, and unless brief whether all is well: no mark says so too."""
        cores = ", ".join(map(str, self.cores))
        text = f"{cores} cpu" if self.cores == (1,) else f"{cores} cpus"
        cells = [cell for cell in self.places if cell]
        ok = all(standing(cell) in ("clean", "known") for cell in cells)
        return f"{text}, as expected" if ok and not brief else text


def mark(stand: Standing, style: Style) -> str:
    """`! ` not as expected, `- ` unsupported, `x ` the lab's own error, else nothing."""
    return {
        "unexpected": "! ",
        "unsupported": f"{style.glyphs.dash} ",
        "error": f"{style.glyphs.cross} ",
    }.get(stand, "")


def legend(cells: Iterable[CellResult], style: Style) -> list[str]:
    """What the marks that `cells` bear mean; nothing where they bear none."""
    meanings = {
        "unexpected": "! not as expected",
        "unsupported": f"{style.glyphs.dash} unsupported here",
        "error": f"{style.glyphs.cross} the lab's own error",
    }
    stands = {standing(cell) for cell in cells}
    used = [text for stand, text in meanings.items() if stand in stands]
    lines = style.wrap(", ".join(used), INDENT) if used else []
    return [style.paint(line, "quiet") for line in lines]


def matrix_lines(sheets: Sequence[Sheet], style: Style) -> list[str]:
    """Every scenario's grid; no line wider than the style. The columns line up over the run."""
    methods = sorted({method for sheet in sheets for method in sheet.methods}, key=method_order)
    tables = [
        (sheet, [(style.clean(group.label), _rows(group, methods)) for group in sheet.groups])
        for sheet in sheets
    ]
    every = [(name, row) for _, groups in tables for name, rows in groups for row in rows]
    widths = [
        max(len(method), *(len(_text(row.places[place], style)) for _, row in every))
        for place, method in enumerate(methods)
    ]
    # Names of groups stand beside their rows, or above them where that is too wide.
    lead = max((columns(name) + 2 for name, _ in every if name), default=0)
    for brief, beside in ((False, lead), (True, lead), (False, 2), (True, 2)):
        indent = 4 + min(beside, lead)
        label = indent + max((columns(row.label(brief)) for _, row in every), default=0)
        if label + sum(widths) + 2 * len(widths) <= style.width:
            break
    else:
        widths = []  # too narrow for columns: each row's cells follow one another
        brief = False
    header = " " * label + "".join(
        INDENT + pad(method, width) for method, width in zip(methods, widths, strict=False)
    )
    lines: list[str] = []
    since = REPEAT
    for sheet, groups in tables:
        block = _title(sheet, style)
        for name, rows in groups:
            head = INDENT * 2 + name
            if name and indent < lead + 4:
                block.append(style.paint(style.cut(head, style.width), "quiet"))
                head = ""
            for row in rows:
                head = pad(head, indent) + row.label(brief)
                block += _row_lines(row, head, methods, label, widths, style)
                head = ""
        block += _across(sheet, style)
        if since + len(block) > REPEAT and widths:
            lines += [""] if lines else []
            lines.append(style.paint(header.rstrip(), "quiet"))
            since = 0
        lines += block
        since += len(block)
    return lines


def _rows(group: Group, methods: Sequence[str]) -> list[_Row]:
    rows: list[_Row] = []
    for cores in group.cores:
        row = _Row((cores,), tuple(group.at(method, cores) for method in methods))
        if rows and rows[-1].signature == row.signature:
            rows[-1] = _Row((*rows[-1].cores, cores), row.places)
        else:
            rows.append(row)
    return rows


def _title(sheet: Sheet, style: Style) -> list[str]:
    name = style.clean(sheet.scenario)
    gutter = style.paint(mark(sheet.standing, style), TONES[sheet.standing]) or INDENT
    text = f"{name}: {style.clean(sheet.summary)}" if sheet.summary else name
    painted = style.paint(name, "title")
    if sheet.ok:
        return [gutter + painted + style.clip(text, style.width - 2)[len(name) :]]
    # Wrapped with the gutter's two columns as blanks, which the mark then takes.
    first, *more = style.wrap(text, INDENT, INDENT * 2)
    expected = style.wrap(style.clean(f"expected {sheet.expected}"), INDENT * 2)
    head = gutter + painted + first[2 + len(name) :]
    return [head, *more, *(style.paint(line, "quiet") for line in expected)]


def _row_lines(
    row: _Row, head: str, methods: Sequence[str], label: int, widths: Sequence[int], style: Style
) -> list[str]:
    if widths:
        line = style.paint(pad(head, label), "quiet")
        for cell, width in zip(row.places, widths, strict=True):
            text = _text(cell, style)
            line += INDENT + _painted(cell, text, style) + " " * (width - columns(text))
        return [line.rstrip()]
    parts = [
        f"{method} {_text(cell, style)}"
        for method, cell in zip(methods, row.places, strict=True)
        if cell
    ]
    return [style.paint(head, "quiet"), *style.wrap(", ".join(parts), INDENT * 3)]


def _across(sheet: Sheet, style: Style) -> list[str]:
    """What the cells amount to side by side, where there is something to say."""
    result = sheet.result
    if result is None:
        text = "not judged across cells: the run ended before the last of them"
        return [style.paint(line, "lab") for line in style.wrap(text, INDENT * 2)]
    if result.ok and not result.findings:
        return []
    said = against(result.verdict.value, result.expected.value, result.ok)
    messages = "; ".join(finding.message for finding in result.findings)
    text = f"across cells: {said}" + (f": {messages}" if messages else "")
    lines = style.wrap(style.clean(text), INDENT * 2, INDENT * 3)
    return [style.paint(line, "known" if result.ok else "bad") for line in lines]


def _text(cell: CellResult | None, style: Style) -> str:
    return mark(standing(cell), style) + word(cell) if cell else style.glyphs.dot


def _painted(cell: CellResult | None, text: str, style: Style) -> str:
    return style.paint(text, TONES[standing(cell)] if cell else "quiet")
