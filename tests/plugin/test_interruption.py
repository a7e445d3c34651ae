"""A run that is ended from outside keeps what it has, says so, and leaves nothing behind."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, POLL, Lab, Run, end, plain, until

STUCK = """\
# /// script
# [tool.lab]
# checks = ["exceptions", "cleanup"]
# ///
import json
import multiprocessing as mp
import os
import sys
import time
from multiprocessing import shared_memory


def work(queue):
    queue.put(os.getpid())
    time.sleep(3600)


if __name__ == "__main__":
    memory = shared_memory.SharedMemory(create=True, size=100)
    queue = mp.Queue()
    for _ in range(2):
        mp.Process(target=work, args=(queue,)).start()
    pids = [queue.get(), queue.get()]
    about = {"temporary": os.environ["TMPDIR"], "memory": memory.name}
    with open(os.path.join(os.environ["NOTES"], f"{os.getpid()}.part"), "w") as file:
        json.dump(about, file)
    os.rename(file.name, file.name.removesuffix(".part"))
    time.sleep(3600)
"""


DEAF = """\
import signal


def pytest_runtest_setup():
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
"""


class Stuck:
    """A run of four cells: two end, and two are stuck in two samples each, as `notes` tells."""

    def __init__(self, lab: Lab, workers: int, *more: str) -> None:
        self.lab = lab
        self.folder = lab.folder.parent / "notes"
        self.folder.mkdir()
        lab.environment["NOTES"] = str(self.folder)
        lab.script("stuck.py", STUCK)
        words = ["run", "fine.py", "stuck.py", "--start-method", "fork,spawn", "--cores", "1"]
        words += ["--samples", "2", "-n", str(workers), "--out", "out", *more]
        self.stuck = workers  # a worker each
        self.ended = 2 if workers > 1 else 1
        self.process = lab.start(str(COMMAND), *words)

    def await_stuck(self) -> None:
        """Wait until all that can end has, and all else is stuck."""
        until(lambda: len(self.run.cells) == self.ended, "results")
        until(lambda: len(self.notes()) == 2 * self.stuck, "samples are stuck")

    @property
    def run(self) -> Run:
        """Its records so far."""
        return self.lab.read("out")

    def notes(self) -> list[dict[str, Any]]:
        """What the stuck samples told of themselves."""
        return [
            json.loads(path.read_text()) for path in self.folder.iterdir() if path.suffix != ".part"
        ]

    def finish(self) -> tuple[int, str, str]:
        """Its exit code and what it wrote, once it has ended."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err

    def check_nothing_is_left(self) -> None:
        """Soon: no process, no folder, no shared memory, and all CPUs can be leased."""
        until(lambda: not self.lab.running(), f"all processes ended: {self.lab.running()}", 20)
        for note in self.notes():
            folder = Path(note["temporary"]).parents[1]
            assert folder.name.startswith("mplab-")
            until(lambda folder=folder: not folder.exists(), f"{folder} is gone", 10)
            memory = Path("/dev/shm") / note["memory"]
            until(lambda memory=memory: not memory.exists(), f"{memory} is gone", 10)
        for path in self.lab.leases.glob("*"):
            with path.open() as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.fixture
def stuck(fine: Lab) -> Iterator[Callable[..., Stuck]]:
    """Starts a run with so many workers."""
    runs: list[Stuck] = []

    def start(workers: int, *more: str) -> Stuck:
        runs.append(Stuck(fine, workers, *more))
        return runs[-1]

    yield start
    for run in runs:
        end(run.process)


def send_to_all(process: subprocess.Popen[str], number: int) -> None:
    """As a terminal does for Ctrl-C."""
    os.killpg(process.pid, number)


