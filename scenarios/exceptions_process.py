"""What a Process raises never reaches its parent: all that comes back is an exit code.

Run it alone, or in every cell of the lab:

    python scenarios/exceptions_process.py
    lab run exceptions_process

What to expect:

    outcome                                         grade       why
    returns=0 raises=1 exits=3 says=1 is_killed=-9  acceptable  see the list below
    anything else                                   forbidden   an exit code is another one

Nothing is raised by start() or join(), whatever the child does. A traceback on stderr (this script
prints one) and an exit code of 1 are all there is, so a parent that does not look at `exitcode`
goes on as if the work were done:

    the target returns               0
    it raises an exception           1, and a traceback on stderr
    it calls sys.exit(3)             3
    it calls sys.exit("a message")   1, and the message on stderr
    a signal ends it                 minus the number of the signal, such as -9 for SIGKILL

A Pool or a ProcessPoolExecutor does bring exceptions back: see exceptions_async_result.

The check `exceptions` is left out, as these children fail on purpose.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "A Process that raises, exits or is killed: the parent sees the exit code alone"
# checks = ["determinism", "exceptions", "cleanup"]
# outcome = 'returns=\S+ raises=\S+ exits=\S+ says=\S+ is_killed=\S+'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'returns=0 raises=1 exits=3 says=1 is_killed=-9'
# grade = "acceptable"
# why = "an exit code is all that a parent is told of the end of its child"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "an exit code is another one than the documentation says"
# ///

import argparse
import os
import signal
import sys
from multiprocessing import Process


def returns():
    pass


def raises():
    raise ValueError("nobody will catch this")


def exits():
    sys.exit(3)


def says():
    sys.exit("nobody will read this but on stderr")


def is_killed():
    os.kill(os.getpid(), signal.SIGKILL)


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()

    targets = (returns, raises, exits, says, is_killed)
    children = [Process(target=target, name=target.__name__) for target in targets]
    for child in children:
        child.start()
    for child in children:
        child.join()  # raises nothing
    print("Exit codes:", *(f"{child.name}={child.exitcode}" for child in children))


if __name__ == "__main__":
    main()
