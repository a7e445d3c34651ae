"""A finding's evidence as lines for a reader. Pure.

Evidence is plain JSON data. The shapes that checks are known to use have their own rendering, any
other is laid out as an indented list, so that nothing a check saw is ever dropped.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from lab.model import Finding
from lab.report.style import ASCII, Glyphs, columns, pad, visible
from lab.report.words import label, number, phrase

Evidence = Mapping[str, Any]

TRACK = 24
"""Columns of the time line of lock sections."""


def nearer(finding: Finding, path: str) -> Finding:
    """`finding` with shorter file names: the scenario's own as `path`, the library's without root.

    What a reader looks for is the name and the line; results.jsonl has the whole.
    """
    own = path.lstrip("./")

    def near(value: Any) -> Any:
        if isinstance(value, str):
            value = re.sub(_ROOT + r"lib/python3\.\d+t?/", "", value)
            return re.sub(_ROOT + re.escape(own), lambda _: path, value) if own else value
        if isinstance(value, Mapping):
            return {near(key): near(item) for key, item in value.items()}
        return [near(item) for item in value] if isinstance(value, (list, tuple)) else value

    return replace(finding, message=near(finding.message), evidence=near(finding.evidence))


_ROOT = r"(?<![\w./:])/(?:[^\s/:\"',]+/)*"


def evidence_lines(evidence: Evidence, glyphs: Glyphs = ASCII) -> list[str]:
    """`evidence` as lines without control characters, indented by two blanks a level.

    Lines may be of any length. A shape that is only half what its rendering expects is laid out as
    a list, too: evidence comes out of a file that another version may have written.
    """
    rest = dict(evidence)
    lines: list[str] = []
    for key, render in _SHAPES.items():
        if key not in rest:
            continue
        # Each takes its keys away as its last step: one that fails leaves them to the list.
        with contextlib.suppress(AttributeError, KeyError, TypeError, ValueError):
            lines += render(rest, glyphs)
    return lines + _listed(rest)


def _updates(rest: dict[str, Any], _glyphs: Glyphs) -> list[str]:
    lost, samples = rest["lost"], rest["samples"]
    text = f"lost in {int(lost)} of {int(samples)} samples"
    if "rate" in rest:
        text += f", a rate of {number(rest['rate'])}"
    if "ci95" in rest:
        low, high = rest["ci95"]
        text += f" (95 % interval {number(low)} to {number(high)})"
    for key in ("lost", "samples", "rate", "ci95"):
        rest.pop(key, None)
    return [text]


def _sides(rest: dict[str, Any], glyphs: Glyphs) -> list[str]:
    sides = rest["sides"]
    width = max(columns(visible(side)) for side in sides)
    lines = [f"by {label(rest.get('axis', 'side'))}"]
    for side, outcomes in sides.items():
        counts = sorted(outcomes.items(), key=lambda item: -item[1])
        seen = ", ".join(f"{visible(text)} {glyphs.times} {count}" for text, count in counts)
        lines.append(f"  {pad(visible(side), width)}  {seen or 'nothing'}")
    rest.pop("sides")
    rest.pop("axis", None)
    return lines


def _left(rest: dict[str, Any], _glyphs: Glyphs) -> list[str]:
    lines = []
    for thing in rest["left"]:
        more = dict(thing)
        text = " ".join(str(more.pop(key)) for key in ("kind", "name") if key in more)
        by, line = more.pop("by", None), more.pop("line", None)
        text += f", left by {by}" if by else ""
        text += f", made at {line}" if line else ""
        lines.append(visible(_with_rest(text, more)))
    rest.pop("left")
    return lines


def _waits(rest: dict[str, Any], _glyphs: Glyphs) -> list[str]:
    lines = []
    for wait in rest["waits"]:
        more = dict(wait)
        text = str(more.pop("process"))
        thread = more.pop("thread", "MainThread")
        if thread != "MainThread":
            text += f", {thread},"
        target = str(more.pop("waits_for"))
        holder, line = more.pop("held_by", None), more.pop("line", None)
        text += f" waits for {target}"
        text += f", held by {holder}" if holder and "held by" not in target else ""
        text += f", at {line}" if line else ""
        lines.append(visible(_with_rest(text, more)))
    rest.pop("waits")
    return lines


def _stacks(rest: dict[str, Any], _glyphs: Glyphs) -> list[str]:
    lines = []
    for owner, stack in rest["stacks"].items():
        text = stack if isinstance(stack, str) else "\n".join(str(frame) for frame in stack)
        lines += [f"stack of {visible(owner)}", *_block(text)]
    rest.pop("stacks")
    return lines


def _exception(rest: dict[str, Any], _glyphs: Glyphs) -> list[str]:
    arguments = rest.get("args", "")
    if not isinstance(arguments, str):
        arguments = ", ".join(repr(a) if isinstance(a, str) else phrase(a) for a in arguments)
    # A text may be the tuple as Python prints it: ('x',).
    if arguments.startswith("(") and arguments.endswith(")"):
        arguments = arguments[1:-1].removesuffix(",")
    text = f"{rest['type']}({arguments})"
    text += f" in {rest['process']}" if rest.get("process") else ""
    text += f", at {rest['line']}" if rest.get("line") else ""
    lines = [visible(text), *_block(str(rest.get("traceback", "")))]
    for key in ("type", "args", "process", "line", "traceback"):
        rest.pop(key, None)
    return lines


def _sections(rest: dict[str, Any], glyphs: Glyphs) -> list[str]:
    """Lock sections as bars on one time line, so that an overlap can be seen."""
    sections = rest["sections"]
    first = min(section["from_ns"] for section in sections)
    last = max(max(section["from_ns"], section["to_ns"] or 0) for section in sections)
    length = max(last - first, 1)
    names = [visible(str(section["process"])) for section in sections]
    lines = [visible(f"{phrase(rest['lock'])}: who held it when")] if "lock" in rest else []
    width = max(columns(name) for name in names)
    for name, section in zip(names, sections, strict=True):
        more = {k: v for k, v in section.items() if k not in ("process", "from_ns", "to_ns")}
        begin = section["from_ns"] - first
        end = length if section["to_ns"] is None else section["to_ns"] - first
        left = min(begin * TRACK // length, TRACK - 1)
        right = max(-(-end * TRACK // length), left + 1)
        track = glyphs.dot * left + glyphs.bar * (right - left) + glyphs.dot * (TRACK - right)
        until = "never given back" if section["to_ns"] is None else f"to {end / 1e6:.3f} ms"
        lines.append(f"  {pad(name, width)}  {track}  {begin / 1e6:.3f} {until}")
        line = more.pop("line", None)
        where = f"at {line}" if line else ""
        if where or more:
            lines.append(visible(f"  {' ' * width}  {_with_rest(where, more)}"))
    rest.pop("sections")
    rest.pop("lock", None)
    return lines


_SHAPES: dict[str, Callable[[dict[str, Any], Glyphs], list[str]]] = {
    "lost": _updates,
    "sides": _sides,
    "left": _left,
    "waits": _waits,
    "type": _exception,
    "sections": _sections,
    "stacks": _stacks,
}
"""The key that tells a shape, and what renders it and takes its keys away; stacks, long, last."""


def _with_rest(text: str, more: Mapping[str, Any]) -> str:
    return f"{text} ({phrase(more)})" if more else text


def _block(text: str) -> list[str]:
    """Lines of a longer text, indented, as they stand: its own indentation is part of it."""
    return [f"  {visible(line.expandtabs(4).rstrip())}" for line in text.splitlines()]


def _listed(value: Any, indent: str = "") -> list[str]:
    """Any plain data: an object as a list of `key: value`, a list with a dash for each item."""
    lines: list[str] = []
    if isinstance(value, Mapping):
        for key, item in value.items():
            lines += _entry(f"{visible(label(key))}:", item, indent)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            lines += _entry("-", item, indent)
    return lines


def _entry(head: str, item: Any, indent: str) -> list[str]:
    """One entry of a list: on its own line where that is readable, else below its head."""
    deep = isinstance(item, Mapping) and len(item) > 0
    if isinstance(item, Sequence) and not isinstance(item, str):
        deep = any(isinstance(part, (Mapping, list, tuple)) for part in item)
    if deep and head == "-" and not _nested(item):
        deep = False
    if deep:
        return [f"{indent}{head}", *_listed(item, indent + "  ")]
    if isinstance(item, str) and "\n" in item.strip():
        return [f"{indent}{head}", *(indent + line for line in _block(item))]
    return [f"{indent}{head} {visible(phrase(item)).rstrip()}"]


def _nested(item: Any) -> bool:
    """Whether an object holds more than texts and numbers."""
    return not isinstance(item, Mapping) or any(
        isinstance(part, (Mapping, list, tuple)) for part in item.values()
    )
