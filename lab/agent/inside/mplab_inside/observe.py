"""An observed sample: a record of every lock taken, and pauses where a race would show.

Chance is a poor detector: a process runs its whole loop in one time slice, and two increments never
meet. So an observed sample pauses now and then just before an instruction of the user's own code
that writes shared state or calls something (between the read and the write of `v.value += 1`, say)
and just after a lock was taken. Any machine that is busy enough could do the same, so a program
that is right stays right. Each process has a budget of pauses and of events, and runs at full speed
once it is spent.

The record of a process is `trace.<pid>`, a mapping, so that it outlives a kill; see records.
"""

import _multiprocessing
import mmap
import os
import sys
import threading
import time
from _thread import get_native_id

from . import sample
from .frames import LIBRARY, absolute, where
from .records import (
    CAPACITY,
    ENDS,
    NOT_TAKEN,
    RECORD,
    RELEASED,
    RUNS,
    TAKEN,
    TAKEN_AFTER_WAIT,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, FrameType
    from typing import Any

    Tracer = Callable[[FrameType, str, object], Any]  # itself again, or None

PAUSES = 8
"""How many pauses one process makes before stores, before calls, and after taking locks, each."""

LENGTHS = (0.02, 0.004, 0.001, 0.001)
"""Seconds that a pause may last: some as long as a process takes to start, most a time slice."""

EVENTS = 20000
"""How many instructions of interest one process is asked about before it is left alone."""

_sleep = time.sleep
_now = time.monotonic_ns
_trace: "Trace | None" = None
_sites: "set[int]" = set()


class Pauses:
    """When to pause and for how long, from the sample's seed and the process's place alone."""

    def __init__(self, seed: int, path: str, salt: str) -> None:
        self.word = 0
        for byte in ("%s/%s/%s" % (seed, path, salt)).encode():
            self.word = (self.word * 1099511628211 + byte) & 0xFFFFFFFFFFFFFFFF
        for _ in range(4):
            self.draw(1)
        self.left = PAUSES
        self.reach = 2
        self.wait = self.draw(2)

    def draw(self, n: int) -> int:
        """A number in range(n), from a linear congruential generator (Knuth's MMIX)."""
        self.word = (self.word * 6364136223846793005 + 1442695040888963407) & 0xFFFFFFFFFFFFFFFF
        return (self.word >> 33) % n

    def step(self) -> bool:
        """Called where a pause may be; sleeps at some. False: the budget is spent."""
        if self.wait > 0:
            self.wait -= 1
            return True
        if self.left <= 0:
            return False
        self.left -= 1
        self.reach *= 2  # the first ones soon, for short programs; the last ones far apart
        self.wait = self.draw(self.reach)
        _sleep(LENGTHS[self.draw(len(LENGTHS))])
        return True


_lock_pauses: Pauses
_store_pauses: Pauses  # of their own: a few calls beside each store would use up what loses updates
_call_pauses: Pauses


def attach() -> None:
    """Observe this process and what it forks; again, with all budgets, in a fork server's child."""
    _fresh()
    _budget[0], _traced[0] = EVENTS, 10 * EVENTS
    is_first = _multiprocessing.SemLock is _RealSemLock
    if is_first:
        os.register_at_fork(after_in_child=_fresh)
        _multiprocessing.SemLock = TracedSemLock
    if sys.version_info >= (3, 12):
        if is_first:
            _pause_by_monitoring()
    elif sys.gettrace() is None:
        sys.settrace(_tracer)
        threading.settrace(_tracer)


def _fresh() -> None:
    global _trace, _lock_pauses, _store_pauses, _call_pauses
    _trace = None
    seed, path = sample.state.seed, sample.state.path
    _lock_pauses = Pauses(seed, path, "locks")
    _store_pauses = Pauses(seed, path, "stores")
    _call_pauses = Pauses(seed, path, "calls")


# ------------------------------------------------------------------------------ the record


class Trace:
    """The records of one process, in a file that is as long as its capacity and mostly a hole."""

    def __init__(self) -> None:
        path = os.path.join(sample.state.folder, "trace.%d" % os.getpid())
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(fd, RECORD.size * CAPACITY)
            self.map = mmap.mmap(fd, RECORD.size * CAPACITY)
        finally:
            os.close(fd)
        self.used = 0

    def add(self, key: int, operation: int, site: int = 0, at: "int | None" = None) -> None:
        """One record; silently none once the trace is full (the reader sees that it is)."""
        used = self.used
        if used < CAPACITY:
            self.used = used + 1
            RECORD.pack_into(
                self.map,
                used * RECORD.size,
                _now() if at is None else at,
                key,
                operation,
                get_native_id(),
                site,
                0,
            )


def _record(key: int, operation: int, site: int = 0, at: "int | None" = None) -> None:
    global _trace
    if _trace is None:
        _trace = Trace()
    _trace.add(key, operation, site, at)


def _site() -> int:
    """A number for the caller's line; its text is logged once."""
    text = where(3)
    number = hash(text) & 0xFFFFFFFF
    if number not in _sites:
        _sites.add(number)
        sample.log("site", number=number, line=text)
    return number


def patch_process(module: "Any") -> None:
    """Record when a child is at work."""
    bootstrap = module.BaseProcess._bootstrap

    def _bootstrap(self: "Any", *args: "Any", **kwargs: "Any") -> "Any":
        # The server of a Manager is at work for the others, not beside them.
        if getattr(self._target, "__name__", "") == "_run_server":
            return bootstrap(self, *args, **kwargs)
        _record(0, RUNS)
        try:
            return bootstrap(self, *args, **kwargs)
        finally:
            _record(0, ENDS)

    module.BaseProcess._bootstrap = _bootstrap


# ------------------------------------------------------------------------------ locks


def _key(handle: int) -> int:
    """The inode of the semaphore's mapping: the same in every process, however it got there."""
    try:
        with open("/proc/self/maps") as maps:
            for line in maps:
                span, _, _, _, inode = line.split(None, 5)[:5]
                low, high = span.split("-")
                if int(low, 16) <= handle < int(high, 16):
                    return int(inode)
    except OSError:
        pass
    return handle


def _is_of_queue() -> bool:
    """Whether the semaphore being made counts the free places of a Queue."""
    frame: "FrameType | None" = sys._getframe(2)
    while frame is not None and "multiprocessing" in frame.f_code.co_filename:
        if frame.f_globals.get("__name__") == "multiprocessing.queues":
            return True
        frame = frame.f_back
    return False


_RealSemLock = _multiprocessing.SemLock


class TracedSemLock:
    """multiprocessing's semaphore, with a record of who took it when, and from which line.

    Holds the real one rather than extending it: before Python 3.10, to free an instance of a
    subclass of it crashes.
    """

    SEM_VALUE_MAX: int = _RealSemLock.SEM_VALUE_MAX

    def __init__(
        self,
        kind: int,
        value: int,
        maxvalue: int,
        name: "str | None",
        unlink: bool,
        real: "Any" = None,
    ) -> None:
        self._real = real or _RealSemLock(kind, value, maxvalue, name, unlink)
        self.kind: int = self._real.kind
        self.key = _key(self._real.handle)
        if real is None:
            sample.log(
                "lock",
                key=self.key,
                sort=kind,
                value=value,
                max=maxvalue,
                line=where(2),
                queue=_is_of_queue(),
            )

    @classmethod
    def _rebuild(cls, handle: int, kind: int, maxvalue: int, name: "str | None") -> "TracedSemLock":
        return cls(
            kind, 0, maxvalue, name, False, _RealSemLock._rebuild(handle, kind, maxvalue, name)
        )

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._real, name)

    def acquire(self, block: bool = True, timeout: "float | None" = None) -> bool:
        """As the real one; tries first, so that a wait is known for one."""
        real = self._real
        taken: bool
        if self.kind == 0 and real._is_mine():
            taken = real.acquire(block, timeout)  # taken again by its owner
            return taken
        taken = real.acquire(False)
        operation = TAKEN
        if not taken and block:
            taken = real.acquire(True, timeout)
            operation = TAKEN_AFTER_WAIT
        _record(self.key, operation if taken else NOT_TAKEN, _site())
        if taken:
            _lock_pauses.step()
        return taken

    def release(self) -> None:
        """As the real one."""
        real = self._real
        if not (self.kind == 0 and real._count() > 1):
            at = _now()
            real.release()
            _record(self.key, RELEASED, _site(), at)
        else:
            real.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *args: object) -> None:
        self.release()


