"""What a check is given: the samples of one cell, what each amounts to, and what was expected."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from lab.model import Finding, Grade, Sample, Verdict


@dataclass(frozen=True)
class Case:
    """The samples of a cell side by side with their outcomes and grades."""

    samples: tuple[Sample, ...]
    outcomes: tuple[str, ...]
    grades: tuple[Grade, ...]
    expected: Verdict = Verdict.CLEAN
    concurrent: bool = True  # false under `inline`, where nothing can be contended for

    @property
    def observed(self) -> tuple[Sample, ...]:
        """The samples with a record of their locks."""
        return tuple(sample for sample in self.samples if sample.locks is not None)

    def counts(self) -> dict[str, int]:
        """How often each outcome came, most frequent first."""
        return dict(Counter(self.outcomes).most_common())

    def together(self) -> int:
        """The greatest number of processes at work at the same time in an observed sample."""
        return max(
            (sample.locks["together"] for sample in self.observed if sample.locks), default=0
        )


def inconclusive(check: str, message: str, **evidence: Any) -> Finding:
    """A finding for a check that saw nothing to check."""
    return Finding(check, Verdict.INCONCLUSIVE, message, evidence)


def wilson(hits: int, tries: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% confidence interval of a rate (Wilson, JASA 22, 1927)."""
    if tries == 0:
        return 0.0, 1.0
    rate = hits / tries
    centre = (rate + z * z / (2 * tries)) / (1 + z * z / tries)
    half = (
        z / (1 + z * z / tries) * math.sqrt(rate * (1 - rate) / tries + z * z / (4 * tries * tries))
    )
    return max(0.0, centre - half), min(1.0, centre + half)


def missed_at_most(tries: int, confidence: float = 0.95) -> float:
    """The greatest rate at which something never seen in `tries` may still happen.

    The exact upper bound for no hits (Clopper and Pearson, Biometrika 26, 1934): 1 - a^(1/n).
    """
    return 1.0 if tries == 0 else float(1 - (1 - confidence) ** (1 / tries))
