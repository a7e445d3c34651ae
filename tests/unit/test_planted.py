"""Every detector has a planted bug that it must turn red, and a clean twin that it leaves green.

The scripts are in tests/planted; they are run as a user's would be, by a real agent.
"""

from __future__ import annotations

import inspect
import multiprocessing.forkserver
import re
import sys
from pathlib import Path

import pytest
from cells import every, line, run

from lab import matrix
from lab.checks import determinism
from lab.model import Verdict

METHODS = ("fork", "spawn", "forkserver")
OTHERS = METHODS[1:]

PRELOADS_MAIN = "init_main_from_path" in inspect.getsource(multiprocessing.forkserver)
"""Whether the fork server imports the script before it forks, as 3.14.8 and 3.15.0 do."""

methods = pytest.mark.parametrize("method", METHODS)
method_and_cores = pytest.mark.parametrize(
    ("method", "cores"), [(method, cores) for method in METHODS for cores in (1, 2)]
)


def named(name: str) -> str:
    """A pattern for a process of a name, as messages tell it."""
    return rf"{name} \(pid \d+\)"


class TestDeterminism:
    @method_and_cores
    def test_who_is_first(self, method: str, cores: int) -> None:
        ran = run("determinism", "order", method=method, cores=cores, samples=8)
        assert ran.verdict == Verdict.NONDETERMINISTIC
        found = ran.finding("determinism")
        assert re.fullmatch(r"\d different outcomes in 8 samples of one cell", found.message)
        assert found.evidence["axis"] == "samples"
        assert len(found.evidence["sides"]["samples with pauses"]) > 1

    @methods
    def test_the_same_in_any_order(self, method: str) -> None:
        ran = run("determinism", "sorted", method=method, cores=2, samples=4)
        assert ran.verdict == Verdict.CLEAN
        assert ran.outcomes == {"exit=0, [0, 1, 2, 3]"}

    def test_one_sample_is_no_comparison(self) -> None:
        ran = run("determinism", "sorted", method="fork", samples=1)
        assert ran.verdict == Verdict.INCONCLUSIVE

    def test_memory_depends_on_the_start_method(self) -> None:
        cells = [run("determinism", "memory", method=method).result for method in METHODS]
        assert {cell.verdict for cell in cells} == {Verdict.CLEAN}
        (found,) = determinism.across(cells)
        assert found.verdict == Verdict.NONDETERMINISTIC
        assert found.evidence["axis"] == "start method"
        assert found.message == (
            "the outcome depends on the start method (fork: exit=0, ['as set by main']; "
            "spawn, forkserver: exit=0, ['as imported'])"
        )


