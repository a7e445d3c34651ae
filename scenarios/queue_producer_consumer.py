"""One producer, one consumer, one Queue: items arrive in the order in which they were put.

Run it alone, or in every cell of the lab:

    python scenarios/queue_producer_consumer.py
    lab run queue_producer_consumer

What to expect:

    outcome                           grade       why
    received=200/200 in_order=yes     acceptable  a Queue keeps the order of each single producer
    anything else                     forbidden   an item was lost, doubled or overtaken

`None` says that nothing more will come. The consumer cannot find that out otherwise: `empty()` only
means "empty just now", and a `get()` on a Queue that nobody fills any more waits for ever.

The parent reads the answer before it joins. The other way round can block for ever: a process that
has put items on a Queue does not end until its feeder thread has written them all to the pipe.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Items through a Queue, in order, with None as the last"
# outcome = 'received=(?P<received>\d+/\d+) in_order=(?P<in_order>yes|no)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'received=(\d+)/\1 in_order=yes'
# grade = "acceptable"
# why = "a Queue keeps the order of each single producer"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "an item was lost, doubled or overtaken"
# ///

import argparse
from multiprocessing import Process, Queue


def produce(items, count):
    """Put 0, 1, 2, ... and a last None."""
    for number in range(count):
        items.put(number)
    items.put(None)


def consume(items, answer):
    """Take items until None comes, then answer with all of them in order of arrival."""
    taken = []
    while (item := items.get()) is not None:
        taken.append(item)
    answer.put(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=200)
    args = parser.parse_args()

    items, answer = Queue(), Queue()
    workers = [
        Process(target=produce, args=(items, args.items)),
        Process(target=consume, args=(items, answer)),
    ]
    for worker in workers:
        worker.start()
    taken = answer.get()  # before join(), see above
    for worker in workers:
        worker.join()

    in_order = "yes" if taken == list(range(args.items)) else "no"
    print(f"The consumer: received={len(taken)}/{args.items} in_order={in_order}")


if __name__ == "__main__":
    main()
