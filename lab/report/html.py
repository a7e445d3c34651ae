"""report.html: one page that needs nothing else. Every text is escaped on its way in."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

from lab.model import CellResult, Finding, Outcome, Status
from lab.report.evidence import evidence_lines, nearer
from lab.report.page import PAGE, SCRIPT, STYLE
from lab.report.style import Glyphs, visible
from lab.report.tally import Group, Sheet, Totals, by_reason, sheets
from lab.report.terminal import readable_time
from lab.report.words import (
    Standing,
    against,
    circumstances,
    judgement,
    phrase,
    power_phrase,
    ranges,
    several,
    share,
    standing,
    word,
)
from lab.store import Run

MARKS: Mapping[Standing, str] = {"unexpected": "!", "unsupported": "\N{EN DASH}", "error": "✗"}
SPOKEN: Mapping[Standing, str] = {
    "clean": "as expected",
    "known": "as expected",
    "unexpected": "not as expected",
    "unsupported": "unsupported here",
    "error": "the lab's own error",
}

Anchors = Mapping[str, str]
"""The id of the element that explains a cell, by the cell's id."""


def html_text(run: Run) -> str:
    """The whole page."""
    found = sheets(run)
    totals = Totals.of(run)
    cells = [cell for sheet in found for cell in sheet.cells]
    anchors = {cell.id: f"cell-{number}" for number, cell in enumerate(cells, 1)}
    when = readable_time(str(run.facts.get("started", "")))
    return PAGE.substitute(
        title=text(f"mplab: {totals.sentence()}"),
        header=_header(run, totals, when),
        attention=_attention(run, found, anchors),
        scenarios="\n".join(
            _scenario(number, sheet, anchors) for number, sheet in enumerate(found, 1)
        ),
        style=STYLE,
        script=SCRIPT,
    )


def text(value: object) -> str:
    """Any text, on one line, safe between tags and in attributes."""
    return html.escape(visible(str(value)))


