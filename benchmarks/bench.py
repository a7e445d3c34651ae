"""What the lab costs, beside what it is compared with, in one run. Ratios hold, seconds do not.

    python benchmarks/bench.py               samples, attaching, `lab list`
    python benchmarks/bench.py sample -n 40  one of them, with more pairs
    python benchmarks/bench.py run RUN       how well a run used its CPUs (a folder, or `latest`)

Both sides of a pair run one after the other, in turn the first, each in a child of its own that
adopts and waits for all that it leaves, so that CPU time is that of every process. Medians of the
pairs' differences and ratios are shown. Nothing here is a test: a busy machine changes the numbers.
"""

from __future__ import annotations

import argparse
import compileall
import os
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from lab import store
from lab.agent import cell, keeper, processes
from lab.agent.protocol import Request

HERE = Path(__file__).parent
PROGRAM = HERE / "program.py"
METHODS = ("fork", "spawn")

Job = Callable[[], object]


@dataclass(frozen=True)
class Cost:
    """What one job took: wall and CPU time in ms, all its processes included."""

    wall: float
    cpu: float


def cost(job: Job) -> Cost:
    """Run `job` in a child. Raises RuntimeError if it fails there."""
    told, tell = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            processes.adopt_orphans()
            began = time.perf_counter()
            job()
            wall = time.perf_counter() - began
            with suppress(ChildProcessError):
                while True:  # a resource tracker or a fork server goes on for a moment
                    os.wait()
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            own = resource.getrusage(resource.RUSAGE_SELF)
            cpu = used.ru_utime + used.ru_stime + own.ru_utime + own.ru_stime
            os.write(tell, f"{wall * 1000} {cpu * 1000}".encode())
            status = 0
        finally:
            os._exit(status)
    os.close(tell)
    with os.fdopen(told) as file:
        text = file.read()
    os.waitpid(pid, 0)
    if not text:
        raise RuntimeError("the job failed; what it printed is above")
    wall, cpu = text.split()
    return Cost(float(wall), float(cpu))


def compare(name: str, one: Job, other: Job, pairs: int, goal: str) -> None:
    """Print what `other` takes beside `one`."""
    for job in (one, other):  # brings their files into the cache
        cost(job)
    taken: list[tuple[Cost, Cost]] = []
    for number in range(pairs):
        if number % 2:
            second, first = cost(other), cost(one)
        else:
            first, second = cost(one), cost(other)
        taken.append((first, second))
    ratio = statistics.median(b.cpu / a.cpu for a, b in taken)
    more_cpu = statistics.median(b.cpu - a.cpu for a, b in taken)
    more_wall = statistics.median(b.wall - a.wall for a, b in taken)
    base = statistics.median(a.wall for a, _ in taken)
    print(
        f"{name:34} {ratio:6.2f}x CPU {more_cpu:+7.1f} ms CPU {more_wall:+7.1f} ms wall "
        f"(of {base:.0f})   goal: {goal}",
        flush=True,
    )


# ------------------------------------------------------------------------------ the jobs


def alone(method: str) -> None:
    """The program as its user runs it."""
    subprocess.run([sys.executable, PROGRAM, method], check=True, stdout=subprocess.PIPE)


def kept(method: str, seed: int = 0) -> None:
    """One sample, as an agent takes it: seed 0 is a plain one, seed 1 one with pauses."""
    request = Request(
        script=str(PROGRAM),
        args=(method,),
        cwd=str(HERE),
        python="",
        start_method=method,
        cpus=(),
        seed=seed,
        fewest=1,
        most=1,
        budget=0.0,
        timeout=60.0,
        at_once=1,
        observe_most=False,
    )
    ours, theirs = socket.socketpair()
    with ours, theirs:
        (sample,) = cell.run(request, theirs.fileno())["samples"]
    if sample.get("error") or sample["exit_code"] or sample["left"]:
        raise RuntimeError(f"no good sample: {sample}")


def attached(method: str) -> None:
    """The program with the lab inside it, and nobody who watches."""
    folder = Path(tempfile.mkdtemp(prefix="mplab-", dir="/tmp"))
    try:
        config = repr((str(folder), method, 0, 0, "0", str(HERE), str(folder / "t")))
        start = keeper.INSIDE / "mplab_start.py"
        subprocess.run(
            [sys.executable, start, config, PROGRAM, method], check=True, stdout=subprocess.PIPE
        )
    finally:
        shutil.rmtree(folder)


def python(*words: str) -> Job:
    """A job: this Python with those arguments."""
    return lambda: subprocess.run([sys.executable, *words], check=True, stdout=subprocess.PIPE)


# ------------------------------------------------------------------------------ the comparisons


def sample(pairs: int) -> None:
    """A plain sample beside the program alone."""
    for method in METHODS:
        name, goal = f"a plain sample, {method}", "1.25x CPU, +40 ms wall"
        compare(name, partial(alone, method), partial(kept, method), pairs, goal)


def attach(pairs: int) -> None:
    """The part of it that is spent inside the program's own processes."""
    for method in METHODS:
        name = f"attaching, {method}"
        compare(name, partial(alone, method), partial(attached, method), pairs, "+25 ms wall")


def listing(pairs: int) -> None:
    """A command that only looks."""
    code = "import sys; from lab.cli import main; sys.exit(main(sys.argv[1:]))"
    lists = python("-c", code, "list", "scenarios")
    compare("lab list scenarios", python("-c", "pass"), lists, pairs, "+300 ms wall")


def run(path: str) -> None:
    """A run's wall time beside the least it could have been."""
    record = store.read_run(path)
    cells = [cell for cell in record.cells if cell.samples]
    cores = len(record.facts["machine"]["cpus_usable"])
    wall = record.seconds
    if not wall or not cells:
        sys.exit(f"{path}: the run has not ended, or no cell ran")
    cpu = sum(cell.cpu_seconds for cell in cells) / cores
    leased = sum(cell.seconds * cell.cores for cell in cells) / cores
    longest = max(cell.seconds for cell in cells)
    bound = max(cpu, longest)
    print(f"{len(cells)} cells, {cores} CPUs, wall time {wall:.1f} s   goal for quick: 240 s")
    print(f"{wall / bound:.2f}x the bound of {bound:.1f} s   goal: 1.15x")
    print(f"     CPU time of samples over CPUs {cpu:.1f} s, longest cell {longest:.1f} s")
    print(f"{wall / max(leased, longest):.2f}x the time that cells held CPUs, {leased:.1f} s")


def main() -> None:
    compileall.compile_dir(HERE.parent / "lab", quiet=2)  # as pip does, when it installs it
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["sample", "attach", "list", "run"])
    parser.add_argument("run", nargs="?", metavar="RUN", help="folder of a run (default: latest)")
    parser.add_argument("-n", type=int, default=20, metavar="PAIRS")
    options = parser.parse_args()
    if options.what == "run":
        run(options.run or "latest")
        return
    for name, measure in {"sample": sample, "attach": attach, "list": listing}.items():
        if options.what in (None, name):
            measure(options.n)


if __name__ == "__main__":
    main()
