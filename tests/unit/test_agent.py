"""An agent and the samples it keeps: nothing that a script does harms it, or outlives it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from cells import Ran, marked, processes_with, run

from lab import matrix
from lab.agent import leftovers, processes
from lab.agent.keeper import MOST_PROCESSES
from lab.agent.output import KEPT
from lab.agent.protocol import AT_A_TIME, CELL, HOLD, MAX_REQUEST, Request
from lab.hosts import channel
from lab.hosts.local import Local
from lab.model import Sample, Verdict

PATIENCE = 60.0
"""Seconds for what takes a moment on an idle machine."""

METHODS = ("fork", "spawn", "forkserver")


def awaited(condition: Callable[[], object]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture
def script(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a script."""

    def write(text: str) -> Path:
        path = tmp_path / "app.py"
        path.write_text(dedent(text))
        return path

    return write


@pytest.fixture
def mark() -> Iterator[str]:
    """A mark on whatever the test starts; of that, nothing may be left."""
    with marked() as mark:
        yield mark
        assert awaited(lambda: not processes_with(mark)), processes_with(mark)


def request(path: Path, **more: Any) -> Request:
    values: dict[str, Any] = {
        "script": str(path),
        "args": (),
        "cwd": str(path.parent),
        "python": "",
        "start_method": "fork",
        "cpus": (),
        "seed": 0,
        "fewest": 1,
        "most": 1,
        "budget": 0.0,
        "timeout": 60.0,
        "at_once": 1,
        "observe_most": False,
    }
    return Request(**{**values, **more})


class Agent:
    """`python -m lab.agent cells`, and our end of the socket of one cell that it was sent."""

    def __init__(self) -> None:
        self.control, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "lab.agent", "cells"],
                stdin=theirs,
                start_new_session=True,
            )
        self.socket = self.cell()

    def cell(self, *held: int) -> socket.socket:
        """Our end of the socket of another cell."""
        ours, theirs = socket.socketpair()
        with theirs:
            if held:
                socket.send_fds(self.control, [HOLD], held)
            socket.send_fds(self.control, [CELL], [theirs.fileno()])
        ours.settimeout(PATIENCE)
        return ours

    def answer(self) -> Any:
        data = bytearray()
        while piece := self.socket.recv(1 << 20):
            data += piece
        return json.loads(data)

    def samples(self) -> list[Sample]:
        return [Sample(**sample) for sample in self.answer()["samples"]]

    def kill(self) -> None:
        """Kill the process that runs the cell, then the one that forked it."""
        (cell,) = processes.children(self.process.pid)
        os.kill(cell, signal.SIGKILL)
        self.process.kill()

    def end(self) -> int:
        """Let it go; its exit code, once all that it started has gone."""
        self.socket.close()
        self.control.close()
        return self.process.wait(PATIENCE)


@pytest.fixture
def agent(mark: str) -> Iterator[Agent]:
    assert mark
    agent = Agent()
    yield agent
    agent.end()


# ------------------------------------------------------------------------------ requests

WHOLE = json.loads(request(Path("/app.py")).to_line())


class TestRequests:
    @pytest.mark.parametrize(
        ("line", "why"),
        [
            (b"\n", "not JSON"),
            (b"{\n", "not JSON"),
            (b"\xff\xfe\n", "not JSON"),
            (b"[]\n", "not an object"),
            (b"{}\n", "missing or unknown keys"),
            (json.dumps({**WHOLE, "more": 1}).encode() + b"\n", "missing or unknown keys: more"),
            (json.dumps({**WHOLE, "seed": "1"}).encode() + b"\n", "seed must be int"),
            (json.dumps({**WHOLE, "cpus": [None]}).encode() + b"\n", "cpus must be tuple"),
            (json.dumps({**WHOLE, "start_method": "x"}).encode() + b"\n", "unknown start method"),
            (json.dumps({**WHOLE, "at_once": 0}).encode() + b"\n", "at_once"),
            (b'{"script": "', "ended in the middle"),
            (b"", "ended in the middle"),
            (b"x" * (MAX_REQUEST + 1), f"longer than {MAX_REQUEST} bytes"),
            (b"[" * 100_000 + b"\n", "not JSON"),
        ],
        ids=lambda value: value[:12] if isinstance(value, str) else "",
    )
    def test_what_is_no_request_is_refused(self, agent: Agent, line: bytes, why: str) -> None:
        agent.socket.sendall(line)
        agent.socket.shutdown(socket.SHUT_WR)
        assert why in agent.answer()["refused"]
        assert agent.end() == 0

    def test_cpus_that_are_not_there_are_an_error(
        self, agent: Agent, script: Callable[[str], Path]
    ) -> None:
        agent.socket.sendall(request(script(""), cpus=(4095,)).to_line())
        assert "Invalid argument" in agent.answer()["error"]

    def test_an_interpreter_that_is_not_there_is_an_error(
        self, agent: Agent, script: Callable[[str], Path]
    ) -> None:
        agent.socket.sendall(request(script(""), python="/no/python").to_line())
        (sample,) = agent.samples()
        assert "FileNotFoundError" in sample.error


