"""Three processes count in a dict that lives in a Manager, without a lock: counts are lost.

Run it alone, or in every cell of the lab:

    python scenarios/manager_dict_unlocked.py
    lab run manager_dict_unlocked

What to expect:

    outcome                         grade        why
    counted=150/150                 acceptable   no two increments met
    anything less, as 61/150        interesting  an increment was lost

A Manager carries out one call after the other, which is often taken to mean that what it holds is
safe. It is, call by call. But `counts["all"] += 1` is two calls, a get and a set, and between them
lies a journey from the Manager's process and back:

    process a                 process b
    counts["all"] -> 7
                              counts["all"] -> 7
    counts["all"] = 8
                              counts["all"] = 8

The journey is long, so this loses more, and more often, than the same on a Value (value_unlocked).
In manager_dict a lock makes the two calls one step.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "d[key] += 1 through a Manager's proxy is two calls, and loses updates"
# checks = ["updates", "exceptions", "cleanup"]
# outcome = 'counted=(?P<counted>\d+/\d+)'
# expect = "lost-updates"
#
# [[tool.lab.outcomes]]
# id = 'counted=(\d+)/\1'
# grade = "acceptable"
# why = "no two increments met"
#
# [[tool.lab.outcomes]]
# id = 'counted=\d+/\d+'
# grade = "interesting"
# why = "an increment was lost: the proxy sends a get, and later a set"
# ///

import argparse
from multiprocessing import Barrier, Manager, Process


def count(start_line, counts, times):
    """Add one to the common counter, `times` times."""
    start_line.wait()  # so that all talk to the Manager at the same time
    for _ in range(times):
        counts["all"] += 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--times", type=int, default=50, help="increments of each process")
    args = parser.parse_args()

    start_line = Barrier(args.processes)
    with Manager() as manager:
        counts = manager.dict(all=0)
        workers = [
            Process(target=count, args=(start_line, counts, args.times))
            for _ in range(args.processes)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(f"The counter: counted={counts['all']}/{args.processes * args.times}")


if __name__ == "__main__":
    main()
