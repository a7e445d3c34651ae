"""CPUs: how many there are to use, and leases that never overlap, however their holders end.

Holders are processes of their own. They are told what to do on stdin and say what happened on
stdout, so that nothing here has to wait for a time to pass.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
import pytest

from lab import cpus
from lab.errors import ExitCode, LabError

PATIENCE = 20.0
"""Seconds after which a test that waits for another process has failed."""


@pytest.fixture(autouse=True)
def leases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of leases that is this test's own."""
    folder = tmp_path / "leases"
    monkeypatch.setenv("LAB_LEASE_DIR", str(folder))
    return folder


HOLDER = """\
import json, os, subprocess, sys, time
from lab import cpus

def tell(**what):
    print(json.dumps({**what, "at": time.monotonic_ns()}), flush=True)

for line in sys.stdin:
    count, among, times, child = json.loads(line)
    tell(said="asks")
    for _ in range(times):
        with cpus.lease(count, tuple(among)) as lease:
            since = time.monotonic_ns()
            if times == 1:
                if child:
                    subprocess.Popen(["cat"], stdin=int(child), pass_fds=lease.descriptors)
                tell(said="holds", cpus=lease.cpus)
                sys.stdin.readline()
            else:
                os.sched_yield()  # let others in, if they can
            until = time.monotonic_ns()
        tell(said="held", cpus=lease.cpus, since=since, until=until)
    tell(said="done")
"""


class Holder:
    """A process that takes leases."""

    def __init__(self, keep: tuple[int, ...] = ()) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", HOLDER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            pass_fds=keep,
            cwd=Path(cpus.__file__).parents[1],
        )
        assert self.process.stdin
        assert self.process.stdout
        self.stdin, self.stdout = self.process.stdin, self.process.stdout

    def ask(self, count: int, among: tuple[int, ...], times: int = 1, child: int = 0) -> None:
        """Have it take leases: one that it holds until it is let go, or many in a row."""
        self.stdin.write(json.dumps([count, among, times, child]) + "\n")
        self.stdin.flush()

    def let_go(self) -> None:
        """Have it give back the one lease that it holds."""
        self.stdin.write("\n")
        self.stdin.flush()

    def hear(self, said: str) -> dict[str, Any]:
        """The next thing it tells, which must be this."""
        told: dict[str, Any] = json.loads(self.stdout.readline())
        assert told["said"] == said
        return told

    def close(self) -> None:
        self.process.kill()
        self.stdin.close()
        self.stdout.close()
        self.process.wait()


@pytest.fixture
def holder() -> Iterator[Callable[..., Holder]]:
    """Makes holders, and ends them all with the test."""
    with ExitStack() as stack:

        def make(**more: Any) -> Holder:
            made = Holder(**more)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """What waits for ever fails instead."""

    def too_late(*_: object) -> None:
        raise TimeoutError(f"another process did not do its part within {PATIENCE} s")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def until(condition: Callable[[], bool]) -> None:
    """Let others run until a condition holds."""
    while not condition():
        os.sched_yield()


def line() -> tuple[list[int], list[int]]:
    """Who is first in line for a lease, and who stands behind, as the kernel lists them."""
    turn = cpus.lease_folder() / "turn"
    mark = f":{turn.stat().st_ino} " if turn.exists() else "none"
    first, behind = [], []
    for text in Path("/proc/locks").read_text().splitlines():
        if mark in text:
            pid = int(text.split(" WRITE ")[1].split()[0])
            (behind if "->" in text else first).append(pid)
    return first, behind