class TestManyCells:
    """An agent forks for each cell that it is sent."""

    def test_it_holds_what_came_with_a_cell_until_that_has_ended(
        self, agent: Agent, script: Callable[[str], Path]
    ) -> None:
        path = script("import pathlib\nwhile not pathlib.Path('go').exists(): pass")
        told, held = os.pipe()
        ours = agent.cell(*[held] * 150)
        os.close(held)
        with ours, os.fdopen(told, "rb", buffering=0) as end:
            ours.sendall(request(path).to_line())
            assert select.select([end], [], [], 0.3)[0] == []
            (path.parent / "go").touch()
            assert end.read() == b""
            assert json.loads(ours.makefile("rb").read())["samples"][0]["exit_code"] == 0

    def test_a_host_starts_another_one_if_it_was_killed(
        self, mark: str, script: Callable[[str], Path]
    ) -> None:
        assert mark
        host = Local()
        try:
            for _ in range(2):
                answer, _ = host.run(1, request(script("")))
                assert answer["samples"][0]["exit_code"] == 0
                assert host._agent
                host._agent[0].kill()
                host._agent[0].wait()
        finally:
            host.close()

    def test_a_host_sends_the_leases_of_many_cpus(
        self, mark: str, script: Callable[[str], Path]
    ) -> None:
        assert mark
        host = Local()
        ours, theirs = socket.socketpair()
        try:
            with ours:
                with theirs:
                    host._send(theirs, (0,) * (2 * AT_A_TIME + 1))
                assert channel.ask(ours, request(script("")))["samples"][0]["exit_code"] == 0
        finally:
            host.close()


TOGETHER = """
    import os, pathlib, time

    here = pathlib.Path("here.%d" % os.getpid())
    here.touch()
    deadline = time.monotonic() + {patience}
    while len(list(pathlib.Path().glob("here.*"))) < 2:
        if time.monotonic() > deadline:
            here.unlink()
            raise SystemExit("alone")
        time.sleep(0.01)
"""


@pytest.mark.parametrize(("idle", "patience", "code"), [("clock", PATIENCE, 0), ("zero", 0.3, 1)])
def test_more_samples_run_side_by_side_while_cpus_idle(
    script: Callable[[str], Path], idle: str, patience: float, code: int
) -> None:
    path = script(TOGETHER.format(patience=patience))
    source = f"""
        import socket, time
        from lab.agent import cell, processes
        clock, zero = time.monotonic, lambda: 0.0
        processes.idle_seconds = lambda cpus: {idle}()
        from lab.agent.forks import answer
        answer(socket.socket(fileno=0))
        """
    ours, theirs = socket.socketpair()
    with theirs:
        agent = subprocess.Popen([sys.executable, "-P", "-c", dedent(source)], stdin=theirs)
    with ours:
        ours.sendall(request(path, fewest=2, most=2, at_once=1, budget=60).to_line())
        answer = json.loads(ours.makefile("rb").read())
    assert agent.wait(PATIENCE) == 0
    assert [sample["exit_code"] for sample in answer["samples"]] == [code, code]


