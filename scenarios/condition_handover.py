"""Three processes hand a turn around through a Condition: strictly one after the other.

Run it alone, or in every cell of the lab:

    python scenarios/condition_handover.py
    lab run condition_handover

What to expect:

    outcome                          grade       why
    turns=30/30 in_order=yes         acceptable  wait_for looks first, under the same lock
    anything else                    forbidden   a turn was taken out of order
    deadlock                         forbidden   a wake-up was lost

notify_all() wakes those who wait at that moment, and is gone. A process that comes later would wait
for ever for a signal that was given already. It does not, because the truth is in `turn` and not in
the signal: wait_for() looks at it first, and waits only if it is somebody else's turn. Looking and
going to sleep are one step for the others, as all of it happens under the Condition's lock.

All three share one Condition, so notify() could wake the wrong one, who would look, see that it is
not its turn, and sleep on: hence notify_all().
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "A turn goes round through a Condition: no wake-up is lost"
# checks = ["locks", "determinism", "exceptions", "cleanup"]
# outcome = 'turns=(?P<turns>\d+/\d+) in_order=(?P<in_order>yes|no)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'turns=(\d+)/\1 in_order=yes'
# grade = "acceptable"
# why = "who comes after the signal sees from `turn` that it need not wait"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a turn was taken out of order, or a wake-up was lost and all wait for ever"
# ///

import argparse
from multiprocessing import Array, Condition, Process, Value


def take_turns(number, processes, rounds, condition, turn, record):
    """Write our number to the record whenever it is our turn, and hand the turn on."""
    for _ in range(rounds):
        with condition:
            condition.wait_for(lambda: turn.value % processes == number)
            record[turn.value] = number
            turn.value += 1
            condition.notify_all()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=10)
    args = parser.parse_args()

    turns = args.processes * args.rounds
    condition = Condition()
    turn = Value("i", 0, lock=False)  # the Condition's lock guards both
    record = Array("i", [-1] * turns, lock=False)
    players = [
        Process(target=take_turns, args=(n, args.processes, args.rounds, condition, turn, record))
        for n in range(args.processes)
    ]
    for player in players:
        player.start()
    for player in players:
        player.join()

    in_order = "yes" if list(record) == list(range(args.processes)) * args.rounds else "no"
    print(f"Record: turns={turn.value}/{turns} in_order={in_order}")


if __name__ == "__main__":
    main()
