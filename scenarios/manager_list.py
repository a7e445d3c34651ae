"""Three processes append to a list that lives in a Manager: nothing is lost.

Run it alone, or in every cell of the lab:

    python scenarios/manager_list.py
    lab run manager_list

What to expect:

    outcome                                 grade       why
    items=60/60 in_copy=0 in_proxy=3/3      acceptable  one append is one call, done whole
    anything else                           forbidden   an append was lost, or a copy was shared

The list is in the Manager's own process. What the workers hold is a proxy, which sends each method
call there; a single call such as append() is carried out whole, so it needs no lock. (Two calls in
a row are not one step: see manager_dict_unlocked.)

What comes out of a proxy is a copy. `rows[0]` is a plain list inside the managed one: `rows[0]`
fetches it, and `.append()` changes what was fetched and nothing else. `rows[1]` is itself managed,
so a proxy comes out, and its append() goes to the Manager.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Appends through a Manager's list, and into lists nested in it"
# outcome = 'items=\d+/\d+ in_copy=\d+ in_proxy=\d+/\d+'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'items=(\d+)/\1 in_copy=0 in_proxy=(\d+)/\2'
# grade = "acceptable"
# why = "a method call through a proxy is carried out whole; what it returns is a copy"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "an append was lost or came twice, or the change of a copy came through"
# ///

import argparse
from multiprocessing import Manager, Process


def append(number, items, rows, times):
    """Append to the shared list, and once to each of the nested ones."""
    for time in range(times):
        items.append((number, time))
    rows[0].append(number)  # changes a copy
    rows[1].append(number)  # changes the managed list


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--times", type=int, default=20, help="appends of each process")
    args = parser.parse_args()

    with Manager() as manager:
        items = manager.list()
        rows = manager.list([[], manager.list()])
        workers = [
            Process(target=append, args=(n, items, rows, args.times)) for n in range(args.processes)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        held = items[:]
        sent = [(n, t) for n in range(args.processes) for t in range(args.times)]
        right = sum(held.count(item) == 1 for item in sent)
        print(
            f"Appended: items={right}/{len(sent)} in_copy={len(rows[0])}"
            f" in_proxy={len(rows[1])}/{args.processes}"
        )


if __name__ == "__main__":
    main()
