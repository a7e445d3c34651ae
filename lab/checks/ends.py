"""How samples ended; judged in every cell, whatever checks its scenario asks for."""

from __future__ import annotations

import ast
import re
import signal
from typing import Any

from lab.checks.case import Case
from lab.model import Finding, Grade, Sample, Verdict

_TEXT = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""

_NOT_PARSED = re.compile(rf"\((?:{_TEXT}), \((?P<file>{_TEXT}), (?P<line>\d+), ")
"""How the arguments of a SyntaxError begin; their end may be cut off."""


def judge(case: Case) -> list[Finding]:
    """Deadlocks and hangs with who waits for whom; scripts that failed or were killed."""
    findings = []
    for end, describe in (("deadlock", _deadlock), ("hang", _hang), ("too many processes", _bomb)):
        which = [sample for sample in case.samples if sample.end == end]
        if which:
            # An observed sample knows more: it may name the holder that died.
            best = max(which, key=lambda sample: sample.locks is not None)
            findings.append(describe(best, len(which), len(case.samples)))
    failed = [
        sample
        for sample, grade in zip(case.samples, case.grades, strict=True)
        if sample.end == "ended"
        and sample.exit_code != 0
        and grade not in (Grade.ACCEPTABLE, Grade.INTERESTING)
    ]
    raised = [sample for sample in failed if _error(sample)]
    crashed = [sample for sample in failed if not _error(sample)]
    if raised:
        findings.append(_raised(raised, len(case.samples)))
    if crashed:
        findings.append(_crashed(crashed, len(case.samples)))
    return findings


def exit_text(code: int) -> str:
    """`exit=1` or `signal=SIGKILL`."""
    if code >= 0:
        return f"exit={code}"
    try:
        return f"signal={signal.Signals(-code).name}"
    except ValueError:
        return f"signal={-code}"


def place(error: dict[str, Any]) -> str:
    """`file:line` of an exception; empty if nobody knows it.

    Of a script that cannot be parsed no line ever ran: its SyntaxError says which one is meant.
    """
    kind = error["type"].removeprefix("builtins.")
    told = _NOT_PARSED.match(error["args"])
    if error["line"] or not told or kind not in ("SyntaxError", "IndentationError", "TabError"):
        return str(error["line"])
    return f"{ast.literal_eval(told['file'])}:{told['line']}"


def raised_text(error: dict[str, Any]) -> str:
    """`raised builtins.ValueError(1,) at app.py:4`."""
    at = place(error)
    return f"raised {error['type']}{error['args']}" + (at and f" at {at}")


def _deadlock(sample: Sample, count: int, of: int) -> Finding:
    told = [_wait(sample, wait) for wait in _shown_waits(sample)]
    who = "; ".join(
        f"{_who(sample, wait)} waits for {_target(sample, wait)}"
        for wait in _shown_waits(sample)[:4]
    )
    failed = _failed_before(sample)
    return Finding(
        "ends",
        Verdict.DEADLOCK,
        f"no process can go on ({count} of {of} samples)"
        + (who and f": {who}")
        + (f"; before that, {failed[0]}" if failed else ""),
        {
            "seed": sample.seed,
            "samples": of,
            "deadlocked": count,
            "waits": told,
            "stacks": _stacks(sample),
            "ended_by": sample.ladder,
        }
        | ({"failed": failed} if failed else {})
        | _said(sample),
    )


def _hang(sample: Sample, count: int, of: int) -> Finding:
    told = [_wait(sample, wait) for wait in _shown_waits(sample)]
    where = told[0]["line"] if told else ""
    at = f"; the first process was at {where}" if where else ""
    return Finding(
        "ends",
        Verdict.HANG,
        f"still at work after {sample.seconds:.1f} s ({count} of {of} samples){at}",
        {
            "seed": sample.seed,
            "samples": of,
            "hung": count,
            "waits": told,
            "stacks": _stacks(sample),
            "ended_by": sample.ladder,
            "left": sample.left,
        }
        | _said(sample),
    )


def _said(sample: Sample) -> dict[str, str]:
    """The start of stderr; at its end is only how the lab ended the sample."""
    return {"stderr": sample.stderr[:2000]} if sample.stderr else {}


def _bomb(sample: Sample, count: int, of: int) -> Finding:
    return Finding(
        "ends",
        Verdict.CRASHED,
        f"more processes than any scenario needs: it forks without end ({count} of {of} samples)",
        {"seed": sample.seed, "stderr": sample.stderr[-2000:]},
    )


