"""What cannot be pickled on its way back from a Pool: one case is reported, one hangs for ever.

Run it alone, or in every cell of the lab (alone it never ends: stop it with Ctrl-C):

    python scenarios/exceptions_unpicklable.py
    lab run exceptions_unpicklable

What to expect:

    outcome                       grade        why
    deadlock                      interesting  the thread that takes in results is dead
    result=... exception=...      forbidden    the parent got an answer: no Python does that yet

A result that cannot be pickled fails in the worker, which can say so: get() raises a
MaybeEncodingError that tells the reason.

An exception that cannot be rebuilt is another matter. It pickles well, as its type and its `args`;
the parent rebuilds it by calling the type with them. BadRecord takes two arguments and hands one to
Exception.__init__, so `args` has one, and the call is a TypeError. It is raised in the thread of
the Pool that takes in results, and ends it. From then on no result arrives, of this task or of any
other: get() waits for ever, and get(timeout) gives a TimeoutError that tells nothing of the cause.
All that can be seen is a traceback on stderr. Every start method does the same, and so does every
Python from 3.6 to 3.15 (gh-79492, gh-103061).

The cure is in the exception: hand all arguments to `super().__init__()`, as OutOfStock does in
exceptions_async_result, or write a `__reduce__`. A ProcessPoolExecutor does not hang here, but
reports a BrokenProcessPool.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "An exception that the parent cannot rebuild kills the Pool's result thread"
# outcome = 'result=(?P<result>\w+) exception=(?P<exception>\w+)'
# expect = "deadlock"
#
# [[tool.lab.outcomes]]
# id = "deadlock"
# grade = "interesting"
# why = "the thread that takes in results died of the exception, and get() waits for it"
# required = true
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "get() returned: this Python can report an exception that it cannot rebuild"
# ///

import argparse
from multiprocessing import Pool


class BadRecord(Exception):
    """Takes two arguments, but keeps one in `args`: it can be pickled, and not be rebuilt."""

    def __init__(self, line, reason):
        super().__init__(f"line {line}: {reason}")


def make_a_lambda():
    return lambda: None


def fail():
    raise BadRecord(3, "no date")


def error_of(pending):
    """The name of what get() raises."""
    try:
        pending.get()
    except Exception as error:
        return type(error).__name__
    return "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    args = parser.parse_args()

    with Pool(args.workers) as pool:
        result = error_of(pool.apply_async(make_a_lambda))
        print(f"A result that cannot be pickled: {result}")
        print("An exception that cannot be rebuilt:", flush=True)
        exception = error_of(pool.apply_async(fail))  # for ever
    print(f"The parent has both: result={result} exception={exception}")


if __name__ == "__main__":
    main()
