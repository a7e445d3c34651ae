"""Pool.map gives results in the order of its inputs, for every chunk size.

Run it alone, or in every cell of the lab:

    python scenarios/pool_map.py
    lab run pool_map

What to expect:

    outcome               grade       why
    in_order=4/4          acceptable  chunks end in any order; map puts them in place
    anything else         forbidden   a result was lost or out of its place

map() cuts its inputs into chunks and sends each to whichever worker is free. The chunk size decides
how often workers and parent talk, never what comes back: it may be left out, be one, divide the
inputs unevenly, or be larger than all of them. There are more inputs than workers, as there should
be: with one chunk for each worker, the slowest chunk decides alone when all is done.

`with Pool(...)` ends in terminate(), which kills the workers. close() and join() let them end by
themselves first, so that whatever they still have to do at their end is done.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Pool.map: results in order, whatever the chunk size"
# outcome = 'in_order=(?P<in_order>\d+/\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'in_order=(\d+)/\1'
# grade = "acceptable"
# why = "chunks may end in any order; map puts their results in the order of the inputs"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a result was lost or out of its place"
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
    chunk_sizes = (None, 1, 7, 2 * args.inputs)  # None: map decides
    with Pool(args.workers) as pool:
        right = sum(pool.map(square, inputs, chunk_size) == expected for chunk_size in chunk_sizes)
        pool.close()
        pool.join()
    print(f"Chunk sizes: in_order={right}/{len(chunk_sizes)}")


if __name__ == "__main__":
    main()
