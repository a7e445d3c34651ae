"""CPUs: which of the machine's we may use, and leases of sets that no two cells share.

A lease is an exclusive `flock` on one file a CPU, in a folder that all runs on the machine share.
The kernel gives a lock back when its last holder dies, so no lease outlives its cell. The files'
descriptors are handed to the cell's agent too: as long as anybody may still run on the CPUs, they
are taken.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from lab.errors import LabError

_POLL = 0.004
"""Seconds between two tries of who is first in line: flock cannot wait for any of several."""


def usable() -> tuple[int, ...]:
    """The CPUs that this process may run on: its affinity, which a cpuset limits too."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def quota(groups: Path = Path("/sys/fs/cgroup")) -> float | None:
    """The CPU time per time that the control group grants (cgroup v2, then v1); None: no limit."""
    try:
        limit, period = (groups / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        pass
    try:
        limit_us = int((groups / "cpu" / "cpu.cfs_quota_us").read_text())
        period_us = int((groups / "cpu" / "cpu.cfs_period_us").read_text())
        return limit_us / period_us if limit_us > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None


def default_counts(available: int) -> tuple[int, ...]:
    """The powers of two up to the number of CPUs, and that number: 1, 2, 4, 6 for 6."""
    counts = {available}
    count = 1
    while count <= available:
        counts.add(count)
        count *= 2
    return tuple(sorted(counts))


def lease_folder() -> Path:
    """Where leases are taken: LAB_LEASE_DIR, or a folder in /tmp that every user may use."""
    return Path(os.environ.get("LAB_LEASE_DIR") or "/tmp/mplab-cpus")


class Lease:
    """A set of CPUs that is ours until it is released, or its holders die."""

    def __init__(self, cpus: tuple[int, ...], descriptors: tuple[int, ...]) -> None:
        self.cpus = cpus
        self.descriptors = descriptors

    def release(self) -> None:
        """Give the CPUs back, unless an agent still holds them too."""
        for fd in self.descriptors:
            os.close(fd)
        self.descriptors = ()


@contextmanager
def lease(count: int, *among: tuple[int, ...]) -> Iterator[Lease]:
    """Hold `count` CPUs that no other lease holds, all of the same one of the sets in `among`.

    Waits for its turn, so that a wide cell is not starved by narrow ones. Raises LabError if no set
    has as many, or the folder cannot be used.
    """
    if all(count > len(choice) for choice in among):
        choices = " or ".join(f"({', '.join(map(str, choice))})" for choice in among)
        raise LabError(
            f"cannot lease {count} CPUs: there are {max(map(len, among), default=0)} to choose "
            f"from {choices}."
        )
    folder = lease_folder()
    try:
        held = _wait(folder, count, among)
    except OSError as error:
        raise LabError(
            f"cannot lease CPUs in {folder}: {error.strerror}. "
            "Set LAB_LEASE_DIR to a folder that can be written."
        ) from None
    try:
        yield held
    finally:
        held.release()


def _wait(folder: Path, count: int, among: tuple[tuple[int, ...], ...]) -> Lease:
    """The lease, once it can be had. Whoever holds `turn` is first in line. Raises OSError."""
    if not folder.exists():
        folder.mkdir(mode=0o1777, parents=True, exist_ok=True)
        folder.chmod(0o1777)
    turn = _open(folder / "turn")
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        while True:
            for choice in among:
                if (held := _take(folder, count, choice)) is not None:
                    return held
            time.sleep(_POLL)
    finally:
        os.close(turn)


def _take(folder: Path, count: int, among: tuple[int, ...]) -> Lease | None:
    """The first `count` that are free; None, and none taken, if there are not as many."""
    cpus: list[int] = []
    with ExitStack() as taken:
        descriptors: list[int] = []
        for cpu in among:
            if len(cpus) == count:
                break
            fd = _open(folder / f"cpu{cpu}")
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(fd)
                continue
            taken.callback(os.close, fd)
            cpus.append(cpu)
            descriptors.append(fd)
        if len(cpus) < count:
            return None
        taken.pop_all()
        return Lease(tuple(cpus), tuple(descriptors))


def _open(path: Path) -> int:
    """A descriptor of a file that every user may lock; made if it is not there."""
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        fd = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        with suppress(PermissionError):  # another user was quicker
            os.fchmod(fd, 0o644)  # whatever the umask
        return fd
