"""Pool.apply runs one call in a worker and waits for it: calls never overlap.

Run it alone, or in every cell of the lab:

    python scenarios/pool_apply.py
    lab run pool_apply

What to expect:

    outcome                        grade       why
    results=20/20 overlaps=0       acceptable  each call has returned before the next is made
    anything else                  forbidden   a result was wrong, or two calls ran at once

apply() is the blocking form: a loop of it uses several processes and is no faster than one, which
is a common surprise. The script shows it by the clock: no call starts before the one before it has
ended. To have calls run side by side, use pool_apply_async or pool_map.

The monotonic clock is the same for all processes of a machine on Linux, so times that were taken in
different workers can be compared.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Pool.apply: one call after the other, with keyword arguments"
# outcome = 'results=(?P<results>\d+/\d+) overlaps=(?P<overlaps>\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'results=(\d+)/\1 overlaps=0'
# grade = "acceptable"
# why = "apply returns when its call has ended, so the next one starts later"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a result was wrong, or two calls of apply ran at the same time"
# ///

import argparse
import time
from multiprocessing import Pool


def power(base, *, exponent):
    """The power, and when the call began and ended."""
    began = time.monotonic_ns()
    result = base**exponent
    return result, began, time.monotonic_ns()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--calls", type=int, default=20)
    args = parser.parse_args()

    right = overlaps = last_end = 0
    with Pool(args.workers) as pool:
        for base in range(args.calls):
            result, began, ended = pool.apply(power, (base,), {"exponent": 3})
            right += result == base**3
            overlaps += began < last_end
            last_end = ended
        pool.close()
        pool.join()
    print(f"One by one: results={right}/{args.calls} overlaps={overlaps}")


if __name__ == "__main__":
    main()
