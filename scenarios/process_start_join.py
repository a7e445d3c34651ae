"""Ten processes are started, and every one of them is joined.

Run it alone, or in every cell of the lab:

    python scenarios/process_start_join.py
    lab run process_start_join

What to expect:

    outcome                    grade       why
    finished=10/10 failed=0    acceptable  join() returns only when its process has ended
    anything else              forbidden   the parent went on before its children had ended

The list is made once, before the loop, so it holds every process when the second loop joins them;
process_join_last_only shows the slip. Each child writes to a slot of its own, so the Array needs no
lock: nobody reads it before join() has returned.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Ten processes are started and all of them joined"
# outcome = 'finished=(?P<finished>\d+/\d+) failed=(?P<failed>\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'finished=(\d+)/\1 failed=0'
# grade = "acceptable"
# why = "join() returns only when its process has ended"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "the parent went on before its children had ended, or one of them failed"
# ///

import argparse
from multiprocessing import Array, Process


def work(number, finished):
    """Mark slot `number` as done."""
    finished[number] = 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=10)
    args = parser.parse_args()

    finished = Array("b", args.processes, lock=False)
    workers = []
    for number in range(args.processes):
        worker = Process(target=work, args=(number, finished))
        worker.start()
        workers.append(worker)
    for worker in workers:
        worker.join()

    failed = sum(worker.exitcode != 0 for worker in workers)
    print(f"All joined: finished={sum(finished)}/{args.processes} failed={failed}")


if __name__ == "__main__":
    main()