# ------------------------------------------------------------------------------ bytecodes


def _is_users(code: "CodeType") -> bool:
    """Whether it is of the script's folder; the script itself may be among installed packages."""
    name = absolute(code.co_filename)
    folder = os.path.join(sample.state.user, "")
    if not name.startswith(folder) or "site-packages" in name[len(folder) :]:
        return False
    return folder.startswith(LIBRARY) or not name.startswith(LIBRARY)


_STORES = ("STORE_ATTR", "STORE_SUBSCR", "STORE_GLOBAL", "STORE_SLICE")


def _opcodes() -> "dict[int, bool]":
    """Instructions before which another process's step could matter; the value: whether a store."""
    import opcode

    return {
        number: name.startswith(_STORES)
        for name, number in opcode.opmap.items()
        if name.startswith((*_STORES, "CALL"))
    }


def _step(is_store: bool) -> bool:
    """Called before an instruction of interest. False: there is no pause left for its like."""
    return (_store_pauses if is_store else _call_pauses).step()


def _pause_by_monitoring() -> None:
    monitoring: "Any" = sys.monitoring  # type: ignore[attr-defined]  # new in 3.12
    tool = next((number for number in (4, 3) if monitoring.get_tool(number) is None), None)
    if tool is None:
        return
    interesting = _opcodes()
    events = monitoring.events
    monitoring.use_tool_id(tool, "mplab")

    def started(code: "CodeType", offset: int) -> "Any":
        if _is_users(code):
            monitoring.set_local_events(tool, code, events.INSTRUCTION)
        return monitoring.DISABLE

    def instruction(code: "CodeType", offset: int) -> "Any":
        is_store = interesting.get(code.co_code[offset])
        if is_store is None:
            return monitoring.DISABLE
        _budget[0] -= 1
        if not _step(is_store) or _budget[0] <= 0:
            return monitoring.DISABLE
        return None

    monitoring.register_callback(tool, events.PY_START, started)
    monitoring.register_callback(tool, events.INSTRUCTION, instruction)
    monitoring.set_events(tool, events.PY_START)