def _tag(name: str, content: str, **attributes: str | None) -> str:
    """An element around HTML; attributes are text, a trailing _ of their names is dropped."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{content}</{name}>"


def _header(run: Run, totals: Totals, when: str) -> str:
    tiles: list[tuple[int, str, str]] = [
        (totals.expected, "as expected", "clean"),
        (totals.unexpected, "not as expected", "unexpected"),
        (totals.unsupported, "unsupported here", "unsupported"),
        (totals.errors, "errors of the lab", "error"),
    ]
    if totals.across:
        tiles.insert(2, (totals.across, "not as expected across cells", "unexpected"))
    if totals.missing:
        tiles.append((totals.missing, "did not run: it ended early", "unexpected"))
    boxes = "".join(
        _tag("li", f"<b>{count}</b>{text(name)}", class_=kind if count else "none")
        for count, name, kind in tiles
    )
    parts = [
        _tag("h1", text("Multiprocessing matrix") + (f", {text(when)}" if when else "")),
        _tag("p", text(totals.sentence())),
        _tag("ul", boxes, class_="tiles"),
        _facts(_run_facts(run)),
    ]
    parts += [_tag("p", text(sentence), class_="notice") for sentence in run.damage]
    return "\n".join(parts)


def _run_facts(run: Run) -> dict[str, str]:
    facts = run.facts
    machine = dict(facts.get("machine") or {})
    usable = machine.pop("cpus_usable", None)
    cpus = machine.pop("cpus", None)
    found = {
        "command": " ".join(str(part) for part in facts.get("argv") or []),
        "machine": " ".join(str(value) for value in machine.values() if value),
        "CPUs": f"{ranges(usable)} of {cpus}" if usable else "",
        "versions": phrase({k: v for k, v in (facts.get("versions") or {}).items() if v}),
        "axes": phrase(facts.get("axes") or {}) if facts.get("axes") else "",
        "seed": "" if facts.get("seed") is None else str(facts["seed"]),
        "ended": readable_time(str(facts.get("ended") or "")) if facts else "",
        "results": str(run.folder / "results.jsonl"),
    }
    if facts and not facts.get("ended"):
        found["ended"] = "no: the run was killed or is still going on"
    return {name: value for name, value in found.items() if value}


def _facts(facts: Mapping[str, str]) -> str:
    rows = "".join(f"<dt>{text(name)}</dt><dd>{text(value)}</dd>" for name, value in facts.items())
    return _tag("dl", rows, class_="facts")


def _attention(run: Run, found: Sequence[Sheet], anchors: Anchors) -> str:
    """Links to what needs a look, most urgent first."""
    blocks: list[str] = []
    across = [
        _tag("li", f'<a href="#scenario-{number}">{text(sheet.scenario)}</a> across its cells')
        for number, sheet in enumerate(found, 1)
        if sheet.result and not sheet.result.ok
    ]
    heads: dict[Standing, str] = {"unexpected": "Not as expected", "error": "The lab's own errors"}
    for stand, head in heads.items():
        links = [
            _tag(
                "li",
                f'<a href="#{anchors[cell.id]}">{text(cell.id)}</a>'
                f" {_tag('span', text(judgement(cell)), class_='soft')}",
            )
            for sheet in found
            for cell in sheet.cells
            if standing(cell) == stand
        ]
        links += across if stand == "unexpected" else []
        if links:
            blocks.append(_tag("h2", text(f"{head} ({len(links)})")))
            blocks.append(_tag("ul", "".join(links)))
    reasons = by_reason(cell for cell in run.cells if standing(cell) == "unsupported")
    if reasons:
        blocks.append(_tag("h2", "Unsupported here, which is no pass"))
        rows = [
            _tag("li", f"{text(several(len(members), 'cell'))}: {text(reason)}")
            for reason, members in reasons.items()
        ]
        blocks.append(_tag("ul", "".join(rows)))
    return "\n".join(blocks)


def _scenario(number: int, sheet: Sheet, anchors: Anchors) -> str:
    name = _tag("h3", text(sheet.scenario))
    title = name + _tag("span", text(sheet.summary))
    about = f"{sheet.path} \N{MIDDLE DOT} expected {sheet.expected}"
    parts = [_tag("div", title, class_="title"), _tag("p", text(about), class_="soft")]
    parts += [_matrix(sheet, group, anchors) for group in sheet.groups]
    parts.append(_across(sheet))
    fine = [cell for cell in sheet.cells if standing(cell) in ("clean", "known")]
    parts += [_cell(cell, anchors[cell.id]) for cell in sheet.cells if cell not in fine]
    if fine:
        rest = _tag("summary", text(f"{several(len(fine), 'cell')} as expected"))
        rest += "".join(_cell(cell, anchors[cell.id]) for cell in fine)
        parts.append(_tag("details", rest, class_="rest"))
    return _tag(
        "section",
        "\n".join(part for part in parts if part),
        class_=f"scenario is-{sheet.standing}",
        id=f"scenario-{number}",
        data_text=f"{sheet.scenario} {sheet.summary} {sheet.path}".lower(),
    )


def _matrix(sheet: Sheet, group: Group, anchors: Anchors) -> str:
    methods = sheet.methods
    head = "".join(_tag("th", text(method), scope="col") for method in ["", *methods])
    head = head.replace('<th scope="col"></th>', "<td></td>", 1)
    rows = []
    for cores in group.cores:
        row = _tag("th", text(several(cores, "cpu")), scope="row")
        row += "".join(_place(group.at(method, cores), anchors) for method in methods)
        rows.append(_tag("tr", row))
    caption = _tag("caption", text(group.label)) if group.label else ""
    table = _tag(
        "table",
        f"{caption}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>",
        class_="matrix",
        aria_label=f"{sheet.scenario} {group.label}".strip(),
    )
    return _tag("div", table, class_="scroll")


def _place(cell: CellResult | None, anchors: Anchors) -> str:
    if cell is None:
        return _tag("td", "<span>\N{MIDDLE DOT}</span>", class_="none")
    stand = standing(cell)
    mark = MARKS.get(stand, "")
    link = _tag(
        "a",
        text(f"{mark} {word(cell)}".strip()),
        href=f"#{anchors[cell.id]}",
        title=judgement(cell),
        aria_label=f"{word(cell)}, {SPOKEN[stand]}: {cell.id}",
    )
    return _tag("td", link, class_=stand)


def _across(sheet: Sheet) -> str:
    result = sheet.result
    if result is None:
        return _tag("p", "Not judged across cells: the run ended before the last.", class_="notice")
    if result.ok and not result.findings:
        return ""
    said = against(result.verdict.value, result.expected.value, result.ok)
    stand: Standing = "known" if result.ok else "unexpected"
    badge = _tag("span", f"across {text(several(result.cells, 'cell'))}", class_=f"badge {stand}")
    body = "".join(_finding(nearer(finding, sheet.path)) for finding in result.findings)
    return _details(badge + text(said), body, f"across {said}", not result.ok, None)


def _cell(cell: CellResult, anchor: str) -> str:
    stand = standing(cell)
    mark = MARKS.get(stand, "")
    badge = _tag("span", text(f"{mark} {word(cell)}".strip()), class_=f"badge {stand}")
    summary = f"{badge}{_tag('code', text(cell.id))}"
    body = [_tag("p", _tag("strong", text(judgement(cell))))]
    body.append(_tag("p", text(circumstances(cell)), class_="soft"))
    rest = cell.reason.split("\n")[1:] if cell.status is not Status.RAN else []
    if rest:
        body.append(_pre(rest))
    if cell.outcomes:
        body.append(_outcomes(cell.outcomes))
    body += [_finding(nearer(finding, cell.path)) for finding in cell.findings]
    if cell.power:
        body.append(_tag("h4", "Power") + _tag("p", text(power_phrase(cell.power))))
    if cell.notes:
        body.append(_tag("h4", "Notes"))
        body += [_tag("p", text(note)) for note in cell.notes]
    if cell.repro:
        body.append(_tag("h4", "Run it again"))
        body.append(_tag("div", _tag("pre", text(cell.repro)), class_="repro"))
    words = f"{cell.id} {judgement(cell)} {SPOKEN[stand]}".lower()
    return _details(summary, "\n".join(body), words, stand in ("unexpected", "error"), anchor)


def _details(summary: str, body: str, words: str, bad: bool, anchor: str | None) -> str:
    inside = _tag("summary", summary) + _tag("div", body, class_="inside")
    element = _tag("details", inside, id=anchor, data_item=words.lower())
    return element.replace("<details", "<details open data-bad", 1) if bad else element


def _outcomes(outcomes: Sequence[Outcome]) -> str:
    total = sum(outcome.count for outcome in outcomes)
    tones = {"acceptable": "clean", "interesting": "known"}
    explained = any(outcome.why for outcome in outcomes)
    rows = []
    for outcome in outcomes:
        grade = outcome.grade.value
        width = max(72 * outcome.count // max(total, 1), 1)
        row = _tag("th", _tag("code", text(outcome.id)), scope="row")
        row += _tag("td", str(outcome.count), class_="count")
        row += _tag("td", share(outcome.count, total), class_="count")
        row += _tag("td", _tag("span", "", class_="bar", style=f"width: {width}px"))
        badge = _tag("span", grade, class_=f"grade {tones.get(grade, 'unexpected')}")
        row += _tag("td", badge)
        row += _tag("td", text(outcome.why)) if explained else ""
        rows.append(_tag("tr", row))
    heads = [("outcome", None), ("count", "count"), ("share", "count"), ("", None), ("grade", None)]
    heads += [("why", None)] if explained else []
    head = "".join(
        _tag("th", name, scope="col", class_=kind) if name else "<td></td>" for name, kind in heads
    )
    table = f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody>"
    return _tag("div", _tag("table", table, class_="outcomes"), class_="scroll")


def _finding(finding: Finding) -> str:
    head = f"{finding.check} \N{MIDDLE DOT} {finding.verdict.value}"
    parts = [_tag("h4", text(head)), _tag("p", text(finding.message))]
    if finding.evidence:
        parts.append(_pre(evidence_lines(finding.evidence, Glyphs())))
    return "".join(parts)


def _pre(lines: Iterable[str]) -> str:
    return _tag("pre", "\n".join(text(line) for line in lines))
