"""The family: how processes start and end, and how the sample goes on in the children."""

import os
import sys

from . import sample
from .frames import HERE, where
from .sample import SERVER

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def patch_context(module: "Any") -> None:
    """Make the cell's start method the default, as if the platform had it.

    The default context's own default, not its actual context, so that a script's own choice still
    wins (and shows).
    """
    method = module._concrete_contexts[sample.state.method]
    module._default_context._default_context = method


def log_end() -> None:
    """Log that the script has ended, and with which start method, if it came to that."""
    context = sys.modules.get("multiprocessing.context")
    actual = getattr(getattr(context, "_default_context", None), "_actual_context", None)
    sample.log("end", method=getattr(actual, "_name", None))


def patch_process(module: "Any") -> None:
    """Log a child's run and exit, and that its parent looked at an exit code."""
    base = module.BaseProcess
    bootstrap = base._bootstrap
    exitcode = base.exitcode

    def _bootstrap(self: "Any", *args: "Any", **kwargs: "Any") -> int:
        if sample.state.method != "inline":
            sample.log("run", name=self.name, path=sample.state.path)
        code: int = bootstrap(self, *args, **kwargs)
        sample.log("exit", name=self.name, code=code)
        return code

    def _exitcode(self: "Any") -> "int | None":
        code: "int | None" = exitcode.fget(self)
        if code and "multiprocessing" not in sys._getframe(1).f_code.co_filename:
            sample.log("looked", of=self.pid, code=code)
        return code

    base._bootstrap = _bootstrap
    base.exitcode = property(_exitcode, doc=exitcode.__doc__)


def patch_popen(module: "Any") -> None:
    """Log the start of a child by fork; spawn's and the fork server's begin with this, too."""
    popen = module.Popen
    init = popen.__init__

    def __init__(self: "Any", process_obj: "Any") -> None:
        init(self, process_obj)
        sample.log(
            "start",
            child=self.pid,
            method=self.method,
            name=process_obj.name,
            daemon=process_obj.daemon,
            line=where(2),
        )

    popen.__init__ = __init__
    log_reaping(module)


def log_reaping(module: "Any") -> None:
    """Log what a parent learns of a child that did not end well, whether or not it looks."""
    popen = module.Popen
    poll = popen.poll

    def logged_poll(self: "Any", *args: "Any", **kwargs: "Any") -> "int | None":
        before = self.returncode
        code: "int | None" = poll(self, *args, **kwargs)
        if code and before is None:
            sample.log("reaped", child=self.pid, code=code)
        return code

    popen.poll = logged_poll


# ------------------------------------------------------------------------------ spawn


def _attaching(path: str) -> str:
    """Source that attaches the process that runs it, as the one at `path`."""
    return (
        "import sys\n"
        f"sys.path.insert(0, {HERE!r})\n"
        "try:\n"
        "    import mplab_inside\n"
        f"    mplab_inside.attach(*{sample.state.to_text(path)})\n"
        "finally:\n"
        f"    sys.path.remove({HERE!r})\n"
    )


class _Carrier:
    """Travels in spawn's preparation data; its unpickling attaches the child."""

    def __init__(self, path: str) -> None:
        self.source = _attaching(path)

    def __reduce__(self) -> "tuple[Any, ...]":
        return exec, (self.source, {})


def patch_spawn(module: "Any") -> None:
    """Send the sample along with what spawn tells a child."""
    prepare = module.get_preparation_data

    def get_preparation_data(name: str) -> "dict[str, Any]":
        data: "dict[str, Any]" = prepare(name)
        state = sample.state
        state.children += 1
        data["mplab"] = _Carrier("%s.%d" % (state.path, state.children))
        return data

    module.get_preparation_data = get_preparation_data


def patch_forkserver(module: "Any") -> None:
    """Attach a fork server that imports the script or what it names, before it does.

    All its children inherit what it made then, locks at module level for example.
    """
    util = module.util
    run = util.spawnv_passfds

    def spawnv_passfds(path: "Any", args: "Sequence[Any]", passfds: "Any") -> int:
        words = list(args)
        for at, word in enumerate(words):
            if type(word) is str and word == "-c":  # others are bytes
                code = words[at + 1]
                if "multiprocessing.forkserver" in code and (
                    "'main_path': " in code or "['__main__']" not in code
                ):
                    source = _attaching(sample.state.path + SERVER)
                    words[at + 1] = "exec(%r, {}); %s" % (source, code)
                break
        pid: int = run(path, words, passfds)
        return pid

    util.spawnv_passfds = spawnv_passfds


# ------------------------------------------------------------------------------ fork


def before_fork() -> None:
    """Count the child that is about to be."""
    sample.state.children += 1


def after_fork_in_child() -> None:
    """Take the child's place in the family."""
    state = sample.state
    state.path = "%s.%d" % (state.path, state.children)
    state.children = 0
    if "multiprocessing" not in sys._getframe(1).f_code.co_filename:
        child = os.getpid()
        sample.log("start", child=child, by=os.getppid(), method="os.fork", name="", line=where(2))


def patch_random(module: "Any") -> None:
    """Seed `random` from the sample's seed and the process's place, here and in what is forked."""

    seed_random(module)
    # After random's own hook, which reseeds from the system.
    os.register_at_fork(after_in_child=lambda: seed_random(module))


def seed_random(module: "Any") -> None:
    """Seed it from the sample's seed and the process's place."""
    module.seed("%s/%s" % (sample.state.seed, sample.state.path))
