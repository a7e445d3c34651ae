"""An agent that serves a lab in another container: many requests, on a socket of its own.

A connection opens with one line. `control` is answered with what the agent is (its CPUs, its
Python) and then kept: the agent ends when the last lab has closed its own, so that nothing is left
running once the lab has gone, however it went. A lab that shuts down only its sending side reads
the end of the connection once the agent has ended, or at once if another lab keeps the agent.
Anything else is a request; it gets a process of its own.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

from lab.agent import forks, processes
from lab.agent.protocol import MAX_REQUEST

FIRST_LAB = 60.0
"""Seconds in which the first lab must come."""


class _Server:
    def __init__(self, path: Path, cores: int) -> None:
        self.path = path
        self.cpus = sorted(os.sched_getaffinity(0))
        self.cores = cores or len(self.cpus)
        self.selector = selectors.DefaultSelector()
        self.partial: dict[socket.socket, bytearray] = {}
        self.labs: set[socket.socket] = set()
        self.leaving: list[socket.socket] = []
        self.deadline = time.monotonic() + FIRST_LAB
        self.listener = _listen(path)
        self.selector.register(self.listener, selectors.EVENT_READ)
        # A signal interrupts select() by way of this pair, so that none is missed.
        self.wake, wake = socket.socketpair()
        for end in (self.wake, wake):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno())
        self.keep = wake
        self.selector.register(self.wake, selectors.EVENT_READ)
        self.stopping = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def run(self) -> int:
        """Serve until there is no lab; the exit code."""
        try:
            while not self.stopping:
                rest = None if self.labs else max(0.0, self.deadline - time.monotonic())
                ready = self.selector.select(rest)
                if not ready and rest == 0:
                    break
                for key, _ in ready:
                    self._act(key.fileobj)
        finally:
            self.path.unlink(missing_ok=True)
            processes.kill_all_below(os.getpid())
        return 0

    def _stop(self, *_: object) -> None:
        self.stopping = True

    def _act(self, ready: object) -> None:
        if ready is self.listener:
            connection, _ = self.listener.accept()
            connection.setblocking(False)
            self.partial[connection] = bytearray()
            self.selector.register(connection, selectors.EVENT_READ)
        elif ready is self.wake:
            self.wake.recv(1 << 12)
            processes.reap()
        elif isinstance(ready, socket.socket):
            self._read(ready)

    def _read(self, connection: socket.socket) -> None:
        try:
            data = connection.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if connection in self.labs:
            self._leave(connection)  # a lab says nothing more: it has gone
            return
        if not data:
            self._drop(connection)
            return
        line = self.partial[connection]
        line += data
        if len(line) > MAX_REQUEST:
            self._refuse(connection, f"longer than {MAX_REQUEST} bytes")
        elif line.endswith(b"\n"):
            self._take(connection, bytes(line))

    def _take(self, connection: socket.socket, line: bytes) -> None:
        if line == b"control\n":
            self._welcome(connection)
            return
        try:
            pid = os.fork()
        except OSError as error:
            self._refuse(connection, f"no process could be started: {error.strerror}")
            return
        if pid == 0:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            # An end of a connection that stays open here would hide from the others that it closed.
            ours = (self.listener, self.wake, self.keep)
            for other in (*ours, *self.labs, *self.leaving, *self.partial):
                if other is not connection:
                    other.close()
            connection.setblocking(True)
            os._exit(forks.answer(connection, line))
        self._drop(connection)

    def _welcome(self, connection: socket.socket) -> None:
        version = ".".join(map(str, sys.version_info[:3]))
        about = {"cpus": self.cpus, "cores": self.cores, "python": version}
        if self._say(connection, about):
            del self.partial[connection]
            self.labs.add(connection)
            while self.leaving:
                self.leaving.pop().close()

    def _leave(self, connection: socket.socket) -> None:
        self.labs.remove(connection)
        if self.labs:
            self._drop(connection)
            return
        # Kept open, so that our end is the end of it too.
        self.selector.unregister(connection)
        self.leaving.append(connection)
        self.deadline = time.monotonic()  # unless another is at the door

    def _refuse(self, connection: socket.socket, reason: str) -> None:
        if self._say(connection, {"refused": reason}):
            self._drop(connection)

    def _say(self, connection: socket.socket, answer: dict[str, Any]) -> bool:
        """Whether it could be said; a connection that broke is dropped."""
        try:
            connection.sendall(json.dumps(answer).encode() + b"\n")
        except OSError:
            self._drop(connection)
            return False
        return True

    def _drop(self, connection: socket.socket) -> None:
        self.selector.unregister(connection)
        self.partial.pop(connection, None)
        connection.close()


def _listen(path: Path) -> socket.socket:
    """A socket that nobody but our own user can reach."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        # Under another name first: whoever sees the socket can connect to it.
        fresh = path.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        listener.bind(str(fresh))
        listener.listen(64)
        fresh.rename(path)
    finally:
        os.umask(before)
    return listener


def serve(path: str, cores: int) -> NoReturn:
    """Serve on the socket `path` until no lab is left, then exit."""
    server = _Server(Path(path), cores)
    code = server.run()
    # At once, with the connections of those who wait for it still open: their end is ours.
    os._exit(code)
