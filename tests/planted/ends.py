"""Programs that never end, and some that merely take their time."""

import os
import socket
import sys
import time
from itertools import repeat
from multiprocessing import Barrier, Event, Lock, Manager, Pipe, Pool, Process, Queue


def take_both(first, second, barrier):
    with first:  # first
        barrier.wait()
        with second:  # second
            pass


def fill(queue):
    queue.put(b"x" * (1 << 20))


def want(queue):
    queue.get()  # want


def meet(barrier):
    barrier.wait()  # meet


def quit_now(_):
    os._exit(1)


def read(line):
    line.recv()  # read


def nap(seconds):
    time.sleep(seconds)


def run(*processes):
    for process in processes:
        process.start()
    for process in processes:
        process.join()  # join


def lock_order():
    one, other, barrier = Lock(), Lock(), Barrier(2)  # locks
    run(
        Process(target=take_both, args=(one, other, barrier), name="left"),
        Process(target=take_both, args=(other, one, barrier), name="right"),
    )


def own_lock():
    lock = Lock()
    lock.acquire()
    lock.acquire()  # again


def join_before_drain():
    queue = Queue()
    run(Process(target=fill, args=(queue,), name="producer"))
    queue.get()


def join_waiting():
    queue = Queue()
    run(Process(target=want, args=(queue,), name="consumer"))


def missing_party():
    barrier = Barrier(3)  # barrier
    run(*(Process(target=meet, args=(barrier,), name=name) for name in ("one", "two")))


def two_pipes():
    one, other = Pipe()
    run(
        Process(target=read, args=(one,), name="left"),
        Process(target=read, args=(other,), name="right"),
    )


def worker_quits():
    with Pool(1) as pool:
        pool.map(quit_now, [1])


def event_never_set():
    Event().wait()  # event


def busy():
    while True:  # busy
        pass  # busy from 3.14 on


def sleeping():
    while True:
        time.sleep(1000)  # sleeping


def in_c():
    """In C code, where no handler of Python's gets to run."""
    sum(repeat(0))  # in_c


def on_socket():
    listener = socket.create_server(("127.0.0.1", 0))
    listener.accept()  # on_socket


def on_connection():
    listener = socket.create_server(("127.0.0.1", 0))
    connection = socket.create_connection(listener.getsockname())
    connection.recv(1)  # on_connection


def slow():
    """Everybody waits, with nothing to do, but not for ever."""
    run(Process(target=nap, args=(3,)), Process(target=nap, args=(2,)))


def slow_wait():
    """Waits with a time limit for what never comes."""
    print(Event().wait(2), Lock().acquire() and "lock")


def slow_queue():
    queue = Queue()
    process = Process(target=late, args=(queue,))
    process.start()
    print(queue.get())
    process.join()


def late(queue):
    time.sleep(2)
    queue.put("late")


def slow_manager():
    with Manager() as manager:
        shared = manager.list()
        process = Process(target=late_append, args=(shared,))
        process.start()
        process.join()
        print(len(shared))


def late_append(shared):
    time.sleep(2)
    shared.append(1)


def slow_timer():
    """A thread sets what the main thread waits for."""
    from threading import Timer

    event = Event()
    timer = Timer(2, event.set)
    timer.start()
    print(event.wait())
    timer.join()


def slow_alarm():
    """A signal handler does."""
    import signal

    event = Event()
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.alarm(2)
    event.wait()


if __name__ == "__main__":
    globals()[sys.argv[1]]()