def test_idle_time_is_that_of_the_cpus_asked_for() -> None:
    (cpu, *_) = sorted(os.sched_getaffinity(0))
    before = processes.idle_seconds([cpu])
    assert before > 0
    assert processes.idle_seconds([cpu, 4095]) >= before
    assert processes.idle_seconds([4095]) == 0


# ------------------------------------------------------------------------------ when one of us dies

SPREAD = """
    import os, pathlib, signal, socket, sys, tempfile, time
    from multiprocessing import Process
    from multiprocessing.shared_memory import SharedMemory

    def sleep():
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if os.fork() == 0:
            os.setsid()
            if os.fork():
                os._exit(0)
        time.sleep(1000)

    if __name__ == "__main__":
        SharedMemory(create=True, size=1, name=f"planted-{os.getpid()}")
        Process(target=sleep).start()
        told = f"{os.getpid()} {os.getppid()} {tempfile.gettempdir()}"
        pathlib.Path(f"told.{os.getpid()}.part").write_text(told)
        os.rename(f"told.{os.getpid()}.part", f"told.{os.getpid()}")
        time.sleep(1000)
"""


class Spread:
    """A sample under way that has spread as far as it can."""

    def __init__(self, folder: Path, mark: str) -> None:
        assert awaited(lambda: list(folder.glob("told.*[0-9]")))
        (told,) = folder.glob("told.*[0-9]")
        root, keeper, temporary = told.read_text().split()
        self.root, self.keeper = int(root), int(keeper)
        self.base = Path(temporary).parents[1]
        self.memory = Path(f"/dev/shm/planted-{root}")
        self.mark = mark
        assert self.base.match("/tmp/mplab-*")
        assert self.base.stat().st_mode & 0o777 == 0o700
        assert awaited(lambda: len(self.sleepers()) >= 3)

    def sleepers(self) -> list[str]:
        return [command for command in processes_with(self.mark) if "mplab_start" in command]

    def sweep(self) -> None:
        """What the next agent does, a while later."""
        os.utime(self.base, (0, 0))
        Agent().end()

    def is_gone_but_for_the_agent(self) -> bool:
        return not (self.sleepers() or self.base.exists() or self.memory.exists())

    def is_gone(self) -> bool:
        return not (processes_with(self.mark) or self.base.exists() or self.memory.exists())


@pytest.mark.parametrize("observed", [0, 1])
class TestEndings:
    """Whoever ends first: nothing of the sample is left."""

    @pytest.fixture
    def spread(
        self, agent: Agent, mark: str, script: Callable[[str], Path], observed: int
    ) -> Spread:
        path = script(SPREAD)
        agent.socket.sendall(request(path, seed=observed).to_line())
        return Spread(path.parent, mark)

    def test_the_lab_closes_the_connection(self, agent: Agent, spread: Spread) -> None:
        agent.socket.close()
        assert awaited(spread.is_gone_but_for_the_agent)
        assert agent.end() == 0

    def test_the_lab_is_killed(self, agent: Agent, spread: Spread) -> None:
        agent.socket.close()
        agent.control.close()
        assert agent.process.wait(PATIENCE) == 0
        assert spread.is_gone()  # nobody is left who could end something later

    def test_the_agent_is_killed(self, agent: Agent, spread: Spread) -> None:
        agent.kill()
        assert awaited(spread.is_gone)

    def test_the_keeper_is_killed(self, agent: Agent, spread: Spread) -> None:
        os.kill(spread.keeper, signal.SIGKILL)
        (sample,) = agent.samples()
        assert "the process that kept the sample was killed" in sample.error
        assert awaited(spread.is_gone_but_for_the_agent)

    def test_agent_and_script_are_killed(self, agent: Agent, spread: Spread) -> None:
        agent.kill()
        os.kill(spread.root, signal.SIGKILL)
        assert awaited(spread.is_gone)

    def test_cell_and_keeper_are_killed(self, agent: Agent, spread: Spread) -> None:
        (cell,) = processes.children(agent.process.pid)
        os.kill(cell, signal.SIGSTOP)  # it shall not clear up after the keeper
        for pid in (spread.keeper, cell):
            os.kill(pid, signal.SIGKILL)
        assert agent.end() == 0
        assert not spread.sleepers()
        spread.sweep()
        assert not spread.base.exists()
        assert not spread.memory.exists()

    def test_a_cell_is_killed_and_another_one_sent(
        self, agent: Agent, spread: Spread, tmp_path: Path
    ) -> None:
        (cell,) = processes.children(agent.process.pid)
        os.kill(cell, signal.SIGKILL)
        (tmp_path / "app.py").write_text("")
        with agent.cell() as another:
            another.sendall(request(tmp_path / "app.py").to_line())
            assert json.loads(another.makefile("rb").read())["samples"][0]["exit_code"] == 0
        assert awaited(spread.is_gone_but_for_the_agent)

    def test_all_of_ours_are_killed(self, agent: Agent, spread: Spread) -> None:
        (cell,) = processes.children(agent.process.pid)
        pids = (agent.process.pid, cell, spread.keeper)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                os.kill(pid, number)
        agent.process.wait()
        assert spread.sleepers()
        spread.sweep()
        assert awaited(spread.is_gone)


