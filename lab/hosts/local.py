"""This machine: cells are pinned by affinity, to CPUs that are leased for them.

The agent starts with the first cell, and forks for each. Every worker of a run has one of its own.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab import cpus, matrix
from lab.agent.protocol import AT_A_TIME, CELL, HOLD, Request
from lab.errors import HostError
from lab.hosts import channel
from lab.matrix import Interpreter


class Local:
    """Cells on the CPUs that this process may use."""

    name = "local"

    def __init__(self) -> None:
        self.cpus = cpus.usable()
        self._agent: tuple[subprocess.Popen[bytes], socket.socket] | None = None

    def lacks(self, cores: int) -> str:
        """Whether these are more CPUs than this process may run on."""
        available = len(self.cpus)
        if cores <= available:
            return ""
        plural = "s" if available != 1 else ""
        return f"{cores} cores asked for, {available} CPU{plural} usable here"

    def counts(self) -> tuple[int, ...]:
        """The powers of two up to all of them, and all."""
        return cpus.default_counts(len(self.cpus))

    def pythons(self, text: str) -> tuple[Interpreter, ...]:
        """Interpreters of this machine."""
        return matrix.parse_pythons(text)

    def run(self, cores: int, request: Request) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Lease CPUs, and have the agent run the cell on them."""
        with cpus.lease(cores, self.cpus) as lease:
            answer = self._ask(replace(request, cpus=lease.cpus), lease.descriptors)
        return answer, lease.cpus

    def _ask(self, request: Request, held: tuple[int, ...]) -> dict[str, Any]:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                self._send(theirs, held)
            try:
                return channel.ask(ours, request)
            finally:
                channel.await_end(ours)

    def _send(self, theirs: socket.socket, held: tuple[int, ...]) -> None:
        """Have the agent answer on a socket, and hold descriptors meanwhile."""
        if self._agent is None or self._agent[0].poll() is not None:
            self.close()
            self._agent = _start()
        control = self._agent[1]
        try:
            for start in range(0, len(held), AT_A_TIME):
                socket.send_fds(control, [HOLD], held[start : start + AT_A_TIME])
            socket.send_fds(control, [CELL], [theirs.fileno()])
        except OSError as error:
            raise HostError(f"the agent has gone (was it killed?): {error.strerror}") from None

    def close(self) -> None:
        """End the agent."""
        if self._agent is not None:
            process, control = self._agent
            control.close()
            process.wait()
            self._agent = None


def _start() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """An agent, and the socket over which it is sent cells."""
    ours, theirs = socket.socketpair()
    # Isolated, and from the package's own folder: whatever the user's folder or PYTHONPATH holds.
    command = [sys.executable, "-I", "-c", _AGENT, str(Path(__file__).parents[2])]
    with theirs:
        try:
            agent = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                start_new_session=True,  # a Ctrl-C is the lab's alone to act on
                env=_environment(),
                stdout=subprocess.DEVNULL,
            )
        except OSError as error:
            ours.close()
            raise HostError(f"no agent could be started: {error.strerror}") from None
    return agent, ours


def _environment() -> dict[str, str]:
    """The user's environment: without what pytest added to it, with what `lab run` set aside."""
    environment = dict(os.environ)
    for name in os.environ:
        if name in _ADDED or name.startswith("PYTEST_XDIST_"):
            del environment[name]
    aside = json.loads(environment.pop(ASIDE, "{}"))
    for name, text in aside.items():
        environment.pop(name, None)
        if text is not None:
            environment[name] = text
    return environment


ASIDE = "LAB_SET_ASIDE"
"""A JSON object: variables of the user's that pytest was not to see; null for one not set."""

_ADDED = ("PYTEST_CURRENT_TEST", "PYTEST_VERSION")

_AGENT = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
sys.argv[1:] = ["cells"]
from lab.agent.__main__ import main
sys.exit(main())
"""
