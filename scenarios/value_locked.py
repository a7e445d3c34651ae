"""Four processes add one to shared Values, each increment under a lock: every total is exact.

Run it alone, or in every cell of the lab:

    python scenarios/value_locked.py
    lab run value_locked

What to expect:

    outcome                                    grade       why
    own_lock=4000/4000 other_lock=4000/4000    acceptable  read and write are one step for all
    anything else                              forbidden   an increment was lost under a lock

The twin of value_unlocked. `get_lock()` gives the lock that the Value takes by itself for a single
read or a single write; it is an RLock, so these can take it again while the block holds it. A Value
made with `lock=False` has none, and is as safe with any other lock, if only all agree on which.

The twin's two lines are here as they were, with a `with` around each: that is the whole cure.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "The same increments under the Value's own lock, and under one beside it"
# checks = ["locks", "updates", "determinism", "exceptions", "cleanup"]
# outcome = 'own_lock=(?P<own_lock>\d+/\d+) other_lock=(?P<other_lock>\d+/\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'own_lock=(\d+)/\1 other_lock=(\d+)/\2'
# grade = "acceptable"
# why = "the lock makes a read and the write that follows one step for everybody else"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "an increment was lost although the lock was held"
# ///

import argparse
from multiprocessing import Barrier, Lock, Process, Value


def increment(start_line, own_lock, no_lock, other_lock, times):
    """Add one to both Values, `times` times."""
    start_line.wait()  # so that nobody is done before the last process has started
    for _ in range(times):
        with own_lock.get_lock():
            own_lock.value += 1
        with other_lock:
            no_lock.value += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--times", type=int, default=1000, help="increments of each process")
    args = parser.parse_args()

    start_line = Barrier(args.processes)
    own_lock = Value("i", 0)
    no_lock, other_lock = Value("i", 0, lock=False), Lock()
    workers = [
        Process(target=increment, args=(start_line, own_lock, no_lock, other_lock, args.times))
        for _ in range(args.processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    due = args.processes * args.times
    print(f"Totals: own_lock={own_lock.value}/{due} other_lock={no_lock.value}/{due}")


if __name__ == "__main__":
    main()
