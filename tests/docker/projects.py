"""A Compose project on a user's folder."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """The project's compose.yaml on a user's folder."""

    name: str
    folder: Path

    def compose(self, *args: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
        """`docker compose ARGS`, with no terminal; its output as text."""
        return subprocess.run(
            ["docker", "compose", "--project-name", self.name, *args],
            cwd=ROOT,
            env=os.environ | {"LAB_DIR": str(self.folder)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def sh(self, service: str, script: str) -> str:
        """What a shell script prints in a container of that service, started without the others."""
        entry = "as-owner sh" if service == "lab" else "sh"
        done = self.compose(
            "run", "--rm", "--no-deps", "--entrypoint", entry, service, "-euc", script
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def running(self) -> list[str]:
        """The services that have a running container."""
        return self.compose("ps", "--services", "--status", "running").stdout.split()
