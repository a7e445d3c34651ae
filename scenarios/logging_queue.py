"""Three processes log through one queue to one listener: no record is lost and no line is torn.

Run it alone, or in every cell of the lab:

    python scenarios/logging_queue.py
    lab run logging_queue

What to expect:

    outcome                           grade       why
    lines=150/150 lost=0 torn=0       acceptable  one thread of one process writes every line
    anything else                     forbidden   a record was lost, doubled or torn

Each worker has a QueueHandler as its only handler: it puts records on a Queue. A QueueListener in
the parent takes them off and gives them to the handler that writes. Lines of different workers come
in any order, but whole. logging_bare_prints shows what happens without.

Two things are easy to get wrong. The listener is a thread, and a fork while a thread runs copies
whatever locks it holds: so the workers are started first (Python 3.12 and later warn of the other
order). And the listener is stopped only after the workers have been joined: a process that has
ended has written all its records to the queue, so the listener's stop mark comes after them.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Log records of three processes through a QueueHandler: none lost, none torn"
# outcome = 'lines=(?P<lines>\d+/\d+) lost=(?P<lost>\d+) torn=(?P<torn>\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'lines=(\d+)/\1 lost=0 torn=0'
# grade = "acceptable"
# why = "records come through a queue to one thread, which alone writes"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "a record was lost, came twice, or was mixed with another one"
# ///

import argparse
import io
import logging
from collections import Counter
from logging.handlers import QueueHandler, QueueListener
from multiprocessing import Process, Queue


def work(number, queue, records):
    """Log `records` lines, long enough to be torn if they could be."""
    logger = logging.getLogger("work")
    logger.handlers[:] = [QueueHandler(queue)]  # under fork there may be inherited ones
    logger.setLevel(logging.INFO)
    logger.propagate = False
    for record in range(records):
        logger.info(line(number, record))


def line(number, record):
    return f"worker {number}, record {record}: " + 200 * str(number)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--processes", type=int, default=3)
    parser.add_argument("--records", type=int, default=50, help="of each process")
    args = parser.parse_args()

    queue = Queue()
    workers = [Process(target=work, args=(n, queue, args.records)) for n in range(args.processes)]
    for worker in workers:
        worker.start()

    log = io.StringIO()  # a file would do as well
    listener = QueueListener(queue, logging.StreamHandler(log))
    listener.start()
    for worker in workers:
        worker.join()
    listener.stop()

    sent = Counter(line(n, r) for n in range(args.processes) for r in range(args.records))
    written = Counter(log.getvalue().splitlines())
    print(
        f"The log: lines={sum(written.values())}/{sum(sent.values())}"
        f" lost={sum((sent - written).values())} torn={sum((written - sent).values())}"
    )


if __name__ == "__main__":
    main()
