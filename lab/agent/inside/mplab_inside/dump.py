"""A process's account of itself, on demand: threads and where they are, locks, children."""

import _signal
import os
import sys

from . import sample
from .frames import HERE, absolute

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType


def write(frame: "FrameType | None") -> None:
    """Write `dump.<pid>`, whole or not at all. `frame` is where the main thread was."""
    text = sample.to_json(
        {
            "threads": _threads(frame),
            "locks": _locks(),
            "name": _process_name(),
            "children": _children(),
            "alarm": _signal.getitimer(_signal.ITIMER_REAL)[0] > 0,
        }
    )
    target = os.path.join(sample.state.folder, "dump.%d" % os.getpid())
    with open(target + ".part", "wb") as file:  # a text file would import its codec
        file.write(text.encode("ascii"))
    os.rename(target + ".part", target)


def _process_name() -> str:
    process = sys.modules.get("multiprocessing.process")
    return process.current_process().name if process else "MainProcess"


def _children() -> "list[dict[str, int]]":
    process = sys.modules.get("multiprocessing.process")
    children = list(process._children) if process else ()
    popens = [child._popen for child in children if child._popen is not None]
    return [{"pid": popen.pid, "sentinel": popen.sentinel} for popen in popens]


def _threads(current: "FrameType | None") -> "list[dict[str, object]]":
    threading = sys.modules.get("threading")
    known = {t.ident: t for t in threading.enumerate()} if threading else {}
    main = threading.main_thread() if threading else None
    found: "list[dict[str, object]]" = []
    for ident, top in sys._current_frames().items():
        thread = known.get(ident)
        is_main = thread is not None and thread is main
        # Below `current` is the handler of the signal.
        frame: "FrameType | None" = current if is_main and current is not None else top
        stack: "list[tuple[str, int, str]]" = []
        while frame is not None and len(stack) < 60:
            code = frame.f_code
            stack.append((absolute(code.co_filename), frame.f_lineno, code.co_name))
            frame = frame.f_back
        found.append(
            {
                "name": thread.name if thread else "thread",
                "tid": getattr(thread, "native_id", None) if thread else None,
                "main": is_main,
                "stack": [entry for entry in stack if not entry[0].startswith(HERE)],
            }
        )
    return found


def _locks() -> "list[dict[str, object]]":
    synchronize = sys.modules.get("multiprocessing.synchronize")
    if synchronize is None:
        return []
    import gc

    found = []
    for thing in gc.get_objects():
        if isinstance(thing, synchronize.SemLock) and hasattr(thing, "_semlock"):
            lock = thing._semlock
            found.append(
                {
                    "type": type(thing).__name__,
                    "handle": lock.handle,
                    "kind": lock.kind,
                    "max": lock.maxvalue,
                    "held": lock._count(),
                }
            )
    return found
