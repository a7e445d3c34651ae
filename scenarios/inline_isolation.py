"""A program with two bugs, of which only one has to do with processes.

Run it alone, or in every cell of the lab:

    python scenarios/inline_isolation.py
    lab run inline_isolation

What to expect:

    outcome                     grade        where
    off_by_one=yes lost=no      acceptable   under inline always; elsewhere by luck
    off_by_one=yes lost=yes     interesting  under fork, spawn and forkserver
    anything else               forbidden    nowhere: the first bug does not depend on luck

Three processes share out the numbers from 1 to 3000 and count them in a common total, which ends
below 3000, by another amount in each run. It looks like a race, and there is one, as nobody holds a
lock at `total.value += 1`. But a lock alone does not make it right, because each process also
leaves out the last number of its share: `range(first, last)` ends before `last`.

The start method `inline` tells the two apart. It runs the same code with no processes at all, one
target after the other: what is still wrong there is an error in the logic, and what has gone away
was a matter of concurrency.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "An error that is there without processes too, beside a race that is not"
# start-methods = ["inline", "fork", "spawn", "forkserver"]
# checks = ["updates", "exceptions", "cleanup"]
# outcome = 'off_by_one=(?P<off_by_one>yes|no) lost=(?P<lost>yes|no)'
# expect = { "inline-*" = "clean", "*" = "lost-updates" }
#
# [[tool.lab.outcomes]]
# id = "off_by_one=yes lost=no"
# grade = "acceptable"
# why = "the logic error alone: no two increments met, and under inline none can"
#
# [[tool.lab.outcomes]]
# id = "off_by_one=yes lost=yes"
# grade = "interesting"
# why = "the logic error, and a race: an increment was lost"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "the last number of each share is left out in every run, everywhere"
# ///

import argparse
from multiprocessing import Array, Barrier, Process, Value


def count(number, start_line, total, counted, first, last):
    """Count the numbers from `first` to `last`, in the common total and in our own slot."""
    start_line.wait()  # so that nobody is done before the last process has started
    for _ in range(first, last):  # the logic error: it should be last + 1
        total.value += 1  # the race: it should hold a lock
        counted[number] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--share", type=int, default=1000, help="numbers of each process")
    args = parser.parse_args()

    start_line = Barrier(args.processes)
    total = Value("i", 0, lock=False)
    counted = Array("i", args.processes, lock=False)
    counters = [
        Process(
            target=count,
            args=(n, start_line, total, counted, n * args.share + 1, (n + 1) * args.share),
        )
        for n in range(args.processes)
    ]
    for counter in counters:
        counter.start()
    for counter in counters:
        counter.join()

    off_by_one = "yes" if sum(counted) == args.processes * (args.share - 1) else "no"
    lost = "yes" if total.value != sum(counted) else "no"
    print(f"Expected {args.processes * args.share}, counted {sum(counted)}, total {total.value}")
    print(f"Two bugs: off_by_one={off_by_one} lost={lost}")


if __name__ == "__main__":
    main()
