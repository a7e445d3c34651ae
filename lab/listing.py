"""`lab list`: what there is, as a table or as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TextIO

from lab import cpus, scenario
from lab.report.style import Style

Row = dict[str, Any]


def show(what: str, targets: list[str], as_json: bool, stream: TextIO) -> int:
    """Write one list. Raises UsageError for targets that are no scenarios."""
    rows = _LISTS[what](targets)
    if as_json:
        json.dump(rows, stream, indent=2)
        stream.write("\n")
        return 0
    style = Style.of(stream)
    columns = list(rows[0]) if rows else []
    widths = [max(len(str(row[name])) for row in rows) for name in columns]
    for row in rows:
        texts = [style.clean(str(row[name])) for name in columns]
        start = "  ".join(map(str.ljust, texts[:-1], widths)) + "  "
        if not style.live:
            lines = [start + texts[-1]]
        elif style.width - len(start) >= 30:
            indent = " " * len(start)
            lines = style.wrap(texts[-1], indent, indent)
            lines[0] = start + lines[0].removeprefix(indent)
        else:
            lines = [start, *style.wrap(texts[-1], "    ", "    ")]
        stream.writelines(f"{line.rstrip()}\n" for line in lines)
    return 0


def _scenarios(targets: list[str]) -> list[Row]:
    return [
        {
            "name": which.name,
            "expect": "/".join(dict.fromkeys(str(verdict) for _, verdict in which.expect))
            + ("" if which.expect_across == "clean" else f", {which.expect_across} across cells"),
            "summary": which.summary,
        }
        for which in scenario.collect(targets, scenario.bundled_folder())
    ]


def _cells(targets: list[str]) -> list[Row]:
    from lab import matrix

    counts = cpus.default_counts(len(cpus.usable()))
    axes = matrix.Axes(None, counts, (matrix.current(),))
    found = scenario.collect(targets, scenario.bundled_folder())
    return [
        {"id": cell.id, "expect": str(which.expected(cell))}
        for which, cell, _ in matrix.cells(found, axes)
    ]


def _pythons(_: list[str]) -> list[Row]:
    from lab import matrix

    return [{"version": python.version, "path": python.path} for python in matrix.interpreters()]


def _profiles(_: list[str]) -> list[Row]:
    return [{"name": "default", "summary": "this machine as it is"}]


def _hosts(_: list[str]) -> list[Row]:
    usable = len(cpus.usable())
    return [
        {"name": "local", "summary": f"this machine, pinned by affinity ({usable} CPUs usable)"},
        {
            "name": "compose",
            "summary": "the pinned services of compose.yaml: docker compose run --rm lab",
        },
    ]


_LISTS: dict[str, Callable[[list[str]], list[Row]]] = {
    "scenarios": _scenarios,
    "cells": _cells,
    "pythons": _pythons,
    "profiles": _profiles,
    "hosts": _hosts,
}