def is_free(cpu: int) -> bool:
    """Whether nobody holds a lease of this CPU."""
    fd = os.open(cpus.lease_folder() / f"cpu{cpu}", os.O_RDONLY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208 (one fewer descriptor open)


class TestLease:
    def test_no_cpu_is_leased_twice_at_the_same_time(self, holder: Callable[..., Holder]) -> None:
        counts = (1, 1, 2, 2, 3, 4)
        rounds = 30
        with cpus.lease(4, (0, 1, 2, 3)):
            holders = [holder() for _ in counts]
            for one, count in zip(holders, counts, strict=True):
                one.ask(count, (0, 1, 2, 3), rounds)
                one.hear("asks")
            until(lambda: len(line()[1]) == len(counts) - 1)  # and off they go together
        held: dict[int, list[tuple[int, int]]] = {cpu: [] for cpu in range(4)}
        order = []
        for one, count in zip(holders, counts, strict=True):
            for _ in range(rounds):
                told = one.hear("held")
                order.append((told["since"], one.process.pid))
                assert len(set(told["cpus"])) == count
                for cpu in told["cpus"]:
                    held[cpu].append((told["since"], told["until"]))
        order.sort()
        turns = sum(one != other for (_, one), (_, other) in pairwise(order))
        assert turns > 2 * len(counts)  # or they were not at it together, and this says nothing
        for times in held.values():
            times.sort()
            assert all(end < begin for (_, end), (begin, _) in pairwise(times))
        assert sum(map(len, held.values())) == rounds * sum(counts)

    def test_the_wide_one_is_not_passed_by_the_narrow(self, holder: Callable[..., Holder]) -> None:
        first, wide, narrow = holder(), holder(), holder()
        first.ask(1, (0, 1))
        first.hear("asks")
        first.hear("holds")
        wide.ask(2, (0, 1))
        wide.hear("asks")
        until(lambda: line() == ([wide.process.pid], []))  # although CPU 1 is free
        narrow.ask(1, (0, 1))
        narrow.hear("asks")
        until(lambda: line() == ([wide.process.pid], [narrow.process.pid]))
        first.let_go()
        first.hear("held")
        assert wide.hear("holds")["cpus"] == [0, 1]
        wide.let_go()
        wide_held = wide.hear("held")
        assert narrow.hear("holds")["at"] > wide_held["until"]

    def test_the_death_of_its_holder_ends_it(self, holder: Callable[..., Holder]) -> None:
        doomed, heir = holder(), holder()
        doomed.ask(2, (0, 1))
        doomed.hear("asks")
        doomed.hear("holds")
        heir.ask(2, (0, 1))
        heir.hear("asks")
        assert not is_free(0)
        doomed.process.send_signal(signal.SIGKILL)
        doomed.process.wait()
        assert heir.hear("holds")["cpus"] == [0, 1]

    def test_so_does_the_death_of_who_is_first_in_line(self, holder: Callable[..., Holder]) -> None:
        first, doomed, heir = holder(), holder(), holder()
        first.ask(1, (0, 1))
        first.hear("asks")
        first.hear("holds")
        doomed.ask(2, (0, 1))
        doomed.hear("asks")
        until(lambda: line() == ([doomed.process.pid], []))
        heir.ask(1, (0, 1))
        heir.hear("asks")
        until(lambda: line() == ([doomed.process.pid], [heir.process.pid]))
        doomed.process.send_signal(signal.SIGKILL)
        assert heir.hear("holds")["cpus"] == [1]

    def test_who_inherited_it_holds_it_on(self, holder: Callable[..., Holder]) -> None:
        read, write = os.pipe()
        doomed, heir = holder(keep=(read,)), holder()
        os.close(read)
        doomed.ask(1, (0, 1), child=read)
        doomed.hear("asks")
        doomed.hear("holds")
        (child,) = psutil.Process(doomed.process.pid).children()
        doomed.process.send_signal(signal.SIGKILL)
        doomed.process.wait()
        assert child.is_running()
        assert not is_free(0)
        heir.ask(2, (0, 1))
        heir.hear("asks")
        os.close(write)  # ends the child
        assert heir.hear("holds")["cpus"] == [0, 1]

    def test_the_first_that_are_free_are_taken(self) -> None:
        with cpus.lease(2, (3, 5, 7)) as one, cpus.lease(1, (3, 5, 7)) as other:
            assert (one.cpus, other.cpus) == ((3, 5), (7,))
            assert len(one.descriptors) == 2
            assert not is_free(5)
        assert is_free(3)
        assert is_free(7)

    def test_an_error_inside_gives_it_back(self) -> None:
        with pytest.raises(ZeroDivisionError), cpus.lease(1, (0,)):
            raise ZeroDivisionError
        assert is_free(0)

    def test_none_is_none(self) -> None:
        with cpus.lease(0, (0, 1)) as lease:
            assert (lease.cpus, lease.descriptors) == ((), ())

    def test_more_than_there_are_is_refused_at_once(self) -> None:
        with pytest.raises(LabError) as error, cpus.lease(3, (0, 1)):
            pass
        assert str(error.value) == "cannot lease 3 CPUs: there are 2 to choose from (0, 1)."
        with cpus.lease(2, (0, 1)):
            pass  # and nobody stands in line

    def test_all_of_one_of_several_sets(self) -> None:
        with cpus.lease(2, (0, 1), (2, 3)) as one, cpus.lease(2, (0, 1), (2, 3)) as other:
            assert (one.cpus, other.cpus) == ((0, 1), (2, 3))
        with cpus.lease(1, (0,)), cpus.lease(2, (0, 1), (2, 3)) as lease:
            assert lease.cpus == (2, 3)
        with pytest.raises(LabError) as error, cpus.lease(3, (0, 1), (2,)):
            pass
        assert "there are 2 to choose from (0, 1) or (2)" in str(error.value)

    def test_other_users_may_lease_too_whatever_the_umask(self, leases: Path) -> None:
        before = os.umask(0o077)
        try:
            with cpus.lease(1, (0,)):
                pass
        finally:
            os.umask(before)
        assert stat.S_IMODE(leases.stat().st_mode) == 0o1777
        for name in ("turn", "cpu0"):
            assert stat.S_IMODE((leases / name).stat().st_mode) == 0o644

    def test_descriptors_do_not_leak(self) -> None:
        before = descriptors()
        with cpus.lease(1, (0,)), cpus.lease(1, (0, 1)):
            pass
        assert descriptors() == before


class TestFolder:
    def test_is_the_machines_unless_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("LAB_LEASE_DIR")
        assert cpus.lease_folder() == Path("/tmp/mplab-cpus")

    def refused(self, folder: Path) -> str:
        before = descriptors()
        with pytest.raises(LabError) as error, cpus.lease(2, (0, 1)):
            pass
        assert descriptors() == before
        assert error.value.exit_code == ExitCode.LAB_ERROR
        assert str(error.value).startswith(f"cannot lease CPUs in {folder}: ")
        assert str(error.value).endswith("Set LAB_LEASE_DIR to a folder that can be written.")
        return str(error.value)

    def test_that_is_a_file(self, leases: Path) -> None:
        leases.write_text("")
        assert "Not a directory" in self.refused(leases)

    def test_that_cannot_be_made(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAB_LEASE_DIR", "/proc/none")
        self.refused(Path("/proc/none"))

    def test_in_which_a_file_cannot_be_made(self, leases: Path) -> None:
        leases.mkdir()
        (leases / "cpu1").symlink_to(leases / "none" / "cpu1")
        assert "No such file" in self.refused(leases)


class TestCounts:
    @pytest.mark.parametrize(
        ("available", "counts"),
        [
            (1, (1,)),
            (2, (1, 2)),
            (3, (1, 2, 3)),
            (6, (1, 2, 4, 6)),
            (8, (1, 2, 4, 8)),
            (100, (1, 2, 4, 8, 16, 32, 64, 100)),
        ],
    )
    def test_by_default(self, available: int, counts: tuple[int, ...]) -> None:
        assert cpus.default_counts(available) == counts

    def test_usable_are_those_of_the_affinity(self) -> None:
        before = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {max(before)})
            assert cpus.usable() == (max(before),)
        finally:
            os.sched_setaffinity(0, before)
        assert cpus.usable() == tuple(sorted(before))


class TestQuota:
    V2 = "cpu.max"
    V1 = ("cpu/cpu.cfs_quota_us", "cpu/cpu.cfs_period_us")

    @pytest.mark.parametrize(
        ("files", "quota"),
        [
            ({}, None),
            ({V2: "max 100000\n"}, None),
            ({V2: "150000 100000\n"}, 1.5),
            ({V2: "50000 100000\n", V1[0]: "400000\n", V1[1]: "100000\n"}, 0.5),
            ({V2: "nonsense\n", V1[0]: "400000\n", V1[1]: "100000\n"}, 4.0),
            ({V2: "100 0\n"}, None),
            ({V2: "100\n"}, None),
            ({V1[0]: "-1\n", V1[1]: "100000\n"}, None),
            ({V1[0]: "25000\n", V1[1]: "100000\n"}, 0.25),
            ({V1[0]: "25000\n"}, None),
            ({V1[0]: "many\n", V1[1]: "100000\n"}, None),
            ({V1[0]: "25000\n", V1[1]: "0\n"}, None),
        ],
    )
    def test_is_read(self, tmp_path: Path, files: dict[str, str], quota: float | None) -> None:
        for name, text in files.items():
            path = tmp_path / "cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert cpus.quota(tmp_path / "cgroup") == quota
