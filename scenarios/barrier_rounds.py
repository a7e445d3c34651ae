"""Three processes go through five rounds in step: a Barrier lets none run ahead.

Run it alone, or in every cell of the lab:

    python scenarios/barrier_rounds.py
    lab run barrier_rounds

What to expect:

    outcome                        grade       why
    in_step=15/15 leaders=5/5      acceptable  none passes a Barrier before all have come
    anything else                  forbidden   somebody ran ahead or stayed behind

In each round a process writes the round's number to its slot, waits for the others, and looks at
all slots: they must all show this round. There is a second wait before the next round begins.
Without it a fast process could write its next number while a slow one is still looking, and that
would be the program's fault and not the Barrier's.

wait() returns another number in each process, from 0 on. Whoever gets 0 may do what must be done
once in a round; here it is counted that there is just one.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Rounds in step through a Barrier, with one leader in each"
# outcome = 'in_step=(?P<in_step>\d+/\d+) leaders=(?P<leaders>\d+/\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'in_step=(\d+)/\1 leaders=(\d+)/\2'
# grade = "acceptable"
# why = "none passes a Barrier before all have come to it"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a process ran ahead or stayed behind, or a round had no leader or two"
# ///

import argparse
from multiprocessing import Array, Barrier, Process


def go_through(number, rounds, barrier, slots, in_step, leaders):
    """Go through all rounds and note in our own slots how it went."""
    for this_round in range(1, rounds + 1):
        slots[number] = this_round
        index = barrier.wait()  # now all have written
        in_step[number] += all(slot == this_round for slot in slots)
        leaders[number] += index == 0
        barrier.wait()  # now all have looked


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()

    barrier = Barrier(args.processes)
    slots, in_step, leaders = (Array("i", args.processes, lock=False) for _ in range(3))
    walkers = [
        Process(target=go_through, args=(n, args.rounds, barrier, slots, in_step, leaders))
        for n in range(args.processes)
    ]
    for walker in walkers:
        walker.start()
    for walker in walkers:
        walker.join()

    print(
        f"Rounds: in_step={sum(in_step)}/{args.processes * args.rounds}"
        f" leaders={sum(leaders)}/{args.rounds}"
    )


if __name__ == "__main__":
    main()
