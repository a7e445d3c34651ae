"""A Semaphore lets two of four processes in at a time: never more, and two it really is.

Run it alone, or in every cell of the lab:

    python scenarios/semaphore_limit.py
    lab run semaphore_limit

What to expect:

    outcome                                        grade       why
    limit=2 peak=2 visits=40/40 one_too_many=ValueError
                                                   acceptable  full at times, overfull never
    anything else                                  forbidden   more than the limit were inside

That the limit is never passed would also be true of a lock, or of processes that never meet. So
whoever comes in first stays until as many as may are inside, once; a Condition wakes them. From
then on all come and go as they like.

A Semaphore does not know who holds it: release() without acquire() simply adds a place, and the
limit is silently one higher from then on. A BoundedSemaphore refuses this with a ValueError.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Never more than two inside a Semaphore, and two are reached"
# checks = ["locks", "determinism", "exceptions", "cleanup"]
# outcome = 'limit=\d+ peak=\d+ visits=\d+/\d+ one_too_many=\w+'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'limit=(\d+) peak=\1 visits=(\d+)/\2 one_too_many=ValueError'
# grade = "acceptable"
# why = "the places are all taken at times, and no process comes in beyond them"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "more than the limit were inside, or a BoundedSemaphore took one release too many"
# ///

import argparse
from multiprocessing import BoundedSemaphore, Condition, Process, Semaphore, Value


def visit(places, census, inside, peak, visits, limit, rounds):
    """Take a place `rounds` times, counting who is there with us."""
    for _ in range(rounds):
        with places:
            with census:  # guards the three counters
                inside.value += 1
                visits.value += 1
                peak.value = max(peak.value, inside.value)
                census.notify_all()
                census.wait_for(lambda: peak.value >= limit)
            with census:
                inside.value -= 1


def release_once_too_often():
    """What a BoundedSemaphore says to a release that no acquire came before."""
    places = BoundedSemaphore(2)
    with places:
        pass
    try:
        places.release()
    except ValueError as error:
        return type(error).__name__
    return "accepted"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--limit", type=int, default=2, help="at most as many as processes")
    parser.add_argument("--rounds", type=int, default=10, help="visits of each process")
    args = parser.parse_args()
    if args.limit > args.processes:
        parser.error("--limit must not be above --processes, or it could never be reached")

    places, census = Semaphore(args.limit), Condition()
    inside, peak, visits = (Value("i", 0, lock=False) for _ in range(3))
    visitors = [
        Process(target=visit, args=(places, census, inside, peak, visits, args.limit, args.rounds))
        for _ in range(args.processes)
    ]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()

    print(
        f"Census: limit={args.limit} peak={peak.value}"
        f" visits={visits.value}/{args.processes * args.rounds}"
        f" one_too_many={release_once_too_often()}"
    )


if __name__ == "__main__":
    main()
