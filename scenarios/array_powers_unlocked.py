"""Two processes raise each element of an Array to a power, in place, and nobody holds the lock.

Run it alone, or in every cell of the lab:

    python scenarios/array_powers_unlocked.py
    lab run array_powers_unlocked

What to expect:

    outcome                                       grade        why
    sixth=1000 square=0 cube=0 other=0            acceptable   no two writes met
    any other, as sixth=988 square=7 cube=5 ...   interesting  one power overwrote the other
    other= above 0                                forbidden    no order of reads and writes does it

One writer squares and one cubes. The order does not matter: (x**2)**3 and (x**3)**2 are both x**6.
What matters is that `values[index] **= power` reads, and then writes. Where both have read x before
either has written, the later write alone remains, and the element is left at x**2 or x**3.

The Array has a lock and takes it for each single read and each single write, which does not hold
the two together. In array_powers_locked the writers do.

Alone, on an idle machine, all elements often end as x**6, because the two seldom come to the same
element at the same moment. Try `--size 100000`.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Two writers square and cube the same elements without the Array's lock"
# checks = ["updates", "exceptions", "cleanup"]
# outcome = 'sixth=(?P<sixth>\d+) square=(?P<square>\d+) cube=(?P<cube>\d+) other=(?P<other>\d+)'
# expect = "lost-updates"
#
# [[tool.lab.outcomes]]
# id = 'sixth=\d+ square=0 cube=0 other=0'
# grade = "acceptable"
# why = "the two writers never held the same element at the same time"
#
# [[tool.lab.outcomes]]
# id = 'sixth=\d+ square=\d+ cube=\d+ other=0'
# grade = "interesting"
# why = "both read x before either wrote: the later power overwrote the other"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "no order of two reads and two writes leaves anything but x**6, x**2 or x**3"
# ///

import argparse
from collections import Counter
from multiprocessing import Array, Barrier, Process

X = 3


def raise_all(start_line, values, power):
    """Raise every element to `power`, in place."""
    start_line.wait()  # so that both walk through the Array at the same time
    for index in range(len(values)):
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
