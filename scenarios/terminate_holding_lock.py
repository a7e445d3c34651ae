"""A process is terminated while it holds a lock: the lock stays taken, and the next one hangs.

Run it alone, or in every cell of the lab (alone it never ends: stop it with Ctrl-C):

    python scenarios/terminate_holding_lock.py
    lab run terminate_holding_lock

What to expect:

    outcome              grade        why
    deadlock             interesting  nobody is left who could release the lock
    lock=free            forbidden    the lock does not learn of its owner's death

A multiprocessing lock is a semaphore in shared memory, which outlives whoever took it. SIGTERM ends
a process on the spot, so the end of the `with` block is never reached, and nobody else knows that
it should be. The same goes for a process that was killed for want of memory, or crashed. A Queue
has such locks inside: terminate a process that is using one, and it may be broken for all.

There is no cure after the fact. Ask a worker to end instead, by an Event or a message, and use
terminate() only on processes that share nothing; or take locks with a time limit,
`lock.acquire(timeout=10)`, and give up with an error that says so.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Terminated inside the critical section: the lock stays taken for ever"
# checks = ["locks", "cleanup"]
# outcome = 'lock=(?P<lock>\w+)'
# expect = "deadlock"
#
# [[tool.lab.outcomes]]
# id = "deadlock"
# grade = "interesting"
# why = "the lock's owner is dead, and nobody else may release it"
# required = true
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "the lock was taken when its owner was terminated, and must be so still"
# ///

import argparse
from multiprocessing import Lock, Pipe, Process


def hold(lock, line):
    """Enter the critical section and say so; stay there for ever."""
    with lock:
        line.send("inside")
        while True:
            pass


def main():
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()

    lock = Lock()
    line, childs_end = Pipe(duplex=False)
    holder = Process(target=hold, args=(lock, childs_end))
    holder.start()
    line.recv()  # "inside"
    holder.terminate()
    holder.join()
    print(f"The holder ended with {holder.exitcode}; now the parent wants the lock", flush=True)

    lock.acquire()  # for ever
    print("The parent has it: lock=free")


if __name__ == "__main__":
    main()