def send_to_lab(process: subprocess.Popen[str], number: int) -> None:
    """As docker stop, or kill, does."""
    os.kill(process.pid, number)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("send", "number"),
    [
        (send_to_all, signal.SIGINT),
        (send_to_lab, signal.SIGINT),
        (send_to_all, signal.SIGTERM),
        (send_to_lab, signal.SIGTERM),
    ],
)
def test_interrupted(
    stuck: Callable[[int], Stuck],
    workers: int,
    send: Callable[[subprocess.Popen[str], int], None],
    number: int,
) -> None:
    run = stuck(workers)
    run.await_stuck()
    send(run.process, number)
    code, out, err = run.finish()
    assert code == 2
    assert err == "lab: interrupted. `lab report out` shows what had ended.\n"
    missing = 4 - run.ended
    assert f"interrupted: {missing} cells of the matrix did not run" in plain(out)
    run.check_nothing_is_left()

    assert list(run.run.verdicts.values()) == ["clean"] * run.ended
    assert run.run.facts["interrupted"] is True
    assert run.run.facts["exit_code"] == 2
    assert (run.run.folder / "junit.xml").exists()
    assert (run.run.folder / "report.html").exists()
    again = run.lab("report", "out")
    assert (again.code, again.err) == (0, "")
    assert "interrupted" in again.out
    assert f"{run.ended} of 4 cells: {run.ended} as expected" in again.out


def test_interrupted_again_and_again(stuck: Callable[[int], Stuck]) -> None:
    """An impatient user gets what a patient one does."""
    run = stuck(2)
    run.await_stuck()
    while run.process.poll() is None:
        send_to_all(run.process, signal.SIGINT)
        time.sleep(POLL)
    code, out, err = run.finish()
    assert code == 2
    assert "Traceback" not in err
    assert "2 of 4 cells: 2 as expected" in out
    run.check_nothing_is_left()
    assert run.run.facts["interrupted"] is True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_before_the_first_result(
    stuck: Callable[[int], Stuck], workers: int, number: int
) -> None:
    run = stuck(workers)
    until(lambda: (run.lab.folder / "out" / "run.json").exists(), "the run has begun")
    send_to_all(run.process, number)
    code, _, err = run.finish()
    assert code == 2
    assert "Traceback" not in err
    run.check_nothing_is_left()
    assert run.lab("report", "out").code == 0


def test_workers_that_do_not_hear_of_it(stuck: Callable[..., Stuck], fine: Lab) -> None:
    """Whatever swallowed their interrupt, the run ends."""
    fine.script("deaf.py", DEAF)
    fine.environment["PYTHONPATH"] = str(fine.folder)
    run = stuck(2, "--", "-p", "deaf")
    run.await_stuck()
    send_to_all(run.process, signal.SIGINT)
    code, out, err = run.finish()
    assert (code, err) == (2, "lab: interrupted. `lab report out` shows what had ended.\n")
    assert "2 of 4 cells: 2 as expected" in out
    run.check_nothing_is_left()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("send", [send_to_all, send_to_lab])
def test_killed(
    stuck: Callable[[int], Stuck],
    workers: int,
    send: Callable[[subprocess.Popen[str], int], None],
) -> None:
    run = stuck(workers)
    run.await_stuck()
    send(run.process, signal.SIGKILL)
    assert run.finish()[0] == -signal.SIGKILL
    run.check_nothing_is_left()
    assert list(run.run.verdicts.values()) == ["clean"] * run.ended
    again = run.lab("report", "out")
    assert (again.code, again.err) == (0, "")
    assert f"{run.ended} of 4 cells: {run.ended} as expected" in again.out
    assert "ended early" in again.out


# ------------------------------------------------------------------------------ a full disk

