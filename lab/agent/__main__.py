"""`python -m lab.agent`: answers on a socket, apart from anything that a script prints.

python -m lab.agent cell      one request and its result, on the socket that is its stdin
python -m lab.agent serve --socket PATH    many, for as long as a lab stays connected
"""

from __future__ import annotations

import argparse
import json
import signal
import socket
import sys
import traceback

from lab.agent import cell
from lab.agent.protocol import MAX_REQUEST, BadRequest, Request


def read_line(channel: socket.socket) -> bytes:
    """One line, without what follows it. Raises BadRequest if it is too long or not whole."""
    line = bytearray()
    while not line.endswith(b"\n"):
        data = channel.recv(1 << 16)
        if not data:
            raise BadRequest("the request ended in the middle")
        line += data
        if len(line) > MAX_REQUEST:
            raise BadRequest(f"longer than {MAX_REQUEST} bytes")
    return bytes(line)


def answer(channel: socket.socket, line: bytes | None = None) -> int:
    """Read a request unless it is given, run it and send the result; the exit code."""
    try:
        request = Request.from_line(line or read_line(channel))
        result = cell.run(request, channel.fileno())
    except cell.Abandoned:
        return 2
    except BadRequest as error:
        result = {"refused": str(error)}
    except Exception:
        result = {"error": traceback.format_exc()}
    try:
        channel.sendall(json.dumps(result).encode() + b"\n")
    except OSError:
        return 2  # nobody wants it any more
    return 0


def main() -> int:
    """The command line of the agent."""
    parser = argparse.ArgumentParser(prog="python -m lab.agent", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("cell")
    serve = verbs.add_parser("serve")
    serve.add_argument("--socket", required=True)
    serve.add_argument("--cores", type=int, default=0)
    options = parser.parse_args()
    if options.verb == "serve":
        from lab.agent import server

        server.serve(options.socket, options.cores)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the lab says when to stop, by closing
    return answer(socket.socket(fileno=0))


if __name__ == "__main__":
    sys.exit(main())