def test_folders_that_are_in_use_or_not_ours_are_left_alone(
    agent: Agent, script: Callable[[str], Path], mark: str
) -> None:
    path = script(SPREAD)
    agent.socket.sendall(request(path).to_line())
    spread = Spread(path.parent, mark)
    young = leftovers.TMP / "mplab-__young_"
    others = [leftovers.TMP / "mplab-__test", leftovers.TMP / "mplab-__test__x"]
    link = leftovers.TMP / "mplab-__link__"
    try:
        young.mkdir()
        for folder in others:
            folder.mkdir()
            os.utime(folder, (0, 0))
        link.symlink_to(path.parent)
        os.utime(link, (0, 0), follow_symlinks=False)
        spread.sweep()
        assert len(spread.sleepers()) >= 3
        assert spread.memory.exists()
        assert young.exists()
        assert all(folder.exists() for folder in others)
        assert path.exists()
    finally:
        link.unlink()
        for folder in (young, *others):
            folder.rmdir()


def test_one_of_a_servers_requests_is_dropped(
    mark: str, script: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = script(SPREAD)
    address = tmp_path_factory.mktemp("a") / "s"
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "lab.agent", "serve", "--socket", str(address)]
    )
    assert awaited(address.is_socket)
    with socket.socket(socket.AF_UNIX) as control, socket.socket(socket.AF_UNIX) as asked:
        control.connect(str(address))
        control.sendall(b"control\n")
        assert control.recv(1000)
        asked.connect(str(address))
        asked.sendall(request(path).to_line())
        spread = Spread(path.parent, mark)
        asked.close()
        assert awaited(lambda: not (spread.sleepers() or spread.base.exists()))
        assert not spread.memory.exists()
        with socket.socket(socket.AF_UNIX) as again:
            again.settimeout(PATIENCE)
            again.connect(str(address))
            again.sendall(b"{}\n")
            assert b"missing or unknown keys" in again.recv(1000)
    assert server.wait(PATIENCE) == 0


def test_nothing_of_ours_is_left(mark: str, script: Callable[[str], Path]) -> None:
    sample = ran(script("import tempfile; print(tempfile.gettempdir())"), mark)
    base = Path(sample.stdout.strip()).parents[1]
    assert base.match("/tmp/mplab-*")
    assert not base.exists()


def test_a_killed_keeper_harms_no_other_sample(agent: Agent, script: Callable[[str], Path]) -> None:
    path = script(
        """
        import os, pathlib, signal, sys, time

        here = pathlib.Path(f"here.{os.environ['PYTHONHASHSEED']}")
        first = not list(pathlib.Path().glob("here.*"))
        here.touch()
        if first:
            while len(list(pathlib.Path().glob("here.*"))) < 2:
                time.sleep(0.01)
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(1000)
        while not pathlib.Path("killed").exists():
            time.sleep(0.01)
        """
    )
    agent.socket.sendall(request(path, fewest=2, most=2, at_once=2).to_line())
    # The first one's sleep ends with its keeper, while the other one still waits for us.
    assert awaited(lambda: len(list(path.parent.glob("here.*"))) == 2)
    mark = os.environ["PLANTED_MARK"]
    assert awaited(lambda: sum("mplab_start" in command for command in processes_with(mark)) == 1)
    (path.parent / "killed").touch()
    samples = agent.samples()
    assert sorted(bool(sample.error) for sample in samples) == [False, True]
    (other,) = [sample for sample in samples if not sample.error]
    assert (other.end, other.exit_code) == ("ended", 0)


