"""Phrases that every report uses alike: numbers, times, CPUs, what a cell amounts to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Literal

from lab.model import CellResult, Status

Standing = Literal["clean", "known", "unexpected", "unsupported", "error"]
"""How a cell stands: ran and clean; ran with a fault that was expected; ran, not as expected; or
not ran, and why not."""


def standing(cell: CellResult) -> Standing:
    """How `cell` stands, for marks and colours."""
    if cell.status is Status.UNSUPPORTED:
        return "unsupported"
    if cell.status is Status.ERROR:
        return "error"
    if not cell.ok:
        return "unexpected"
    return "clean" if cell.verdict == "clean" else "known"


def word(cell: CellResult) -> str:
    """One word for `cell`: its verdict, or its status where it did not run."""
    return cell.verdict.value if cell.status is Status.RAN else cell.status.value


def judgement(cell: CellResult) -> str:
    """`deadlock, expected clean`, `lost-updates, as expected`, or the status and its reason."""
    if cell.status is not Status.RAN:
        reason = cell.reason.partition("\n")[0] or "no reason given"
        return f"{cell.status.value}: {reason}"
    return against(cell.verdict.value, cell.expected.value, cell.ok)


def against(verdict: str, expected: str, ok: bool) -> str:
    """A verdict beside the expected one."""
    if ok:
        return f"{verdict}, as expected"
    if verdict == expected:
        return f"{verdict} as expected, but not ok: see the findings"
    return f"{verdict}, expected {expected}"


def several(number: int, noun: str) -> str:
    """`1 cell`, `6 cells`."""
    if number == 1:
        return f"{number} {noun}"
    return f"{number} {noun}{'es' if noun.endswith('s') else 's'}"


def duration(seconds: float) -> str:
    """`0.12 s`, `4.1 s`, `3 min 12 s`, `2 h 5 min`."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def ranges(numbers: Iterable[int]) -> str:
    """CPU numbers as the kernel writes them: `0-2,5`."""
    runs = []
    for _, run in groupby(enumerate(sorted(set(numbers))), lambda pair: pair[1] - pair[0]):
        members = [number for _, number in run]
        runs.append(f"{members[0]}-{members[-1]}" if len(members) > 1 else f"{members[0]}")
    return ",".join(runs)


def number(value: float) -> str:
    """A number with four digits that count, no trailing zeros."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.4g}"


def share(count: int, total: int) -> str:
    """`60.0 %` of a total."""
    return f"{100 * count / total:.1f} %" if total else "-"


def circumstances(cell: CellResult) -> str:
    """`20 samples in 4.1 s (7.9 s of CPU) on CPUs 0-1, Python 3.13.1, host local`."""
    parts = []
    if cell.samples or cell.status is Status.RAN:
        spent = f"{several(cell.samples, 'sample')} in {duration(cell.seconds)}"
        if cell.cpu_seconds:
            spent += f" ({duration(cell.cpu_seconds)} of CPU)"
        parts.append(spent)
    if cell.cpus:
        where = f"on CPU{'s' if len(cell.cpus) > 1 else ''} {ranges(cell.cpus)}"
        parts = [f"{parts[0]} {where}"] if parts else [where]
    parts += [f"Python {cell.python}", f"host {cell.host}"]
    return ", ".join(parts)


def phrase(value: Any) -> str:
    """Plain data on one line, for a reader: `samples 20, overlap 0.85`."""
    match value:
        case Mapping():
            return ", ".join(f"{label(key)} {phrase(item)}" for key, item in value.items())
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case None:
            return "none"
        case int() | float():
            return number(value)
        case Sequence():
            return ", ".join(phrase(item) for item in value) or "none"
        case _:
            return repr(value)


def label(key: object) -> str:
    """A key of an object as words."""
    return str(key).replace("_", " ")


def power_phrase(power: Mapping[str, Any]) -> str:
    """What a green cell means, in words where the fact is known, else as `phrase` has it."""
    rest = dict(power)
    parts = []
    for key, say in _POWER.items():
        if isinstance(rest.get(key), (int, float)):
            parts.append(say(rest.pop(key)))
    return "; ".join([*parts, *([phrase(rest)] if rest else [])])


def _missed(what: str) -> Callable[[float], str]:
    return lambda rate: f"{what} in fewer than {100 * rate:.1f} % of runs may have been missed"


_POWER: Mapping[str, Callable[[Any], str]] = {
    "samples": lambda count: several(count, "sample"),
    "with_pauses": lambda count: f"{count} of them with pauses",
    "processes_together": lambda count: f"at most {several(count, 'process')} at work at once",
    "lock_sections": lambda count: f"locks were taken {several(count, 'time')}",
    "lock_waits": lambda count: f"{several(count, 'time')} after a wait",
    "missed_at_most": _missed("what happens"),
    "lost_updates_missed_at_most": _missed("lost updates"),
}
"""How each known fact about a cell's power is said, in this order."""
