# /// script
# [tool.lab]
# checks = ["locks", "exceptions", "cleanup"]
# ///
"""A lock at module level, which spawn makes anew in each child that imports it (`module`).

With `parent`, the parent is one of the two that want it; so it is with `preloaded`, where it is
the lock of a module that the fork server imports; with `handed`, they get one lock.
"""

import sys
from multiprocessing import Barrier, Lock, Process, set_forkserver_preload

LOCK = Lock()  # made


def work(start, lock):
    start.wait()
    for _ in range(20):
        with lock or LOCK:  # section
            sum(range(20000))


def main(mode):
    start = Barrier(2)
    lock = Lock() if mode == "handed" else None
    processes = [
        Process(target=work, args=(start, lock)) for _ in range(1 if mode == "parent" else 2)
    ]
    for process in processes:
        process.start()
    if mode == "parent":
        work(start, lock)
    for process in processes:
        process.join()


if __name__ == "__main__":
    if sys.argv[1] == "preloaded":
        set_forkserver_preload(["module_lock"])
        import module_lock

        module_lock.main("parent")
    else:
        main(sys.argv[1])
