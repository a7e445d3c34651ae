"""Processes that would never end are ended: by terminate(), by kill(), and with their children.

Run it alone, or in every cell of the lab:

    python scenarios/terminate_loop.py
    lab run terminate_loop

What to expect:

    outcome                                                 grade       why
    endless=-15 stubborn=-9 family=-15 grandchild=gone      acceptable  each ended by its signal
    anything else                                           forbidden   somebody survived

terminate() sends SIGTERM, and a process that does nothing about it ends with exit code -15. One
that handles SIGTERM, as many servers do, may live on; nothing but kill() can be relied on to end
it, with exit code -9. So whoever ends a process asks first, looks, and then uses force.

Neither signal goes to the children of the process that gets it. They are not told, and live on as
orphans, unless they take care of it themselves: the grandchild here waits for the sentinel of its
parent_process() and ends when that does, even if it was killed.

How does the script see that the grandchild is gone? By a pipe that only the family may write to:
its end comes when the last of them has ended. To ask for its pid would be unsafe, as a dead process
may still be listed, and a pid may belong to somebody else by now. If the grandchild lived on, the
script would wait for that end for ever.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "An endless, a stubborn and a parental process are ended, and nothing is left"
# checks = ["determinism", "exceptions", "cleanup"]
# outcome = 'endless=\S+ stubborn=\S+ family=\S+ grandchild=\w+'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'endless=-15 stubborn=-9 family=-15 grandchild=gone'
# grade = "acceptable"
# why = "terminate() is SIGTERM, kill() is SIGKILL, and the grandchild watches its parent"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "somebody survived, or ended in another way than by the signal it was sent"
# ///

import argparse
import signal
from multiprocessing import Pipe, Process, connection, parent_process


def loop(line):
    """Say that we are here, and never end."""
    line.send("here")
    while True:
        pass


def loop_on(line):
    """The same, and answer SIGTERM instead of obeying it."""
    signal.signal(signal.SIGTERM, lambda *_: line.send("no"))
    loop(line)


def have_a_child(line):
    """Start a process of our own and wait for it."""
    child = Process(target=outlive_nobody, args=(line,))
    child.start()
    child.join()


def outlive_nobody(line):
    """Say that we are here, and end when our parent does."""
    line.send("here")
    connection.wait([parent_process().sentinel])


def start(target):
    """A started process and the end of a pipe to it; it has said that it is here."""
    line, childs_end = Pipe(duplex=False)
    process = Process(target=target, args=(childs_end,))
    process.start()
    childs_end.close()
    line.recv()  # "here"
    return process, line


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()

    endless, _ = start(loop)
    endless.terminate()
    endless.join()

    stubborn, line = start(loop_on)
    stubborn.terminate()
    if line.recv() == "no" and stubborn.is_alive():
        stubborn.kill()
    stubborn.join()

    family, line = start(have_a_child)
    family.terminate()
    family.join()
    try:
        grandchild = line.recv()
    except EOFError:
        grandchild = "gone"

    print(
        f"Exit codes: endless={endless.exitcode} stubborn={stubborn.exitcode}"
        f" family={family.exitcode} grandchild={grandchild}"
    )


if __name__ == "__main__":
    main()
