"""locks: sections under a lock never overlap, no more than k are inside a semaphore."""

from __future__ import annotations

from itertools import combinations
from typing import Any

from lab.checks.case import Case, inconclusive
from lab.model import Finding, Sample, Verdict


def judge(case: Case) -> list[Finding]:
    """Overlaps, private locks where one was meant, locks whose holder died.

    `inconclusive` if no lock was seen taken by two processes, one of which had to wait.
    """
    findings: list[Finding] = []
    for sample in case.observed:
        findings += _overlaps(sample) + _private(sample) + _died(sample)
        if findings:
            return findings
    if not case.concurrent:
        return []
    shared = waited = 0
    for sample in case.observed:
        for lock in _locks(sample):
            if lock["sort"] != "signal" and len(lock["processes"]) > 1:
                shared += 1
                waited += lock["waited"]
    if not case.observed:
        return [inconclusive("locks", "no sample was observed, so no lock could be followed")]
    if not shared:
        return [inconclusive("locks", "no lock was taken by more than one process")]
    if not waited:
        return [
            inconclusive(
                "locks", "no process ever had to wait for a lock, so none was put to the test"
            )
        ]
    return []


def power(case: Case) -> dict[str, Any]:
    """What a clean cell saw of locks: how often they were taken, and had to be waited for."""
    locks = [lock for sample in case.observed for lock in _locks(sample)]
    locks = [lock for lock in locks if lock["sort"] != "signal"]
    return {
        "lock_sections": sum(lock["taken"] for lock in locks),
        "lock_waits": sum(lock["waited"] for lock in locks),
    }


def _locks(sample: Sample) -> list[dict[str, Any]]:
    return list(sample.locks["locks"]) if sample.locks else []


def _overlaps(sample: Sample) -> list[Finding]:
    findings = []
    for lock in _locks(sample):
        if not lock["overlaps"]:
            continue
        first = lock["overlaps"][0]
        who = [first["entered"], *first["inside"]]
        what = "lock" if lock["limit"] == 1 else f"semaphore of {lock['limit']}"
        strays = [
            f"{sample.name(stray['pid'])} released it at {stray['line']} without having taken it"
            for stray in lock["strays"]
        ]
        because = f"; {strays[0]}" if strays else ""
        findings.append(
            Finding(
                "locks",
                Verdict.LOCK_VIOLATED,
                f"{len(who)} processes were inside the {what} made at {lock['line'] or '?'} "
                f"at the same time{because}",
                {
                    "seed": sample.seed,
                    "lock": lock["line"],
                    "limit": lock["limit"],
                    "overlaps": lock["overlapped"],
                    "sections": [_shown(sample, section) for section in who],
                    "strays": strays,
                },
            )
        )
    return findings


def _private(sample: Sample) -> list[Finding]:
    """Sections of one line that overlap because each process has a lock of its own.

    The slip behind it: a lock made at module level, which spawn and forkserver make anew in each
    child that imports the module. A fork server that imports it first makes one for all of them.
    """
    by_line: dict[str, list[dict[str, Any]]] = {}
    for lock in _locks(sample):
        if lock["preloaded"] or lock["processes"] == [lock["made_by"]]:
            by_line.setdefault(lock["line"], []).append(lock)
    for line, locks in by_line.items():
        if len({lock["made_by"] for lock in locks}) < 2 or not line:
            continue
        for one, other in combinations(locks, 2):
            if one["made_by"] == other["made_by"]:
                continue
            for since, until, pid, site in one["sections"]:
                for since2, until2, pid2, site2 in other["sections"]:
                    ends, ends2 = until or since, until2 or since2
                    if site and site == site2 and since < ends2 and since2 < ends:
                        both = [
                            {"pid": pid, "from_ns": since, "to_ns": until, "line": site},
                            {"pid": pid2, "from_ns": since2, "to_ns": until2, "line": site2},
                        ]
                        return [
                            Finding(
                                "locks",
                                Verdict.LOCK_VIOLATED,
                                f"the section at {site} was entered by two processes at the same "
                                f"time: each has a lock of its own, made at {line}",
                                {
                                    "seed": sample.seed,
                                    "lock": line,
                                    "locks": len(locks),
                                    "sections": [_shown(sample, section) for section in both],
                                },
                            )
                        ]
    return []


def _died(sample: Sample) -> list[Finding]:
    """Locks that a process took with it, where somebody then waited for ever."""
    wanted = {
        int(wait["on"].rpartition(":")[2])
        for wait in sample.waits
        if wait["kind"] == "semaphore" and not wait["held_by"]
    }
    findings = []
    for lock in _locks(sample):
        for section in sample.unreleased_by_dead(lock):
            if lock["key"] in wanted:
                holder = sample.name(section["pid"])
                findings.append(
                    Finding(
                        "locks",
                        Verdict.DEADLOCK,
                        f"{holder} took the lock made at {lock['line'] or '?'} "
                        f"in {section['line'] or '?'} and ended without releasing it",
                        {
                            "seed": sample.seed,
                            "lock": lock["line"],
                            "holder": holder,
                            "sections": [_shown(sample, section)],
                        },
                    )
                )
    return findings


def _shown(sample: Sample, section: dict[str, Any]) -> dict[str, Any]:
    return {
        "process": sample.name(section["pid"]),
        "from_ns": section["from_ns"],
        "to_ns": section["to_ns"],
        "line": section["line"],
    }