class TestLocks:
    @methods
    def test_released_by_somebody_who_does_not_hold_it(self, method: str) -> None:
        ran = run("locks", "stray", method=method)
        assert ran.verdict == Verdict.LOCK_VIOLATED
        found = ran.finding("locks")
        assert re.fullmatch(
            rf"2 processes were inside the lock made at {line('locks', 'made_stray')} at the same "
            rf"time; {named('thief')} released it at {line('locks', 'stray')} without having taken "
            "it",
            found.message,
        )
        entered, inside = found.evidence["sections"]
        assert re.fullmatch(named("second"), entered["process"])
        assert re.fullmatch(named("owner"), inside["process"])
        assert entered["line"] == inside["line"] == line("locks", "inside")

    @methods
    def test_a_semaphore_released_once_too_often(self, method: str) -> None:
        ran = run("locks", "once_too_often", method=method)
        assert ran.verdict == Verdict.LOCK_VIOLATED
        found = ran.finding("locks")
        assert re.search(
            rf"{named('twice')} released it at {line('locks', 'twice')} without having taken it",
            found.message,
        )
        assert {section["line"] for section in found.evidence["sections"]} == {
            line("locks", "first"),
            line("locks", "second"),
        }

    @pytest.mark.parametrize("mode", ["module", "parent"])
    @method_and_cores
    def test_a_module_level_lock(self, mode: str, method: str, cores: int) -> None:
        ran = run("module_lock", mode, method=method, cores=cores, samples=4)
        if method == "fork" or (method == "forkserver" and PRELOADS_MAIN and mode == "module"):
            assert ran.verdict == Verdict.CLEAN
            return
        assert ran.verdict == Verdict.LOCK_VIOLATED
        assert ran.finding("locks").message == (
            f"the section at {line('module_lock', 'section')} was entered by two processes at the "
            f"same time: each has a lock of its own, made at {line('module_lock', 'made')}"
        )

    def test_a_lock_of_a_preloaded_module(self) -> None:
        ran = run("module_lock", "preloaded", method="forkserver", samples=4)
        assert ran.verdict == Verdict.LOCK_VIOLATED
        assert "each has a lock of its own" in ran.finding("locks").message

    @methods
    def test_one_lock_handed_to_all(self, method: str) -> None:
        assert run("module_lock", "handed", method=method, samples=4).verdict == Verdict.CLEAN

    @pytest.mark.parametrize(
        ("mode", "at"), [("holder_exits", "died"), ("holder_terminated", "terminated")]
    )
    @methods
    def test_a_holder_that_died(self, mode: str, at: str, method: str) -> None:
        ran = run("locks", mode, method=method)
        assert ran.verdict == Verdict.DEADLOCK
        assert re.fullmatch(
            rf"{named('holder')} took the lock made at {line('locks', f'made_{at}')} in "
            rf"{line('locks', at)} and ended without releasing it",
            ran.finding("locks").message,
        )
        found = ran.finding("ends")
        assert re.search(
            rf"{named('MainProcess')} waits for the end of {named('wanter')}", found.message
        )
        assert re.search(
            rf"{named('wanter')} waits for a lock .*, taken at {line('locks', at)} by "
            rf"{named('holder')}, which ended without releasing it",
            found.message,
        )
        (wait,) = [w for w in found.evidence["waits"] if w["process"].startswith("wanter")]
        assert wait["line"] == f"{line('locks', 'wants')} in want"

    @pytest.mark.parametrize(
        ("method", "mode"),
        every(METHODS, ["clean", "rlock", "semaphore", "handed_over", "internals"]),
    )
    def test_what_is_no_violation(self, method: str, mode: str) -> None:
        ran = run("locks", mode, method=method, cores=2, samples=4)
        assert (ran.verdict, ran.result.findings) == (Verdict.CLEAN, ())
        assert ran.result.power["lock_waits"] > 0

    @pytest.mark.parametrize(
        ("mode", "why"),
        [
            ("uncontended", "no process ever had to wait for a lock"),
            ("none", "no lock was taken by more than one process"),
        ],
    )
    def test_nothing_to_see(self, mode: str, why: str) -> None:
        ran = run("locks", mode, method="fork")
        assert ran.verdict == Verdict.INCONCLUSIVE
        assert why in ran.finding("locks").message


class TestUpdates:
    @pytest.mark.parametrize(
        ("method", "kind"),
        [(method, kind) for method in METHODS for kind in ("value", "raw")]
        + every(METHODS, ["array", "memory", "dict"]),
    )
    @pytest.mark.parametrize("cores", [1, 2])
    def test_without_a_lock(self, method: str, kind: str, cores: int) -> None:
        ran = run("updates", kind, "unlocked", method=method, cores=cores, samples=4)
        assert ran.verdict == Verdict.LOST_UPDATES
        found = ran.finding("updates")
        assert re.match(r"updates were lost in [1-4] of 4 samples", found.message)
        assert all(re.fullmatch(r"total=\d+/100", lost) for lost in found.evidence["examples"])

    @pytest.mark.parametrize(
        ("method", "kind"), every(METHODS, ["value", "array", "raw", "memory", "dict"])
    )
    def test_with_a_lock(self, method: str, kind: str) -> None:
        ran = run("updates", kind, "locked", method=method, cores=2, samples=4)
        assert (ran.verdict, ran.result.findings) == (Verdict.CLEAN, ())
        assert ran.result.power["processes_together"] == 2
        assert ran.result.power["lost_updates_missed_at_most"] < 0.64

    @pytest.mark.parametrize("kind", ["alone", "alone_dict"])
    @methods
    def test_one_after_the_other(self, kind: str, method: str) -> None:
        ran = run("updates", kind, "unlocked", method=method)
        assert ran.verdict == Verdict.INCONCLUSIVE
        assert "no two processes were seen at work at the same time" in (
            ran.finding("updates").message
        )