def _error(sample: Sample) -> dict[str, Any] | None:
    """The exception that ended the script, if it was one."""
    errors = [error for error in sample.told("exception") if error["where"] == "main"]
    return errors[-1] if errors and sample.exit_code == 1 else None


def _raised(samples: list[Sample], of: int) -> Finding:
    sample = samples[0]
    error = _error(sample) or {}
    return Finding(
        "ends",
        Verdict.EXCEPTION,
        f"the script {raised_text(error)} ({len(samples)} of {of} samples)",
        _exit(sample) | {"type": error["type"], "args": error["args"], "line": place(error)},
    )


def _crashed(samples: list[Sample], of: int) -> Finding:
    how = exit_text(samples[0].exit_code)
    return Finding(
        "ends",
        Verdict.CRASHED,
        f"the script ended with {how} ({len(samples)} of {of} samples)",
        _exit(samples[0]),
    )


def _exit(sample: Sample) -> dict[str, Any]:
    return {
        "seed": sample.seed,
        "exit": exit_text(sample.exit_code),
        "stderr": sample.stderr[-4000:],
    }


def _shown_waits(sample: Sample) -> list[dict[str, Any]]:
    """Main threads, and others where they or their main thread wait; idle helpers left out."""
    stuck = {w["pid"] for w in sample.waits if w["main"] and w["kind"] == "thread"}
    return [
        w
        for w in sample.waits
        if w["main"]
        or (w["kind"] != "thread" and w["held_by"])
        or (w["pid"] in stuck and w["kind"] in ("pipe", "process") and not w["timed"])
    ]


def _who(sample: Sample, wait: dict[str, Any]) -> str:
    thread = "" if wait["main"] else f" ({wait['thread'] or 'a thread'})"
    return sample.name(wait["pid"]) + thread


def _failed_before(sample: Sample) -> list[str]:
    """Processes that had not ended well, and that the others may be waiting for in vain."""
    alive = {wait["pid"] for wait in sample.waits}
    codes = {reaped["child"]: reaped["code"] for reaped in sample.told("reaped")}
    codes |= {ended["pid"]: ended["code"] for ended in sample.told("exit") if ended["code"]}
    return [
        f"{sample.name(pid)} ended with {exit_text(code)}"
        for pid, code in codes.items()
        if pid not in alive
    ]


def _wait(sample: Sample, wait: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "process": sample.name(wait["pid"]),
        "thread": wait["thread"],
        "waits_for": _target(sample, wait),
        "line": wait["line"],
    }
    if wait["held_by"]:
        shown["held_by"] = ", ".join(sample.name(pid) for pid in wait["held_by"])
    return shown


def _target(sample: Sample, wait: dict[str, Any]) -> str:
    match wait["kind"]:
        case "semaphore":
            return _semaphore(sample, wait)
        case "process":
            return "the end of " + ", ".join(sample.name(pid) for pid in wait["for"] or [])
        case "pipe":
            others = [sample.name(pid) for pid in wait["for"] if pid != wait["pid"]]
            return f"a pipe of {', '.join(others) or 'its own'}"
        case "socket":
            return wait["on"] if wait["on"] == "a new connection" else "a message on a socket"
        case "thread":
            return "another of its threads"
        case "sleep":
            return "a sleep to end"
        case "running":
            return "nothing: it runs"
        case _:
            return wait["on"] or "something outside the sample"


def _semaphore(sample: Sample, wait: dict[str, Any]) -> str:
    key = int(wait["on"].rpartition(":")[2])
    locks = sample.locks["locks"] if sample.locks else []
    lock: dict[str, Any] = next((lock for lock in locks if lock["key"] == key), {})
    if lock.get("sort") == "signal":
        return f"a signal made at {lock['line']} that nobody gives"
    made = f" made at {lock['line']}" if lock.get("line") else ""
    what = "a semaphore" if lock.get("sort") == "semaphore" else "a lock"
    if wait["held_by"]:
        return f"{what}{made}, held by {', '.join(sample.name(p) for p in wait['held_by'])}"
    for section in sample.unreleased_by_dead(lock):
        at = f" at {section['line']}" if section["line"] else ""
        return (
            f"{what}{made}, taken{at} by {sample.name(section['pid'])}, "
            "which ended without releasing it"
        )
    return f"{what}{made} that nobody alive holds"


def _stacks(sample: Sample) -> dict[str, str]:
    return {
        f"{sample.name(wait['pid'])} {wait['thread']}".strip(): "\n".join(wait["stack"][:12])
        for wait in sample.waits
        if wait["stack"]
    }
