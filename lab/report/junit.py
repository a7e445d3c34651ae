"""junit.xml: a suite for each scenario, a case for each cell and one for all of them together.

A cell that could not run is skipped with its reason; the lab's own failure is an error. The text of
a failure is what the terminal says of the cell.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree import ElementTree as ET

from lab.model import CellResult
from lab.report.explain import explain_cell, explain_scenario
from lab.report.style import PLAIN, visible
from lab.report.tally import Sheet, Totals, sheets
from lab.report.words import against, judgement, several, standing
from lab.store import Run

ACROSS = "across its cells"
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'


def junit_text(run: Run) -> str:
    """The whole file. Attributes hold no line breaks, texts no character that XML forbids."""
    root = ET.Element("testsuites", name="mplab")
    common = {}
    if name := (run.facts.get("machine") or {}).get("name"):
        common["hostname"] = visible(str(name))
    if stamp := _stamp(run):
        common["timestamp"] = stamp
    for sheet in sheets(run):
        suite = ET.SubElement(root, "testsuite", name=visible(sheet.scenario))
        suite.attrib.update(common)
        for cell in sheet.cells:
            _cell_case(suite, cell)
        _across_case(suite, sheet)
        _count(suite)
    if missing := Totals.of(run).missing:
        suite = ET.SubElement(root, "testsuite", name="the whole matrix")
        suite.attrib.update(common)
        case = ET.SubElement(suite, "testcase", classname="mplab", name="every cell ran", time="0")
        message = f"the run ended early: {several(missing, 'cell')} of the matrix did not run"
        ET.SubElement(case, "error", type="missing", message=message).text = message
        _count(suite)
    for key in ("tests", "failures", "errors", "skipped"):
        root.set(key, str(sum(int(suite.get(key, "0")) for suite in root)))
    root.set("time", f"{sum(float(suite.get('time', '0')) for suite in root):.3f}")
    ET.indent(root)
    return f"{DECLARATION}\n{ET.tostring(root, 'unicode')}\n"


def _cell_case(suite: ET.Element, cell: CellResult) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_class_name(cell.path),
        name=visible(cell.id),
        file=visible(cell.path),
        time=f"{cell.seconds:.3f}",
    )
    message = visible(judgement(cell))
    text = "\n".join(["", *explain_cell(cell, PLAIN, limit=None), ""])
    match standing(cell):
        case "clean" | "known":
            ET.SubElement(case, "system-out").text = text
        case "unexpected":
            ET.SubElement(case, "failure", type=cell.verdict.value, message=message).text = text
        case "unsupported":
            ET.SubElement(case, "skipped", message=message)
        case "error":
            ET.SubElement(case, "error", type="lab", message=message).text = text


def _across_case(suite: ET.Element, sheet: Sheet) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_class_name(sheet.path),
        name=visible(f"{sheet.scenario} {ACROSS}"),
        file=visible(sheet.path),
        time="0",
    )
    if sheet.result is None:
        ET.SubElement(case, "skipped", message="the run ended before the last of its cells")
        return
    if not sheet.result.ok:
        result = sheet.result
        message = against(result.verdict.value, result.expected.value, result.ok)
        failure = ET.SubElement(case, "failure", type=result.verdict.value, message=message)
        failure.text = "\n".join(["", *explain_scenario(result, PLAIN), ""])


def _count(suite: ET.Element) -> None:
    cases = list(suite)
    counts = {"tests": len(cases)}
    for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        counts[key] = sum(case.find(tag) is not None for case in cases)
    for key, count in counts.items():
        suite.set(key, str(count))
    suite.set("time", f"{sum(float(case.get('time', '0')) for case in cases):.3f}")


def _class_name(path: str) -> str:
    return visible(path.removesuffix(".py").strip("./").replace("/", "."))


def _stamp(run: Run) -> str:
    """When the run began, as the format wants it: without a time zone."""
    try:
        started = datetime.fromisoformat(run.facts["started"])
    except (KeyError, TypeError, ValueError):
        return ""
    return started.replace(tzinfo=None).isoformat(timespec="seconds")
