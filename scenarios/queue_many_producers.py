"""Several producers and several consumers share a Queue: nothing is lost and nothing comes twice.

Run it alone, or in every cell of the lab:

    python scenarios/queue_many_producers.py
    lab run queue_many_producers

What to expect:

    outcome                               grade       why
    received=200/200 lost=0 doubled=0     acceptable  each item goes to exactly one consumer
    anything else                         forbidden   an item was lost or came twice

Which consumer gets which item, and in what order items of different producers arrive, is free: the
script prints how they were shared out, and it differs from run to run. What must not differ is the
multiset of all items, and that is what the outcome line states.

There is one `None` for each consumer, and the parent puts them only after it has joined the
producers: a process that has ended has also written all it had put, so no `None` can overtake an
item. If each producer put its own `None`, a consumer could leave while others still produce.
"""

# /// script
# requires-python = ">=3.8"
#
# [tool.lab]
# summary = "Two producers, two consumers: every item goes to exactly one consumer"
# outcome = 'received=(?P<received>\d+/\d+) lost=(?P<lost>\d+) doubled=(?P<doubled>\d+)'
# expect = "clean"
#
# [[tool.lab.outcomes]]
# id = 'received=(\d+)/\1 lost=0 doubled=0'
# grade = "acceptable"
# why = "each item goes to exactly one consumer, whoever that is"
#
# [[tool.lab.outcomes]]
# id = '.*'
# grade = "forbidden"
# why = "an item was lost or came twice"
# ///

import argparse
from collections import Counter
from multiprocessing import Process, Queue


def produce(producer, items, count):
    """Put `count` items that tell their producer."""
    for number in range(count):
        items.put((producer, number))


def consume(items, answers):
    """Take items until this consumer's None comes, then answer with all of them."""
    taken = []
    while (item := items.get()) is not None:
        taken.append(item)
    answers.put(taken)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--producers", type=int, default=2)
    parser.add_argument("--consumers", type=int, default=2)
    parser.add_argument("--items", type=int, default=100, help="of each producer")
    args = parser.parse_args()

    items, answers = Queue(), Queue()
    producers = [
        Process(target=produce, args=(producer, items, args.items))
        for producer in range(args.producers)
    ]
    consumers = [Process(target=consume, args=(items, answers)) for _ in range(args.consumers)]
    for worker in producers + consumers:
        worker.start()
    for worker in producers:
        worker.join()
    for _ in consumers:
        items.put(None)
    shares = [answers.get() for _ in consumers]
    for worker in consumers:
        worker.join()

    print("Shared out as", " + ".join(str(len(share)) for share in shares))
    sent = Counter((p, n) for p in range(args.producers) for n in range(args.items))
    received = Counter(item for share in shares for item in share)
    print(
        f"In total: received={sum(received.values())}/{sum(sent.values())}"
        f" lost={sum((sent - received).values())} doubled={sum((received - sent).values())}"
    )


if __name__ == "__main__":
    main()
