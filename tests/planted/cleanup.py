"""Leftovers of each kind, in a program that then ends by HOW; and some that tidy up."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing import Event, Lock, Manager, Pipe, Pool, Process, resource_tracker
from multiprocessing.connection import Listener
from multiprocessing.shared_memory import SharedMemory

NAME = f"planted-{os.getpid()}"


def sleep_on(line, event):
    line.send("here")
    event.wait()


def sleep_detached(line):
    os.setsid()
    line.send("detached")
    time.sleep(1000)


def daemonize(line):
    """The usual double fork: a grandchild whose parent has ended."""
    if os.fork() == 0:
        os.setsid()
        if os.fork():  # grandchild
            os._exit(0)
        line.send("detached")
        time.sleep(1000)


def nothing():
    pass


# ------------------------------------------------------------------------------ left behind


def process():
    """A child that the program never joins; os._exit leaves without waiting for it."""
    ours, theirs = Pipe()
    event = Event()
    child = Process(target=sleep_on, args=(theirs, event), name="planted")
    child.start()  # process
    ours.recv()
    return "exit"


def popen():
    subprocess.Popen(["sleep", "1000"])  # popen


def detached():
    ours, theirs = Pipe()
    Process(target=sleep_detached, args=(theirs,), name="planted").start()  # detached
    ours.recv()
    return "exit"


def grandchild():
    ours, theirs = Pipe()
    child = Process(target=daemonize, args=(theirs,), name="planted")
    child.start()
    ours.recv()
    child.join()


def zombie():
    child = os.fork()  # zombie
    if child == 0:
        os._exit(0)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)


def memory():
    SharedMemory(create=True, size=1 << 12, name=NAME).close()  # memory
    resource_tracker.unregister("/" + NAME, "shared_memory")


def tracked_memory():
    """Left to the resource tracker, which warns and removes it."""
    SharedMemory(create=True, size=1 << 12, name=NAME).close()
    return "exit"


def semaphore():
    """Named under spawn and forkserver; the tracker that would remove it is killed."""
    lock = Lock()  # semaphore
    resource_tracker.ensure_running()
    os.kill(resource_tracker._resource_tracker._pid, signal.SIGKILL)
    globals()["keep"] = lock
    return "exit"


def shm_file():
    with open(f"/dev/shm/{NAME}", "w") as file:  # shm_file
        file.write("planted" * 1000000)


def unix_socket():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/tmp/{NAME}.sock")  # unix_socket
    listener.close()


def listener():
    Listener(family="AF_UNIX")  # listener
    return "exit"


def file():
    tempfile.NamedTemporaryFile(prefix="planted", delete=False).close()  # file


def folder():
    folder = tempfile.mkdtemp(prefix="planted")  # folder
    with open(os.path.join(folder, "inside"), "w"):
        pass


# ------------------------------------------------------------------------------ tidied up


def tidy():
    with tempfile.NamedTemporaryFile(), tempfile.TemporaryDirectory():
        pass
    memory = SharedMemory(create=True, size=1 << 12)
    memory.close()
    memory.unlink()
    path = f"/dev/shm/{NAME}"
    with open(path, "w") as file:
        file.write("planted")
    os.remove(path)
    path = f"/tmp/{NAME}.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
    os.remove(path)
    with Listener(family="AF_UNIX"):
        pass
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


def daemon():
    """multiprocessing ends these itself, at the end of the program."""
    ours, theirs = Pipe()
    event = Event()
    Process(target=sleep_on, args=(theirs, event), daemon=True).start()
    ours.recv()


def not_joined():
    """And joins these."""
    Process(target=nothing).start()


def manager():
    with Manager() as manager:
        manager.list([1]).append(2)


def pool():
    with Pool(2) as pool:
        pool.map(abs, range(4))


def pool_dropped():
    Pool(2).map(abs, range(4))


def end(how):
    sys.stdout.flush()
    if how == "exception":
        raise RuntimeError("planted end")
    if how == "exit":
        os._exit(0)
    if how == "terminate":
        os.kill(os.getpid(), signal.SIGTERM)
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "timeout":
        while True:
            pass


if __name__ == "__main__":
    end(globals()[sys.argv[1]]() or (sys.argv[2] if len(sys.argv) > 2 else "return"))
