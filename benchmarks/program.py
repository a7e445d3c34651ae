"""A small program for bench.py: four processes hand numbers back through a queue.

python benchmarks/program.py fork
"""

import multiprocessing
import sys


def work(number, answers):
    answers.put(sum(range(number)))


def main():
    multiprocessing.set_start_method(sys.argv[1])
    answers = multiprocessing.SimpleQueue()
    workers = [multiprocessing.Process(target=work, args=(n, answers)) for n in range(4)]
    for worker in workers:
        worker.start()
    total = sum(answers.get() for _ in workers)
    for worker in workers:
        worker.join()
    print(f"total={total}")


if __name__ == "__main__":
    main()