class TestExceptions:
    @methods
    def test_nobody_looks(self, method: str) -> None:
        ran = run("exceptions", "unseen", method=method)
        assert ran.verdict == Verdict.EXCEPTION
        found = ran.finding("exceptions")
        assert re.fullmatch(
            rf"{named('planted')} raised builtins.ValueError\('planted',\) at "
            rf"{line('exceptions', 'raised')}; nobody looked at its exit code, .*",
            found.message,
        )
        assert "ValueError: planted" in found.evidence["stderr"]
        assert (found.evidence["type"], found.evidence["args"], found.evidence["line"]) == (
            "builtins.ValueError",
            "('planted',)",
            line("exceptions", "raised"),
        )

    @pytest.mark.parametrize(
        ("mode", "how"),
        [("quits", "exit=3"), ("exits", "exit=4"), ("killed", "signal=SIGKILL")],
    )
    @methods
    def test_ended_badly(self, mode: str, how: str, method: str) -> None:
        ran = run("exceptions", mode, method=method)
        assert ran.verdict == Verdict.CRASHED
        found = ran.finding("exceptions")
        assert re.match(rf"{named('planted')} ended with {how}; nobody looked", found.message)
        assert found.evidence["exit"] == how

    @pytest.mark.parametrize(
        ("method", "mode"),
        every(
            METHODS,
            [
                "looked",
                "quits_looked",
                "killed_looked",
                "terminated",
                "killed_by_parent",
                "task_fetched",
                "task_callback",
                "task_successful",
                "imap_caught",
                "exit_zero",
            ],
        ),
    )
    def test_somebody_looks(self, method: str, mode: str) -> None:
        ran = run("exceptions", mode, method=method)
        assert (ran.verdict, ran.result.findings) == (Verdict.CLEAN, ())

    @pytest.mark.parametrize(
        ("method", "mode"),
        every(METHODS, ["task_unfetched", "map_unfetched", "imap_unfetched"]),
    )
    def test_a_result_that_nobody_asks_for(self, method: str, mode: str) -> None:
        ran = run("exceptions", mode, method=method)
        assert ran.verdict == Verdict.EXCEPTION
        assert ran.finding("exceptions").message == (
            "a task of a Pool raised builtins.ValueError('planted', 2), and nobody asked for its "
            "result, so nobody ever knew"
        )

    @methods
    def test_another_arrives_than_was_raised(self, method: str) -> None:
        ran = run("exceptions", "changed", method=method)
        assert ran.verdict == Verdict.EXCEPTION
        found = ran.finding("exceptions")
        assert found.message == (
            "get() raised __main__.Changed('another',), which no worker had raised"
        )
        assert found.evidence["raised"] == [["__main__.Changed", "('original', 1)"]]

    def test_in_main(self) -> None:
        ran = run("exceptions", "in_main", method="spawn")
        assert ran.verdict == Verdict.EXCEPTION
        assert ran.finding("ends").message == (
            f"the script raised builtins.KeyError('main',) at {line('exceptions', 'main')} "
            "(2 of 2 samples)"
        )

    def test_a_main_that_cannot_be_parsed(self, tmp_path: Path) -> None:
        script = tmp_path / "app.py"
        script.write_text("import os\n\nif __name__ == '__main__' print(os.name)\n")
        found = run(script, method="fork").finding("ends")
        assert found.message.startswith("the script raised builtins.SyntaxError(")
        assert found.message.endswith(f" at {script}:3 (2 of 2 samples)")

    @pytest.mark.parametrize(("mode", "exit"), [("exit_text", "exit=1"), ("exit_three", "exit=3")])
    def test_sys_exit_in_main(self, mode: str, exit: str) -> None:
        ran = run("exceptions", mode, method="fork")
        assert ran.verdict == Verdict.CRASHED
        assert ran.finding("ends").message == f"the script ended with {exit} (2 of 2 samples)"


LEFTOVERS = {
    # what: its kind, the line it comes from, a pattern for its name
    "process": ("process", "process", "planted"),
    "popen": ("process", "popen", "sleep 1000"),
    "detached": ("process", "detached", "planted"),
    "grandchild": ("process", "grandchild", "planted"),
    "zombie": ("zombie", "zombie", r"pid \d+"),
    "memory": ("shared memory", "memory", r"planted-\d+"),
    "shm_file": ("shared memory", "shm_file", r"planted-\d+"),
    "unix_socket": ("socket", "unix_socket", r"/tmp/planted-\d+\.sock"),
    "listener": ("folder", "listener", "pymp-.*"),
    "file": ("file", "file", "planted.*"),
    "folder": ("folder", "folder", "planted.*"),
}


