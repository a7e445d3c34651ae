# /// script
# [tool.lab]
# checks = ["locks", "exceptions", "cleanup"]
# ///
"""Locks that do not keep others out, and some that do."""

import os
import sys
from multiprocessing import (
    Barrier,
    Condition,
    Event,
    JoinableQueue,
    Lock,
    Pipe,
    Pool,
    Process,
    Queue,
    RLock,
    Semaphore,
)


def stay(lock, arrived, leave):
    """Be inside until told to leave."""
    with lock:  # inside
        arrived.set()
        leave.wait()


def release(lock):
    lock.release()  # stray


def release_twice(lock, start, arrived, leave):
    lock.acquire()
    lock.release()
    lock.release()  # twice
    start.set()
    with lock:  # first
        arrived.set()
        leave.wait()


def take_after(lock, start, arrived, leave):
    start.wait()
    with lock:  # second
        arrived.set()
        leave.wait()


def die(lock, arrived):
    lock.acquire()  # died
    arrived.set()
    os._exit(0)


def hold(lock, arrived):
    with lock:  # terminated
        arrived.set()
        while True:
            pass


def want(lock):
    with lock:  # wants
        pass


def want_in_vain(lock, tried):
    assert not lock.acquire(block=False)
    tried.set()
    with lock:
        pass


def add(lock, barrier):
    barrier.wait()
    for _ in range(20):
        with lock:  # section
            sum(range(2000))


def add_nested(lock, barrier):
    barrier.wait()
    for _ in range(20):
        with lock, lock:
            sum(range(2000))


def run(*processes):
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert all(process.exitcode == 0 for process in processes)


def together(lock, processes=3, target=add):
    barrier = Barrier(processes)
    run(*(Process(target=target, args=(lock, barrier)) for _ in range(processes)))


def stray():
    """Somebody who does not hold the lock releases it, and lets a second one in."""
    lock = Lock()  # made_stray
    arrived, arrived_too, leave, leave_too = Event(), Event(), Event(), Event()
    owner = Process(target=stay, args=(lock, arrived, leave), name="owner")
    owner.start()
    arrived.wait()
    run(Process(target=release, args=(lock,), name="thief"))
    second = Process(target=stay, args=(lock, arrived_too, leave_too), name="second")
    second.start()
    arrived_too.wait()
    leave.set()
    lock.acquire()  # what the owner gives back, so that there is room for what the second one does
    leave_too.set()
    owner.join()
    second.join()


def once_too_often():
    """A semaphore for one lets two in, after one release too many."""
    semaphore = Semaphore(1)
    start, arrived, arrived_too, leave = Event(), Event(), Event(), Event()
    both = [
        Process(target=release_twice, args=(semaphore, start, arrived, leave), name="twice"),
        Process(target=take_after, args=(semaphore, start, arrived_too, leave), name="after"),
    ]
    for process in both:
        process.start()
    arrived.wait()
    arrived_too.wait()
    leave.set()
    for process in both:
        process.join()


def holder_exits():
    lock, arrived = Lock(), Event()  # made_died
    run(Process(target=die, args=(lock, arrived), name="holder"))
    run(Process(target=want, args=(lock,), name="wanter"))


def holder_terminated():
    lock, arrived = Lock(), Event()  # made_terminated
    holder = Process(target=hold, args=(lock, arrived), name="holder")
    holder.start()
    arrived.wait()
    holder.terminate()
    holder.join()
    run(Process(target=want, args=(lock,), name="wanter"))


def clean():
    together(Lock())


def rlock():
    together(RLock(), target=add_nested)


def semaphore():
    """Three share a semaphore of two, which one of them at a time has to wait for."""
    together(Semaphore(2), processes=4)


def uncontended():
    """A lock, but never two who want it."""
    lock = Lock()
    barrier = Barrier(1)
    run(Process(target=add, args=(lock, barrier)))
    run(Process(target=add, args=(lock, barrier)))


def none():
    run(Process(target=print), Process(target=print))


def handed_over():
    """A lock may be released by another process than the one that took it."""
    lock, tried = Lock(), Event()
    for _ in range(5):
        lock.acquire()
        wanter = Process(target=want_in_vain, args=(lock, tried))
        wanter.start()
        tried.wait()
        tried.clear()
        releaser = Process(target=release, args=(lock,))
        releaser.start()
        wanter.join()
        releaser.join()


def _consume(queue, condition, event, barrier, results):
    event.wait()
    for _ in range(10):
        results.put(queue.get())
        queue.task_done()
    with condition:
        condition.notify_all()
    barrier.wait()


def _square(number):
    return number * number


def internals():
    """What is inside Condition, Event, Barrier, bounded queues and Pool is no violation."""
    queue, results = JoinableQueue(2), Queue(30)
    condition, event, barrier = Condition(), Event(), Barrier(3)
    workers = [
        Process(target=_consume, args=(queue, condition, event, barrier, results)) for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    event.set()
    for number in range(20):
        queue.put(number)
    got = [results.get() for _ in range(20)]
    queue.join()
    with condition:
        condition.wait(0.01)
    barrier.wait()
    for worker in workers:
        worker.join()
    assert sorted(got) == list(range(20))
    with Pool(3) as pool:
        assert pool.map(_square, range(30), chunksize=1) == [n * n for n in range(30)]
        pool.close()
        pool.join()
    ours, theirs = Pipe()
    ours.send(1)
    theirs.recv()
    together(Lock())


if __name__ == "__main__":
    globals()[sys.argv[1]]()
