"""What is printed depends on who is first (`order`), on the method (`memory`), or on nothing."""

import sys
from multiprocessing import Process, Queue

memory = "as imported"


def tell(queue, number):
    for _ in range(4):
        number = int(str(number))  # some work, which takes longer at times
    queue.put(number)


def remember(queue):
    queue.put(memory)


def main(mode):
    global memory
    memory = "as set by main"
    queue = Queue()
    if mode == "memory":
        processes = [Process(target=remember, args=(queue,))]
    else:
        processes = [Process(target=tell, args=(queue, number)) for number in range(4)]
    for process in processes:
        process.start()
    told = [queue.get() for _ in processes]
    for process in processes:
        process.join()
    print(sorted(told) if mode == "sorted" else told)


if __name__ == "__main__":
    main(sys.argv[1])
