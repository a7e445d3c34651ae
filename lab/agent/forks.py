"""A process for each cell: what forks them, and how one of them answers.

An agent starts once and forks for each request, which so costs no start of an interpreter.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import traceback

from lab.agent import cell, leftovers, processes
from lab.agent.protocol import AT_A_TIME, HOLD, MAX_REQUEST, BadRequest, Request


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
    running: set[int] = set()
    held: list[int] = []

    def ended(*_: object) -> None:
        for pid in list(running):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                running.remove(pid)
                if os.WIFSIGNALED(status):  # and whoever kept its samples, perhaps
                    processes.kill_all_below(os.getpid(), running)

    processes.adopt_orphans()
    signal.signal(signal.SIGCHLD, ended)
    while True:
        kind, descriptors, _, _ = socket.recv_fds(control, 1, AT_A_TIME, socket.MSG_CMSG_CLOEXEC)
        if not kind:
            break
        held += descriptors
        if kind == HOLD:
            continue
        with socket.socket(fileno=held.pop()) as channel:
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # until it is in `running`
            try:
                pid = os.fork()
            except OSError as error:
                refusal = {"refused": f"no process could be started: {error.strerror}"}
                channel.sendall(json.dumps(refusal).encode())
            else:
                if pid == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
                    control.close()
                    os.setsid()
                    os._exit(answer(channel))
                running.add(pid)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        while held:
            os.close(held.pop())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for pid in running:  # each sees by its own socket that nobody wants it any more
        os.waitpid(pid, 0)
    processes.kill_all_below(os.getpid())
