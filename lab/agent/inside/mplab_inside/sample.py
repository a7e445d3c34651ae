"""What this process knows of the sample that it belongs to, and the sample's log of events.

Events go to the file `events`, one JSON array a line, opened for each event: a script may close
every descriptor that it did not open.
"""

import os
import time

SERVER = ".server"
"""The end of a fork server's path; it has none of the places that its children take."""


class State:
    """What one process of the sample knows of the sample. `path` is its place in the family."""

    def __init__(
        self,
        folder: str,
        method: str,
        seed: int,
        observe: int,
        path: str,
        user: str,
        temporary: str,
    ) -> None:
        self.folder = folder
        self.method = method
        self.seed = seed
        self.observe = observe
        self.path = path
        self.user = user  # the folder whose code is the user's own
        self.temporary = temporary
        self.children = 0

    def to_text(self, path: str) -> str:
        """The arguments of `attach`, for a child at `path`."""
        return repr(
            (
                self.folder,
                self.method,
                self.seed,
                self.observe,
                path,
                self.user,
                self.temporary,
            )
        )


state: State
"""Of this process, from `begin` on."""


def begin(mine: State) -> None:
    """Make this process one of the sample's."""
    global state
    state = mine


def _quoted(text: str) -> str:
    # Not json's: to load even the part of it that is in C takes as long as the rest of attaching.
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return '"%s"' % text
    return '"%s"' % "".join([_escaped(ord(character)) for character in text])


def _escaped(number: int) -> str:
    if 0x20 <= number < 0x7F and number not in b'"\\':
        return chr(number)
    if number < 0x10000:
        return "\\u%04x" % number
    number -= 0x10000
    return "\\u%04x\\u%04x" % (0xD800 | number >> 10, 0xDC00 | number & 0x3FF)


def to_json(value: object) -> str:
    """JSON in ASCII; what JSON has no word for, as its text."""
    if value is None:
        return "null"
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, int):
        return "%d" % value
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join([to_json(item) for item in value])
    if isinstance(value, dict):
        return "{%s}" % ",".join([_quoted(str(k)) + ":" + to_json(v) for k, v in value.items()])
    return _quoted(str(value))


def log(kind: str, **fields: object) -> None:
    """Append one event. Never raises: a full disk or a missing folder must not reach the script."""
    try:
        line = "[%s,%d,%d,%s]\n" % (
            _quoted(kind),
            os.getpid(),
            time.monotonic_ns(),
            to_json(fields),
        )
        fd = os.open(
            os.path.join(state.folder, "events"),
            os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC,
            0o600,
        )
        try:
            os.write(fd, line.encode("ascii"))
        finally:
            os.close(fd)
    except Exception:
        pass