# ------------------------------------------------------------------------------ what scripts do


def ran(path: Path, mark: str, **more: Any) -> Sample:
    agent = Agent()
    try:
        agent.socket.sendall(request(path, **more).to_line())
        (sample,) = agent.samples()
    finally:
        agent.end()
    assert not processes_with(mark)
    return sample


def test_a_script_that_kills_its_group(mark: str, script: Callable[[str], Path]) -> None:
    sample = ran(
        script(
            """
            import os, signal
            if os.fork() == 0:
                signal.pause()
            os.killpg(0, signal.SIGKILL)
            """
        ),
        mark,
    )
    assert (sample.error, sample.exit_code) == ("", -signal.SIGKILL)


def test_a_fork_bomb(script: Callable[[str], Path]) -> None:
    path = script(
        """
        import os, pathlib, signal

        for number in range(2000):  # at the very most
            if os.fork() == 0:
                signal.pause()
        pathlib.Path("exploded").touch()
        """
    )
    bomb = run(path, method="fork", samples=1, timeout=60)
    assert bomb.verdict == Verdict.CRASHED
    assert bomb.outcomes == {"too many processes"}
    assert "forks without end" in bomb.finding("ends").message
    assert not (path.parent / "exploded").exists()


def switches(pid: int) -> int:
    """How often a process went to sleep."""
    (line,) = [
        line
        for line in processes.read(f"/proc/{pid}/status").splitlines()
        if line.startswith("voluntary_ctxt_switches")
    ]
    return int(line.split()[1])


def test_a_fork_server_that_gets_no_cpu_is_no_deadlock(
    agent: Agent, script: Callable[[str], Path]
) -> None:
    path = script(
        """
        import os, pathlib, signal
        from multiprocessing import Process, forkserver

        if __name__ == "__main__":
            forkserver.ensure_running()
            server = forkserver._forkserver._forkserver_pid
            os.kill(server, signal.SIGSTOP)
            pathlib.Path("told.part").write_text(f"{os.getppid()} {server}")
            os.rename("told.part", "told")
            process = Process(target=print, args=("done",))
            process.start()
            process.join()
        """
    )
    agent.socket.sendall(request(path, start_method="forkserver").to_line())
    assert awaited((path.parent / "told").exists)
    keeper, server = map(int, (path.parent / "told").read_text().split())
    looks = switches(keeper)
    assert awaited(lambda: switches(keeper) >= looks + 10)
    os.kill(server, signal.SIGCONT)
    (sample,) = agent.samples()
    assert (sample.error, sample.end, sample.stdout) == ("", "ended", "done\n")


def test_a_script_that_says_much(script: Callable[[str], Path]) -> None:
    path = script(
        """
        import sys
        sys.stdout.write("first\\n")
        for _ in range(100):
            sys.stdout.write("x" * (1 << 20))
        sys.stdout.write("\\nlast\\n")
        """
    )
    loud = run(path, method="fork", samples=1)
    (sample,) = loud.samples
    assert sample.stdout_bytes == (100 << 20) + len("first\n\nlast\n")
    assert sample.stdout.startswith("first\n")
    assert sample.stdout.endswith("\nlast\n")
    assert len(sample.stdout) < 2 * KEPT + 100
    missing = sample.stdout_bytes - 2 * KEPT
    assert f"\n[... {missing} bytes not kept ...]\n" in sample.stdout
    assert loud.result.notes == ("100 MiB were printed; the first and the last MiB were kept",)


def test_few_processes_are_no_bomb(script: Callable[[str], Path]) -> None:
    path = script(
        f"""
        import os
        children = []
        for number in range({MOST_PROCESSES // 4}):
            child = os.fork()
            if child == 0:
                os._exit(0)
            children.append(child)
        for child in children:
            os.waitpid(child, 0)
        """
    )
    assert run(path, method="fork", samples=2).verdict == Verdict.CLEAN


