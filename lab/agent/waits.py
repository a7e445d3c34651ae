"""Who waits for what, when a sample makes no progress: from the kernel, and from its own stacks.

The kernel says in which system call each thread sleeps (/proc/PID/task/TID/syscall): a semaphore by
the address of its futex, a pipe by its descriptor, a child by its pid. The same object has the same
inode in every process, however it got there. Python's stacks and the holders of locks come from
the processes themselves, which answer a signal (inside: dump).
"""

from __future__ import annotations

import json
import os
import platform
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lab.agent import processes

_CALLS = {
    "x86_64": {
        0: "read", 1: "write", 7: "poll", 23: "select", 35: "sleep", 45: "recv", 47: "recv",
        43: "accept", 61: "wait", 202: "futex", 230: "sleep", 232: "epoll", 247: "wait",
        270: "select", 271: "ppoll", 281: "epoll", 288: "accept", 34: "pause", 130: "pause",
        128: "sigwait",
    },
    "aarch64": {
        63: "read", 64: "write", 73: "ppoll", 72: "select", 98: "futex", 101: "sleep",
        115: "sleep", 202: "accept", 207: "recv", 212: "recv", 22: "epoll", 95: "wait",
        260: "wait", 242: "accept", 133: "pause", 137: "sigwait",
    },
}.get(platform.machine(), {})  # fmt: skip

_MANAGER = "serve_forever"


def gather(
    pids: Iterable[int], dumps: dict[int, dict[str, Any]], dead: set[int]
) -> list[dict[str, Any]]:
    """What every thread of `pids` waits for.

    Returns one dict a thread: pid, tid, process, thread, main, kind (`semaphore`, `pipe`,
    `socket`, `process`, `thread`, `sleep`, `other`, `running`), on (an identity common to all
    processes), for (pids that could end the wait; None: unknown, perhaps somebody outside), timed,
    line, stack, held_by.
    """
    pids = list(pids)
    holders = _holders(dumps)
    ends = _ends(pids)
    waits = []
    for pid in pids:
        dump = dumps.get(pid, {})
        threads = {thread["tid"]: thread for thread in dump.get("threads", [])}
        maps = processes.read(f"/proc/{pid}/maps")
        for tid in sorted(int(task) for task in os.listdir(f"/proc/{pid}/task")):
            thread = threads.get(tid, {})
            stack = [tuple(entry) for entry in thread.get("stack", [])]
            wait = _system_call(pid, tid, maps, ends)
            wait.update(
                pid=pid,
                tid=tid,
                process=dump.get("name", ""),
                thread=thread.get("name", ""),
                main=tid == pid,
                line=users_line(stack),
                stack=[f"{file}:{line} in {name}" for file, line, name in stack],
            )
            wait["held_by"] = holders.get(wait["on"], []) if wait["kind"] == "semaphore" else []
            if wait["kind"] == "semaphore":
                wait["for"] = wait["held_by"] or pids
            wait["dead"] = sorted(set(wait["for"] or []) & dead)
            waits.append(wait)
    return waits


def is_deadlock(waits: list[dict[str, Any]], stopped: bool) -> bool:
    """Whether nobody can ever go on: each thread waits, with no time limit, on another of them.

    With `stopped` false the sample is at its time limit and may merely have polled: then the main
    threads alone are judged, waits with a time limit count, and manager servers do not.
    """
    judged = [wait for wait in waits if stopped or wait["main"]]
    if not stopped:
        judged = [wait for wait in judged if not any(_MANAGER in entry for entry in wait["stack"])]
    if not judged:
        return False
    for wait in judged:
        if wait["kind"] not in ("semaphore", "pipe", "socket", "process", "thread"):
            return False
        if wait["for"] is None or (stopped and wait["timed"]):
            return False
    return any(wait["kind"] != "thread" for wait in judged)


def name_children(waits: list[dict[str, Any]], dumps: dict[int, dict[str, Any]]) -> None:
    """Tell waits for the end of a child, on the pipe that says so, from those on other pipes."""
    for wait in waits:
        children = {
            _link(wait["pid"], child["sentinel"]): child["pid"]
            for child in dumps.get(wait["pid"], {}).get("children", [])
        }
        if wait["on"] in children:
            child = children[wait["on"]]
            wait.update(kind="process", on=f"pid {child}", **{"for": [child]})


def semaphore(wait: dict[str, Any]) -> int:
    """The key of the semaphore that is waited for, as in the lock records: its inode."""
    return int(wait["on"].rpartition(":")[2])


