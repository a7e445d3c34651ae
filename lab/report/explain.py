"""The plain explanation of one cell, and of a scenario's cells side by side.

The terminal and junit.xml print the same lines; the HTML report takes the evidence from here.
"""

from __future__ import annotations

from collections.abc import Sequence

from lab.model import CellResult, Finding, Outcome, ScenarioResult, Status
from lab.report.evidence import evidence_lines, nearer
from lab.report.style import Style, Tone, columns, pad
from lab.report.words import (
    Standing,
    against,
    circumstances,
    judgement,
    label,
    power_phrase,
    several,
    share,
    standing,
)

INDENT = "  "
ROWS = 12
"""Outcomes shown of one cell; the rest is counted."""

STACK_LINES = 60
"""Lines of evidence shown for one finding; report.html has them all."""

TONES: dict[Standing, Tone] = {
    "clean": "good",
    "known": "known",
    "unexpected": "bad",
    "unsupported": "lab",
    "error": "bad",
}
"""The tone of each standing."""

_GRADES: dict[str, Tone] = {
    "acceptable": "good",
    "interesting": "known",
    "forbidden": "bad",
    "ungraded": "bad",
}


def explain_cell(cell: CellResult, style: Style, limit: int | None = STACK_LINES) -> list[str]:
    """All that is known of `cell`, below its id: what it is, outcomes, findings, power, repro.

    No line is wider than the style, but for a word of the command that cannot be broken. `limit` is
    the most lines of evidence for one finding.
    """
    tone = TONES[standing(cell)]
    lines = _painted(style.wrap(style.clean(judgement(cell))), style, tone)
    lines += _painted(style.wrap(style.clean(circumstances(cell))), style, "quiet")
    if cell.status is not Status.RAN:
        for line in cell.reason.split("\n")[1:]:
            lines += style.wrap(style.clean(line), INDENT)
    if cell.outcomes:
        lines += ["", *outcome_table(cell.outcomes, style)]
    for finding in cell.findings:
        lines += ["", *explain_finding(nearer(finding, cell.path), style, limit)]
    facts = [("power", power_phrase(cell.power))] if cell.power else []
    facts += [("note", note) for note in cell.notes]
    if facts:
        lines.append("")
    for name, text in facts:
        lines += _named(name, text, style)
    if cell.repro:
        lines += ["", style.paint("run it again:", "quiet"), *command(cell.repro, style)]
    return lines


def explain_scenario(result: ScenarioResult, style: Style) -> list[str]:
    """What a scenario's cells amount to side by side, below its name."""
    text = f"across {several(result.cells, 'cell')}: " + against(
        result.verdict.value, result.expected.value, result.ok
    )
    lines = _painted(style.wrap(style.clean(text)), style, "known" if result.ok else "bad")
    for finding in result.findings:
        lines += explain_finding(nearer(finding, result.path), style)
    return lines


def explain_finding(finding: Finding, style: Style, limit: int | None = None) -> list[str]:
    """A finding's check, verdict and message, and its evidence indented below."""
    head = f"{finding.check} {style.glyphs.dot} {finding.verdict.value}"
    text = style.wrap(style.clean(f"{head}: {finding.message}"), "", INDENT)
    lines = [style.paint(text[0], "title"), *_painted(text[1:], style, "title")]
    evidence = evidence_lines(finding.evidence, style.glyphs)
    for line in evidence[:limit]:
        body = style.clean(line.lstrip(" "))
        indent = INDENT + " " * (len(line) - len(line.lstrip(" ")))
        indent = indent[: style.width // 2]
        whole = columns(indent) + columns(body) <= style.width
        # Bars and columns keep their blanks where the line fits as it is.
        lines += [indent + body] if whole else style.wrap(body, indent, indent + INDENT)
    hidden = len(evidence) - len(evidence[:limit])
    if hidden:
        lines.append(f"{INDENT}{style.glyphs.more} {several(hidden, 'more line')} in report.html")
    return lines


def outcome_table(outcomes: Sequence[Outcome], style: Style) -> list[str]:
    """The outcomes in aligned columns: outcome, count, share, grade, why. Long ones are cut."""
    total = sum(outcome.count for outcome in outcomes)
    shown = outcomes[:ROWS]
    rows = [
        (style.clean(o.id), str(o.count), share(o.count, total), o.grade.value, style.clean(o.why))
        for o in shown
    ]
    heads = ("outcome", "count", "share", "grade")
    widths = [
        max(len(head), *(columns(row[place]) for row in rows)) for place, head in enumerate(heads)
    ]
    widths[0] = min(widths[0], style.width - sum(widths[1:]) - len(INDENT) * 4)
    why_at = sum(widths) + len(INDENT) * 5
    beside = style.width - why_at >= 24  # else the why stands below its outcome

    def aligned(texts: Sequence[str]) -> list[str]:
        return [
            pad(style.cut(text, width), width, right=place in (1, 2))
            for place, (text, width) in enumerate(zip(texts, widths, strict=False))
        ]

    head = aligned(heads)
    if beside and any(row[4] for row in rows):
        head.append("why")
    lines = [style.paint((INDENT + INDENT.join(head)).rstrip(), "quiet")]
    for row in rows:
        *start, grade = aligned(row)
        why = style.wrap(row[4], " " * why_at if beside else INDENT * 3) if row[4] else []
        line = INDENT + INDENT.join([*start, style.paint(grade.rstrip(), _GRADES[row[3]])])
        if why and beside:
            line += " " * (columns(grade) - columns(grade.rstrip())) + INDENT + why[0].lstrip()
            why = why[1:]
        lines += [line, *why]
    hidden = outcomes[ROWS:]
    if hidden:
        count = sum(outcome.count for outcome in hidden)
        lines.append(
            f"{INDENT}{style.glyphs.more} {several(len(hidden), 'more outcome')}, "
            f"{several(count, 'sample')}"
        )
    return lines


def command(text: str, style: Style) -> list[str]:
    r"""A shell command that can be copied: where it is too wide, its lines end in `\`."""
    text = style.clean(text)
    if columns(text) <= style.width:
        return [style.paint(text, "title")]
    lines: list[str] = []
    line = ""
    for word in _shell_words(text):
        if line and columns(line) + columns(word) + 3 > style.width:
            lines.append(f"{line} \\")
            line = INDENT + word
        else:
            line = f"{line} {word}" if line else word
    return _painted([*lines, line], style, "title")


def _shell_words(text: str) -> list[str]:
    """The words of a command as written, quotes and all; an option stays with its value."""
    words: list[str] = []
    word, quote, escaped = "", "", False
    for character in text:
        if character == " " and not quote and not escaped:
            if word:
                words.append(word)
            word = ""
            continue
        escaped = character == "\\" and not escaped and quote != "'"
        if not escaped and character in "\"'" and (not quote or quote == character):
            quote = "" if quote else character
        word += character
    if word:
        words.append(word)
    joined: list[str] = []
    for word in words:
        if joined and joined[-1].startswith("-") and " " not in joined[-1] and word[0] != "-":
            joined[-1] += f" {word}"
        else:
            joined.append(word)
    return joined


def _named(name: str, text: str, style: Style) -> list[str]:
    head = f"{label(name)}: "
    lines = style.wrap(style.clean(head + text), "", INDENT)
    return [style.paint(head, "quiet") + lines[0][len(head) :], *lines[1:]]


def _painted(lines: Sequence[str], style: Style, tone: Tone) -> list[str]:
    """Each line painted, its indentation left as it is."""
    return [
        line[: len(line) - len(line.lstrip())] + style.paint(line.lstrip(), tone) for line in lines
    ]
