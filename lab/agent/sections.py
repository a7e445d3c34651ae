"""From the lock records of an observed sample to what happened under each lock.

A section is the time from just after a lock was taken to just before it was released, on the
machine's monotonic clock, which all processes share. Both ends lie inside the time the lock was
really held, so sections of a lock that works can never overlap, however late a process is told of
the time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lab.agent.inside.mplab_inside.records import (
    CAPACITY,
    ENDS,
    NOT_TAKEN,
    RECORD,
    RELEASED,
    RUNS,
    TAKEN,
    TAKEN_AFTER_WAIT,
)

_TAKES = (TAKEN, TAKEN_AFTER_WAIT)

AT_A_TIME = 256
"""Records read from a trace."""

SHOWN = 5
"""How many overlaps, strays and unreleased sections of a lock are kept as evidence."""


class Record(NamedTuple):
    """One record of a trace: who did what to which lock, when (monotonic ns), in which line."""

    at: int
    pid: int
    tid: int
    key: int
    operation: int
    site: str


@dataclass(slots=True)
class Section:
    """One stay inside a lock; `until` is None as long as it has not been left."""

    pid: int
    tid: int
    site: str
    since: int
    until: int | None = None
    ended_by: int | None = None


def read_traces(folder: Path, sites: dict[int, str]) -> tuple[list[Record], bool]:
    """All records of a sample in order of time, and whether some process had more than fit.

    Then only those up to the moment at which the first trace was full: later ones would show who
    came into a lock, but not who had left it.
    """
    records = []
    full: list[int] = []
    for path in folder.iterdir():
        if not path.name.startswith("trace."):
            continue
        pid = int(path.suffix[1:])
        count = 0
        for at, key, operation, tid, site, _ in _raw(path):
            count += 1
            records.append(Record(at, pid, tid, key, operation, sites.get(site, "")))
        if count >= CAPACITY:
            full.append(records[-1].at)
    records.sort()
    if full:
        records = [record for record in records if record.at <= min(full)]
    return records, bool(full)


def _raw(path: Path) -> Iterator[tuple[int, ...]]:
    """The records of one trace, which is mostly a hole."""
    with path.open("rb", buffering=0) as file:
        while data := file.read(RECORD.size * AT_A_TIME):
            for record in RECORD.iter_unpack(data):
                if record[0] == 0:
                    return
                yield record


def summarize(
    records: list[Record],
    made: dict[int, dict[str, Any]],
    cut: bool = False,
    wanted: Iterable[int] = (),
) -> dict[str, Any]:
    """What happened under each lock of `made` (key -> sort, value, max, line, pid, ...).

    Those that nobody ever took or gave are left out, unless somebody waits for them (`wanted`).

    `cut` says that the records end before the sample did, as `read_traces` tells.

    Returns {"locks": [...], "together": n}; `together` is the greatest number of processes that
    were at work at the same time. A lock has: key, line, made_by, preloaded (whether by a fork
    server), sort ("lock", "rlock", "semaphore", "signal"), limit, taken, waited, processes, inside
    (the most at the same time), overlaps, strays, unreleased, sections.
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
    keys = set(by_key) | (set(wanted) & set(made))
    locks = [_lock(key, made.get(key, {}), by_key[key], cut) for key in sorted(keys)]
    return {"locks": locks, "together": together}


def _lock(key: int, made: dict[str, Any], records: list[Record], cut: bool) -> dict[str, Any]:
    limit = made.get("value", 1)
    mutex = made.get("max", 1) == 1
    sections, strays = _sections(records, mutex)
    preloaded = made.get("preloaded", False)
    # A semaphore that starts at none, or that some take and others release, passes signals (as in
    # Condition, Event and a bounded Queue): nobody is inside it.
    signal = limit == 0 or (not mutex and (made.get("queue") or _is_signal(records)))
    overlaps: list[dict[str, Any]] = []
    inside = 0
    if not signal:
        inside, overlaps = _occupancy(sections, limit)
    taken = [r for r in records if r.operation in _TAKES]
    unreleased = [s for s in sections if s.until is None] if not (signal or cut) else []
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
        "preloaded": preloaded,
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
        "unreleased": [_shown(s) for s in unreleased[:SHOWN]],
        "sections": [(s.since, s.until, s.pid, s.site) for s in sections][:2000]
        if not signal and (preloaded or len({r.pid for r in taken}) == 1)
        else [],
    }


def _is_signal(records: list[Record]) -> bool:
    """Whether some process took it more often than it released it, and another the other way round.

    A release too many, in a process that never took it, is none of this: the others then have
    released what they took.
    """
    balance: Counter[int] = Counter()
    for record in records:
        if record.operation in _TAKES:
            balance[record.pid] += 1
        elif record.operation == RELEASED:
            balance[record.pid] -= 1
    return bool(balance) and min(balance.values()) < 0 < max(balance.values())


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
        if record.operation in _TAKES:
            section = Section(record.pid, record.tid, record.site, record.at)
            sections.append(section)
            open_of[record.pid].append(section)
        elif record.operation == RELEASED:
            mine = open_of[record.pid]
            if mine:
                if len(mine) > 1:
                    same_thread = [s for s in mine if s.tid == record.tid]
                    section = (same_thread or mine)[-1]
                    mine.remove(section)
                else:
                    section = mine.pop()
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
