"""`python -m lab.agent`: answers on a socket, apart from anything that a script prints.

python -m lab.agent cells     on each socket that comes over the one that is its stdin
python -m lab.agent serve --socket PATH    for as long as a lab stays connected
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys

from lab.agent import forks


def main() -> int:
    """The command line of the agent."""
    parser = argparse.ArgumentParser(prog="python -m lab.agent", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("cells")
    serve = verbs.add_parser("serve")
    serve.add_argument("--socket", required=True)
    serve.add_argument("--cores", type=int, default=0)
    options = parser.parse_args()
    if options.verb == "serve":
        from lab.agent import server

        server.serve(options.socket, options.cores)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the lab says when to stop, by closing
    control = socket.socket(fileno=os.dup(0))
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    forks.cells(control)
    return 0


if __name__ == "__main__":
    sys.exit(main())
