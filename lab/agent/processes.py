"""Processes of a sample as /proc shows them: who descends from whom, in what state, doing what.

A sample is watched while it runs and while others are measured, so as little as can be is read:
`/proc/PID/task/*/children` where the kernel has it (CONFIG_PROC_CHILDREN), else the stat of each.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent has ended."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclass(frozen=True)
class Process:
    """One line of /proc/PID/stat, as far as needed. `state` is one letter, Z for a zombie."""

    pid: int
    ppid: int
    state: str
    started: int
    cpu_seconds: float = 0.0

    @property
    def gone(self) -> bool:
        """Dead, or dead but for being waited for."""
        return self.state in "ZX"


def read(path: str) -> str:
    """A file's text; empty if it cannot be read (the process has gone)."""
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def look(pid: int) -> Process | None:
    """The process, or None if there is none."""
    text = read(f"/proc/{pid}/stat")
    if not text:
        return None
    fields = text[text.rindex(")") + 2 :].split()
    cpu_seconds = (int(fields[11]) + int(fields[12])) / _TICKS
    return Process(pid, int(fields[1]), fields[0], int(fields[19]), cpu_seconds)


def is_asleep(pid: int) -> bool:
    """Whether no thread of a process runs, or would if it had a CPU: until something wakes it."""
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return True
    for task in tasks:
        text = read(f"/proc/{pid}/task/{task}/stat")
        if text and text[text.rindex(")") + 2] not in "SZXI":
            return False
    return True


def command(pid: int) -> str:
    """The command line, arguments joined by spaces; empty for a zombie."""
    return read(f"/proc/{pid}/cmdline").replace("\0", " ").strip()


def _kernel_lists_children() -> bool:
    return Path(f"/proc/self/task/{os.getpid()}/children").exists()


def parents() -> dict[int, list[int]]:
    """The children of every process of the machine (of the container), by a look at each."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (process := look(int(name))):
            found.setdefault(process.ppid, []).append(process.pid)
    return found


def _listed_children(pid: int) -> list[int]:
    """The children of all threads of a process, as the kernel lists them."""
    found: list[int] = []
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for task in tasks:
        found += [int(child) for child in read(f"/proc/{pid}/task/{task}/children").split()]
    return found


def children(pid: int) -> list[int]:
    """The children of a process."""
    return _listed_children(pid) if _kernel_lists_children() else parents().get(pid, [])


def descendants(pid: int, but: Collection[int] = ()) -> list[int]:
    """Every process below `pid`, parents before their children; not those in or below `but`."""
    if _kernel_lists_children():
        below = _listed_children
    else:
        every = parents()

        def below(pid: int) -> list[int]:
            return every.get(pid, [])

    found: list[int] = []
    queue = below(pid)
    while queue:
        child = queue.pop(0)
        if child in but:
            continue
        found.append(child)
        queue = queue + below(child)
    return found


def with_environment(start: str) -> list[int]:
    """The processes of ours that were given a variable that begins like this."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                variables = Path(f"/proc/{name}/environ").read_bytes().split(b"\0")
                if any(variable.startswith(os.fsencode(start)) for variable in variables):
                    found.append(int(name))
    return found


def idle_seconds(cpus: Collection[int]) -> float:
    """How long these CPUs have idled since the machine started, in sum; 0 if it cannot be known."""
    wanted = {f"cpu{cpu}" for cpu in cpus}
    lines = (line.split() for line in read("/proc/stat").splitlines())
    # The idle time, and the time idle while a disk was waited for.
    idle = (int(line[4]) + int(line[5]) for line in lines if line[:1] and line[0] in wanted)
    return sum(idle) / _TICKS


def progress(pids: list[int]) -> tuple[tuple[int, str], ...]:
    """A value that stays the same as long as no thread of `pids` gets to run."""
    seen = []
    for pid in pids:
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for task in tasks:
            lines = read(f"/proc/{pid}/task/{task}/status").splitlines()
            seen.append((int(task), " ".join(line for line in lines if "ctxt_switches" in line)))
    return tuple(seen)


def send(pid: int, number: int) -> None:
    """Send a signal to a process that may have gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def kill_all_below(pid: int, but: Collection[int] = ()) -> None:
    """Kill every descendant, faster than it can fork: all are stopped until no new one turns up."""
    stopped: set[int] = set()
    while True:
        new = [child for child in descendants(pid, but) if child not in stopped]
        if not new:
            break
        for child in new:
            send(child, signal.SIGSTOP)
            stopped.add(child)
    for child in stopped:
        send(child, signal.SIGKILL)
    if not but:  # they may have ended, and somebody waits for them
        reap()


def reap() -> list[int]:
    """Wait for every child that has ended; their pids."""
    ended: list[int] = []
    while True:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if pid == 0:
            return ended
        ended.append(pid)


def handles(pid: int, number: int) -> bool:
    """Whether a process catches a signal, so that sending it does not end the process."""
    for line in read(f"/proc/{pid}/status").splitlines():
        if line.startswith("SigCgt:"):
            return bool(int(line.split()[1], 16) >> (number - 1) & 1)
    return False