class TestCleanup:
    @pytest.mark.parametrize(("method", "what"), every(METHODS, LEFTOVERS))
    def test_leftovers(self, method: str, what: str) -> None:
        ran = run("cleanup", what, method=method)
        assert ran.verdict == Verdict.LEAK
        found = ran.finding("cleanup")
        kind, marker, name = LEFTOVERS[what]
        left = [thing for thing in found.evidence["left"] if thing["kind"] == kind]
        if kind == "folder" and what != "folder" and method == "forkserver":
            left = left[:1]
        (thing,) = left
        assert re.fullmatch(name, thing["name"])
        assert thing["line"] == line("cleanup", marker)
        by = r"pid \d+" if what == "grandchild" else named("MainProcess")
        assert re.fullmatch(by, thing["by"])
        assert f"{kind} {thing['name']}, by {thing['by']}, from {thing['line']}" in found.message
        self.assert_gone(ran.samples)

    @pytest.mark.parametrize("method", OTHERS)
    def test_a_named_semaphore(self, method: str) -> None:
        ran = run("cleanup", "semaphore", method=method)
        assert ran.verdict == Verdict.LEAK
        (thing,) = ran.finding("cleanup").evidence["left"]
        assert (thing["kind"], thing["line"]) == ("semaphore", line("cleanup", "semaphore"))
        assert re.fullmatch(r"sem\.mp-.*", thing["name"])
        self.assert_gone(ran.samples)

    @pytest.mark.parametrize(
        ("how", "verdict"),
        [
            ("exception", Verdict.EXCEPTION),
            ("terminate", Verdict.CRASHED),
            ("kill", Verdict.CRASHED),
        ],
    )
    @pytest.mark.parametrize("what", ["memory", "unix_socket", "file", "popen"])
    def test_after_another_end(self, what: str, how: str, verdict: Verdict) -> None:
        ran = run("cleanup", what, how, method="fork", samples=1)
        assert ran.verdict == verdict
        kind, marker, name = LEFTOVERS[what]
        (thing,) = ran.finding("cleanup").evidence["left"]
        assert (thing["kind"], thing["line"]) == (kind, line("cleanup", marker))
        assert re.fullmatch(name, thing["name"])
        self.assert_gone(ran.samples)

    def test_after_a_timeout(self) -> None:
        for what in ("memory", "grandchild"):
            ran = run("cleanup", what, "timeout", method="fork", samples=1, timeout=1)
            assert ran.verdict == Verdict.HANG
            kind, marker, _ = LEFTOVERS[what]
            (thing,) = ran.finding("ends").evidence["left"]
            assert (thing["kind"], thing["line"]) == (kind, line("cleanup", marker))
            self.assert_gone(ran.samples)

    @pytest.mark.parametrize(
        ("method", "what"),
        every(
            METHODS,
            ["tidy", "daemon", "not_joined", "manager", "pool", "pool_dropped", "tracked_memory"],
        ),
    )
    def test_tidied_up(self, method: str, what: str) -> None:
        ran = run("cleanup", what, method=method)
        assert (ran.verdict, ran.result.findings) == (Verdict.CLEAN, ())
        self.assert_gone(ran.samples)

    @staticmethod
    def assert_gone(samples) -> None:
        """Nothing that a sample named or made is there any more. (`run` looks for processes.)"""
        for sample in samples:
            for thing in sample.left:
                if thing["kind"] in ("process", "zombie"):
                    continue
                assert not (Path("/dev/shm") / thing["name"]).exists()
                assert not (Path("/tmp") / thing["name"]).exists()
            name = f"planted-{sample.root}"
            assert not (Path("/dev/shm") / name).exists()
            assert not Path(f"/tmp/{name}.sock").exists()