def _system_call(pid: int, tid: int, maps: str, ends: dict[str, set[int]]) -> dict[str, Any]:
    wait: dict[str, Any] = {"kind": "other", "on": "", "for": None, "timed": False}
    text = processes.read(f"/proc/{pid}/task/{tid}/syscall").split()
    if not text or text[0] == "running":
        wait["kind"] = "running" if text else "other"
        return wait
    if text[0] == "-1" or len(text) < 7:
        return wait
    number, args = int(text[0]), [int(value, 16) for value in text[1:7]]
    call = _CALLS.get(number, f"system call {number}")
    if call == "futex":
        inode = _mapped_inode(maps, args[0])
        wait["timed"] = args[3] != 0
        if inode:
            wait.update(kind="semaphore", on=inode)
        else:
            wait.update(kind="thread", on="another thread", **{"for": [pid]})
    elif call in ("read", "recv", "write"):
        _descriptor(wait, pid, [args[0]], ends)
    elif call == "poll":
        wait["timed"] = args[2] & 0xFFFFFFFF != 0xFFFFFFFF
        _descriptor(wait, pid, _polled(pid, args[0], args[1]), ends)
    elif call == "ppoll":
        wait["timed"] = args[2] != 0
        _descriptor(wait, pid, _polled(pid, args[0], args[1]), ends)
    elif call == "wait":
        target = struct.unpack("i", struct.pack("I", args[0] & 0xFFFFFFFF))[0]
        if number in (247, 95):  # waitid(type, pid)
            target = args[1]
        who = [target] if target > 0 else processes.children(pid)
        wait.update(kind="process", on=f"pid {target}", **{"for": who})
    elif call == "sleep":
        wait.update(kind="sleep", timed=True)
    elif call == "accept":
        wait.update(kind="socket", on="a new connection", **{"for": None})
    else:
        wait["on"] = call
    return wait


def _descriptor(
    wait: dict[str, Any], pid: int, descriptors: list[int], ends: dict[str, set[int]]
) -> None:
    """Fill in a wait on descriptors of `pid`: pipes by their other ends, sockets of our own."""
    targets = [_link(pid, number) for number in descriptors]
    if not targets:
        return
    wait["on"] = ", ".join(targets)
    if all(target in ends for target in targets):
        kind = "pipe" if any(target.startswith("pipe:") for target in targets) else "socket"
        who = set().union(*(ends[target] for target in targets))
        wait.update(kind=kind, **{"for": sorted(who)})


def _link(pid: int, number: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/fd/{number}")
    except OSError:
        return f"descriptor {number}"


def _ends(pids: list[int]) -> dict[str, set[int]]:
    """For each pipe and local socket that the processes hold: who could write to (or close) it.

    Of a local socket only the inode of the own end shows, so anybody among them might.
    """
    local = {line.split()[6] for line in processes.read("/proc/net/unix").splitlines()[1:]}
    found: dict[str, set[int]] = {}
    for pid in pids:
        try:
            numbers = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for number in numbers:
            target = _link(pid, int(number))
            if target.startswith("pipe:"):
                found.setdefault(target, set()).add(pid)
            elif target.startswith("socket:") and target[8:-1] in local:
                found.setdefault(target, set()).update(pids)
    return found


def _polled(pid: int, address: int, count: int) -> list[int]:
    """The descriptors in a `struct pollfd` array of another process."""
    if not 0 < count < 1024:
        return []
    try:
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
            memory.seek(address)
            data = memory.read(8 * count)
    except (OSError, OverflowError, ValueError):
        return []
    return [number for number, _, _ in struct.iter_unpack("ihh", data[: len(data) // 8 * 8])]


def _mapped_inode(maps: str, address: int) -> str:
    """`semaphore:INODE` of the file mapped at an address, if it is one in shared memory."""
    for line in maps.splitlines():
        span, _, _, _, inode, *name = line.split(None, 5)
        low, high = span.split("-")
        if int(low, 16) <= address < int(high, 16):
            shared = name and (name[0].startswith("/dev/shm/") or "/sem." in name[0])
            return f"semaphore:{inode}" if shared else ""
    return ""


def _holders(dumps: dict[int, dict[str, Any]]) -> dict[str, list[int]]:
    """For each semaphore that some process holds: the pids of its holders."""
    held: dict[str, list[int]] = {}
    for pid, dump in dumps.items():
        maps = processes.read(f"/proc/{pid}/maps")
        for lock in dump.get("locks", []):
            inode = _mapped_inode(maps, lock["handle"])
            if inode and lock["held"] > 0 and lock["max"] == 1:
                held.setdefault(inode, []).append(pid)
    return held


def users_line(stack: list[tuple[Any, ...]]) -> str:
    """`file:line in name` of the innermost frame outside the standard library."""
    library = os.path.dirname(os.__file__)
    for file, line, name in stack:
        in_library = file.startswith((library, "<frozen")) or "/lib/python" in file
        if not in_library or "site-packages" in file:
            return f"{file}:{line} in {name}"
    return f"{stack[0][0]}:{stack[0][1]} in {stack[0][2]}" if stack else ""


def read_dump(path: Path) -> dict[str, Any]:
    """The dump that a process wrote; empty if it cannot be read."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
