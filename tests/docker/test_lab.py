"""`docker compose run --rm lab`: the whole way, and that nothing is left of it however it ends."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from projects import PATIENCE, ROOT, STRANGER, Project, awaited

from lab import cpus

pytestmark = pytest.mark.docker

GREETING = """\
from multiprocessing import Process

def greet():
    print("hello", flush=True)

if __name__ == "__main__":
    process = Process(target=greet)
    process.start()
    process.join()
"""

FAILURE = """\
import multiprocessing

def work(number):
    return 1 // number

if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        pool.map(work, [1, 0])
"""

ENDLESS = """\
import multiprocessing
import time

if __name__ == "__main__":
    process = multiprocessing.Process(target=time.sleep, args=(1000,))
    process.start()
    process.join()
"""


def test_a_users_script(project: Project) -> None:
    project.script(GREETING, "my own.py")
    done = project.lab("run", "my own.py", "--start-method", "spawn,fork", "--samples", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert not project.running()
    cells = project.cells()
    python = os.environ.get("LAB_PYTHON", "")
    given = f"LAB_DIR='{project.folder}' " + (f"LAB_PYTHON={python} " if python else "")
    assert {(cell["start_method"], cell["cores"]) for cell in cells} == {
        ("spawn", 1),
        ("fork", 1),
        ("spawn", 2),
        ("fork", 2),
    }
    for cell in cells:
        assert cell["cpus"] in ([[0], [1]] if cell["cores"] == 1 else [[0, 1]])
        assert (cell["host"], cell["path"], cell["verdict"]) == ("compose", "my own.py", "clean")
        assert cell["repro"] == (
            f"{given}docker compose run --rm lab run 'my own.py' "
            f"--start-method {cell['start_method']} --cores {cell['cores']} --samples 2 --seed 0"
        )
    reports = project.folder / "reports"
    owners = {path.lstat().st_uid for path in (reports, *reports.rglob("*"))}
    assert owners == {project.folder.stat().st_uid}


@pytest.mark.parametrize("taken", [0, 1])
def test_a_cell_goes_where_a_cpu_is_free(
    project: Project, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    leases = project.folder.parent / "leases"
    monkeypatch.setenv("LAB_LEASE_DIR", str(leases))
    project.script(GREETING)
    with cpus.lease(1, (taken,)):
        done = project.lab(
            *("run", "my.py", "--start-method", "fork", "--cores", "1", "--samples", "2")
        )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [cell["cpus"] for cell in project.cells()] == [[1 - taken]]


def test_a_failure_names_the_users_line_and_passes_its_exit_code_on(project: Project) -> None:
    project.script(FAILURE)
    done = project.lab(
        *("run", "my.py", "--start-method", "forkserver", "--cores", "1", "--samples", "2")
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert not project.running()
    (finding,) = project.cells()[0]["findings"]
    assert "ZeroDivisionError" in finding["message"]
    assert finding["evidence"]["line"].endswith("my.py:8")
    assert "at my.py:8" in done.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("list scenarios", 0),
        ("doctor", 0),
        ("--help", 0),
        ("run nowhere.py", 4),
        ("run --cores none", 4),
        ("run value_locked -k nothing", 5),
    ],
)
def test_a_command_that_runs_no_cell_leaves_no_agent(
    project: Project, words: str, code: int
) -> None:
    done = project.lab(*words.split())
    assert done.returncode == code, done.stdout + done.stderr
    assert awaited(lambda: not project.running(), 5)


def test_the_doctor_sees_the_agents(project: Project) -> None:
    assert "agents answer on 1, 2 cores" in project.lab("doctor").stdout


def test_cores_without_a_service_are_unsupported(project: Project) -> None:
    done = project.lab(
        *("run", "value_locked", "--start-method", "fork", "--cores", "1,3,8", "--samples", "2")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    status = {cell["cores"]: (cell["status"], cell["reason"]) for cell in project.cells()}
    assert status[1] == ("ran", "")
    for cores in (3, 8):
        assert status[cores][0] == "unsupported"
        assert f"{cores} cores asked for, only cores-1 and cores-2 run" in status[cores][1]


@pytest.fixture
def endless(project: Project) -> Iterator[Project]:
    """A project whose my.py never ends."""
    project.script(ENDLESS)
    yield project
    assert awaited(lambda: not project.running())


def start(project: Project, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    """Start my.py in the lab; returns while the cell runs."""
    lab = project.start_lab(
        *("run", "my.py", "--start-method", "fork", "--cores", "2", "--samples", "2"), stdin=stdin
    )
    assert awaited(lambda: project.processes("cores-2").count("my.py") >= 2)
    return lab


def test_ctrl_c_on_a_terminal(endless: Project) -> None:
    ours, theirs = pty.openpty()
    screen = bytearray()

    def read() -> None:
        try:
            while data := os.read(ours, 1 << 16):
                screen.extend(data)
        except OSError:  # closed at the other side
            pass

    reader = threading.Thread(target=read)
    lab = start(endless, theirs)
    os.close(theirs)
    reader.start()
    os.write(ours, b"\x03")
    assert lab.wait(PATIENCE) == 2
    reader.join()
    os.close(ours)
    assert not endless.running()
    assert b"0 of 1 cells" in screen  # the report, after all
    assert b"Traceback" not in screen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_client_that_is_killed(endless: Project, number: signal.Signals) -> None:
    """Compose then leaves the lab alone; it notices, if its stdin was open for a while."""
    lab = start(endless, subprocess.PIPE)
    (container,) = endless.service("lab")
    assert awaited(lambda: age(container) > 12)  # the lab itself is younger
    assert lab.stdin
    lab.stdin.write("of no interest\n")
    lab.stdin.flush()
    lab.send_signal(number)
    lab.communicate(timeout=PATIENCE)
    assert awaited(lambda: not endless.running())
    assert (endless.folder / "reports" / "latest" / "junit.xml").exists()


def age(container: str) -> float:
    """Seconds since a container started."""
    words = ["docker", "inspect", "--format", "{{.State.StartedAt}}", container]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    started = datetime.fromisoformat(said.strip()[:19] + "+00:00")
    return (datetime.now(UTC) - started).total_seconds()


@pytest.mark.parametrize(("number", "code"), [("KILL", 137), ("TERM", 2), ("INT", 2)])
def test_a_signal_to_the_labs_container(endless: Project, number: str, code: int) -> None:
    lab = start(endless)
    (container,) = endless.service("lab")
    subprocess.run(["docker", "kill", "--signal", number, container], check=True)
    said, _ = lab.communicate(timeout=PATIENCE)
    assert lab.returncode == code, said
    assert awaited(lambda: not endless.running())
    assert "Traceback" not in said


def test_an_agent_that_is_killed_is_the_labs_error(endless: Project) -> None:
    lab = start(endless)
    (container,) = endless.service("cores-2")
    subprocess.run(["docker", "kill", container], check=True)
    said, _ = lab.communicate(timeout=PATIENCE)
    assert lab.returncode == 3, said
    (cell,) = endless.cells()
    assert cell["status"] == "error"
    assert "agent" in cell["reason"]


def test_two_labs_at_the_same_time(endless: Project) -> None:
    """The second takes its turn while the first one's cell runs, and keeps its agents after it."""
    endless.script(GREETING, "other.py")
    first = start(endless)
    second = endless.start_lab("run", "other.py", "--start-method", "fork", "--samples", "2")
    reports = endless.folder / "reports"
    assert awaited(lambda: len(list(reports.glob("2*"))) == 2)  # so both have the agents
    newest_first = endless.service("lab")
    subprocess.run(["docker", "kill", newest_first[-1]], check=True)
    said, _ = second.communicate(timeout=PATIENCE)
    assert second.returncode == 0, said
    first.communicate(timeout=PATIENCE)
    assert not endless.running()


