"""Deadlocks: when nobody can ever go on, from what each thread waits for."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from samples import wait

from lab.agent.waits import is_deadlock, read_dump, users_line

LOCK = wait(1, "semaphore", "semaphore:7", **{"for": [2]})
OTHER = wait(2, "semaphore", "semaphore:8", **{"for": [1]})
JOIN = wait(100, "process", "pid 1", **{"for": [1]})
READ = wait(1, "pipe", "pipe:[5]", **{"for": [100]})
SOCKET = wait(1, "socket", "socket:[5]", **{"for": [100]})


def helper(pid: int, kind: str, **values: Any) -> dict[str, Any]:
    """A thread that is not the main one."""
    return wait(pid, kind, main=False, **{"for": [pid], **values})


class TestStopped:
    """No thread has run for a while: a deadlock is proven, or it is none."""

    @pytest.mark.parametrize(
        "waits",
        [
            [LOCK, OTHER],
            [JOIN, LOCK, OTHER],
            [JOIN, READ],
            [JOIN, SOCKET],
            [JOIN, LOCK, helper(1, "thread")],
            [wait(1, "thread", **{"for": [1]}), helper(1, "pipe", **{"for": [1]})],
        ],
        ids=["two locks", "and a join", "a join and a pipe", "a socket", "a helper", "a thread"],
    )
    def test_all_wait_for_each_other(self, waits: list[dict[str, Any]]) -> None:
        assert is_deadlock(waits, stopped=True)

    @pytest.mark.parametrize(
        "odd",
        [
            wait(3, "running"),
            wait(3, "sleep", timed=True),
            wait(3, "other", "system call 999", **{"for": None}),
            wait(3, "pipe", "pipe:[9]", **{"for": None}),
            wait(3, "socket", "a new connection", **{"for": None}),
            wait(3, "semaphore", "semaphore:7", timed=True, **{"for": [1]}),
            helper(3, "thread", timed=True),
            helper(3, "sleep"),
            helper(3, "socket", **{"for": None}),
        ],
        ids=[
            "it runs",
            "it sleeps",
            "nobody knows for what it waits",
            "a pipe from outside",
            "a new connection",
            "a time limit",
            "a time limit of another thread",
            "another thread sleeps",
            "another thread waits for somebody outside",
        ],
    )
    def test_one_that_may_go_on_is_enough(self, odd: dict[str, Any]) -> None:
        assert is_deadlock([LOCK, OTHER], stopped=True)
        assert not is_deadlock([LOCK, OTHER, odd], stopped=True)

    def test_threads_alone_prove_nothing(self) -> None:
        """What a thread waits for inside its process shows only that it waits."""
        threads = [wait(1, "thread", **{"for": [1]}), helper(1, "thread")]
        assert not is_deadlock(threads, stopped=True)

    def test_nobody_there(self) -> None:
        assert not is_deadlock([], stopped=True)


class TestAtTheTimeLimit:
    """Some may have polled until the end: main threads that wait are as good as stuck."""

    POLL = wait(1, "semaphore", "semaphore:7", timed=True, **{"for": [2]})

    def test_waits_with_a_time_limit_count(self) -> None:
        assert is_deadlock([self.POLL, OTHER], stopped=False)
        assert not is_deadlock([self.POLL, OTHER], stopped=True)

    def test_other_threads_do_not(self) -> None:
        busy = [helper(1, "running"), helper(2, "sleep")]
        assert is_deadlock([JOIN, LOCK, OTHER, *busy], stopped=False)

    def test_the_server_of_a_manager_does_not(self) -> None:
        stack = ["/lib/python3.13/multiprocessing/managers.py:172 in serve_forever"]
        server = wait(9, "other", stack=stack, **{"for": None})
        assert is_deadlock([LOCK, OTHER, server], stopped=False)
        assert not is_deadlock([LOCK, OTHER, server], stopped=True)
        assert not is_deadlock([server], stopped=False)

    @pytest.mark.parametrize("kind", ["running", "sleep", "other"])
    def test_a_main_thread_that_may_go_on_is_enough(self, kind: str) -> None:
        assert not is_deadlock([LOCK, OTHER, wait(3, kind)], stopped=False)

    def test_nobody_there(self) -> None:
        assert not is_deadlock([helper(1, "pipe")], stopped=False)


class TestUsersLine:
    LIBRARY = (os.__file__, 10, "fork")
    PACKAGE = (f"{Path(os.__file__).parent}/site-packages/own/a.py", 20, "run")
    SCRIPT = ("/app/script.py", 30, "main")

    def test_is_the_innermost_outside_the_library(self) -> None:
        frozen = ("<frozen runpy>", 88, "_run_code")
        assert users_line([self.LIBRARY, frozen, self.SCRIPT]) == "/app/script.py:30 in main"
        assert users_line([self.LIBRARY, self.PACKAGE, self.SCRIPT]).endswith("a.py:20 in run")

    def test_of_nothing_but_library(self) -> None:
        assert users_line([self.LIBRARY]).endswith("os.py:10 in fork")
        assert users_line([]) == ""


@pytest.mark.parametrize("text", ["", "{", "[]", "null", None])
def test_a_dump_that_is_none(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "dump.7"
    if text is not None:
        path.write_text(text)
    assert read_dump(path) == {}


def test_a_dump(tmp_path: Path) -> None:
    (tmp_path / "dump.7").write_text('{"name": "Process-1"}')
    assert read_dump(tmp_path / "dump.7") == {"name": "Process-1"}
