"""This machine: an agent a cell, pinned by affinity to CPUs that are leased for it."""

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
from lab.agent.protocol import Request
from lab.errors import HostError
from lab.hosts import channel
from lab.matrix import Interpreter


class Local:
    """Cells on the CPUs that this process may use."""

    name = "local"

    def __init__(self) -> None:
        self.cpus = cpus.usable()

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
        """Lease CPUs, and have an agent of its own run the cell on them."""
        with cpus.lease(cores, self.cpus) as lease:
            answer = self._ask(replace(request, cpus=lease.cpus), lease.descriptors)
        return answer, lease.cpus

    def _ask(self, request: Request, held: tuple[int, ...]) -> dict[str, Any]:
        ours, theirs = socket.socketpair()
        # The package's own folder, so that the agent is the lab's whatever the user's folder holds.
        environment = _environment()
        command = [sys.executable, "-P", "-c", _AGENT, str(Path(__file__).parents[2])]
        try:
            agent = subprocess.Popen(
                command,
                stdin=theirs.fileno(),
                pass_fds=held,
                start_new_session=True,  # a Ctrl-C is the lab's alone to act on
                env=environment,
                stdout=subprocess.DEVNULL,
            )
        except OSError as error:
            raise HostError(f"no agent could be started: {error.strerror}") from None
        finally:
            theirs.close()
        try:
            return channel.ask(ours, request)
        finally:
            ours.close()  # the agent ends its samples and goes, if it has not gone already
            agent.wait()

    def close(self) -> None:
        """Nothing outlives a cell."""


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
sys.argv[1:] = ["cell"]
from lab.agent.__main__ import main
sys.exit(main())
"""