def test_one_lab_after_another(project: Project) -> None:
    project.script(GREETING)
    for _ in range(3):
        for words in ("list hosts", "run my.py --start-method fork --cores 1 --samples 2"):
            done = project.lab(*words.split())
            assert done.returncode == 0, done.stdout + done.stderr
    assert not project.running()


def test_a_lab_without_one_of_its_agents(project: Project) -> None:
    """As when the agents end with another lab after Compose has found them running."""
    project.script(GREETING)
    assert project.compose("up", "--detach", "--wait", "cores-1").returncode == 0
    done = project.compose("run", "--rm", "--no-deps", "lab", "run", "my.py")
    assert done.returncode == 3, done.stdout + done.stderr
    assert "no agent answers for cores-2." in done.stderr
    assert "run it again" in done.stderr
    assert awaited(lambda: not project.running())


MISUSE = """\
import glob, json, os, socket

def say(data):
    with socket.socket(socket.AF_UNIX) as agent:
        agent.connect("/run/lab/cores-1/agent.sock")
        try:
            agent.sendall(data)
            return agent.makefile("rb").read()
        except OSError:
            return b"closed"

control = socket.socket(socket.AF_UNIX)
control.connect("/run/lab/cores-1/agent.sock")
control.sendall(b"control\\n")
print(control.recv(1000).decode(), end="")
print(*[b"refused" in say(data) for data in (b"?\\n", b"{}\\n", b"[" * 100000 + b"\\n")])
print(say(b"x" * (5 << 20)).startswith((b"closed", b'{"refused"')))
print(oct(os.stat("/run/lab/cores-1").st_mode), b"refused" in say(b"still there?\\n"))
"""


