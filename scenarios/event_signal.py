"""An Event wakes all who wait for it, and also all who come after it was set.

Run it alone, or in every cell of the lab:

    python scenarios/event_signal.py
    lab run event_signal

What to expect:

    outcome                                  grade       why
    early=3/3 late=3/3 after_clear=False     acceptable  an Event stays set until it is cleared
    anything else                            forbidden   somebody missed the signal

One Event is set before any process has started, and one when all have said that they are about to
wait. Whether a process is really waiting by then, or still on its way, nobody can know, and with an
Event nobody has to: it is a state and not a moment. That is why no wake-up can be lost.

It would be otherwise if the parent cleared the Event right after setting it: who has not looked in
between has missed it. The script clears it when all have gone.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "An Event set before the wait, and one set after: nobody misses either"
# outcome = 'early=\d+/\d+ late=\d+/\d+ after_clear=\w+'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'early=(\d+)/\1 late=\1/\1 after_clear=False'
# grade = "acceptable"
# why = "an Event stays set until it is cleared, for those who come late too"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "somebody missed the signal, or the Event outlived its clear()"
# ///

import argparse
from multiprocessing import Array, Event, Process, Semaphore


def wait_for_both(number, early, ready, late, saw_early, saw_late):
    """Wait for both Events and note in our own slots what wait() says."""
    saw_early[number] = early.wait()
    ready.release()
    saw_late[number] = late.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    args = parser.parse_args()

    early, late = Event(), Event()
    ready = Semaphore(0)  # counts those who are about to wait
    saw_early, saw_late = (Array("b", args.processes, lock=False) for _ in range(2))
    waiters = [
        Process(target=wait_for_both, args=(n, early, ready, late, saw_early, saw_late))
        for n in range(args.processes)
    ]
    early.set()
    for waiter in waiters:
        waiter.start()
    for _ in waiters:
        ready.acquire()
    late.set()
    for waiter in waiters:
        waiter.join()
    late.clear()

    print(
        f"Signals: early={sum(saw_early)}/{args.processes} late={sum(saw_late)}/{args.processes}"
        f" after_clear={late.is_set()}"
    )


if __name__ == "__main__":
    main()
