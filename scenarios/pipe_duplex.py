"""Messages go both ways through a Pipe, and each side learns from EOFError that the other is gone.

Run it alone, or in every cell of the lab:

    python scenarios/pipe_duplex.py
    lab run pipe_duplex

What to expect:

    outcome                         grade       why
    replies=20/20 ends_seen=2/2     acceptable  every copy of an end was closed in time
    anything else                   forbidden   a reply was wrong, or more came after the end

`recv()` raises EOFError when the last copy of the other end is closed: the last one, in whatever
process it may be. Under fork a child inherits a copy of every end that is open at its start, its
parent's own end included. A child that keeps that copy keeps its own line alive, and waits for ever
for an end that it holds itself. Under spawn and forkserver it gets only what it is given.

So that all methods behave alike, the child here is given both ends and closes the one that is not
its own, and the parent closes the child's ends as soon as the child has started. Leave out the
first of the two, and the script never ends.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Messages both ways through a Pipe, and EOFError at the end"
# outcome = 'replies=(?P<replies>\d+/\d+) ends_seen=(?P<ends_seen>\d/2)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'replies=(\d+)/\1 ends_seen=2/2'
# grade = "acceptable"
# why = "every copy of an end was closed by whoever had no use for it"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a reply was wrong, or something came where the end should have been"
# ///

import argparse
from multiprocessing import Pipe, Process


def serve(line, parents_end, report):
    """Answer each number with its square, until the other side is gone; then say so."""
    parents_end.close()
    try:
        while True:
            line.send(line.recv() ** 2)
    except EOFError:
        report.send("the parent's end is closed")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--messages", type=int, default=20)
    args = parser.parse_args()

    line, childs_end = Pipe()
    report, childs_report = Pipe(duplex=False)  # one way: it outlives the closing of the line
    child = Process(target=serve, args=(childs_end, line, childs_report))
    child.start()
    childs_end.close()
    childs_report.close()

    right = 0
    for number in range(args.messages):
        line.send(number)
        right += line.recv() == number**2
    line.close()

    ends_seen = int(report.recv() == "the parent's end is closed")
    try:
        report.recv()
    except EOFError:
        ends_seen += 1
    child.join()
    print(f"The line is closed: replies={right}/{args.messages} ends_seen={ends_seen}/2")


if __name__ == "__main__":
    main()
