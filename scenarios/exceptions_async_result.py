"""What a task of a Pool raises is raised again where its result is asked for.

Run it alone, or in every cell of the lab:

    python scenarios/exceptions_async_result.py
    lab run exceptions_async_result

What to expect:

    outcome                                       grade       why
    get=2/2 map=2/2 starmap=2/2 imap=2/2 later=ok acceptable  type, arguments and traceback come
    anything else                                 forbidden   something got lost on the way

`AsyncResult.get()`, map(), starmap() and the iterator of imap() raise the worker's exception in the
parent: the same type, with the same arguments. The traceback cannot be pickled, so its text comes
along as the `__cause__`, which names the function that raised: that is why the printed error begins
with a `RemoteTraceback`. The script tries a ZeroDivisionError and an exception of its own.

Everything else goes on. A map() that fails gives none of its results, though only the rest of the
failing chunk is left out. imap() gives the later results if one goes on asking.

OutOfStock hands all its arguments to Exception.__init__, as it must if it is to be rebuilt in
the parent. exceptions_unpicklable shows what happens otherwise.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "A worker's exception is raised again by get, map, starmap and imap, with its traceback"
# outcome = 'get=\S+ map=\S+ starmap=\S+ imap=\S+ later=\w+'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'get=2/2 map=2/2 starmap=2/2 imap=2/2 later=ok'
# grade = "acceptable"
# why = "type and arguments come back, and the traceback's text as the cause"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "an exception was lost or changed, or did not say where it came from"
# ///

import argparse
from multiprocessing import Pool


class OutOfStock(Exception):
    """Not enough of an item is left."""

    def __init__(self, item, left):
        super().__init__(item, left)
        self.item = item
        self.left = left


def divide(dividend, divisor=0):
    return dividend / divisor


def take(item, left=0):
    raise OutOfStock(item, left)


def invert(number):
    return 1 / number


FAILING = {divide: ZeroDivisionError("division by zero"), take: OutOfStock(7, 0)}


def arrives(expected, raiser, ask, *args):
    """Whether `ask(*args)` raises the like of `expected`, and tells that `raiser` raised it."""
    try:
        ask(*args)
    except type(expected) as error:
        came_whole = error.args == expected.args and vars(error) == vars(expected)
        return came_whole and f"in {raiser.__name__}\n" in str(error.__cause__)
    return False


def share(arrived):
    return f"{sum(arrived)}/{len(arrived)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()

    by_get, by_map, by_starmap, by_imap = [], [], [], []
    with Pool(args.workers) as pool:
        for raiser, error in FAILING.items():
            by_get.append(arrives(error, raiser, pool.apply_async(raiser, (7,)).get))
            by_map.append(arrives(error, raiser, pool.map, raiser, [7]))
            by_starmap.append(arrives(error, raiser, pool.starmap, raiser, [(7, 0)]))
            by_imap.append(arrives(error, raiser, pool.imap(raiser, [7]).next))

        quotients = pool.imap(invert, [1, 0, 2])
        first = next(quotients)
        failed = arrives(FAILING[divide], invert, quotients.next)
        later = "ok" if (first, failed, next(quotients)) == (1.0, True, 0.5) else "wrong"
        pool.close()
        pool.join()

    print(
        f"Arrived: get={share(by_get)} map={share(by_map)} starmap={share(by_starmap)}"
        f" imap={share(by_imap)} later={later}"
    )


if __name__ == "__main__":
    main()
