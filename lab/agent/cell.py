"""One cell: its samples, each kept by a process of its own, some side by side."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.agent import leftovers, processes
from lab.agent.keeper import Keeper
from lab.agent.protocol import Request

LOOK = 0.05
"""Seconds between two looks at what the cell's CPUs had no use for."""

SPARE = 0.03
"""Seconds of CPU time left unused, for which one more sample is started."""

MORE = 8
"""How many samples more than asked for may so come to run side by side."""


class Abandoned(Exception):
    """Whoever asked for the cell has gone."""


class Kept:
    """A sample under way: its keeper's pid, and the pipe on which its result comes."""

    def __init__(
        self, request: Request, seed: int, folder: Path, lifeline: int, lifeline_end: int
    ) -> None:
        self.seed = seed
        self.keeper = Keeper(request, seed, folder, lifeline)
        self.data = bytearray()
        self.result, channel = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.close(self.result)
                os.close(lifeline_end)
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_DFL)
                answer = self.keeper.run()
                data = json.dumps(answer).encode()
                while data:
                    data = data[os.write(channel, data) :]
                status = 0
            except BaseException:
                failure = {"seed": seed, "error": traceback.format_exc()}
                with suppress(OSError):
                    os.write(channel, json.dumps(failure).encode())
            finally:
                processes.kill_all_below(os.getpid())
                self.keeper.remove()
                os._exit(status)
        os.close(channel)

    def read(self) -> bool:
        """Read what is there; True once the keeper has ended."""
        data = os.read(self.result, 1 << 16)
        self.data += data
        return not data

    def finish(self, others: Collection[int]) -> dict[str, Any]:
        """The sample; one with `error` if the keeper was killed or its answer cannot be read.

        What a killed keeper leaves is ended here, not what the `others` keep.
        """
        os.close(self.result)
        os.waitpid(self.pid, 0)
        try:
            answer: dict[str, Any] = json.loads(self.data)
        except ValueError:
            answer = {
                "seed": self.seed,
                "error": "the process that kept the sample was killed (the script may signal its "
                "parent or its process group), so nothing can be said of it",
            }
        if "error" in answer:
            processes.kill_all_below(os.getpid(), others)
        self.keeper.remove()
        return answer


class Spare:
    """The CPU time that goes unused, on the cell's CPUs, while samples sleep or wait."""

    def __init__(self) -> None:
        self.cpus = os.sched_getaffinity(0)
        self.before = processes.idle_seconds(self.cpus)

    def samples(self) -> int:
        """For how many more samples it is enough; those are then counted as started."""
        now = processes.idle_seconds(self.cpus)
        enough = int((now - self.before) / SPARE)
        if enough:
            self.before = now
        return enough


def _abandon(*_: object) -> None:
    raise Abandoned


def run(request: Request, lifeline: int) -> dict[str, Any]:
    """Run the samples of a cell until its budget is spent. Raises Abandoned when `lifeline` closes.

    Returns {"samples": [...], "seconds": wall time}.
    """
    if request.cpus:
        os.sched_setaffinity(0, request.cpus)
    processes.adopt_orphans()
    base, lock = leftovers.make_base()
    started = time.monotonic()
    samples: list[dict[str, Any]] = []
    under_way: dict[int, Kept] = {}
    begun = 0
    signal.signal(signal.SIGTERM, _abandon)
    hold, release = os.pipe()  # closes with us, and every keeper sees it
    spare = Spare()
    room = request.at_once
    try:
        while True:
            while more := begun < request.most and (
                begun < request.fewest or time.monotonic() - started < request.budget
            ):
                if len(under_way) >= room:
                    break
                kept = Kept(request, request.seed + begun, base / str(begun), hold, release)
                under_way[kept.result] = kept
                begun += 1
            if not under_way:
                break
            grows = more and room < request.at_once + MORE
            ready, _, _ = select.select([lifeline, *under_way], [], [], LOOK if grows else None)
            if grows:
                room = min(room + spare.samples(), request.at_once + MORE)
            for fd in ready:
                if fd == lifeline:
                    raise Abandoned
                if under_way[fd].read():
                    kept = under_way.pop(fd)
                    samples.append(kept.finish([other.pid for other in under_way.values()]))
    finally:
        # A keeper that was killed leaves its sample to us.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once is enough: what follows is short
        processes.kill_all_below(os.getpid())
        for kept in under_way.values():
            kept.keeper.remove()
        os.close(hold)
        os.close(release)
        shutil.rmtree(base, ignore_errors=True)
        os.close(lock)
    samples.sort(key=lambda sample: sample["seed"])
    return {"samples": samples, "seconds": time.monotonic() - started}
