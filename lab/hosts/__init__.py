"""Where cells run: each host is a module's class behind one Protocol."""

from __future__ import annotations

from typing import Any, Protocol

from lab.agent.protocol import Request
from lab.matrix import Interpreter


class Host(Protocol):
    """A place with CPUs, where an agent answers requests."""

    name: str

    def lacks(self, cores: int) -> str:
        """Why there is no place for cells of so many cores; empty if there is."""

    def counts(self) -> tuple[int, ...]:
        """The core counts of `--cores auto`."""

    def pythons(self, text: str) -> tuple[Interpreter, ...]:
        """The interpreters that `--python TEXT` means here. Raises UsageError."""

    def run(self, cores: int, request: Request) -> tuple[dict[str, Any], tuple[int, ...]]:
        """Wait for CPUs, run the cell on them; the agent's answer and the CPUs.

        Raises HostError if there is no answer, or none that can be read.
        """

    def close(self) -> None:
        """End whatever the host started."""


NAMES = ("local", "compose")
