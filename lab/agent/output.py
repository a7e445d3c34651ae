"""What a script prints: read while it runs, so that it never has to wait for a reader."""

from __future__ import annotations

import os

KEPT = 1 << 20
"""Bytes of each of stdout and stderr that are kept from the start; as many from the end."""


class Output:
    """What a script prints, read as it comes; of much, the start and the end."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.head = bytearray()
        self.tail = bytearray()
        self.total = 0
        self.open = True
        os.set_blocking(fd, False)

    def drain(self) -> None:
        """Read what is there."""
        while self.open:
            try:
                data = os.read(self.fd, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            self.total += len(data)
            room = KEPT - len(self.head)
            self.head += data[:room]
            if len(data) > room:
                self.tail += data[room:]
                del self.tail[:-KEPT]

    def close(self) -> None:
        """Read no more."""
        if self.open:
            self.open = False
            os.close(self.fd)

    def text(self) -> str:
        """All of it, or the start and the end with a line between that says how much is missing."""
        missing = self.total - len(self.head) - len(self.tail)
        middle = f"\n[... {missing} bytes not kept ...]\n".encode() if missing else b""
        return (bytes(self.head) + middle + bytes(self.tail)).decode("utf-8", "replace")
