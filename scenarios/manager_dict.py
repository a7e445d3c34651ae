"""Three processes fill a dict that lives in a Manager, and count in it under a lock.

Run it alone, or in every cell of the lab:

    python scenarios/manager_dict.py
    lab run manager_dict

What to expect:

    outcome                       grade       why
    keys=60/60 counted=60/60      acceptable  single calls are whole; the lock joins two to one
    anything else                 forbidden   a key or an increment was lost

To set a key is one call to the Manager's process, carried out whole, so processes that set keys of
their own need no lock. `counts["all"] += 1` is two calls, a get and a set, with a journey between
them: only under a lock that all of them take is it one step. manager_dict_unlocked leaves it out.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Own keys in a Manager's dict, and a common counter under a lock"
# outcome = 'keys=(?P<keys>\d+/\d+) counted=(?P<counted>\d+/\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'keys=(\d+)/\1 counted=(\d+)/\2'
# grade = "acceptable"
# why = "to set a key is one call; get and set of the counter are one step under the lock"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a key was lost, or an increment, although the lock was held"
# ///

import argparse
from multiprocessing import Barrier, Lock, Manager, Process


def fill(number, start_line, lock, squares, counts, times):
    """Set `times` keys of our own, and count each in the common counter."""
    start_line.wait()  # so that all talk to the Manager at the same time
    for time in range(times):
        squares[number, time] = time**2
        with lock:
            counts["all"] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--times", type=int, default=20, help="keys of each process")
    args = parser.parse_args()

    start_line, lock = Barrier(args.processes), Lock()
    with Manager() as manager:
        squares, counts = manager.dict(), manager.dict(all=0)
        workers = [
            Process(target=fill, args=(n, start_line, lock, squares, counts, args.times))
            for n in range(args.processes)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        due = args.processes * args.times
        right = sum(square == time**2 for (_, time), square in squares.items())
        print(f"The dicts: keys={right}/{due} counted={counts['all']}/{due}")


if __name__ == "__main__":
    main()