def test_a_file_that_was_there_before_stays(script: Callable[[str], Path]) -> None:
    theirs = Path(f"/dev/shm/theirs-{os.getpid()}")
    theirs.write_text("theirs")
    try:
        path = script(
            f"""
            from multiprocessing import resource_tracker
            from multiprocessing.shared_memory import SharedMemory
            SharedMemory({theirs.name!r}).close()
            resource_tracker.unregister({"/" + theirs.name!r}, "shared_memory")
            with open({str(theirs)!r}, "a") as file:
                file.write(" and ours")
            """
        )
        assert run(path, method="fork", samples=1).result.findings[0].verdict == (
            Verdict.INCONCLUSIVE  # one sample: nothing to compare
        )
        assert theirs.read_text() == "theirs and ours"
    finally:
        theirs.unlink()


# ------------------------------------------------------------------------------ as plain Python

SCRIPTS = {
    "nothing": "",
    "names": "print(sorted(globals()))",
    "main": """
        import sys
        main = sys.modules["__main__"]
        print(sorted(dir(main)), __name__, __file__, __spec__, __package__, __doc__)
        print(main.__dict__ is globals(), __builtins__)
        """,
    "arguments": "import sys; print(sys.argv)",
    "paths": "import os, sys; print(sys.path, os.getcwd(), sys.flags, sys.warnoptions)",
    "stdin": "import sys; print(repr(sys.stdin.read()), sys.stdin.isatty())",
    "hooks": """
        import signal, sys, threading
        print(sys.excepthook is sys.__excepthook__, sys.displayhook is sys.__displayhook__)
        print(signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
        print(threading.active_count(), sys.getrecursionlimit())
        """,
    "depth": "import sys; print(sys._getframe().f_lineno, sys._getframe().f_code.co_filename)",
    "raises": "def inner():\n    1 / 0\n\ndef outer():\n    inner()\n\nouter()",
    "raises_in_library": "import json\njson.loads('{')",
    "raises_chained": """
        try:
            {}["key"]
        except KeyError as error:
            raise ValueError("chained") from error
        """,
    "raises_group": "raise ExceptionGroup('group', [ValueError(1)])",
    "does_not_parse": "def f(:\n    pass",
    "exits": "import sys; sys.exit(3)",
    "exits_with_text": "import sys; sys.exit('text')",
    "exits_hard": "import os; os._exit(4)",
    "exits_at_import": "import helper",
    "dies": "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
    "closes_stdout": "import sys; print('text'); sys.stdout.close()",
    "closes_descriptors": "import os; os.closerange(0, 100)",
    "warns": "import warnings; warnings.warn('text')",
    "hook_of_its_own": """
        import sys
        sys.excepthook = lambda kind, error, trace: print("mine", kind, trace.tb_next)
        raise ValueError
        """,
    "at_exit": "import atexit; atexit.register(print, 'end'); print('start')",
    "thread": """
        import threading
        threading.Thread(target=lambda: print("in a thread")).start()
        """,
    "child_raises": """
        from multiprocessing import Process, get_context

        def fail():
            raise ValueError("child")

        if __name__ == "__main__":
            process = get_context("fork").Process(target=fail)
            process.start()
            process.join()
            print(process.exitcode)
        """,
    "memory_exists": """
        from multiprocessing.shared_memory import SharedMemory
        import os
        memory = SharedMemory(create=True, size=1, name=f"x{os.getpid()}")
        try:
            SharedMemory(create=True, size=1, name=memory.name)
        finally:
            memory.close()
            memory.unlink()
        """,
    "task_raises": """
        from multiprocessing import get_context

        def fail(number):
            raise ValueError(number)

        if __name__ == "__main__":
            with get_context("fork").Pool(1) as pool:
                pool.apply(fail, (1,))
        """,
}


