"""One use of each primitive, for the start method that has no processes."""

import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import (
    Array,
    Barrier,
    Condition,
    Event,
    JoinableQueue,
    Lock,
    Manager,
    Pipe,
    Pool,
    Process,
    Queue,
    RLock,
    Semaphore,
    SimpleQueue,
    Value,
    current_process,
)
from multiprocessing.shared_memory import SharedMemory

state = []


def run(target, *args, processes=2):
    started = [Process(target=target, args=args) for _ in range(processes)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    return [process.exitcode for process in started]


def add(shared, guard, times):
    for _ in range(times):
        with guard:
            shared.value += 1


def add_unlocked(shared, times):
    for _ in range(times):
        shared.value += 1


def lock():
    shared = Value("i", 0, lock=False)
    print(run(add, shared, Lock(), 100), shared.value)


def rlock():
    shared = Value("i", 0)
    print(run(add, shared, shared.get_lock(), 100), run(add, shared, RLock(), 1), shared.value)


def semaphore():
    shared = Value("i", 0, lock=False)
    print(run(add, shared, Semaphore(2), 10), shared.value)


def value():
    """Wrong, but not by its logic: with no concurrency, nothing is lost."""
    shared = Value("i", 0)
    print(run(add_unlocked, shared, 2000, processes=4), shared.value)


def put_all(queue):
    for number in range(5):
        queue.put(number)


def queue():
    numbers = Queue(2)
    process = Process(target=put_all, args=(numbers,))
    process.start()
    print([numbers.get() for _ in range(5)])
    process.join()


def simple_queue():
    numbers = SimpleQueue()
    run(put_all, numbers, processes=1)
    print([numbers.get() for _ in range(5)])


def work_off(numbers):
    while numbers.get() is not None:
        numbers.task_done()
    numbers.task_done()


def joinable_queue():
    numbers = JoinableQueue()
    process = Process(target=work_off, args=(numbers,))
    process.start()
    for number in [1, 2, None]:
        numbers.put(number)
    numbers.join()
    process.join()
    print("done")


def echo(line):
    line.send(line.recv().upper())
    line.close()


def pipe():
    ours, theirs = Pipe()
    process = Process(target=echo, args=(theirs,))
    process.start()
    theirs.close()
    ours.send("text")
    print(ours.recv())
    process.join()


def answer(asked, answered):
    asked.wait()
    answered.set()


def event():
    asked, answered = Event(), Event()
    process = Process(target=answer, args=(asked, answered))
    process.start()
    asked.set()
    print(answered.wait())
    process.join()


def notify(condition, flag):
    with condition:
        flag.value = 1
        condition.notify()


def condition():
    flag, changed = Value("i", 0), Condition()
    with changed:
        process = Process(target=notify, args=(changed, flag))
        process.start()
        changed.wait_for(lambda: flag.value)
    process.join()
    print(flag.value)


def meet(line):
    line.wait()


def barrier():
    print(run(meet, Barrier(3), processes=3))


def double(array):
    for at in range(len(array)):
        array[at] *= 2


def array():
    numbers = Array("i", range(4))
    print(run(double, numbers, processes=1), list(numbers))


def write(name):
    memory = SharedMemory(name)
    memory.buf[0] = 7
    memory.close()


def shared_memory():
    memory = SharedMemory(create=True, size=1)
    print(run(write, memory.name, processes=1), memory.buf[0])
    memory.close()
    memory.unlink()


def square(number):
    return number * number


def pool():
    with Pool(2) as workers:
        print(workers.map(square, range(5)), workers.apply(square, (3,)))


def append(numbers):
    numbers.append(1)


def manager():
    with Manager() as shared:
        numbers = shared.list()
        print(run(append, numbers), list(numbers))


def executor():
    with ProcessPoolExecutor(2) as workers:
        print(list(workers.map(square, range(5))))


def remember():
    state.append(current_process().name)


def name():
    """The children's memory is the parent's: what fork hides, inline shows."""
    print(run(remember), len(state))


def fail():
    raise ValueError("logic")  # fail


def logic():
    print(run(fail, processes=1))


def nap():
    time.sleep(1000)


def terminate():
    process = Process(target=nap)
    process.start()
    process.terminate()


def interrupt():
    process = Process(target=nap)
    process.start()
    process.interrupt()  # new in 3.14


if __name__ == "__main__":
    globals()[sys.argv[1]]()
