"""What the script makes and may leave behind, signals that it sends, commands that it runs."""

import os

from . import sample
from .frames import where

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def audit(event: str, args: "tuple[Any, ...]") -> None:
    """Log what Python itself tells of. Called very often, in any thread."""
    if event == "open":
        name, _, flags = args
        if type(name) is str and flags & os.O_CREAT:
            if name.startswith("/dev/shm/") and not os.path.exists(name):
                name = name[len("/dev/shm/") :]
                sample.log("made", what="shared memory", name=name, line=where(2))
            elif name.startswith(sample.state.temporary):
                sample.log("made", what="file", name=name, line=where(2))
    elif event == "os.mkdir":
        if type(args[0]) is str and args[0].startswith(sample.state.temporary):
            sample.log("made", what="folder", name=args[0], line=where(2))
    elif event == "os.kill":
        if args[0] != os.getpid() and args[1]:  # to itself: a stand-in for a crash
            sample.log("signal", to=args[0], sig=int(args[1]), line=where(2))
    elif event == "subprocess.Popen":
        command = [os.fsdecode(word) for word in args[1]]
        sample.log("command", words=" ".join(command), line=where(2))
    elif event == "socket.bind":
        address = args[1]
        if type(address) is str and address and address[0] != "\0":
            sample.log("made", what="socket", name=os.path.abspath(address), line=where(2))


def patch_synchronize(module: "Any") -> None:
    """Log named semaphores, of which there is no audit event."""
    base = module.SemLock
    init = base.__init__

    def __init__(self: "Any", *args: "Any", **kwargs: "Any") -> None:
        init(self, *args, **kwargs)
        name = self._semlock.name
        if name is not None:  # fork's semaphores are unlinked as soon as they are made
            name = "sem." + name.lstrip("/")
            sample.log("made", what="semaphore", name=name, line=where(2))

    base.__init__ = __init__


def patch_posixshmem(module: "Any") -> None:
    """Log shared memory that is made past `open`."""
    shm_open = module.shm_open

    def logged_shm_open(path: str, flags: int, mode: int = 0o777) -> int:
        name = path.lstrip("/")
        there = os.path.exists("/dev/shm/" + name)
        fd: int = shm_open(path, flags, mode)
        if flags & os.O_CREAT and not there:
            sample.log("made", what="shared memory", name=name, line=where(2))
        return fd

    module.shm_open = logged_shm_open