def compare(path: Path, mark: str, python: str, observed: int) -> None:
    """A script does and says the same in a sample as in plain Python."""
    (path.parent / "helper.py").write_text("import sys\nprint('import')\nsys.exit(5)\n")
    words = ("one", "two words")
    sample = ran(path, mark, script=path.name, python=python, seed=observed, args=words)
    plain = subprocess.run(
        [python or sys.executable, path.name, *words],
        cwd=path.parent,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        check=False,
    )
    assert sample.error == ""
    assert sample.end == "ended"
    assert sample.exit_code == plain.returncode
    assert sample.stdout == plain.stdout
    told = sample.stderr
    if sample.exit_code == -signal.SIGSEGV:
        told = told[told.index("\n\n") + 2 :] if plain.stderr else ""  # faulthandler's
    assert unnumbered(told) == unnumbered(plain.stderr)


def unnumbered(text: str) -> list[str]:
    """The lines of a traceback, without pids."""
    return ["".join(c for c in line if not c.isdigit()) for line in text.splitlines()]


class TestAsPlainPython:
    @pytest.mark.parametrize("name", SCRIPTS)
    @pytest.mark.parametrize("observed", [0, 1])
    def test_alike(
        self, name: str, observed: int, mark: str, script: Callable[[str], Path]
    ) -> None:
        compare(script(SCRIPTS[name]), mark, "", observed)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", SCRIPTS)
    @pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13", "3.14"])
    def test_alike_elsewhere(
        self, name: str, version: str, mark: str, script: Callable[[str], Path]
    ) -> None:
        found = [python for python in matrix.interpreters() if python.minor == version]
        if not found:
            pytest.skip(f"no Python {version}")
        compare(script(SCRIPTS[name]), mark, found[0].path, 1)


# ------------------------------------------------------------------------------ again

CHANCE = """
    import random
    from multiprocessing import Process, Queue

    def tell(queue, path):
        told = [path, hash("text"), random.random()]
        if path < 10:
            child = Process(target=tell, args=(queue, path * 10))
            child.start()
            child.join()
        queue.put(told)

    if __name__ == "__main__":
        random.random()
        queue = Queue()
        children = [Process(target=tell, args=(queue, number)) for number in (1, 2)]
        for child in children:
            child.start()
        told = sorted(queue.get() for _ in range(4))
        for child in children:
            child.join()
        print(hash("text"), random.random(), told)
"""


class TestAgain:
    @pytest.mark.parametrize("method", METHODS)
    def test_a_seed_makes_the_same_sample(self, method: str, script: Callable[[str], Path]) -> None:
        path = script(CHANCE)
        several = run(path, method=method, samples=3, seed=6)
        told = {sample.seed: sample.stdout for sample in several.samples}
        assert len(set(told.values())) == 3
        for seed in (7, 8):
            alone: Ran = run(path, method=method, samples=1, seed=seed)
            assert alone.samples[0].stdout == told[seed]

    def test_children_differ_from_each_other(self, script: Callable[[str], Path]) -> None:
        (sample,) = run(script(CHANCE), method="fork", samples=1).samples
        _, _, told = sample.stdout.partition("[")
        numbers = [number for _, _, number in json.loads("[" + told)]
        assert len(set(numbers)) == 4

    def test_the_scripts_own_start_method_wins(self, script: Callable[[str], Path]) -> None:
        path = script(
            """
            from multiprocessing import Process, get_start_method, set_start_method

            if __name__ == "__main__":
                set_start_method("spawn")
                process = Process(target=print)
                process.start()
                process.join()
                print(get_start_method())
            """
        )
        own = run(path, method="fork")
        assert own.verdict == Verdict.CLEAN
        assert {sample.own_method for sample in own.samples} == {"spawn"}
        assert own.result.notes == ("the script chose its own start method: spawn instead of fork",)

    @pytest.mark.parametrize("method", METHODS)
    def test_the_cells_start_method_is_the_default(
        self, method: str, script: Callable[[str], Path]
    ) -> None:
        path = script(
            """
            import multiprocessing as mp

            def tell():
                print(mp.get_start_method(allow_none=True), mp.get_start_method())

            if __name__ == "__main__":
                print(mp.get_start_method(allow_none=True))
                process = mp.Process(target=tell)
                process.start()
                process.join()
                print(mp.get_start_method(), mp.get_all_start_methods())
            """
        )
        (sample,) = run(path, method=method, samples=1).samples
        first, second, last = sample.stdout.splitlines()
        assert (first, second.split()[1], last.split()[0]) == ("None", method, method)
