"""One sample, from its start until nothing of it is left: runs in a process of its own.

The keeper is the sample's subreaper: whatever the script starts, and however it detaches itself,
ends up below the keeper, which judges what was left only once the script is dead, and then ends and
removes it. Its own lifeline is a pipe from the agent; when that closes, the sample goes with it.
"""

from __future__ import annotations

import os
import re
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

from lab.agent import leftovers, processes, sections, waits
from lab.agent.inside.mplab_inside import DUMP_SIGNAL
from lab.agent.inside.mplab_inside.sample import SERVER
from lab.agent.leftovers import Event
from lab.agent.output import Output
from lab.agent.protocol import Request

INSIDE = Path(__file__).parent / "inside"

TICK = 0.25
"""Seconds between two looks at a running sample."""

STALL, AGAIN = 2, 0.05
"""Looks without any progress after which the sample is asked who waits for whom, and seconds from
the first of them to the next."""

GRACE = 1.0
"""Seconds in which processes that outlive the script may still end by themselves."""

ANSWER, ANSWER_CPU = 5.0, 0.5
"""Seconds of wall time, and of its own CPU time, in which a process answers a question."""

RUNG = 0.5
"""Seconds between interrupt, terminate and kill."""

MOST_PROCESSES = 500
"""More at the same time are taken for a script that forks without end."""

MOST_EVENTS = 2000


_TOLD = {
    "exception",
    "failed",
    "got",
    "raised",
    "signal",
    "looked",
    "seen",
    "start",
    "exit",
    "reaped",
    "trouble",
}
"""Events that the checks read."""


