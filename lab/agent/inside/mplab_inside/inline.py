"""The start method `inline`: the script's processes as threads that take turns.

Locks, queues, pipes and shared values are the real ones; only `Process.start` makes a thread of the
same process. A thread keeps running until it blocks (the interpreter's switch interval is made
endless), so that what goes wrong here is wrong in the logic and owes nothing to concurrency.
"""

import os
import signal
import sys
import threading

from . import exceptions, sample
from .frames import where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_mine = threading.local()


class _CurrentProcess:
    """Stands in `multiprocessing.process._current_process` for the one of this thread."""

    def __init__(self, main: "Any") -> None:
        self.__dict__["_main"] = main

    def _target(self) -> "Any":
        return getattr(_mine, "process", None) or self.__dict__["_main"]

    def __getattr__(self, name: str) -> "Any":
        return getattr(self._target(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._target(), name, value)


def _own_copies(process: "Any") -> "list[Any]":
    """Give the process connections of its own, as fork and spawn do: either side may close its."""
    connection = sys.modules.get("multiprocessing.connection")
    if connection is None:
        return []
    copies: "list[Any]" = []

    def copy(value: "Any") -> "Any":
        if isinstance(value, connection.Connection) and not value.closed:
            value = connection.Connection(os.dup(value.fileno()), value.readable, value.writable)
            copies.append(value)
        return value

    process._args = tuple(copy(value) for value in process._args)
    process._kwargs = {name: copy(value) for name, value in process._kwargs.items()}
    return copies


class Popen:
    """What a `Process` asks of its operating-system process, answered by a thread."""

    method = "fork"

    def __init__(self, process: "Any") -> None:
        self.process = process
        self.copies = _own_copies(process)
        process._popen = self  # the thread may run before we return
        self.returncode: "int | None" = None
        # A descriptor that becomes readable at the end, as a real sentinel does.
        self.sentinel: "int | None"
        self.sentinel, self._end = os.pipe()
        self.thread = threading.Thread(target=self._run, name=process.name, daemon=True)
        self.thread.start()
        sample.log(
            "start",
            child=self.pid,
            method="inline",
            name=process.name,
            daemon=process.daemon,
            line=where(2),
        )

    def _run(self) -> None:
        _mine.process = self.process
        self.pid = threading.get_native_id()  # which no process has at the same time
        code = 1
        try:
            self.process.run()
            code = 0
        except SystemExit as error:
            if error.code is None:
                code = 0
            elif isinstance(error.code, int):
                code = error.code
            else:
                sys.stderr.write(str(error.code) + "\n")
        except BaseException as error:
            import traceback

            exceptions.log_exception("child", error, pid=self.pid)
            sys.stderr.write("Process %s:\n" % self.process.name)
            traceback.print_exc()
        finally:
            for connection in self.copies:  # as the end of a process closes its descriptors
                if not connection.closed:
                    connection.close()
            if self._finish(code):
                sample.log("exit", pid=self.pid, name=self.process.name, code=code)

    def _finish(self, code: int) -> bool:
        if self.returncode is not None:
            return False
        self.returncode = code
        os.close(self._end)
        return True

    def poll(self, flag: int = os.WNOHANG) -> "int | None":
        """The exit code, or None."""
        return self.returncode

    def wait(self, timeout: "float | None" = None) -> "int | None":
        """Wait for the end; the exit code, or None after `timeout` seconds."""
        if self.returncode is None:
            self.thread.join(timeout)
        return self.returncode

    def terminate(self) -> None:
        """A thread cannot be ended from outside: a daemon is left alone, for others this raises."""
        # In either case nobody shall wait for it.
        if self._finish(-signal.SIGTERM) and not self.process.daemon:
            raise NotImplementedError("a process cannot be terminated under `inline`")

    interrupt = kill = terminate

    def close(self) -> None:
        """Give the sentinel back."""
        if self.sentinel is not None:
            os.close(self.sentinel)
            self.sentinel = None


def patch_executor(module: "Any") -> None:
    """Make the executor of processes one of threads."""
    from concurrent.futures.thread import ThreadPoolExecutor

    class ProcessPoolExecutor(ThreadPoolExecutor):
        def __init__(
            self,
            max_workers: "int | None" = None,
            mp_context: "Any" = None,
            initializer: "Any" = None,
            initargs: "tuple[Any, ...]" = (),
            max_tasks_per_child: "int | None" = None,
        ) -> None:
            super().__init__(max_workers, "", initializer, initargs)

    module.ProcessPoolExecutor = ProcessPoolExecutor


def patch_context(module: "Any") -> None:
    """Make a context whose processes are threads the default; to scripts it is the one of fork."""
    if getattr(sys, "_is_gil_enabled", lambda: True)() is False:
        raise RuntimeError("`inline` needs the global interpreter lock")
    sys.setswitchinterval(1e6)
    real_signal = signal.signal

    def set_signal(signalnum: int, handler: "Any") -> "Any":
        # Managers and workers set handlers at their start, which only a main thread may.
        if threading.current_thread() is threading.main_thread():
            return real_signal(signalnum, handler)
        return signal.getsignal(signalnum)

    signal.signal = set_signal
    process: "Any" = sys.modules["multiprocessing.process"]
    process._current_process = _CurrentProcess(process._current_process)

    class InlineProcess(module.ForkProcess):  # type: ignore[misc]
        @staticmethod
        def _Popen(process_obj: "Any") -> Popen:
            return Popen(process_obj)

    class InlineContext(module.ForkContext):  # type: ignore[misc]
        Process = InlineProcess

    real_pool = module.BaseContext.Pool

    def Pool(
        self: "Any",
        processes: "int | None" = None,
        initializer: "Any" = None,
        initargs: "tuple[Any, ...]" = (),
        maxtasksperchild: "int | None" = None,
    ) -> "Any":
        if not isinstance(self.get_context(), InlineContext):
            return real_pool(self, processes, initializer, initargs, maxtasksperchild)
        # A pool of threads: a worker of a real one closes the ends that it does not use.
        from multiprocessing.pool import ThreadPool

        return ThreadPool(processes, initializer, initargs)

    Pool.__doc__ = real_pool.__doc__
    module.BaseContext.Pool = Pool
    module._default_context._default_context = InlineContext()
