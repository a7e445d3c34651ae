"""Sections: what hand-made lock records amount to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from samples import LOCK, RLOCK, ROOT, SEMAPHORE, SIGNAL, records

from lab.agent.inside.mplab_inside.records import CAPACITY, RECORD, RELEASED, RUNS, TAKEN
from lab.agent.sections import SHOWN, Record, read_traces, summarize

Step = tuple[int, str] | tuple[int, str, int]


def lock(*steps: Step, made: dict[str, Any] | None = None) -> dict[str, Any]:
    """What the records of one lock amount to."""
    (found,) = summarize(records(*steps), {7: LOCK if made is None else made})["locks"]
    assert isinstance(found, dict)
    return found


def times(section: dict[str, Any]) -> tuple[int, int, int | None]:
    return section["pid"], section["from_ns"], section["to_ns"]


class TestLock:
    def test_that_works(self) -> None:
        found = lock(
            (1, "takes"),
            (1, "releases"),
            (2, "waits and takes"),
            (2, "releases"),
            (3, "gives up"),
            (1, "takes"),
            (1, "releases"),
        )
        assert found == {
            "key": 7,
            "line": "app.py:3",
            "made_by": ROOT,
            "preloaded": False,
            "sort": "lock",
            "limit": 1,
            "taken": 3,
            "waited": 2,
            "processes": [1, 2],
            "inside": 1,
            "overlaps": [],
            "overlapped": 0,
            "strays": [],
            "unreleased": [],
            "sections": [],
        }

    def test_overlap(self) -> None:
        found = lock((1, "takes"), (2, "takes"), (1, "releases"), (2, "releases"))
        assert (found["inside"], found["overlapped"]) == (2, 1)
        (overlap,) = found["overlaps"]
        assert times(overlap["entered"]) == (2, 2, 4)
        assert [times(section) for section in overlap["inside"]] == [(1, 1, 3)]
        assert overlap["entered"]["line"] == "app.py:2"

    def test_one_ends_as_the_next_begins(self) -> None:
        both = [
            Record(10, 1, 1, 7, TAKEN, ""),
            Record(20, 1, 1, 7, RELEASED, ""),
            Record(20, 2, 2, 7, TAKEN, ""),
        ]
        (found,) = summarize(both, {7: LOCK})["locks"]
        assert (found["inside"], found["overlapped"]) == (1, 0)

    def test_of_many_overlaps_a_few_are_shown(self) -> None:
        steps: list[Step] = [(1, "takes")]
        for _ in range(10):
            steps += [(2, "takes"), (2, "releases")]
        found = lock(*steps, (1, "releases"))
        assert (len(found["overlaps"]), found["overlapped"]) == (SHOWN, 10)

    def test_threads_of_one_process(self) -> None:
        found = lock((1, "takes"), (1, "takes"), (1, "releases"), (1, "releases"))
        assert found["overlapped"] == 1

    def test_threads_of_one_process_leave_their_own_sections(self) -> None:
        steps = [(1, 11, TAKEN), (2, 12, TAKEN), (3, 11, RELEASED), (4, 12, RELEASED)]
        rows = [Record(at, 1, tid, 7, operation, "") for at, tid, operation in steps]
        (found,) = summarize(rows, {7: {**LOCK, "pid": 1}})["locks"]
        assert found["sections"] == [(1, 3, 1, ""), (2, 4, 1, "")]

    def test_of_which_nobody_knows_where_it_was_made(self) -> None:
        (found,) = summarize(records((1, "takes"), (2, "takes")), {})["locks"]
        assert (found["sort"], found["limit"], found["line"]) == ("lock", 1, "")
        assert (found["made_by"], found["overlapped"]) == (None, 1)

    def test_handed_over(self) -> None:
        """Taken by one process, released by another, as a baton or a queue of one place is."""
        found = lock(
            (1, "takes"),
            (2, "releases"),
            (1, "takes"),
            (2, "releases"),
            (3, "takes"),
            (2, "releases"),
        )
        assert (found["overlapped"], found["strays"], found["unreleased"]) == (0, [], [])

    def test_stray_release(self) -> None:
        """Another process releases it while its owner is inside: a third one walks in."""
        found = lock((1, "takes"), (2, "releases"), (3, "takes"), (1, "releases"), (3, "releases"))
        assert found["strays"] == [{"pid": 2, "at_ns": 2, "line": "app.py:2"}]
        (overlap,) = found["overlaps"]
        assert times(overlap["entered"]) == (3, 3, 5)
        assert [times(section) for section in overlap["inside"]] == [(1, 1, 4)]

    def test_released_by_nobody_who_has_it(self) -> None:
        found = lock((2, "releases"), (1, "takes"), (1, "releases"))
        assert found["strays"] == [{"pid": 2, "at_ns": 1, "line": "app.py:2"}]
        assert found["overlapped"] == 0

    def test_never_released(self) -> None:
        found = lock((1, "takes"), (1, "releases"), (2, "takes"), (3, "gives up"))
        assert [times(section) for section in found["unreleased"]] == [(2, 3, None)]
        assert (found["overlapped"], found["waited"]) == (0, 1)

    def test_rlock(self) -> None:
        found = lock((1, "takes"), (1, "releases"), (2, "takes"), (2, "releases"), made=RLOCK)
        assert (found["sort"], found["overlapped"]) == ("rlock", 0)

    def test_of_one_process_alone_keeps_its_sections(self) -> None:
        found = lock((1, "takes"), (1, "releases"), (1, "takes"), made={**LOCK, "pid": 1})
        assert (found["made_by"], found["processes"]) == (1, [1])
        assert found["sections"] == [(1, 2, 1, "app.py:1"), (3, None, 1, "app.py:1")]


class TestSemaphore:
    def test_that_works(self) -> None:
        found = lock(
            (1, "takes"),
            (2, "takes"),
            (1, "releases"),
            (3, "waits and takes"),
            (2, "releases"),
            (3, "releases"),
            made=SEMAPHORE,
        )
        assert (found["sort"], found["limit"], found["inside"]) == ("semaphore", 2, 2)
        assert (found["overlapped"], found["strays"], found["unreleased"]) == (0, [], [])

    def test_one_too_many(self) -> None:
        found = lock((1, "takes"), (2, "takes"), (3, "takes"), (1, "releases"), made=SEMAPHORE)
        assert (found["inside"], found["overlapped"]) == (3, 1)
        (overlap,) = found["overlaps"]
        assert overlap["entered"]["pid"] == 3
        assert [section["pid"] for section in overlap["inside"]] == [1, 2]

    def test_whose_holder_never_releases(self) -> None:
        found = lock((1, "takes"), (2, "takes"), (2, "releases"), made=SEMAPHORE)
        assert (found["sort"], [s["pid"] for s in found["unreleased"]]) == ("semaphore", [1])

    def test_with_a_stray_release(self) -> None:
        found = lock(
            (1, "takes"),
            (2, "takes"),
            (3, "releases"),
            (3, "takes"),
            (1, "releases"),
            (2, "releases"),
            made=SEMAPHORE,
        )
        assert [stray["pid"] for stray in found["strays"]] == [3]
        assert found["overlapped"] == 1

    def test_with_a_stray_release_by_who_never_takes_it(self) -> None:
        found = lock(
            (1, "takes"),
            (2, "takes"),
            (3, "releases"),
            (4, "takes"),
            (1, "releases"),
            (2, "releases"),
            (4, "releases"),
            made=SEMAPHORE,
        )
        assert found["sort"] == "semaphore"
        assert [stray["pid"] for stray in found["strays"]] == [3]
        assert found["overlapped"] == 1


class TestSignal:
    """Semaphores that count what there is: nobody is inside them."""

    def test_that_starts_at_none(self) -> None:
        found = lock((1, "releases"), (2, "waits and takes"), (2, "takes"), made=SIGNAL)
        assert (found["sort"], found["inside"], found["overlaps"]) == ("signal", 0, [])
        assert (found["strays"], found["unreleased"]) == ([], [])

    def test_that_one_process_takes_and_another_releases(self) -> None:
        """The places of a queue: taken by who puts, released by who gets."""
        puts: list[Step] = [(1, "takes"), (1, "takes"), (2, "releases"), (1, "takes")]
        assert lock(*puts, made=SEMAPHORE)["sort"] == "signal"

    def test_that_workers_both_take_and_release(self) -> None:
        """The places of a queue again, whose readers put something too now and then."""
        found = lock(
            (1, "takes"),
            (1, "takes"),
            (2, "releases"),
            (2, "takes"),
            (3, "releases"),
            (3, "takes"),
            (2, "releases"),
            (3, "releases"),
            (1, "takes"),
            made=SEMAPHORE,
        )
        assert (found["sort"], found["overlapped"]) == ("signal", 0)


def test_processes_at_work_together() -> None:
    steps: list[Step] = [(1, "runs"), (2, "runs"), (1, "ends"), (3, "runs"), (2, "ends")]
    assert summarize(records(*steps), {}) == {"locks": [], "together": 2}
    in_turn: list[Step] = [(1, "runs"), (1, "ends"), (2, "runs"), (2, "ends"), (3, "runs")]
    assert summarize(records(*in_turn), {})["together"] == 1
    assert summarize([], {}) == {"locks": [], "together": 0}


def test_each_lock_by_itself() -> None:
    steps: list[Step] = [(1, "takes", 5), (2, "takes", 9), (1, "releases", 5), (2, "releases", 9)]
    found = summarize(records(*steps), {5: LOCK, 9: RLOCK})["locks"]
    assert [(one["key"], one["sort"], one["overlapped"]) for one in found] == [
        (5, "lock", 0),
        (9, "rlock", 0),
    ]


def trace(folder: Path, pid: int, *rows: tuple[int, int], room: int = 4) -> None:
    """The file of a process: rows of (time, operation), then the hole that is left."""
    data = b"".join(RECORD.pack(at, 7, operation, pid, pid, 0) for at, operation in rows)
    (folder / f"trace.{pid}").write_bytes(data + bytes(RECORD.size * room))


class TestTraces:
    def test_are_merged_in_order_of_time(self, tmp_path: Path) -> None:
        trace(tmp_path, 1, (10, TAKEN), (30, RELEASED))
        trace(tmp_path, 2, (20, RUNS), (40, TAKEN))
        trace(tmp_path, 3)
        found, cut = read_traces(tmp_path, {1: "app.py:1"})
        assert found == [
            Record(10, 1, 1, 7, TAKEN, "app.py:1"),
            Record(20, 2, 2, 7, RUNS, ""),
            Record(30, 1, 1, 7, RELEASED, "app.py:1"),
            Record(40, 2, 2, 7, TAKEN, ""),
        ]
        assert not cut

    def test_no_trace_at_all(self, tmp_path: Path) -> None:
        assert read_traces(tmp_path, {}) == ([], False)

    @pytest.fixture
    def full(self, tmp_path: Path) -> Path:
        """Process 1 has taken the lock once more when its trace is full; so nobody saw it leave."""
        pairs = [((2 * n, TAKEN), (2 * n + 1, RELEASED)) for n in range(1, CAPACITY // 2)]
        rows = [row for pair in pairs for row in pair]
        last = CAPACITY + 2
        trace(tmp_path, 1, (1, RUNS), *rows, (last, TAKEN), room=0)
        trace(tmp_path, 2, (last + 10, TAKEN), (last + 20, RELEASED))
        return tmp_path

    def test_after_a_full_one_nothing_is_known(self, full: Path) -> None:
        found, cut = read_traces(full, {})
        assert cut
        assert {record.pid for record in found} == {1}
        assert len(found) == CAPACITY

    def test_a_full_one_is_no_overlap_and_no_lock_that_was_kept(self, full: Path) -> None:
        read, cut = read_traces(full, {})
        (found,) = summarize(read, {7: LOCK}, cut)["locks"]
        assert (found["overlapped"], found["unreleased"], found["inside"]) == (0, [], 1)
