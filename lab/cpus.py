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
from contextlib import contextmanager
from pathlib import Path

from lab.errors import LabError

_POLL = 0.004
"""Seconds between two tries of who is first in line: flock cannot wait for any of several."""


def usable() -> tuple[int, ...]:
    """The CPUs that this process may run on: its affinity, which a cpuset limits too."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def quota() -> float | None:
    """The CPU time per time that the control group grants (cgroup v2, then v1); None: no limit."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        base = Path("/sys/fs/cgroup/cpu")
        limit_us = int((base / "cpu.cfs_quota_us").read_text())
        return limit_us / int((base / "cpu.cfs_period_us").read_text()) if limit_us > 0 else None
    except (OSError, ValueError):
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
def lease(
    count: int, among: tuple[int, ...], *, exactly: tuple[int, ...] | None = None
) -> Iterator[Lease]:
    """Hold `count` CPUs of `among` (or just those of `exactly`) that no other lease holds.

    Waits for its turn, first come first served, so that a wide cell is not starved by narrow ones.
    Raises LabError if the folder cannot be used.
    """
    folder = lease_folder()
    try:
        if not folder.exists():
            folder.mkdir(mode=0o1777, parents=True, exist_ok=True)
            folder.chmod(0o1777)
        turn = _open(folder / "turn")
    except OSError as error:
        raise LabError(
            f"cannot lease CPUs in {folder}: {error.strerror}. "
            "Set LAB_LEASE_DIR to a folder that can be written."
        ) from None
    try:
        fcntl.flock(turn, fcntl.LOCK_EX)
        held = _take(folder, count, exactly or among)
        while held is None:
            time.sleep(_POLL)
            held = _take(folder, count, exactly or among)
    finally:
        os.close(turn)
    try:
        yield held
    finally:
        held.release()


def _take(folder: Path, count: int, among: tuple[int, ...]) -> Lease | None:
    cpus: list[int] = []
    descriptors: list[int] = []
    if count == 0:
        return Lease((), ())
    for cpu in among:
        fd = _open(folder / f"cpu{cpu}")
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            continue
        cpus.append(cpu)
        descriptors.append(fd)
        if len(cpus) == count:
            return Lease(tuple(cpus), tuple(descriptors))
    for fd in descriptors:
        os.close(fd)
    return None


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
