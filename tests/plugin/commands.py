"""The installed command `lab`, run in a folder of its own; and what of a run is still there."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND = Path(sys.executable).parent / "lab"

PATIENCE = 60.0
"""Seconds after which something that should have happened on the busiest machine has not."""

POLL = 0.02

MARK = "LAB_TEST_MARK"
"""Set to a word that is this test's alone, for everything that a run starts."""


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one error it gave, which is all that it wrote to stderr."""
        assert "Traceback" not in self.err
        assert self.err.startswith("lab: "), self.err
        assert self.err.count("\n") == 1, self.err
        return self.err.removeprefix("lab: ").removesuffix("\n")


@dataclass
class Lab:
    """`lab` in `folder`."""

    folder: Path
    mark: str
    leases: Path
    environment: dict[str, str] = field(default_factory=dict)

    def script(self, name: str, text: str) -> Path:
        """A script in the folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def __call__(self, *words: str, **more: Any) -> Done:
        """`lab WORDS`, to its end."""
        return self.command(str(COMMAND), *words, **more)

    def command(self, *words: str, timeout: float = PATIENCE, **more: Any) -> Done:
        """Any command, with the same surroundings."""
        process = self.start(*words, **more)
        try:
            out, err = process.communicate(timeout=timeout)
        finally:
            end(process)
        return Done(process.returncode, out, err)

    def start(self, *words: str, cwd: Path | None = None, **more: Any) -> subprocess.Popen[str]:
        """A command that goes on, in a session and so a process group of its own."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("LAB_", "PYTEST_", "COVERAGE_"))
            and name not in ("NO_COLOR", "FORCE_COLOR", "CI", "COLUMNS", "LINES")
        }
        environment |= {MARK: self.mark, "LAB_LEASE_DIR": str(self.leases), "TERM": "xterm"}
        environment |= self.environment
        return subprocess.Popen(
            words,
            cwd=cwd or self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=more.pop("stdout", subprocess.PIPE),
            stderr=more.pop("stderr", subprocess.PIPE),
            text=True,
            start_new_session=True,
            **more,
        )

    def running(self) -> dict[int, str]:
        """Whatever of this test runs, by pid."""
        return processes_with(f"{MARK}={self.mark}")

    def read(self, place: str = "reports/latest") -> Run:
        """The records of a run."""
        return Run(self.folder / place)


@dataclass(frozen=True)
class Run:
    """A run's folder."""

    folder: Path

    @property
    def records(self) -> list[dict[str, Any]]:
        """The whole lines of results.jsonl, which must all be records."""
        try:
            text = (self.folder / "results.jsonl").read_text()
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines(keepends=True) if line[-1] == "\n"]

    @property
    def cells(self) -> dict[str, dict[str, Any]]:
        """The records of its cells by their ids."""
        return {record["id"]: record for record in self.records if record["record"] == "cell"}

    @property
    def verdicts(self) -> dict[str, str]:
        """What each cell amounts to, or its status if it did not run."""
        return {
            name: cell["verdict"] if cell["status"] == "ran" else cell["status"]
            for name, cell in self.cells.items()
        }

    @property
    def facts(self) -> dict[str, Any]:
        """run.json."""
        facts = json.loads((self.folder / "run.json").read_text())
        assert isinstance(facts, dict)
        return facts


def processes_with(text: str) -> dict[int, str]:
    """The command lines of processes whose environment has a variable `text` (NAME=VALUE)."""
    found = {}
    wanted = text.encode()
    for place in Path("/proc").iterdir():
        if not place.name.isdecimal():
            continue
        try:
            if wanted in (place / "environ").read_bytes().split(b"\0"):
                words = (place / "cmdline").read_bytes().replace(b"\0", b" ")
                found[int(place.name)] = words.decode(errors="replace")[:200]
        except OSError:
            continue  # gone meanwhile, or somebody else's
    return found


def until(holds: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Wait until `holds()`, and return what it said; fail after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        said = holds()
        if said:
            return said
        assert time.monotonic() < deadline, f"not in {patience:g} s: {what}"
        time.sleep(POLL)


def end(process: subprocess.Popen[str]) -> None:
    """End a command that a failed test has left."""
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdout, process.stderr):
        if stream:
            stream.close()


def end_all(pids: Iterable[int]) -> None:
    """Kill processes of a failed test."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def plain(text: str) -> str:
    """Text without control codes and with every space, however wide, as one."""
    return " ".join(re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text).split())
