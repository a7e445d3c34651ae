"""The services of compose.yaml: an agent a core count, each pinned by its container's cpuset.

Runs inside the service `lab`, which shares a volume with each agent, for its socket, and nothing
else. Containers overlap in their CPUs (the two-core one has the one-core one's too), so the CPUs of
an agent are leased like any others before a cell is sent to it.

Compose starts the agents for every command, be it `lab list`; each keeps them for as long as it
takes, whether or not it has any use for them (`attended`).
"""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

from lab import cpus
from lab.agent.protocol import Request
from lab.errors import HostError, UsageError
from lab.hosts import channel
from lab.matrix import Interpreter

NO_STDIN = 5.0
"""Seconds: by then a stdin that never was has ended."""


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
        self.services: dict[int, list[Service]] = {}  # by how many CPUs they have
        for service in _services():
            self.services.setdefault(len(service.cpus), []).append(service)
        if not self.services and "LAB_CORES" not in os.environ:
            raise HostError(
                f"no agent answers in {_folder()}. The host `compose` works inside the project's "
                "containers: run `docker compose run --rm lab`, or use --host local here."
            )
        expected = {int(count) for count in os.environ.get("LAB_CORES", "").split(",") if count}
        if missing := sorted(expected - set(self.services)):
            self.close()
            names = " and ".join(f"cores-{count}" for count in missing)
            raise HostError(
                f"no agent answers for {names}. Most likely they ended with another run just as "
                "this one began: run it again. `docker compose logs` shows what they said."
            )

    def lacks(self, cores: int) -> str:
        """Whether no service with just so many cores runs."""
        if cores in self.services:
            return ""
        running = " and ".join(f"cores-{count}" for count in self.counts())
        return (
            f"{cores} cores asked for, only {running} run. On a machine with so many CPUs, "
            f"COMPOSE_PROFILES=cores-{cores} starts that service, if compose.yaml has it"
        )

    def counts(self) -> tuple[int, ...]:
        """The core counts of the services that run."""
        return tuple(sorted(self.services))

    def pythons(self, text: str) -> tuple[Interpreter, ...]:
        """The one Python of the agents' image. Raises UsageError for another."""
        python = Interpreter("", next(iter(self.services.values()))[0].python)
        if text and text not in (python.version, python.minor):
            raise UsageError(
                f"--python {text}: the services run Python {python.version}. "
                f"Set LAB_PYTHON={text} and build again, or leave the option out."
            )
        return (replace(python, asked=text),)

    def run(self, cores: int, request: Request) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Lease the CPUs of one of the services with so many, and send it the cell."""
        services = {service.cpus: service for service in self.services[cores]}
        with cpus.lease(cores, *services) as lease:
            service = services[lease.cpus]
            connection = socket.socket(socket.AF_UNIX)
            with connection:
                try:
                    connection.connect(str(service.path))
                except OSError as error:
                    raise HostError(f"{service.path}: the agent is gone: {error}") from None
                return channel.ask(connection, request), service.cpus

    def close(self) -> None:
        """Let the agents go."""
        for service in chain(*self.services.values()):
            service.control.close()


@contextmanager
def attended() -> Iterator[None]:
    """Keep the agents meanwhile, and then see them end, unless another lab has them.

    So that the next `docker compose run` finds them running or gone, but not about to go.
    """
    services = _services()
    if not os.isatty(0):
        # Of its own, since pytest puts /dev/null in the place of the other.
        threading.Thread(target=_watch_client, args=(os.dup(0),), daemon=True).start()
    try:
        yield
    finally:
        for service in services:
            with suppress(OSError):
                service.control.shutdown(socket.SHUT_WR)
        for service in services:
            with suppress(OSError):
                service.control.recv(1)
            service.control.close()


def _watch_client(stdin: int) -> None:
    """End the command once its `docker compose run` has gone, which a signal may do to it alone.

    Our stdin is the client's and ends with it. One that ends before anybody can have lost patience
    is /dev/null or the like, and tells nothing.
    """
    started = time.monotonic()
    with suppress(OSError):
        while os.read(stdin, 1 << 16):
            pass
    if time.monotonic() - started > NO_STDIN:
        os.kill(os.getpid(), signal.SIGTERM)


def _folder() -> Path:
    return Path(os.environ.get("LAB_AGENTS") or "/run/lab")


def _services() -> list[Service]:
    """Those that run. Raises HostError if what answers is no agent."""
    found = []
    for path in sorted(_folder().glob("*/agent.sock")):
        with suppress(OSError):  # left by a service that is not running
            found.append(_connect(path))
    return found


def _connect(path: Path) -> Service:
    """Raises OSError if no agent is there, HostError if what answers is none."""
    control = socket.socket(socket.AF_UNIX)
    try:
        control.settimeout(10)
        control.connect(str(path))
        control.sendall(b"control\n")
        line = control.makefile("rb").readline()
        if not line:
            raise ConnectionResetError("the agent ended just now")
        about = json.loads(line)
        return Service(path, tuple(about["cpus"]), about["python"], control)
    except OSError:
        control.close()
        raise
    except (ValueError, KeyError, TypeError) as error:
        control.close()
        raise HostError(f"{path}: what answers there is no agent: {error}") from None