class TestEnds:
    def waits(self, mode: str, method: str) -> str:
        ran = run("ends", mode, method=method, cores=2)
        assert ran.verdict == Verdict.DEADLOCK
        assert ran.outcomes == {"deadlock"}
        found = ran.finding("ends")
        assert found.message.startswith("no process can go on (2 of 2 samples): ")
        return found.message.partition(": ")[2]

    @methods
    def test_locks_in_two_orders(self, method: str) -> None:
        lock = rf"a lock made at {line('ends', 'locks')}"
        assert re.fullmatch(
            rf"{named('MainProcess')} waits for the end of {named('left')}; "
            rf"{named('left')} waits for {lock}, held by {named('right')}; "
            rf"{named('right')} waits for {lock}, held by {named('left')}",
            self.waits("lock_order", method),
        )

    @methods
    def test_joined_before_drained(self, method: str) -> None:
        assert re.fullmatch(
            rf"{named('MainProcess')} waits for the end of {named('producer')}; "
            rf"{named('producer')} waits for another of its threads; "
            rf"{named('producer')} \(QueueFeederThread\) waits for a pipe of "
            + named("MainProcess"),
            self.waits("join_before_drain", method),
        )

    @methods
    def test_join_of_a_child_that_waits_on_a_queue(self, method: str) -> None:
        assert re.fullmatch(
            rf"{named('MainProcess')} waits for the end of {named('consumer')}; "
            rf"{named('consumer')} waits for a pipe of {named('MainProcess')}",
            self.waits("join_waiting", method),
        )

    @methods
    def test_a_barrier_with_a_party_missing(self, method: str) -> None:
        signal = rf"waits for a signal made at {line('ends', 'barrier')} that nobody gives"
        assert re.fullmatch(
            rf"{named('MainProcess')} waits for the end of {named('one')}; "
            rf"{named('one')} {signal}; {named('two')} {signal}",
            self.waits("missing_party", method),
        )

    @pytest.mark.parametrize(("method", "_"), every(METHODS, [""]))
    def test_a_pool_whose_worker_quits(self, method: str, _: str) -> None:
        assert re.search(
            rf"; before that, {named('[A-Za-z]*PoolWorker-1')} ended with exit=1$",
            self.waits("worker_quits", method),
        )

    def test_two_ends_of_a_pipe(self) -> None:
        assert self.waits("two_pipes", "fork").count("waits for a message on a socket") == 2

    def test_its_own_lock(self) -> None:
        assert re.fullmatch(
            rf"{named('MainProcess')} waits for a lock made at .*, held by {named('MainProcess')}",
            self.waits("own_lock", "fork"),
        )

    def test_an_event_that_nobody_sets(self) -> None:
        assert line("ends", "event") in self.waits("event_never_set", "fork")

    @pytest.mark.parametrize(
        ("mode", "what"),
        [
            ("busy", "nothing: it runs"),
            ("sleeping", "a sleep to end"),
            ("in_c", "nothing: it runs"),
            ("on_socket", "a new connection"),
            ("on_connection", ""),
        ],
    )
    def test_hangs(self, mode: str, what: str) -> None:
        ran = run("ends", mode, method="fork", samples=1, timeout=1.5)
        assert ran.verdict == Verdict.HANG
        found = ran.finding("ends")
        at = line("ends", mode)
        if mode == "busy":  # Pythons differ in the line that the jump back belongs to
            at = f"({at}|{line('ends', 'busy from 3.14 on')})"
        assert re.fullmatch(
            rf"still at work after [1-9]\.\d s \(1 of 1 samples\); the first process was at "
            rf"{at} in {mode}",
            found.message,
        )
        assert what in found.evidence["waits"][0]["waits_for"]
        if mode == "in_c":
            assert found.evidence["ended_by"] == "terminate"

    @pytest.mark.parametrize(
        ("method", "mode"),
        every(
            METHODS,
            [
                "slow",
                "slow_wait",
                "slow_queue",
                "slow_manager",
                "slow_timer",
                "slow_alarm",
            ],
        ),
    )
    def test_slow_is_not_stuck(self, method: str, mode: str) -> None:
        ran = run("ends", mode, method=method, samples=2)
        assert (ran.verdict, ran.result.findings) == (Verdict.CLEAN, ())


