"""cleanup: nothing is left once a sample is dead."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lab.checks.case import Case
from lab.model import Finding, Sample, Verdict


def judge(case: Case) -> list[Finding]:
    """`leak`, with what was left, by whom and from which line.

    Not where the lab itself had to terminate or kill the script, which then could not tidy up.
    """
    leaky = [
        sample
        for sample in case.samples
        if sample.left and sample.ladder not in ("terminate", "kill")
    ]
    if not leaky:
        return []
    sample = leaky[0]
    left = [_shown(sample, thing) for thing in sample.left]
    kinds = Counter(thing["kind"] for thing in left)
    told = ", ".join(f"{count} {_plural(kind, count)}" for kind, count in kinds.items())
    first = left[0]
    by = f", by {first['by']}" if first["by"] else ""
    line = f", from {first['line']}" if first["line"] else ""
    return [
        Finding(
            "cleanup",
            Verdict.LEAK,
            f"{told} left behind in {len(leaky)} of {len(case.samples)} samples: "
            f"{first['kind']} {first['name']}{by}{line}",
            {"seed": sample.seed, "samples": len(leaky), "left": left},
        )
    ]


def _plural(kind: str, count: int) -> str:
    if count == 1 or kind == "shared memory":
        return kind
    return kind + ("es" if kind.endswith("s") else "s")


def _shown(sample: Sample, thing: dict[str, Any]) -> dict[str, Any]:
    shown = {
        "kind": thing["kind"],
        "name": thing["name"] or f"pid {thing.get('pid')}",
        "by": sample.name(thing["by"]) if thing["by"] else "",
        "line": thing["line"],
    }
    if thing.get("at"):
        shown["at"] = thing["at"]
    return shown
