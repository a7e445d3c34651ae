"""Three processes share a Namespace that lives in a Manager: attributes instead of keys.

Run it alone, or in every cell of the lab:

    python scenarios/manager_namespace.py
    lab run manager_namespace

What to expect:

    outcome                               grade       why
    total=60/60 own=3/3 in_copy=0         acceptable  attributes are set in the Manager's process
    anything else                         forbidden   a change was lost, or a copy was shared

To set an attribute is one call to the Manager's process. `space.total += 1` is two, and needs a
lock for the time between them. And as with every proxy, what comes out of it is a copy:
`space.names` is a plain list, so `space.names.append(...)` changes what was fetched, and nobody
else will see it. To keep the change, set the attribute: `space.names = [*space.names, name]`, under
the lock.

A name that begins with an underscore stays in the proxy and is not shared at all.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Attributes of a Manager's Namespace, with a lock around a read and a write"
# outcome = 'total=\d+/\d+ own=\d+/\d+ in_copy=\d+'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'total=(\d+)/\1 own=(\d+)/\2 in_copy=0'
# grade = "acceptable"
# why = "to set an attribute is one call; the lock makes += one step; a copy stays a copy"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a change was lost although the lock was held, or the change of a copy came through"
# ///

import argparse
from multiprocessing import Barrier, Lock, Manager, Process


def work(number, start_line, lock, space, times):
    """Change the Namespace in three ways, two of which last."""
    start_line.wait()  # so that all talk to the Manager at the same time
    for _ in range(times):
        with lock:
            space.total += 1
    setattr(space, f"worker_{number}", number)
    space.names.append(number)  # changes a copy


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--times", type=int, default=20, help="increments of each process")
    args = parser.parse_args()

    start_line, lock = Barrier(args.processes), Lock()
    with Manager() as manager:
        space = manager.Namespace(total=0, names=[])
        workers = [
            Process(target=work, args=(n, start_line, lock, space, args.times))
            for n in range(args.processes)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        own = sum(getattr(space, f"worker_{n}", None) == n for n in range(args.processes))
        print(
            f"The Namespace: total={space.total}/{args.processes * args.times}"
            f" own={own}/{args.processes} in_copy={len(space.names)}"
        )


if __name__ == "__main__":
    main()
