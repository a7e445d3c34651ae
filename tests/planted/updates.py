# /// script
# [tool.lab]
# checks = ["updates", "exceptions", "cleanup"]
# outcome = 'total=(?P<total>\d+/\d+)'
#
# [[tool.lab.outcomes]]
# id = 'total=(\d+)/\1'
# grade = "acceptable"
#
# [[tool.lab.outcomes]]
# id = 'total=\d+/\d+'
# grade = "interesting"
# ///
"""Two processes add to shared memory of some KIND, under a lock (`locked`) or not (`unlocked`)."""

import sys
from contextlib import nullcontext
from multiprocessing import Array, Barrier, Lock, Manager, Process, RawArray, Value
from multiprocessing.shared_memory import SharedMemory

TIMES = 50


def add_value(shared, lock, start):
    start.wait()
    for _ in range(TIMES):
        with lock or nullcontext():
            shared.value += 1


def add_item(shared, lock, start):
    start.wait()
    for _ in range(TIMES):
        with lock or nullcontext():
            shared[0] += 1


def add_key(shared, lock, start):
    start.wait()
    for _ in range(TIMES):
        with lock or nullcontext():
            shared["total"] += 1


def add_bytes(name, lock, start):
    memory = SharedMemory(name)
    start.wait()
    for _ in range(TIMES):
        with lock or nullcontext():
            memory.buf[0] += 1
    memory.close()


def run(target, shared, lock, alone=False):
    start = Barrier(1 if alone else 2)
    processes = [Process(target=target, args=(shared, lock, start)) for _ in range(2)]
    for process in processes:
        process.start()
        if alone:
            process.join()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]


def main(kind, locked):
    lock = Lock() if locked == "locked" else None
    if kind in ("value", "alone"):
        shared = Value("i", 0)
        run(add_value, shared, lock, alone=kind == "alone")
        total = shared.value
    elif kind == "array":
        shared = Array("i", 1)
        run(add_item, shared, lock)
        total = shared[0]
    elif kind == "raw":
        shared = RawArray("i", 1)
        run(add_item, shared, lock)
        total = shared[0]
    elif kind == "memory":
        memory = SharedMemory(create=True, size=16)
        run(add_bytes, memory.name, lock)
        total = memory.buf[0]
        memory.close()
        memory.unlink()
    else:
        with Manager() as manager:
            shared = manager.dict(total=0)
            run(add_key, shared, lock, alone=kind == "alone_dict")
            total = shared["total"]
    print(f"total={total}/{2 * TIMES}")


if __name__ == "__main__":
    main(*sys.argv[1:])
