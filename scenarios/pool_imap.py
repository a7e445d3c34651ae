"""Pool.imap gives results one by one and in order, imap_unordered as they come.

Run it alone, or in every cell of the lab:

    python scenarios/pool_imap.py
    lab run pool_imap

What to expect:

    outcome                               grade       why
    in_order=2/2 same_multiset=2/2        acceptable  the same results, in order or in any order
    anything else                         forbidden   a result was lost, doubled or out of place

imap() lets the parent work on the first results while later ones are still being made. An early
input that takes long holds back all that come after it: imap() keeps them until their turn.
imap_unordered() does not, so its order is free, and only the multiset of results may be relied on.

Both are lazy about results and eager about inputs: a thread of the Pool reads the whole iterable at
once, so an endless one fills the memory.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Pool.imap in order, imap_unordered in any order, with and without chunks"
# outcome = 'in_order=(?P<in_order>\d+/\d+) same_multiset=(?P<same_multiset>\d+/\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'in_order=(\d+)/\1 same_multiset=(\d+)/\2'
# grade = "acceptable"
# why = "imap keeps the order of its inputs; imap_unordered keeps the multiset"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a result was lost, came twice, or came out of its turn from imap"
# ///

import argparse
from multiprocessing import Pool


def square(number):
    return number**2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--inputs", type=int, default=50)
    args = parser.parse_args()

    inputs = range(args.inputs)
    expected = [square(number) for number in inputs]
    chunk_sizes = (1, 7)
    in_order = same_multiset = 0
    with Pool(args.workers) as pool:
        for size in chunk_sizes:
            in_order += list(pool.imap(square, inputs, size)) == expected
            same_multiset += sorted(pool.imap_unordered(square, inputs, size)) == expected
        pool.close()
        pool.join()
    of = len(chunk_sizes)
    print(f"Chunk sizes: in_order={in_order}/{of} same_multiset={same_multiset}/{of}")


if __name__ == "__main__":
    main()
