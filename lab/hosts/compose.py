"""The services of compose.yaml: an agent a core count, each pinned by its container's cpuset.

Runs inside the service `lab`, which shares a volume with each agent, for its socket, and nothing
else. Containers overlap in their CPUs (the two-core one has the one-core one's too), so the CPUs of
an agent are leased like any others before a cell is sent to it.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab import cpus
from lab.agent.protocol import Request
from lab.errors import HostError, UsageError
from lab.hosts import channel
from lab.matrix import Interpreter


@dataclass(frozen=True)
class Service:
    """An agent that answered: its socket, its CPUs as it sees them, its Python."""

    path: Path
    cpus: tuple[int, ...]
    python: str
    control: socket.socket


class Compose:
    """The agents whose sockets are in LAB_AGENTS (/run/lab), one folder each."""

    name = "compose"

    def __init__(self) -> None:
        self.folder = Path(os.environ.get("LAB_AGENTS") or "/run/lab")
        sockets = sorted(self.folder.glob("*/agent.sock"))
        self.services: dict[int, Service] = {}
        for path in sockets:
            try:
                service = _connect(path)
            except OSError:
                continue  # left by a service that is not running
            self.services[len(service.cpus)] = service
        if not self.services:
            raise HostError(
                f"no agent answers in {self.folder}. The host `compose` works inside the project's "
                "containers: run `docker compose run --rm lab`, or use --host local here."
            )

    def available(self) -> int:
        """The widest service that runs."""
        return max(self.services)

    def counts(self) -> tuple[int, ...]:
        """The core counts of the services that run."""
        return tuple(sorted(self.services))

    def pythons(self, text: str) -> tuple[Interpreter, ...]:
        """The one Python of the agents' image. Raises UsageError for another."""
        python = Interpreter("", next(iter(self.services.values())).python)
        if text and text not in (python.version, python.minor):
            raise UsageError(
                f"--python {text}: the services run Python {python.version}. "
                f"Set LAB_PYTHON={text} and build again, or leave the option out."
            )
        return (python,)

    def run(self, cores: int, request: Request) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Lease the service's CPUs and send it the cell."""
        service = self.services.get(cores)
        if service is None:
            raise HostError(
                f"no service with {cores} cores runs (those of {sorted(self.services)} do); "
                f"COMPOSE_PROFILES=cores-{cores} starts it if compose.yaml has one"
            )
        with cpus.lease(cores, service.cpus):
            connection = socket.socket(socket.AF_UNIX)
            with connection:
                try:
                    connection.connect(str(service.path))
                except OSError as error:
                    raise HostError(f"{service.path}: the agent is gone: {error}") from None
                return channel.ask(connection, request), service.cpus

    def close(self) -> None:
        """Let the agents go; the last lab to do so ends them."""
        for service in self.services.values():
            # Until it has closed too, a lab that starts now would find an agent about to end.
            with suppress(OSError):
                service.control.shutdown(socket.SHUT_WR)
                service.control.recv(1)
            service.control.close()


def _connect(path: Path) -> Service:
    control = socket.socket(socket.AF_UNIX)
    control.settimeout(10)
    control.connect(str(path))
    control.sendall(b"control\n")
    try:
        about = json.loads(control.makefile("rb").readline())
        return Service(path, tuple(about["cpus"]), about["python"], control)
    except (ValueError, KeyError, TypeError) as error:
        raise HostError(f"{path}: what answers there is no agent: {error}") from None
