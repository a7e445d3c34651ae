"""Three processes print to the same stdout, piece by piece: their lines are torn.

Run it alone, or in every cell of the lab:

    python scenarios/logging_bare_prints.py
    lab run logging_bare_prints

What to expect:

    outcome           grade        why
    torn=yes          interesting  another process writes between two pieces of a line
    torn=no           forbidden    all have met in the middle of their first lines

All children have the same stdout as their parent, and each has a buffer of its own in front of it.
What one process writes at once may come out whole; between two writes, any other may write. Python
writes when a buffer is full, when it is flushed, and at line ends if stdout is a terminal: so the
same program may tear its lines on a terminal but not into a file, or the other way round.

To be able to look at it, the parent gives its children the end of a pipe as their stdout and reads
the other end, as `| tee log` would. To make it certain, all meet at a Barrier when they have
written the first piece of their first line. After that, it is left to chance which lines are torn.

logging_queue shows the cure. A lock around all prints of a line would be another.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Three processes print pieces of lines to the same stdout: lines are torn"
# outcome = 'torn=(?P<torn>yes|no)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = "torn=yes"
# grade = "interesting"
# why = "another process writes between two pieces of a line"
# required = true
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "all have met in the middle of their first lines, so these must be torn"
# ///

import argparse
import os
from multiprocessing import Barrier, Pipe, Process


def talk(number, stdout, meeting, lines):
    """Print `lines` lines in three pieces each."""
    os.dup2(stdout.fileno(), 1)  # from here on print() writes to the pipe
    for line in range(lines):
        print("worker", end=" ", flush=True)
        if line == 0:
            meeting.wait()
        print(number, end=" ", flush=True)
        print("says", line, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3, help="two or more")
    parser.add_argument("--lines", type=int, default=10, help="of each process")
    args = parser.parse_args()

    reader, stdout = Pipe(duplex=False)
    meeting = Barrier(args.processes)
    talkers = [
        Process(target=talk, args=(n, stdout, meeting, args.lines)) for n in range(args.processes)
    ]
    for talker in talkers:
        talker.start()
    stdout.close()  # or the pipe would never end
    with open(reader.fileno(), closefd=False) as pipe:
        heard = pipe.read().splitlines()
    for talker in talkers:
        talker.join()

    meant = {f"worker {n} says {line}" for n in range(args.processes) for line in range(args.lines)}
    torn = [line for line in heard if line not in meant]
    print(f"{len(torn)} of {len(heard)} lines were not meant like this, such as:")
    for line in torn[:3]:
        print("   ", line)
    print(f"The output: torn={'yes' if torn else 'no'}")


if __name__ == "__main__":
    main()
