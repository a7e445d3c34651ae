"""Failures that nobody hears of, and the same where somebody does."""

import os
import signal
import sys
from multiprocessing import Event, Pool, Process


class Changed(Exception):
    """Arrives with another argument than it was raised with."""

    def __reduce__(self):
        return Changed, ("another",)


def fail():
    raise ValueError("planted")  # raised


def fail_if(number):
    if number == 2:
        raise ValueError("planted", number)  # task
    return number


def fail_changed(number):
    raise Changed("original", number)


def quit_with(code):
    os._exit(code)


def exit_with(code):
    sys.exit(code)


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def wait(event):
    event.wait()


def run(target, *args):
    process = Process(target=target, args=args, name="planted")
    process.start()
    process.join()
    return process


def unseen():
    run(fail)


def looked():
    assert run(fail).exitcode == 1


def quits():
    run(quit_with, 3)


def quits_looked():
    assert run(quit_with, 3).exitcode == 3


def exits():
    run(exit_with, 4)


def killed():
    run(kill_self)


def killed_looked():
    assert run(kill_self).exitcode == -signal.SIGKILL


def terminated():
    """What the program itself ends is no failure."""
    event = Event()
    process = Process(target=wait, args=(event,))
    process.start()
    process.terminate()
    process.join()


def killed_by_parent():
    """Nor is what it kills through the operating system."""
    event = Event()
    process = Process(target=wait, args=(event,))
    process.start()
    os.kill(process.pid, signal.SIGKILL)
    process.join()


def task_unfetched():
    with Pool(1) as pool:
        results = [pool.apply_async(fail_if, (number,)) for number in range(4)]
        for result in results:
            result.wait()
        pool.close()
        pool.join()


def task_fetched():
    with Pool(1) as pool:
        results = [pool.apply_async(fail_if, (number,)) for number in range(4)]
        for result in results:
            try:
                result.get()
            except ValueError as error:
                print("caught", error)
        pool.close()
        pool.join()


def task_callback():
    with Pool(1) as pool:
        pool.apply_async(fail_if, (2,), error_callback=print).wait()
        pool.close()
        pool.join()


def task_successful():
    with Pool(1) as pool:
        result = pool.apply_async(fail_if, (2,))
        result.wait()
        print("successful:", result.successful())
        pool.close()
        pool.join()


def map_unfetched():
    with Pool(2) as pool:
        pool.map_async(fail_if, range(4)).wait()
        pool.close()
        pool.join()


def imap_caught():
    with Pool(1) as pool:
        numbers = pool.imap(fail_if, range(4))
        got = []
        while True:
            try:
                got.append(next(numbers))
            except ValueError:
                got.append("caught")
            except StopIteration:
                break
        print(got)
        pool.close()
        pool.join()


def imap_unfetched():
    """The iterator is dropped before it gets to the item that failed."""
    with Pool(1) as pool:
        numbers = pool.imap(fail_if, range(4))
        print(next(numbers))
        pool.apply(abs, (1,))
        pool.close()
        pool.join()


def changed():
    with Pool(1) as pool:
        try:
            pool.apply(fail_changed, (1,))
        except Changed as error:
            print("caught", error)
        pool.close()
        pool.join()


def in_main():
    raise KeyError("main")  # main


def exit_text():
    sys.exit("nothing to do")


def exit_zero():
    sys.exit(0)


def exit_three():
    sys.exit(3)


if __name__ == "__main__":
    globals()[sys.argv[1]]()
