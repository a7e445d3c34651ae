"""From the lock records of an observed sample to what happened under each lock.

A section is the time from just after a lock was taken to just before it was released, on the
machine's monotonic clock, which all processes share. Both ends lie inside the time the lock was
really held, so sections of a lock that works can never overlap, however late a process is told of
the time.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.agent.inside.mplab_records import (
    CAPACITY,
    ENDS,
    NOT_TAKEN,
    RECORD,
    RELEASED,
    RUNS,
    TAKEN,
    TAKEN_AFTER_WAIT,
)

SHOWN = 5
"""How many overlaps, strays and unreleased sections of a lock are kept as evidence."""


@dataclass(frozen=True)
class Record:
    """One record of a trace: who did what to which lock, when (monotonic ns), in which line."""

    at: int
    pid: int
    tid: int
    key: int
    operation: int
    site: str


@dataclass
class Section:
    """One stay inside a lock; `until` is None as long as it has not been left."""

    pid: int
    tid: int
    site: str
    since: int
    until: int | None = None
    ended_by: int | None = None


def read_traces(folder: Path, sites: dict[int, str]) -> tuple[list[Record], bool]:
    """All records of a sample in order of time, and whether some process had more than fit."""
    records = []
    cut = False
    for path in folder.glob("trace.*"):
        pid = int(path.suffix[1:])
        data = path.read_bytes()
        count = 0
        for at, key, operation, tid, site, _ in RECORD.iter_unpack(data):
            if at == 0:
                break
            count += 1
            records.append(Record(at, pid, tid, key, operation, sites.get(site, "")))
        cut = cut or count >= CAPACITY
    records.sort(key=lambda record: record.at)
    return records, cut


def summarize(records: list[Record], made: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """What happened under each lock of `made` (key -> sort, value, max, line, pid).

    Returns {"locks": [...], "together": n}; `together` is the greatest number of processes that
    were at work at the same time. A lock has: key, line, sort ("lock", "rlock", "semaphore",
    "signal"), limit, taken, waited, processes, inside (the most at the same time), overlaps,
    strays, unreleased.
    """
    by_key: dict[int, list[Record]] = defaultdict(list)
    together = running = 0
    for record in records:
        if record.operation == RUNS:
            running += 1
            together = max(together, running)
        elif record.operation == ENDS:
            running -= 1
        else:
            by_key[record.key].append(record)
    locks = [_lock(key, made.get(key, {}), by_key[key]) for key in sorted(by_key)]
    return {"locks": locks, "together": together}


def _lock(key: int, made: dict[str, Any], records: list[Record]) -> dict[str, Any]:
    limit = made.get("value", 1)
    mutex = made.get("max", 1) == 1
    sections, strays = _sections(records, mutex)
    # A semaphore that starts at none, or that some process releases without having taken it,
    # passes signals (as in Condition, Event and a bounded Queue): nobody is inside it.
    signal = limit == 0 or (not mutex and _is_signal(records))
    overlaps: list[dict[str, Any]] = []
    inside = 0
    if not signal:
        inside, overlaps = _occupancy(sections, limit)
    taken = [r for r in records if r.operation in (TAKEN, TAKEN_AFTER_WAIT)]
    if signal:
        sort = "signal"
    elif mutex:
        sort = "rlock" if made.get("sort") == 0 else "lock"
    else:
        sort = "semaphore"
    return {
        "key": key,
        "line": made.get("line", ""),
        "made_by": made.get("pid"),
        "sort": sort,
        "limit": limit,
        "taken": len(taken),
        "waited": sum(r.operation == TAKEN_AFTER_WAIT for r in taken)
        + sum(r.operation == NOT_TAKEN for r in records),
        "processes": sorted({r.pid for r in taken}),
        "inside": inside,
        "overlaps": overlaps[:SHOWN],
        "overlapped": len(overlaps),
        "strays": [] if signal else [_shown_record(r) for r in strays[:SHOWN]],
        "unreleased": [] if signal else [_shown(s) for s in sections if s.until is None][:SHOWN],
        "sections": [(s.since, s.until, s.pid, s.site) for s in sections][:2000]
        if not signal and len({r.pid for r in taken}) == 1
        else [],
    }


def _is_signal(records: list[Record]) -> bool:
    """Whether processes that never take it release it, or the other way round."""
    takers = {r.pid for r in records if r.operation in (TAKEN, TAKEN_AFTER_WAIT)}
    releasers = {r.pid for r in records if r.operation == RELEASED}
    return takers != releasers and not releasers <= takers


def _sections(records: list[Record], mutex: bool) -> tuple[list[Section], list[Record]]:
    """Pair each release with the latest section that its process has open.

    A lock may be handed over, taken by one process and released by another; the section then ends
    at that release. If its owner releases it all the same, it was inside until then after all, and
    the other's release was a stray.
    """
    sections: list[Section] = []
    open_of: dict[int, list[Section]] = defaultdict(list)
    handed: dict[int, list[Section]] = defaultdict(list)
    strays: list[Record] = []
    suspects: dict[int, Record] = {}
    for record in records:
        if record.operation in (TAKEN, TAKEN_AFTER_WAIT):
            section = Section(record.pid, record.tid, record.site, record.at)
            sections.append(section)
            open_of[record.pid].append(section)
        elif record.operation == RELEASED:
            mine = open_of[record.pid]
            if mine:
                same_thread = [s for s in mine if s.tid == record.tid]
                section = (same_thread or mine)[-1]
                mine.remove(section)
                section.until = record.at
            elif handed[record.pid]:
                section = handed[record.pid].pop()
                section.until = record.at
                section.ended_by = None
                if id(section) in suspects:
                    strays.append(suspects.pop(id(section)))
            else:
                others = [s for pid, stack in open_of.items() if pid != record.pid for s in stack]
                if mutex and others:
                    section = min(others, key=lambda s: s.since)
                    open_of[section.pid].remove(section)
                    handed[section.pid].append(section)
                    section.until = record.at
                    section.ended_by = record.pid
                    suspects[id(section)] = record
                else:
                    strays.append(record)
    return sections, strays


def _occupancy(sections: list[Section], limit: int) -> tuple[int, list[dict[str, Any]]]:
    """The most that were inside at the same time, and each arrival that made it too many."""
    ends = [(s.until, 0, n) for n, s in enumerate(sections) if s.until is not None]
    starts = [(s.since, 1, n) for n, s in enumerate(sections)]
    inside: dict[int, Section] = {}
    most = 0
    overlaps = []
    for _, is_start, number in sorted(ends + starts):
        if not is_start:
            inside.pop(number, None)
            continue
        if len(inside) >= limit:
            those = [_shown(s) for s in inside.values()]
            overlaps.append({"entered": _shown(sections[number]), "inside": those})
        inside[number] = sections[number]
        most = max(most, len(inside))
    return most, overlaps


def _shown(section: Section) -> dict[str, Any]:
    return {
        "pid": section.pid,
        "from_ns": section.since,
        "to_ns": section.until,
        "line": section.site,
        "ended_by": section.ended_by,
    }


def _shown_record(record: Record) -> dict[str, Any]:
    return {"pid": record.pid, "at_ns": record.at, "line": record.site}
