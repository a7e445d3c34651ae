"""cleanup: what is left of a dead sample, by whom, from which line."""

from __future__ import annotations

from typing import Any

import pytest
from samples import case, only, sample, started

from lab.checks import cleanup
from lab.model import Verdict

SEGMENT = {"kind": "shared memory", "name": "psm_1", "by": 7, "line": "app.py:4"}
ORPHAN = {"kind": "process", "name": "Process-2", "pid": 8, "by": 100, "line": "app.py:9"}


def test_what_is_left_is_told_with_its_maker_and_its_line() -> None:
    leaky = sample(
        4, left=[SEGMENT, {**SEGMENT, "name": "psm_2"}], events=[started(7, "Process-1")]
    )
    found = only(cleanup.judge(case(sample(), leaky, leaky)))
    assert (found.check, found.verdict) == ("cleanup", Verdict.LEAK)
    assert found.message == (
        "2 shared memory left behind in 2 of 3 samples: "
        "shared memory psm_1, by Process-1 (pid 7), from app.py:4"
    )
    assert found.evidence["seed"] == 4
    assert found.evidence["samples"] == 2
    assert found.evidence["left"][0] == {**SEGMENT, "by": "Process-1 (pid 7)"}


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (["process"], "1 process"),
        (["process", "process"], "2 processes"),
        (["zombie", "zombie", "socket"], "2 zombies, 1 socket"),
        (["semaphore", "file", "folder", "file"], "1 semaphore, 2 files, 1 folder"),
    ],
)
def test_each_kind_is_counted(kinds: list[str], told: str) -> None:
    leaky = sample(left=[{**SEGMENT, "kind": kind} for kind in kinds])
    assert only(cleanup.judge(case(leaky))).message.startswith(f"{told} left behind in 1 of 1")


def test_a_process_is_told_with_the_line_where_it_is() -> None:
    found = only(cleanup.judge(case(sample(left=[{**ORPHAN, "at": "app.py:2 in work"}]))))
    assert found.message.endswith(": process Process-2, by MainProcess (pid 100), from app.py:9")
    assert found.evidence["left"][0]["at"] == "app.py:2 in work"


def test_what_nobody_knows_is_left_out() -> None:
    unknown = {"kind": "process", "name": "", "pid": 8, "by": None, "line": ""}
    found = only(cleanup.judge(case(sample(left=[unknown]))))
    assert found.message == "1 process left behind in 1 of 1 samples: process pid 8"
    assert found.evidence["left"] == [{"kind": "process", "name": "pid 8", "by": "", "line": ""}]


@pytest.mark.parametrize(
    ("ladder", "found"), [("", 1), ("interrupt", 1), ("terminate", 0), ("kill", 0)]
)
def test_who_is_ended_by_force_cannot_tidy_up(ladder: str, found: int) -> None:
    values: dict[str, Any] = {"end": "hang", "ladder": ladder, "left": [SEGMENT]}
    assert len(cleanup.judge(case(sample(**values)))) == found


def test_nothing_left() -> None:
    assert cleanup.judge(case(sample(), sample())) == []
