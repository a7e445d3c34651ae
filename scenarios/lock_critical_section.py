"""Three processes enter a critical section again and again: under a Lock, never two at once.

Run it alone, or in every cell of the lab:

    python scenarios/lock_critical_section.py
    lab run lock_critical_section

What to expect:

    outcome                                      grade       why
    sections=60/60 overlaps=0 intruders=0        acceptable  whoever is inside is there alone
    anything else                                forbidden   two were inside at once

The script checks the lock in two ways that know nothing of each other. Each process notes by the
monotonic clock, which is one for all processes on Linux, when it came in and when it went out; the
parent then looks for sections that overlap. And each leaves its number inside and looks, just
before it goes, whether somebody has written over it.

The section is entered through an RLock as well, twice: an RLock counts how often its owner has
taken it, so a function that locks may call another that locks. With a plain Lock, the second
acquire() would wait for ever for the process that makes it.

A pause of a tenth of a millisecond inside the section is bait: take the locks away, and the
others walk in.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Critical sections under a Lock and a re-entered RLock never overlap"
# checks = ["locks", "determinism", "exceptions", "cleanup"]
# outcome = 'sections=(?P<sections>\d+/\d+) overlaps=(?P<overlaps>\d+) intruders=(?P<intruders>\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'sections=(\d+)/\1 overlaps=0 intruders=0'
# grade = "acceptable"
# why = "a lock has one owner at a time"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "two processes were inside the section at the same time"
# ///

import argparse
import time
from multiprocessing import Barrier, Lock, Process, RLock, SimpleQueue, Value


def visit(number, start_line, lock, rlock, inside, diaries, rounds):
    """Enter the section `rounds` times under each lock, and hand in what was seen there."""
    diary = []
    start_line.wait()  # so that all of them want in at the same time
    for _ in range(rounds):
        with lock:
            diary.append(("lock", *stay(number, inside[0])))
        with rlock, rlock:
            diary.append(("rlock", *stay(number, inside[1])))
    diaries.put(diary)


def stay(number, inside):
    """When the stay began and ended, and whether somebody else came in meanwhile."""
    came = time.monotonic_ns()
    inside.value = number
    time.sleep(0.0001)
    intruded = inside.value != number
    return came, time.monotonic_ns(), intruded


def count_overlaps(stays):
    """How many stays began before an earlier one had ended."""
    overlaps = latest_end = 0
    for came, went in sorted(stays):
        overlaps += came < latest_end
        latest_end = max(latest_end, went)
    return overlaps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10, help="sections under each of two locks")
    args = parser.parse_args()

    start_line = Barrier(args.processes)
    lock, rlock = Lock(), RLock()
    inside = [Value("i", -1, lock=False), Value("i", -1, lock=False)]
    diaries = SimpleQueue()
    visitors = [
        Process(target=visit, args=(n, start_line, lock, rlock, inside, diaries, args.rounds))
        for n in range(args.processes)
    ]
    for visitor in visitors:
        visitor.start()
    entries = [entry for _ in visitors for entry in diaries.get()]
    for visitor in visitors:
        visitor.join()

    overlaps = sum(
        count_overlaps((came, went) for name, came, went, _ in entries if name == kind)
        for kind in ("lock", "rlock")
    )
    intruders = sum(intruded for *_, intruded in entries)
    print(
        f"Diaries: sections={len(entries)}/{2 * args.processes * args.rounds}"
        f" overlaps={overlaps} intruders={intruders}"
    )


if __name__ == "__main__":
    main()
