"""The lab's end of the talk with an agent."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Any

from lab.agent.protocol import Request
from lab.errors import HostError

MOST = 256 << 20
"""Bytes of an answer; more is no answer of an agent of ours."""

LOOK = 0.5
"""Seconds between two looks for a Ctrl-C: one that comes while a process is being started may reach
another thread than the one that waits here, and does not wake it."""


def ask(channel: socket.socket, request: Request) -> dict[str, Any]:
    """Send a request, wait for its result. Raises HostError if there is none to be had."""
    try:
        channel.sendall(request.to_line())
        channel.settimeout(LOOK)
        data = bytearray()
        while True:
            try:
                piece = channel.recv(1 << 20)
            except TimeoutError:
                continue
            if not piece:
                break
            data += piece
            if len(data) > MOST:
                raise HostError(f"the agent's answer is longer than {MOST >> 20} MiB")
    except OSError as error:
        raise HostError(f"the connection to the agent broke: {error}") from None
    if not data:
        raise HostError("the agent ended without an answer (was it killed?)")
    try:
        answer = json.loads(data)
    except ValueError:
        raise HostError(f"the agent's answer cannot be read: {bytes(data[:80])!r}") from None
    if not isinstance(answer, dict):
        raise HostError(f"the agent's answer is no object: {answer!r:.80}")
    if "refused" in answer:
        raise HostError(f"the agent refused the request: {answer['refused']}")
    if "error" in answer:
        raise HostError(f"the agent failed: {str(answer['error']).strip().splitlines()[-1]}")
    return answer


def await_end(channel: socket.socket) -> None:
    """Say that nothing more is wanted, and wait until whoever is at the other end has gone."""
    with suppress(OSError):
        channel.settimeout(None)
        channel.shutdown(socket.SHUT_WR)
        while channel.recv(1 << 16):
            pass