class Keeper:
    """Runs one sample of `request` with `seed` in `folder`; `lifeline` closes when nobody asks."""

    def __init__(self, request: Request, seed: int, folder: Path, lifeline: int) -> None:
        self.request = request
        self.seed = seed
        self.folder = folder
        self.temporary = leftovers.temporary(folder)
        self.lifeline = lifeline
        self.end = "ended"
        self.waits: list[dict[str, Any]] = []
        self.ladder = ""

    def run(self) -> dict[str, Any]:
        """The sample, as plain data; its keys are those of `lab.model.Sample`."""
        self.temporary.mkdir(parents=True)
        processes.adopt_orphans()
        started = time.monotonic()
        root = self._start()
        self.root = root.pid
        self._watch(root, started)
        code = root.wait()
        seconds = time.monotonic() - started
        for output in self.outputs:
            output.drain()
        events = self._events()
        left = self._processes_left(events)
        for output in self.outputs:
            output.drain()
            output.close()
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        left += leftovers.files_left(self.folder, events)
        self._place_silent()
        first = next((e for e in events if e[0] == "attach" and e[3]["path"] == "0"), None)
        last = next((e for e in reversed(events) if e[0] == "end"), None)
        sample = {
            "seed": self.seed,
            "observed": self._observed(),
            "end": self.end,
            "ladder": self.ladder,
            "exit_code": code,
            "stdout": self.outputs[0].text(),
            "stderr": self.outputs[1].text(),
            "stdout_bytes": self.outputs[0].total,
            "seconds": seconds,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "cpus": first[3]["cpus"] if first else [],
            "python": first[3]["python"] if first else "",
            "own_method": last[3]["method"] if last else None,
            "root": root.pid,
            "left": left,
            "waits": self.waits,
            "events": [list(e) for e in events if e[0] in _TOLD][:MOST_EVENTS],
            "locks": self._locks(events),
        }
        shutil.rmtree(self.folder, ignore_errors=True)
        return sample

    def remove(self) -> None:
        """Remove what the sample left, once its processes are dead and whoever asked for it."""
        leftovers.remove(self.folder)
        if select.select([self.lifeline], [], [], 0)[0]:  # the agent was killed
            with suppress(OSError):  # only the last one of its keepers can
                self.folder.parent.rmdir()

    def _observed(self) -> bool:
        return self.request.is_observed(self.seed) and self.request.start_method != "inline"

    def _start(self) -> subprocess.Popen[bytes]:
        request = self.request
        script = os.path.join(request.cwd, request.script)
        config = repr(
            (
                str(self.folder),
                request.start_method,
                self.seed,
                int(self._observed()),
                "0",
                os.path.join(os.path.dirname(os.path.abspath(script)), ""),
                str(self.temporary),
            )
        )
        environment = dict(os.environ)
        environment["PYTHONHASHSEED"] = str(zlib.crc32(b"%d" % self.seed))
        environment["TMPDIR"] = str(self.temporary)
        root = subprocess.Popen(
            [
                request.python or sys.executable,
                str(INSIDE / "mplab_start.py"),
                config,
                request.script,
                *request.args,
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=request.cwd,
            env=environment,
            start_new_session=True,
        )
        assert root.stdout
        assert root.stderr
        self.outputs = [Output(os.dup(root.stdout.fileno())), Output(os.dup(root.stderr.fileno()))]
        root.stdout.close()
        root.stderr.close()
        return root

    # ---------------------------------------------------------------------------- while it runs

    def _watch(self, root: subprocess.Popen[bytes], started: float) -> None:
        """Return once the script has ended, or has been ended."""
        watch = os.pidfd_open(root.pid)
        try:
            before = _tasks_on_machine()
            seen: Any = None
            still = 0
            tick = started + TICK
            while not self._pump(watch, tick - time.monotonic()):
                if time.monotonic() < tick:
                    continue
                tick = time.monotonic() + TICK
                if time.monotonic() - started > self.request.timeout:
                    self._stalled(root, watch, proven=False)
                    return
                if _tasks_on_machine() > before + MOST_PROCESSES / 2:
                    below = processes.descendants(os.getpid())
                    if len(below) > MOST_PROCESSES:
                        self.end = "too many processes"
                        processes.kill_all_below(os.getpid())
                        return
                below = processes.descendants(os.getpid())
                now = processes.progress(below)
                still = still + 1 if now == seen else 0
                seen = now
                if 0 < still < STALL:
                    tick = time.monotonic() + AGAIN
                if still == STALL and self._is_proven_deadlock(seen):
                    if self._stalled(root, watch, proven=True):
                        return
                    still, seen = 0, None
        finally:
            os.close(watch)

    def _pump(self, watch: int, seconds: float) -> bool:
        """Read output until the script has ended (True) or the time is over (False)."""
        poll = select.poll()
        poll.register(watch, select.POLLIN)
        poll.register(self.lifeline, select.POLLIN)
        for output in self.outputs:
            if output.open:
                poll.register(output.fd, select.POLLIN)
        for fd, _ in poll.poll(max(0, seconds) * 1000):
            if fd == watch:
                return True
            if fd == self.lifeline:
                processes.kill_all_below(os.getpid())
                self.remove()
                os._exit(1)
            for output in self.outputs:
                if output.fd == fd:
                    output.drain()
        return False

    def _workers(self) -> list[int]:
        """The sample's own processes: all but multiprocessing's helpers and those already dead."""
        events = self._events()
        attached = {event[1] for event in events} - _servers(events)
        found = []
        for pid in processes.descendants(os.getpid()):
            process = processes.look(pid)
            if process is None or process.gone:
                continue
            if pid in attached or not _is_helper(processes.command(pid)):
                found.append(pid)
        return found

    def _is_proven_deadlock(self, seen: Any) -> bool:
        workers = self._workers()
        self.waits = waits.gather(workers, {}, set())
        below = processes.descendants(os.getpid())
        # A fork server at work, or a child of it that has not got to run yet, will end a wait.
        asleep = all(processes.is_asleep(pid) for pid in below if pid not in workers)
        # The threads were asked one after the other: none may have run meanwhile.
        still = processes.progress(below) == seen
        return asleep and still and waits.is_deadlock(self.waits, stopped=True)

    def _stalled(self, root: subprocess.Popen[bytes], watch: int, *, proven: bool) -> bool:
        """Ask every process where it is, then end the sample: interrupt, terminate, kill.

        False: it goes on, as a process has set itself an alarm, or one ended or started meanwhile.
        """
        workers = self._workers()
        kernel = waits.gather(workers, {}, set())
        dumps = {pid: dump for pid in workers if (dump := self._dump(pid))}
        moved = self._workers() != workers
        if proven and (moved or any(dump["alarm"] for dump in dumps.values())):
            self.waits = []
            return False
        dead = {e[3]["child"] for e in self._events() if e[0] == "start"} - set(workers)
        full = {(w["pid"], w["tid"]): w for w in waits.gather(workers, dumps, dead)}
        for wait in kernel:
            # What the kernel said before we disturbed the process, with the stacks of after.
            told = full.get((wait["pid"], wait["tid"]), {})
            for key in ("process", "thread", "line", "stack", "dead"):
                wait[key] = told.get(key, wait[key])
            if wait["kind"] == "semaphore":
                wait["held_by"] = told.get("held_by", [])
                wait["for"] = wait["held_by"] or wait["for"]
        waits.name_children(kernel, dumps)
        for wait in kernel:
            wait["line"] = self._short(wait["line"])
            wait["stack"] = [self._short(entry) for entry in wait["stack"]]
        self.waits = kernel
        deadlock = proven or waits.is_deadlock(kernel, stopped=False)
        self.end = "deadlock" if deadlock else "hang"
        for name, number, everyone in (
            ("interrupt", signal.SIGINT, False),
            ("terminate", signal.SIGTERM, True),
        ):
            self.ladder = name
            for pid in self._workers() if everyone else [root.pid]:
                if everyone and pid not in dumps and processes.handles(pid, signal.SIGABRT):
                    # In C code for so long that no handler of Python's got to run: faulthandler's
                    # is in C, and prints its stacks.
                    with suppress(OSError):
                        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
                    processes.send(pid, signal.SIGABRT)
                else:
                    processes.send(pid, number)
            deadline = time.monotonic() + RUNG
            while (rest := deadline - time.monotonic()) > 0:
                if self._pump(watch, rest):
                    return True
        self.ladder = "kill"
        for pid in self._workers():
            processes.send(pid, signal.SIGKILL)
        return True

    def _place_silent(self) -> None:
        """Say where the one process was that did not answer, from what it printed when aborted."""
        silent = [wait for wait in self.waits if wait["main"] and not wait["stack"]]
        if len(silent) != 1:
            return
        if match := re.search(r'  File "(.+)", line (\d+) in (\S+)', self.outputs[1].text()):
            silent[0]["line"] = self._short(f"{match[1]}:{match[2]} in {match[3]}")

    def _dump(self, pid: int) -> dict[str, Any]:
        """The stacks and locks of a process, from itself; empty if it cannot answer."""
        before = processes.look(pid)
        if before is None or not processes.handles(pid, DUMP_SIGNAL):
            return {}
        target = self.folder / f"dump.{pid}"
        target.unlink(missing_ok=True)
        processes.send(pid, DUMP_SIGNAL)
        deadline = time.monotonic() + ANSWER
        while not target.exists():
            process = processes.look(pid)
            if time.monotonic() > deadline or process is None or process.gone:
                return {}
            if process.cpu_seconds - before.cpu_seconds > ANSWER_CPU:
                return {}  # it has had the time, but is busy outside Python
            select.select([], [], [], 0.002)
        return waits.read_dump(target)

    # ---------------------------------------------------------------------------- what is left

    def _processes_left(self, events: list[Event]) -> list[dict[str, Any]]:
        """Processes and zombies that outlived the script; ended here, and reaped."""
        started = {e[3]["child"]: e for e in events if e[0] == "start"}
        left = []
        for pid in processes.reap():
            # Of the script's own children; an orphan whose parent has ended is nobody's fault.
            event = started.get(pid)
            if event and event[3].get("by", event[1]) == self.root and self.end == "ended":
                left.append(_process_left("zombie", pid, "", started))
        if self.end == "too many processes":
            processes.kill_all_below(os.getpid())
        commands = {e[3]["words"]: e for e in events if e[0] == "command"}
        survivors = self._await(self._workers, GRACE)
        for pid in survivors:
            line = ""
            dump = self._dump(pid)
            for thread in dump.get("threads", []):
                if thread["main"]:
                    line = self._short(waits.users_line(thread["stack"]))
            command = processes.command(pid)
            if pid not in started and command in commands:
                started[pid] = commands[command]
            left.append(
                _process_left("process", pid, command, started)
                | {"name": dump.get("name") or command or f"pid {pid}", "at": line}
            )
        for pid in survivors:
            processes.send(pid, signal.SIGKILL)
        helpers = self._await(lambda: processes.descendants(os.getpid()), 2 * GRACE)
        for pid in helpers:
            if pid not in survivors:
                left.append(_process_left("process", pid, processes.command(pid), started))
        processes.kill_all_below(os.getpid())
        # Those that were killed just now are not yet dead.
        while processes.descendants(os.getpid()):
            os.waitpid(-1, 0)
        processes.reap()
        return left

    def _await(self, which: Any, seconds: float) -> list[int]:
        """The processes of `which()` that are still there after at most `seconds`."""
        deadline = time.monotonic() + seconds
        while True:
            processes.reap()
            pids: list[int] = which()
            rest = deadline - time.monotonic()
            if not pids or rest <= 0:
                return pids
            watch = []
            for pid in pids:
                with suppress(ProcessLookupError):
                    watch.append(os.pidfd_open(pid))
            try:
                if watch:
                    select.select(watch, [], [], rest)
                for output in self.outputs:
                    output.drain()
            finally:
                for fd in watch:
                    os.close(fd)

    # ---------------------------------------------------------------------------- what it told

    def _events(self) -> list[Event]:
        events = leftovers.read_events(self.folder)
        for _, _, _, fields in events:
            if "line" in fields:
                fields["line"] = self._short(fields["line"])
        return events

    def _short(self, line: str) -> str:
        """A line's file as seen from where the run started, however the process came by it."""
        return line.removeprefix(os.path.join(self.request.cwd, ""))

    def _locks(self, events: list[Event]) -> dict[str, Any] | None:
        if not self._observed():
            return None
        sites = {e[3]["number"]: e[3]["line"] for e in events if e[0] == "site"}
        servers = _servers(events)
        made = {
            e[3]["key"]: {**e[3], "pid": e[1], "preloaded": e[1] in servers}
            for e in events
            if e[0] == "lock"
        }
        records, cut = sections.read_traces(self.folder, sites)
        wanted = {waits.semaphore(wait) for wait in self.waits if wait["kind"] == "semaphore"}
        return {**sections.summarize(records, made, cut, wanted), "cut": cut}


def _process_left(kind: str, pid: int, name: str, started: dict[int, Event]) -> dict[str, Any]:
    event = started.get(pid)
    return {
        "kind": kind,
        "name": event[3].get("name", name) if event else name,
        "pid": pid,
        "by": event[3].get("by", event[1]) if event else None,
        "line": event[3].get("line", "") if event else "",
    }


def _servers(events: list[Event]) -> set[int]:
    """The fork servers among the processes that told of themselves."""
    return {e[1] for e in events if e[0] == "attach" and e[3]["path"].endswith(SERVER)}


def _is_helper(command: str) -> bool:
    """Whether it is multiprocessing's resource tracker or fork server."""
    return "multiprocessing.resource_tracker" in command or "multiprocessing.forkserver" in command


def _tasks_on_machine() -> int:
    """How many threads there are on the whole machine: one cheap read, to notice a fork bomb."""
    fields = processes.read("/proc/loadavg").split()
    return int(fields[3].split("/")[1]) if len(fields) > 3 else 0