GATED = """\
import os
import sys
import time

if __name__ == "__main__":
    open(os.environ["WAITING"], "w").close()
    while not os.path.exists(os.environ["GATE"]):
        time.sleep(0.01)
    print("much to tell\\n" * 300, file=sys.stderr)
    sys.exit(3)
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 128 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    root = [] if os.getuid() == 0 else ["sudo", "-n"]
    mount = [*root, "mount", "-t", "tmpfs", "-o", "size=128k,mode=0777", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        trouble = done.stderr if done.returncode else ""
    except OSError as error:
        trouble = str(error)
    if trouble:
        if os.environ.get("CI"):
            pytest.fail(f"no small disk can be mounted: {trouble}")
        pytest.skip(f"no small disk can be mounted: {trouble}")
    yield folder
    subprocess.run([*root, "umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Leave no room on the disk of `folder`."""
    ballast = os.open(folder / "ballast", os.O_WRONLY | os.O_CREAT)
    try:
        while os.write(ballast, bytes(4096)):
            pass
    except OSError as error:
        assert error.errno == errno.ENOSPC  # noqa: PT017
    finally:
        os.close(ballast)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_disk_that_fills(fine: Lab, small_disk: Path, workers: str) -> None:
    waiting, gate = (fine.folder.parent / name for name in ("waiting", "gate"))
    fine.environment |= {"WAITING": str(waiting), "GATE": str(gate)}
    fine.script("gated.py", GATED)
    out = str(small_disk / "out")
    words = ["run", "fine.py", "gated.py", "fails.py", "--start-method", "fork,spawn,forkserver"]
    words += ["--cores", "1", "--samples", "1", "-n", workers, "--out", out]
    process = fine.start(str(COMMAND), *words)
    try:
        until(waiting.exists, "a cell waits")
        until(lambda: Run(small_disk / "out").cells, "a result")
        fill(small_disk)
        gate.touch()
        told, err = process.communicate(timeout=60)
    finally:
        end(process)
    assert process.returncode == 3
    assert "Traceback" not in told + err
    assert err.count("\n") == 1, err
    assert f"{out} cannot be written: No space left on device" in err
    kept = Run(small_disk / "out").records
    assert f"The {len(kept)} records before it are kept in {out}/results.jsonl" in err
    assert "Free some space" in err
    until(lambda: not fine.running(), "all processes ended", 20)

    again = fine("report", out)
    assert (again.code, again.err) == (0, "")
    cells = [record for record in kept if record["record"] == "cell"]
    assert f"{len(cells)} of 9 cells" in again.out


# ------------------------------------------------------------------------------ two at once

TELLS = """\
# /// script
# [tool.lab]
# checks = ["exceptions", "cleanup"]
# ///
import json
import os
import sys
import time

if __name__ == "__main__":
    notes = os.environ["NOTES"]
    mine, other = sys.argv[1:3]
    cpus = sorted(os.sched_getaffinity(0))
    began = time.monotonic()
    open(os.path.join(notes, "began." + mine), "w").close()
    deadline = began + float(sys.argv[3])
    while not os.path.exists(os.path.join(notes, "began." + other)) and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.05)
    about = {"run": mine, "cpus": cpus, "began": began, "ended": time.monotonic()}
    with open(os.path.join(notes, f"{os.getpid()}.json"), "w") as file:
        json.dump(about, file)
"""


@pytest.mark.parametrize(("cores", "patience"), [("1", 30), ("1,2", 0)])
def test_two_runs_at_once_share_no_cpu(lab: Lab, cores: str, patience: int) -> None:
    usable = len(os.sched_getaffinity(0))
    if usable == 1:
        patience = 0  # the one runs, then the other
    notes = lab.folder.parent / "notes"
    notes.mkdir()
    lab.environment["NOTES"] = str(notes)
    lab.script("tells.py", TELLS)
    words = [
        "run",
        "tells.py",
        "--start-method",
        "fork,spawn",
        "--cores",
        cores,
        "--samples",
        "3",
        "-n",
        "1",
    ]
    runs = [
        lab.start(
            str(COMMAND), *words, "--args", f"{mine} {other} {patience}", "--out", f"out-{mine}"
        )
        for mine, other in (("a", "b"), ("b", "a"))
    ]
    try:
        for run in runs:
            _, err = run.communicate(timeout=60)
            assert (run.returncode, err) == (0, "")
    finally:
        for run in runs:
            end(run)
    told = [json.loads(path.read_text()) for path in notes.glob("*.json")]
    wide = sum(int(count) <= usable for count in cores.split(","))
    assert len(told) == 2 * 2 * wide * 3
    together = 0
    for a in told:
        for b in told:
            if a["run"] < b["run"] and a["began"] < b["ended"] and b["began"] < a["ended"]:
                together += 1
                assert not set(a["cpus"]) & set(b["cpus"])
    if patience:
        assert together, "the runs never met"
    for mine in "ab":
        for cell in lab.read(f"out-{mine}").cells.values():
            assert len(cell["cpus"]) == cell["cores"] or cell["status"] == "unsupported"
