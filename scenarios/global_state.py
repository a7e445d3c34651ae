"""A module global is changed before a process starts: whether the child sees it depends.

Run it alone, or in every cell of the lab:

    python scenarios/global_state.py
    lab run global_state

What to expect:

    outcome                  grade       where
    child_sees=changed       acceptable  under fork: the child is a copy of its parent as it is
    child_sees=imported      acceptable  under spawn and forkserver: it imports this file anew
    anything else            forbidden   nowhere

Each cell is sure of its answer, but the cells disagree: this is what breaks a program that was
written on Linux up to Python 3.13, where fork is the default, and then runs on macOS, on Windows
(spawn), or on Python 3.14 (forkserver). The child's import stops at the main guard, so whatever
main() has set up is not there: configuration, caches, open connections, log handlers.

The cure is to hand over what the child needs as arguments, or through a Pool's initializer.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "A global changed before the start: seen under fork, not under spawn or forkserver"
# outcome = 'child_sees=(?P<child_sees>\w+)'
# expect = "clean"
# expect-across = "nondeterministic"
#
# [[tool.lab.outcomes]]
# id = "child_sees=changed"
# grade = "acceptable"
# why = "fork: the child is a copy of the parent as it was at that moment"
#
# [[tool.lab.outcomes]]
# id = "child_sees=imported"
# grade = "acceptable"
# why = "spawn, forkserver: the child imports the file anew, up to the main guard"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "there is no third value"
# ///

import argparse
from multiprocessing import Process, SimpleQueue

STATE = "imported"


def tell(answer):
    answer.put(STATE)


def main():
    global STATE
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()

    STATE = "changed"
    answer = SimpleQueue()
    child = Process(target=tell, args=(answer,))
    child.start()
    seen = answer.get()
    child.join()
    print(f"The parent has {STATE!r}: child_sees={seen}")


if __name__ == "__main__":
    main()
