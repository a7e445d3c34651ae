"""Four processes add one to shared Values, again and again, and nobody holds a lock.

Run it alone, or in every cell of the lab:

    python scenarios/value_unlocked.py
    lab run value_unlocked

What to expect:

    outcome                                    grade        why
    idle_lock=4000/4000 no_lock=4000/4000      acceptable   no two increments met
    anything else, as idle_lock=3971/4000 ...  interesting  an increment was lost

`counter.value += 1` is a read, an addition and a write. Where a second process reads between the
read and the write of the first, both write the same number, and one increment is lost:

    process a        process b
    reads 7
                     reads 7
    writes 8
                     writes 8

A lock that nobody holds does not help. `Value("i", 0)` has one, and takes it for the read and again
for the write, but not for the time between the two; with `lock=False` there is none at all. Both
lose. In value_locked nothing is lost.

Alone, on an idle machine, this often ends with both totals right: each process is done before the
next has got going, which the Barrier makes less likely but cannot rule out, least of all on one
CPU. Try `--times 100000`. The lab does not wait for luck: it pauses processes between bytecodes.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Four processes add to a Value whose lock nobody holds, and to one without a lock"
# checks = ["updates", "exceptions", "cleanup"]
# outcome = 'idle_lock=(?P<idle_lock>\d+/\d+) no_lock=(?P<no_lock>\d+/\d+)'
# expect = "lost-updates"
#
# [[tool.lab.outcomes]]
# id = 'idle_lock=(\d+)/\1 no_lock=(\d+)/\2'
# grade = "acceptable"
# why = "no two increments met"
#
# [[tool.lab.outcomes]]
# id = 'idle_lock=\d+/\d+ no_lock=\d+/\d+'
# grade = "interesting"
# why = "an increment was lost: += on a Value is a read, then a write"
# ///

import argparse
from multiprocessing import Barrier, Process, Value


def increment(start_line, idle_lock, no_lock, times):
    """Add one to both Values, `times` times."""
    start_line.wait()  # so that nobody is done before the last process has started
    for _ in range(times):
        idle_lock.value += 1
        no_lock.value += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--times", type=int, default=1000, help="increments of each process")
    args = parser.parse_args()

    start_line = Barrier(args.processes)
    idle_lock = Value("i", 0)
    no_lock = Value("i", 0, lock=False)
    workers = [
        Process(target=increment, args=(start_line, idle_lock, no_lock, args.times))
        for _ in range(args.processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()

    due = args.processes * args.times
    print(f"Totals: idle_lock={idle_lock.value}/{due} no_lock={no_lock.value}/{due}")


if __name__ == "__main__":
    main()
