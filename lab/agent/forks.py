"""A process for each cell: what forks them, and how one of them answers.

An agent starts once and forks for each request, which so costs no start of an interpreter.
"""

from __future__ import annotations

import json
import os
import socket
import time
import traceback

from lab.agent import cell, leftovers, processes
from lab.agent.protocol import AT_A_TIME, HOLD, MAX_REQUEST, BadRequest, Request

PATIENCE = 5.0
"""Seconds that the keepers of a cell that was killed get to clear up."""


def read_line(channel: socket.socket) -> bytes:
    """One line, without what follows it. Raises BadRequest if it is too long or not whole."""
    line = bytearray()
    while not line.endswith(b"\n"):
        data = channel.recv(1 << 16)
        if not data:
            raise BadRequest("the request ended in the middle")
        line += data
        if len(line) > MAX_REQUEST:
            raise BadRequest(f"longer than {MAX_REQUEST} bytes")
    return bytes(line)


def answer(channel: socket.socket, line: bytes | None = None) -> int:
    """Read a request unless it is given, run it and send the result; the exit code."""
    try:
        request = Request.from_line(line or read_line(channel))
        result = cell.run(request, channel.fileno())
    except cell.Abandoned:
        return 2
    except BadRequest as error:
        result = {"refused": str(error)}
    except Exception:
        result = {"error": traceback.format_exc()}
    try:
        channel.sendall(json.dumps(result).encode() + b"\n")
    except OSError:
        return 2  # nobody wants it any more
    return 0


def cells(control: socket.socket) -> None:
    """Answer on each socket that comes over `control`, in a process each, until that closes.

    What came before a socket is held for as long as its process lives: the lease of its CPUs.
    """
    leftovers.sweep()
    processes.adopt_orphans()
    running: set[int] = set()
    held: list[int] = []
    while True:
        kind, descriptors, _, _ = socket.recv_fds(control, 1, AT_A_TIME, socket.MSG_CMSG_CLOEXEC)
        if not kind:
            break
        held += descriptors
        if kind == HOLD:
            continue
        _wait(running, os.WNOHANG)
        with socket.socket(fileno=held.pop()) as channel:
            try:
                pid = os.fork()
            except OSError as error:
                refusal = {"refused": f"no process could be started: {error.strerror}"}
                channel.sendall(json.dumps(refusal).encode())
            else:
                if pid == 0:
                    control.close()
                    os.setsid()
                    os._exit(answer(channel))
                running.add(pid)
        while held:
            os.close(held.pop())
    _wait(running, 0)  # each sees by its own socket that nobody wants it any more


def _wait(running: set[int], options: int) -> None:
    """Wait for the cells that have ended, or for all; and then for what those left that did not."""
    killed = False
    for pid in list(running):
        done, status = os.waitpid(pid, options)
        if done:
            running.remove(pid)
            killed = killed or os.WIFSIGNALED(status)
    if killed and not running:
        deadline = time.monotonic() + PATIENCE
        while processes.descendants(os.getpid()) and time.monotonic() < deadline:
            processes.reap()
            time.sleep(0.01)
        processes.kill_all_below(os.getpid())