def test_an_agent_refuses_what_is_no_request(project: Project) -> None:
    done = project.compose("run", "--rm", "--entrypoint", "python", "lab", "-c", MISUSE)
    assert done.returncode == 0, done.stderr
    about, *refused = done.stdout.splitlines()
    assert '"cpus": [0]' in about
    assert refused == ["True True True", "True", "0o40700 True"]


def test_no_module_is_compiled_at_the_start_of_a_container(project: Project) -> None:
    script = "python -v -m lab.agent --help 2>&1; python -v -c 'import lab.plugin, lab.cli' 2>&1"
    said = project.sh("cores-1", script)
    assert "lab/agent/__pycache__/keeper" in said
    ours = [line for line in said.splitlines() if "site-packages" in line]
    assert not [line for line in ours if "code object from '/" in line and ".py'" in line]


@pytest.mark.skipif(os.getuid() != 0, reason="then every test here is one of an ordinary user")
def test_an_ordinary_user_in_the_checkout(image: str) -> None:
    """Somebody else than root, who may use the engine's socket, with everything at its default."""
    assert image
    socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
    checkout = Path(tempfile.mkdtemp(prefix="checkout", dir="/tmp"))
    user: dict[str, Any] = {
        "cwd": checkout,
        "env": os.environ | {"HOME": str(checkout)},
        "user": STRANGER,
        "group": STRANGER,
        "extra_groups": [Path(socket).stat().st_gid],
        "capture_output": True,
        "text": True,
        "check": False,
    }
    compose = ["docker", "compose", "--project-name", checkout.name]
    try:
        shutil.copy(ROOT / "compose.yaml", checkout)  # the image is there, so that this is enough
        (checkout / "my.py").write_text(GREETING)
        for path in (checkout, *checkout.iterdir()):
            os.chown(path, STRANGER, STRANGER)
        words = ["run", "my.py", "--start-method", "fork", "--cores", "1", "--samples", "2"]
        done = subprocess.run([*compose, "run", "--rm", "lab", *words], **user)
        assert done.returncode == 0, done.stdout + done.stderr
        assert {path.lstat().st_uid for path in checkout.rglob("*")} == {STRANGER}
        assert (checkout / "reports" / "latest" / "junit.xml").exists()
        assert not Project(checkout.name, checkout).running()
    finally:
        subprocess.run([*compose, "down", "--volumes"], **user)
        shutil.rmtree(checkout)
