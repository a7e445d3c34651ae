"""What the lab does inside the processes of a sample; nothing of it is seen by the script.

Loaded into the first process by `mplab_start` and into spawned ones by an object in spawn's
preparation data, whose unpickling attaches the child before it imports the user's module; forked
ones inherit it. A fork server that imports something of the user's is attached, too. Standard
library only, Python 3.8 and later, and nothing imported that the script would not import itself:
every patch waits for the import of the module that it is for. Here is how all that gets into a
process; what it does there is in the parts:

    sample      what this process knows of the sample, and its log of events
    frames      whose code it is that runs
    processes   how processes start and end, and how the sample goes on in them
    made        what the script makes, signals it sends, commands it runs
    exceptions  what is said of them, and where multiprocessing loses them
    dump        a process's account of itself, on demand
    inline      processes as threads that take turns
    observe     records of locks, and pauses where a race would show; records: their format

A package, so that only one name of ours is ever looked up on a path that is the script's. Types are
strings where they are more than the name of a class: `from __future__ import annotations` would
import `__future__`, which is no longer hidden from the script, and takes as long as two parts.
"""

import _signal
import os
import sys
from _frozen_importlib import module_from_spec
from _frozen_importlib_external import spec_from_file_location

from . import made, processes, sample

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import FrameType, ModuleType
    from typing import Any

    Hook = Callable[[ModuleType], None]

DUMP_SIGNAL = 60
"""A real-time signal that asks a process for its stacks; nothing else uses it."""


def attach(
    folder: str, method: str, seed: int, observe: int, path: str, user: str, temporary: str
) -> None:
    """Make this process one of the sample's."""
    first = path == "0"
    forked = hasattr(sample, "state")  # by a fork server that was attached itself
    sample.begin(sample.State(folder, method, seed, observe, path, user, temporary))
    affinity = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    sample.log("attach", path=path, ppid=os.getppid(), cpus=affinity, python=sys.version.split()[0])
    if forked:
        if "random" in sys.modules:
            processes.seed_random(sys.modules["random"])
        if observe and method != "inline":
            from . import observe as observer

            observer.attach()
        return
    os.register_at_fork(before=processes.before_fork, after_in_child=processes.after_fork_in_child)
    sys.addaudithook(made.audit)
    _signal.signal(DUMP_SIGNAL, _dump)
    try:
        import faulthandler

        if not faulthandler.is_enabled():
            faulthandler.enable()
    except Exception:
        pass  # no stderr
    if first:
        import atexit

        atexit.register(processes.log_end)
    patch_context = processes.patch_context
    if method == "inline":
        from . import inline

        patch_context = inline.patch_context
        _after_import("concurrent.futures.process", inline.patch_executor)
    if first:
        _after_import("multiprocessing.context", patch_context)
    _after_import("multiprocessing.process", processes.patch_process)
    _after_import("multiprocessing.popen_fork", processes.patch_popen)
    _after_import("multiprocessing.popen_forkserver", processes.log_reaping)
    _after_import("multiprocessing.forkserver", processes.patch_forkserver)
    _after_import("multiprocessing.spawn", processes.patch_spawn)
    _after_import("multiprocessing.synchronize", made.patch_synchronize)
    _after_import("multiprocessing.pool", _patch_pool)
    _after_import("_posixshmem", made.patch_posixshmem)
    _after_import("random", processes.patch_random)
    _after_import("traceback", _patch_traceback)
    sys.meta_path.insert(0, _AfterImport())
    if observe and method != "inline":  # a pause would let another thread in
        from . import observe as observer

        _after_import("multiprocessing.process", observer.patch_process)
        observer.attach()


def _patch_pool(module: "ModuleType") -> None:
    _part("exceptions").patch_pool(module)


def _patch_traceback(module: "ModuleType") -> None:
    _part("exceptions").patch_traceback(module)


def _dump(signum: int, frame: "FrameType | None") -> None:
    try:
        _part("dump").write(frame)
    except Exception as error:
        sample.log("trouble", what="dump", error=repr(error))


# ------------------------------------------------------------------------------ imports


_hooks: "dict[str, list[Hook]]" = {}


class _AfterImport:
    """A finder that lets the real one find, then runs our hook once the module has run."""

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        """As the finders behind this one, but for modules that a hook waits for."""
        hooks = _hooks.pop(name, None)
        if hooks is None:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                break
        else:
            return None
        loader: "Any" = spec.loader
        run = loader.exec_module

        def exec_module(module: "ModuleType") -> None:
            run(module)
            for hook in hooks:
                try:
                    hook(module)
                except Exception as error:
                    sample.log("trouble", what="hook of " + name, error=repr(error))

        loader.exec_module = exec_module
        return spec


def _after_import(name: str, hook: "Hook") -> None:
    """Run `hook(module)` once the module `name` is there: now, or when the script imports it."""
    if name in sys.modules:
        hook(sys.modules[name])
    else:
        _hooks.setdefault(name, []).append(hook)


def _part(name: str) -> "ModuleType":
    """A module of ours that most processes do without, loaded when it is first asked for.

    Straight from its file: by then the script may have finders of its own, and a process that is
    asked for its stacks may stand still in an import.
    """
    whole = "%s.%s" % (__name__, name)
    module = sys.modules.get(whole)
    if module is None:
        file = os.path.join(os.path.dirname(__file__), name + ".py")
        spec: "Any" = spec_from_file_location(whole, file)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[whole] = module
    return module
