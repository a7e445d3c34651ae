"""Two processes raise each element of an Array to a power, in place, under the Array's lock.

Run it alone, or in every cell of the lab:

    python scenarios/array_powers_locked.py
    lab run array_powers_locked

What to expect:

    outcome                               grade       why
    sixth=1000 square=0 cube=0 other=0    acceptable  read and write are one step for the other
    anything else                         forbidden   a power was lost under the lock

The twin of array_powers_unlocked, with one line more: `with values.get_lock():`. Each element is
raised by both writers in one order or the other, and (x**2)**3 and (x**3)**2 are both x**6.

The lock is taken for each element and not once around the loop, so the two still work side by side.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Two writers square and cube the same elements under the Array's lock"
# checks = ["locks", "updates", "determinism", "exceptions", "cleanup"]
# outcome = 'sixth=(?P<sixth>\d+) square=(?P<square>\d+) cube=(?P<cube>\d+) other=(?P<other>\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'sixth=\d+ square=0 cube=0 other=0'
# grade = "acceptable"
# why = "the lock makes the read and the write of an element one step for the other writer"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a power was lost although the lock was held"
# ///

import argparse
from collections import Counter
from multiprocessing import Array, Barrier, Process

X = 3


def raise_all(start_line, values, power):
    """Raise every element to `power`, in place."""
    start_line.wait()  # so that both walk through the Array at the same time
    for index in range(len(values)):
        with values.get_lock():
            values[index] **= power


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1000)
    args = parser.parse_args()

    start_line = Barrier(2)
    values = Array("q", [X] * args.size)
    writers = [Process(target=raise_all, args=(start_line, values, power)) for power in (2, 3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    names = {X**6: "sixth", X**2: "square", X**3: "cube"}
    ended_as = Counter(names.get(value, "other") for value in values)
    print("Elements:", *(f"{name}={ended_as[name]}" for name in [*names.values(), "other"]))


if __name__ == "__main__":
    main()
