"""updates: whether an increment was lost, how often, or how rare it must be if none was."""

from __future__ import annotations

from lab.checks.case import Case, inconclusive, missed_at_most, wilson
from lab.model import Finding, Grade, Verdict


def judge(case: Case) -> list[Finding]:
    """`lost-updates` if any outcome is other than acceptable.

    With none, the processes must have been at work at the same time, else `inconclusive`.
    """
    judged = [
        (outcome, grade)
        for outcome, grade, sample in zip(case.outcomes, case.grades, case.samples, strict=True)
        if sample.end == "ended" and sample.exit_code == 0
    ]
    lost = [outcome for outcome, grade in judged if grade != Grade.ACCEPTABLE]
    if lost:
        low, high = wilson(len(lost), len(judged))
        return [
            Finding(
                "updates",
                Verdict.LOST_UPDATES,
                f"updates were lost in {len(lost)} of {len(judged)} samples "
                f"(rate {len(lost) / len(judged):.2f}, 95% interval {low:.2f} to {high:.2f})",
                {
                    "samples": len(judged),
                    "lost": len(lost),
                    "rate": round(len(lost) / len(judged), 4),
                    "ci95": [round(low, 4), round(high, 4)],
                    "examples": lost[:5],
                },
            )
        ]
    together = case.together()
    if not judged:
        return []  # how they ended is another finding
    if case.concurrent and together < 2:
        return [
            inconclusive(
                "updates",
                "no two processes were seen at work at the same time, so no update could be lost",
                together=together,
                observed=len(case.observed),
            )
        ]
    return []


def power(case: Case) -> dict[str, float]:
    """The bound on the rate of losses that a clean cell may have missed."""
    return {"lost_updates_missed_at_most": round(missed_at_most(len(case.observed)), 4)}
