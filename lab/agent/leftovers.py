"""Files of samples: the folder of a cell, and what its samples left in it and elsewhere.

A cell's folder is locked for as long as its agent or one of its keepers lives. So that of a cell
whose agent and keepers were all killed is known for what it is, and the next agent on the machine
clears up after it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.agent import processes

TMP = Path("/tmp")
"""Whatever TMPDIR says: short, as paths of AF_UNIX sockets go below it and may not be long."""

_NAME = re.compile(r"mplab-[a-z0-9_]{8}")
"""What mkdtemp makes; the folder of leases has a shorter name."""

YOUNG = 60.0
"""Seconds; a younger folder may not be locked yet."""

Event = tuple[str, int, int, dict[str, Any]]
"""What a process told: kind, pid, monotonic time in ns, fields."""


def make_base() -> tuple[Path, int]:
    """A cell's folder, and the descriptor that locks it."""
    base = Path(tempfile.mkdtemp(prefix="mplab-", dir=TMP))
    lock = os.open(base, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return base, lock


def temporary(folder: Path) -> Path:
    """TMPDIR of the sample that has a folder."""
    return folder / "t"


def read_events(folder: Path) -> list[Event]:
    """The events of all processes of a sample, in order of time; torn lines are left out."""
    events: list[Event] = []
    try:
        text = (folder / "events").read_text(errors="backslashreplace")
    except OSError:
        return events
    for line in text.splitlines():
        try:
            kind, pid, at, fields = json.loads(line)
        except (ValueError, TypeError):
            continue
        events.append((kind, pid, at, fields))
    return sorted(events, key=lambda event: event[2])


def files_left(folder: Path, events: list[Event]) -> list[dict[str, Any]]:
    """Shared memory, semaphores, sockets, files and folders; those outside `folder` are removed."""
    made = {event[3]["name"]: event for event in events if event[0] == "made"}
    left = []
    for name, event in made.items():
        what = event[3]["what"]
        if what in ("semaphore", "shared memory"):
            path = Path("/dev/shm") / name
        elif what == "socket":
            path = Path(name)
        else:
            continue
        if path.exists() and temporary(folder) not in path.parents:
            left.append({"kind": what, "name": name, "by": event[1], "line": event[3]["line"]})
            path.unlink(missing_ok=True)
    for path in sorted(_entries(temporary(folder))):
        mode = path.lstat().st_mode
        kind = "folder" if stat.S_ISDIR(mode) else "socket" if stat.S_ISSOCK(mode) else "file"
        maker = made.get(str(path))
        left.append(
            {
                "kind": kind,
                "name": path.name,
                "by": maker[1] if maker else None,
                "line": maker[3]["line"] if maker else "",
            }
        )
    return left


def remove(folder: Path) -> None:
    """Remove the folder of a sample, and what the sample left elsewhere."""
    files_left(folder, read_events(folder))
    shutil.rmtree(folder, ignore_errors=True)


def sweep() -> None:
    """Clear up after cells of this user whose agent and keepers were all killed."""
    for base in _entries(TMP):
        if not _NAME.fullmatch(base.name):
            continue
        with suppress(OSError):  # another one is quicker
            about = base.lstat()
            mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()
            if not mine or time.time() - about.st_mtime < YOUNG:
                continue
            lock = os.open(base, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                while pids := processes.with_environment(f"TMPDIR={base}/"):
                    for pid in pids:
                        processes.send(pid, signal.SIGKILL)
                for folder in _entries(base):
                    remove(folder)
                shutil.rmtree(base, ignore_errors=True)
            finally:
                os.close(lock)


def _entries(folder: Path) -> list[Path]:
    """What is in a folder, which may have gone. (`glob` would compile a pattern, each time.)"""
    try:
        return list(folder.iterdir())
    except OSError:
        return []
