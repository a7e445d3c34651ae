"""Pool.apply_async: calls end in any order, get() gives each caller the result of its own call.

Run it alone, or in every cell of the lab:

    python scenarios/pool_apply_async.py
    lab run pool_apply_async

What to expect:

    outcome                                 grade       why
    results=10/10 callbacks=10/10 last_to_end=0
                                            acceptable  each AsyncResult is tied to its call
    anything else                           forbidden   a result or a callback went astray

The script makes sure that the first call ends last: it waits for an Event, which the parent sets
when it has been called back for all the others. Still `get()` gives the results in the order in
which it is asked, because every AsyncResult belongs to one call.

Callbacks come in the order in which calls end, one at a time, in a thread of the parent: they must
be short, since no other result is taken in meanwhile. There may be some left to run when the last
`get()` has returned; after close() and join() there are none.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Pool.apply_async: the first call ends last, and every result finds its caller"
# outcome = 'results=\d+/\d+ callbacks=\d+/\d+ last_to_end=\d+'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'results=(\d+)/\1 callbacks=\1/\1 last_to_end=0'
# grade = "acceptable"
# why = "calls end in any order, and each AsyncResult is tied to its own"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a result went to the wrong caller, or a callback was lost or came twice"
# ///

import argparse
from multiprocessing import Event, Pool


def keep(event):
    """Initializer of a worker: an Event can be handed over at its start, not with a call."""
    global others_are_done
    others_are_done = event


def square(number):
    """The square; of 0, only when all other calls have ended."""
    if number == 0:
        others_are_done.wait()
    return number**2


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2, help="two or more: one will be waiting")
    parser.add_argument("--calls", type=int, default=10)
    args = parser.parse_args()
    if args.workers < 2 or args.calls < 2:
        parser.error("--workers and --calls must be 2 or more, or the first call would never end")

    event = Event()
    called_back = []

    def note(result):
        called_back.append(result)
        if len(called_back) == args.calls - 1:
            event.set()

    with Pool(args.workers, initializer=keep, initargs=(event,)) as pool:
        pending = [pool.apply_async(square, (n,), callback=note) for n in range(args.calls)]
        results = [result.get() for result in pending]
        pool.close()
        pool.join()

    squares = [n**2 for n in range(args.calls)]
    right = sum(results[n] == squares[n] for n in range(args.calls))
    callbacks = sum(called_back.count(square) == 1 for square in squares)
    last_to_end = squares.index(called_back[-1])
    print(
        f"Calls: results={right}/{args.calls} callbacks={callbacks}/{args.calls}"
        f" last_to_end={last_to_end}"
    )


if __name__ == "__main__":
    main()
