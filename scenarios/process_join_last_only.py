"""A classic slip: the list of processes is made anew in each turn, so only the last one is joined.

Run it alone, or in every cell of the lab:

    python scenarios/process_join_last_only.py
    lab run process_join_last_only

What to expect:

    outcome           grade        why
    unfinished=3/4    interesting  "all done" is printed while three of four are still at work
    unfinished=0/4    forbidden    held back until the parent has spoken, none can be done before

The program prints "all done" and means it. It looks right on most machines, because short work ends
before the parent gets to the line, and because multiprocessing joins what is left when the
interpreter exits. To show the slip every time, all workers but the last are held back by an Event
that the parent sets only after it has spoken: nothing here depends on who is faster.

The cure is one line: `workers = []` above the loop (and no Event). See process_start_join.

The slip has a sequel under spawn and forkserver, which the Semaphore here prevents. When main()
returns, its Event is dropped; a child that is still starting cannot find it any more, and dies of a
FileNotFoundError that no exit code of the parent tells of. So the parent goes on only when all
workers have got what they were given.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Only the last of four processes is joined: 'all done' is said too early"
# outcome = 'unfinished=(?P<unfinished>\d+/\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'unfinished=[1-9]\d*/\d+'
# grade = "interesting"
# why = "a fresh list in each turn keeps only the last process, and only that one is joined"
# required = true
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "all but the last wait for a word that comes after this line: they cannot have ended"
# ///

import argparse
from multiprocessing import Event, Process, Semaphore, active_children


def work(at_work, spoken):
    """Long work: it ends after the parent has said that all is done. The last worker's is short."""
    at_work.release()
    if spoken is not None:
        spoken.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=4)
    args = parser.parse_args()

    at_work = Semaphore(0)  # counts the workers that have begun
    spoken = Event()
    for number in range(args.processes):
        workers = []  # the slip: it belongs above the loop
        is_last = number == args.processes - 1
        worker = Process(target=work, args=(at_work, None if is_last else spoken))
        worker.start()
        workers.append(worker)
    for _ in range(args.processes):
        at_work.acquire()
    for worker in workers:
        worker.join()

    print(f"All done: unfinished={len(active_children())}/{args.processes}")
    spoken.set()
    # The others are joined by multiprocessing itself when the interpreter exits.


if __name__ == "__main__":
    main()