_budget = [EVENTS]
_traced = [10 * EVENTS]  # calls and instructions of any kind, each of which costs


def _is_spent() -> bool:
    _traced[0] -= 1
    if _traced[0] > 0 and _budget[0] > 0:
        return False
    sys.settrace(None)
    threading.settrace(None)
    return True


def _tracer(frame: "FrameType", event: str, arg: object) -> "Tracer | None":
    if _is_spent():
        return None
    interesting = _interesting_offsets(frame.f_code)
    if not interesting:
        return None
    frame.f_trace_opcodes = True
    frame.f_trace_lines = False

    def step(frame: "FrameType", event: str, arg: object) -> "Tracer | None":
        if event == "opcode" and frame.f_lasti in interesting:
            paused = _step(interesting[frame.f_lasti]) or _store_pauses.left or _call_pauses.left
            _budget[0] = _budget[0] - 1 if paused else 0
        if _is_spent():
            frame.f_trace_opcodes = False
            return None
        return step

    return step


_offsets: "dict[CodeType, dict[int, bool]]" = {}
_numbers: "dict[int, bool] | None" = None


def _interesting_offsets(code: "CodeType") -> "dict[int, bool]":
    global _numbers
    if code not in _offsets:
        if _numbers is None:
            _numbers = _opcodes()
        text = code.co_code if _is_users(code) else b""
        _offsets[code] = {
            at: _numbers[text[at]] for at in range(0, len(text), 2) if text[at] in _numbers
        }
    return _offsets[code]
