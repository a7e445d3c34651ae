"""A Compose project on a user's folder."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

STRANGER = 1234
"""A uid that is neither root's nor, most likely, anybody's here."""

PATIENCE = 60.0
"""Seconds for what takes a moment on an idle machine."""


def awaited(condition: Callable[[], object], patience: float = PATIENCE) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + patience
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@dataclass(frozen=True)
class Project:
    """The project's compose.yaml on a user's folder."""

    name: str
    folder: Path

    def command(self, *args: str) -> list[str]:
        """The words of `docker compose ARGS` in this project."""
        return ["docker", "compose", "--project-name", self.name, *args]

    def environment(self) -> dict[str, str]:
        """With leases of its own, so that tests side by side need not wait for each other."""
        leases = str(self.folder.parent / "leases")
        return {"LAB_LEASE_DIR": leases} | os.environ | {"LAB_DIR": str(self.folder)}

    def compose(self, *args: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """`docker compose ARGS`, with no terminal; its output as text."""
        return subprocess.run(
            self.command(*args),
            cwd=ROOT,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def lab(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`docker compose run --rm lab ARGS`."""
        return self.compose("run", "--rm", "lab", *args)

    def start_lab(self, *args: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
        """The same, not waited for."""
        return subprocess.Popen(
            self.command("run", "--rm", "lab", *args),
            cwd=ROOT,
            env=self.environment(),
            stdin=stdin,
            stdout=stdin if os.isatty(stdin) else subprocess.PIPE,
            stderr=stdin if os.isatty(stdin) else subprocess.STDOUT,
            text=True,
        )

    def sh(self, service: str, script: str) -> str:
        """What a shell script prints in a container of that service, started without the others."""
        entry = "as-owner sh" if service == "lab" else "sh"
        done = self.compose(
            "run", "--rm", "--no-deps", "--entrypoint", entry, service, "-euc", script
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def running(self, *filters: str) -> list[str]:
        """The running containers, by their ids."""
        words = ["docker", "ps", "--quiet", "--no-trunc"]
        for text in (f"label=com.docker.compose.project={self.name}", *filters):
            words += ["--filter", text]
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()

    def service(self, name: str) -> list[str]:
        """The running containers of a service."""
        return self.running(f"label=com.docker.compose.service={name}")

    def processes(self, service: str) -> str:
        """The command lines that run in a service; nothing where it does not run."""
        return "".join(
            subprocess.run(
                ["docker", "top", container, "-o", "pid,args"],
                capture_output=True,
                text=True,
                check=False,
            ).stdout
            for container in self.service(service)
        )

    def script(self, text: str, name: str = "my.py") -> None:
        """Write a script of the user's, which nobody else may read."""
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        os.chown(path, self.folder.stat().st_uid, -1)

    def cells(self, run: str = "latest") -> list[dict[str, Any]]:
        """The results of a run."""
        lines = (self.folder / "reports" / run / "results.jsonl").read_text().splitlines()
        return [record for line in lines if (record := json.loads(line))["record"] == "cell"]
