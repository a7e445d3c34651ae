"""`python -m lab.agent serve`: what an agent in a container answers, and when it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lab.agent.protocol import MAX_REQUEST, Request

PATIENCE = 30.0
"""Seconds for what takes a moment on an idle machine."""


@dataclass
class Agent:
    """A serving agent in a process of its own."""

    path: Path
    process: subprocess.Popen[bytes]
    connections: list[socket.socket] = field(default_factory=list)

    def connect(self) -> socket.socket:
        """A connection on which nothing has been said."""
        connection = socket.socket(socket.AF_UNIX)
        self.connections.append(connection)
        connection.settimeout(PATIENCE)
        connection.connect(str(self.path))
        return connection

    def attend(self) -> socket.socket:
        """A lab's control connection, once the agent has answered it."""
        control = self.connect()
        control.sendall(b"control\n")
        about = json.loads(control.makefile("rb").readline())
        assert about["cpus"] == sorted(os.sched_getaffinity(0))
        assert about["python"] == sys.version.split()[0]
        return control

    def ask(self, line: bytes) -> dict[str, Any]:
        """The answer to a request."""
        with self.connect() as connection:
            connection.sendall(line)
            answer = json.loads(connection.makefile("rb").read())
            assert isinstance(answer, dict)
            return answer


def awaited(condition: Callable[[], object]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture
def agent() -> Iterator[Agent]:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # short: the path of a socket may not be long
    path = folder / "a" / "agent.sock"
    process = subprocess.Popen([sys.executable, "-P", "-m", "lab.agent", "serve", "--socket", path])
    try:
        assert awaited(path.is_socket)
        agent = Agent(path, process)
        yield agent
        for connection in agent.connections:
            connection.close()
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)


def request(script: Path, **more: Any) -> bytes:
    values: dict[str, Any] = {
        "script": str(script),
        "args": (),
        "cwd": str(script.parent),
        "python": "",
        "start_method": "spawn",
        "cpus": (),
        "seed": 0,
        "fewest": 1,
        "most": 1,
        "budget": 0.0,
        "timeout": 60.0,
        "at_once": 1,
        "observe_most": False,
    }
    return Request(**values | more).to_line()


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "my.py"
    path.write_text("print('mine')\n")
    return path


def test_nobody_else_reaches_the_socket(agent: Agent) -> None:
    assert agent.path.stat().st_mode & 0o777 == 0o600
    assert agent.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_request_is_answered(agent: Agent, script: Path) -> None:
    with agent.attend():
        (sample,) = agent.ask(request(script))["samples"]
        assert (sample["stdout"], sample["exit_code"]) == ("mine\n", 0)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello\n", "not JSON"),
        (b"[]\n", "not an object"),
        (b"{}\n", "missing or unknown keys"),
        (b"\xff\xfe\n", "not JSON"),
        (b"[" * 200_000 + b"\n", "not JSON"),
        (b"x" * (MAX_REQUEST + 1), "longer than"),
    ],
)
def test_what_is_no_request_is_refused_without_harm(
    agent: Agent, script: Path, line: bytes, reason: str
) -> None:
    with agent.attend():
        assert reason in agent.ask(line)["refused"]
        assert "samples" in agent.ask(request(script))


def test_connections_that_break_do_no_harm(agent: Agent, script: Path) -> None:
    with agent.attend():
        for said in (b"", b"{", b"control\n", request(script)):
            for _ in range(8):
                with agent.connect() as connection:
                    connection.sendall(said)
        assert "samples" in agent.ask(request(script))


def test_the_last_lab_ends_it_at_once(agent: Agent) -> None:
    first, second = agent.attend(), agent.attend()
    first.shutdown(socket.SHUT_WR)
    assert first.recv(1) == b""  # it may go: the agent has another lab
    assert agent.process.poll() is None
    second.shutdown(socket.SHUT_WR)
    assert second.recv(1) == b""
    assert not agent.path.exists()
    assert agent.process.wait(PATIENCE) == 0


def test_a_lab_that_comes_as_the_last_one_goes_keeps_it(agent: Agent, script: Path) -> None:
    first = agent.attend()
    agent.process.send_signal(signal.SIGSTOP)
    first.shutdown(socket.SHUT_WR)
    second = agent.connect()
    second.sendall(b"control\n")
    agent.process.send_signal(signal.SIGCONT)
    assert first.recv(1) == b""
    assert second.recv(1000).endswith(b"\n")
    assert "samples" in agent.ask(request(script))
    second.shutdown(socket.SHUT_WR)
    assert second.recv(1) == b""
    assert agent.process.wait(PATIENCE) == 0


def test_a_lab_that_is_killed_ends_it_and_what_runs_for_it(agent: Agent, script: Path) -> None:
    started = script.with_name("started")
    script.write_text(
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"with open({str(started)!r} + '.new', 'w') as file: file.write(str(os.getpid()))\n"
        f"os.rename({str(started)!r} + '.new', {str(started)!r})\n"
        "time.sleep(1000)\n"
    )
    control = agent.attend()
    with agent.connect() as connection:
        connection.sendall(request(script))
        assert awaited(started.exists)
        pid = int(started.read_text())
        control.close()
    assert agent.process.wait(PATIENCE) == 0
    assert awaited(lambda: not Path(f"/proc/{pid}").exists())