INLINE = {
    "lock": "[0, 0] 200",
    "rlock": "[0, 0] [0, 0] 202",
    "semaphore": "[0, 0] 20",
    "queue": "[0, 1, 2, 3, 4]",
    "simple_queue": "[0, 1, 2, 3, 4]",
    "joinable_queue": "done",
    "pipe": "TEXT",
    "event": "True",
    "condition": "1",
    "barrier": "[0, 0, 0]",
    "array": "[0] [0, 2, 4, 6]",
    "shared_memory": "[0] 7",
    "pool": "[0, 1, 4, 9, 16] 9",
    "manager": "[0, 0] [1, 1]",
    "executor": "[0, 1, 4, 9, 16]",
    "name": "[0, 0] 2",
}


class TestInline:
    @pytest.mark.parametrize("primitive", INLINE)
    def test_each_primitive_works(self, primitive: str) -> None:
        ran = run("inline", primitive, method="inline")
        assert (ran.verdict, ran.result.findings) == (Verdict.CLEAN, ())
        assert ran.outcomes == {f"exit=0, {INLINE[primitive]}"}

    @pytest.mark.parametrize("cores", [1, 2])
    def test_no_update_is_lost(self, cores: int) -> None:
        ran = run("inline", "value", method="inline", cores=cores, samples=20)
        assert ran.outcomes == {"exit=0, [0, 0, 0, 0] 8000"}

    def test_an_error_of_logic_shows(self) -> None:
        ran = run("exceptions", "unseen", method="inline")
        assert ran.verdict == Verdict.EXCEPTION
        assert line("exceptions", "raised") in ran.finding("exceptions").message

    @pytest.mark.parametrize("what", ["daemon", "not_joined", "manager", "pool_dropped"])
    def test_clean_twins(self, what: str) -> None:
        assert run("cleanup", what, method="inline").verdict == Verdict.CLEAN

    @pytest.mark.parametrize(
        "how",
        [
            "terminate",
            pytest.param(
                "interrupt",
                marks=pytest.mark.skipif(sys.version_info < (3, 14), reason="new in Python 3.14"),
            ),
        ],
    )
    def test_what_does_not_work_is_told(self, how: str) -> None:
        ran = run("inline", how, method="inline")
        assert ran.verdict == Verdict.EXCEPTION
        assert "a process cannot be terminated under `inline`" in ran.finding("ends").message


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.12", "3.13", "3.14", "3.15"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("script", "words", "verdict"),
    [
        ("determinism", "order", Verdict.NONDETERMINISTIC),
        ("determinism", "sorted", Verdict.CLEAN),
        ("locks", "stray", Verdict.LOCK_VIOLATED),
        ("locks", "once_too_often", Verdict.LOCK_VIOLATED),
        ("locks", "holder_exits", Verdict.DEADLOCK),
        ("locks", "clean", Verdict.CLEAN),
        ("locks", "internals", Verdict.CLEAN),
        ("updates", "raw unlocked", Verdict.LOST_UPDATES),
        ("updates", "raw locked", Verdict.CLEAN),
        ("exceptions", "unseen", Verdict.EXCEPTION),
        ("exceptions", "quits", Verdict.CRASHED),
        ("exceptions", "killed_by_parent", Verdict.CLEAN),
        ("exceptions", "task_unfetched", Verdict.EXCEPTION),
        ("exceptions", "imap_unfetched", Verdict.EXCEPTION),
        ("exceptions", "imap_caught", Verdict.CLEAN),
        ("exceptions", "changed", Verdict.EXCEPTION),
        ("cleanup", "grandchild", Verdict.LEAK),
        ("cleanup", "memory", Verdict.LEAK),
        ("cleanup", "tidy", Verdict.CLEAN),
        ("ends", "lock_order", Verdict.DEADLOCK),
        ("ends", "join_before_drain", Verdict.DEADLOCK),
        ("ends", "in_c", Verdict.HANG),
        ("ends", "slow", Verdict.CLEAN),
    ],
)
def test_every_python(version: str, method: str, script: str, words: str, verdict: Verdict) -> None:
    found = [python for python in matrix.interpreters() if python.minor == version]
    if not found:
        pytest.skip(f"no Python {version}")
    ran = run(
        script,
        *words.split(),
        method=method,
        samples=8 if words == "order" else 4 if script == "updates" else 2,
        timeout=5 if words == "in_c" else 30,
        python=found[0].path,
    )
    assert ran.verdict == verdict, ran.result.findings
    assert ran.result.python == found[0].version
