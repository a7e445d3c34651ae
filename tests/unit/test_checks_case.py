"""What checks share: the case, and the statistics."""

from __future__ import annotations

import pytest
from samples import case, observed, sample

from lab.checks.case import inconclusive, missed_at_most, wilson
from lab.model import Finding, Verdict


@pytest.mark.parametrize(
    ("hits", "tries", "low", "high"),
    [
        (0, 0, 0.0, 1.0),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (1, 20, 0.0089, 0.2361),
        (12, 20, 0.3866, 0.7812),
        (81, 263, 0.2553, 0.3662),  # Newcombe, Statistics in Medicine 17, 1998, table I
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson(hits: int, tries: int, low: float, high: float) -> None:
    assert wilson(hits, tries) == pytest.approx((low, high), abs=6e-5)


def test_wilson_stays_between_0_and_1() -> None:
    for tries in range(1, 200):
        assert wilson(0, tries)[0] == pytest.approx(0)
        assert wilson(tries, tries)[1] == pytest.approx(1)
        for hits in (0, tries // 2, tries):
            low, high = wilson(hits, tries)
            assert 0 <= low <= hits / tries + 1e-12
            assert hits / tries - 1e-12 <= high <= 1


@pytest.mark.parametrize(
    ("tries", "rate"),
    [(0, 1.0), (1, 0.95), (4, 0.5271), (10, 0.2589), (59, 0.0495), (100, 0.0295), (1000, 0.003)],
)
def test_missed_at_most(tries: int, rate: float) -> None:
    assert missed_at_most(tries) == pytest.approx(rate, abs=6e-5)


def test_missed_at_most_is_the_rate_that_would_have_shown_in_19_of_20_runs() -> None:
    for tries in (1, 7, 50):
        assert (1 - missed_at_most(tries)) ** tries == pytest.approx(0.05)
    assert missed_at_most(3, confidence=0.5) == pytest.approx(1 - 0.5 ** (1 / 3))


def test_counts_are_most_frequent_first() -> None:
    four = case(sample(), sample(), sample(), sample(), outcomes=("a", "b", "c", "b"))
    assert list(four.counts().items()) == [("b", 2), ("a", 1), ("c", 1)]


def test_observed_samples_and_what_they_saw_together() -> None:
    alone = observed((1, "runs"), (1, "ends"), (2, "runs"), (2, "ends"))
    both = observed((1, "runs"), (2, "runs"))
    assert case(sample(), alone, both).observed == (alone, both)
    assert case(sample(), alone).together() == 1
    assert case(sample(), alone, both).together() == 2
    assert case(sample()).together() == 0


def test_inconclusive() -> None:
    assert inconclusive("locks", "nothing seen", n=0) == Finding(
        "locks", Verdict.INCONCLUSIVE, "nothing seen", {"n": 0}
    )
