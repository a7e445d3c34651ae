"""Whose code it is that runs: the user's, the library's, or ours."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""The folder of all that is ours, and what is put on the path while a process is attached."""

LIBRARY = os.path.dirname(os.__file__) + os.sep

_origin = os.getcwd()  # what relative names are relative to, wherever the script goes later


def absolute(name: str) -> str:
    """The name of a source file, which up to Python 3.8 is relative for the script itself."""
    return name if name.startswith(("/", "<")) else os.path.join(_origin, name)


def is_outside(name: str) -> bool:
    """Whether a file is neither the library's nor the lab's (which may be among the installed)."""
    if name.startswith((HERE, "<frozen")):
        return False
    return not name.startswith(LIBRARY) or "site-packages" in name


def where(depth: int = 1) -> str:
    """`file:line` of the nearest caller in the user's code: outside the library and the lab."""
    frame: "FrameType | None" = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        name = code.co_filename
        if code.co_name == "_bootstrap" and "multiprocessing" in name:
            break  # above it, in a forked child, are the parent's frames
        if is_outside(name):
            return "%s:%d" % (absolute(name), frame.f_lineno)
        frame = frame.f_back
    return ""
