"""The pytest plugin: `pytest --lab SCRIPT ...` runs scripts as scenarios, a cell an item.

Collection, selection, workers, `-x`, `--lf` and JUnit are pytest's and xdist's own; `lab run` is
the front door to it. Without `--lab` nothing here changes how pytest works.
"""

from __future__ import annotations

import copy
import ctypes
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from _pytest.mark.expression import Expression

from lab import options
from lab.bench import Bench, Planned
from lab.errors import LabError, NothingRan, UsageError, complain
from lab.model import CellResult, Status
from lab.session import RunSession

BENCH = pytest.StashKey[Bench]()
SESSION = pytest.StashKey[RunSession]()
_PR_SET_PDEATHSIG = 1

PATIENCE = 10.0
"""Seconds that workers get to clear up. Of one that is killed, the agent ends what it runs."""


# ------------------------------------------------------------------------------ the command line


def pytest_addoption(parser: pytest.Parser) -> None:
    """The one option that every pytest gets; `lab.options` reads the others, and why."""
    group = parser.getgroup("lab", "a lab for multiprocessing")
    group.addoption(
        "--lab",
        action="store_true",
        help="run scripts as scenarios, a cell an item; `pytest --lab --help` shows more options",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(
    early_config: pytest.Config, parser: pytest.Parser, args: list[str]
) -> None:
    """Read the options of a run, before pytest itself reads what is left."""
    known = early_config.known_args_namespace
    if not known.lab:
        return
    if known.help:
        print(options.help_text())
        return
    try:
        early_config.option.lab_options = options.take(args)
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    # Their values are no longer taken for paths.
    early_config.known_args_namespace = parser.parse_known_args(
        args, namespace=copy.copy(early_config.option)
    )


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """Plan the run; what is wrong with it ends it here, before anything has started."""
    values = vars(config.option).get("lab_options")
    if not config.getoption("lab") or values is None:
        return None
    try:
        keyword = _selector("-k", config.getoption("keyword"))
        _selector("-m", config.getoption("markexpr"))
        bench = Bench(options.options(values, config.args))
        if not any(keyword(cell_id) for cell_id in bench.cells):
            raise NothingRan(
                f"-k {config.getoption('keyword')!r} selects none of the {len(bench.cells)} cells. "
                "`lab list cells` shows them."
            )
        config.stash[BENCH] = bench
        if _is_worker(config):
            _die_with_parent()
        elif not config.getoption("collectonly"):
            config.stash[SESSION] = RunSession(
                bench,
                [Path(sys.argv[0]).name, *sys.argv[1:]],
                Path(values["out"]) if values["out"] else None,
                values["strict"],
                sys.stdout,
                config.getoption("color"),
            )
    except LabError as error:
        return complain(error)
    _obey_signals(config)
    return None


def _selector(option: str, text: str) -> Callable[[str], bool]:
    """Whether a cell is selected. Raises UsageError for what is no selector.

    pytest would tell so too, but where workers collect they alone would see it, and die of it.
    """

    def evaluate(cell_id: str) -> bool:
        def matches(name: str, /, **more: object) -> bool:
            if more and option == "-k":
                raise SyntaxError(f"{name} takes no arguments")
            return name.lower() in cell_id.lower()

        return not text.strip() or Expression.compile(text.lstrip()).evaluate(matches)

    try:
        evaluate("")
    except Exception as error:  # SyntaxError; with older pytests, one of their own
        offset = getattr(error, "offset", None)
        at = f"at column {offset}: " if offset else ""
        raise UsageError(
            f"{option} {text!r}: {at}{getattr(error, 'msg', error)}. Give words with `and`, `or`, "
            "`not` and parentheses, such as 'value and not spawn'."
        ) from None
    return evaluate


def _obey_signals(config: pytest.Config) -> None:
    """SIGTERM (of docker stop, or a CI system) keeps the results so far, as Ctrl-C does.

    A worker clears up after either, and lets no second one keep it from that.
    """
    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt

    _handle(config, signal.SIGTERM, interrupt)
    if _is_worker(config):
        _handle(config, signal.SIGINT, interrupt)


def _handle(config: pytest.Config, number: int, handler: Callable[..., None]) -> None:
    """Handle a signal until pytest is done; not one that whoever started it had it ignore."""
    before = signal.getsignal(number)
    if before is signal.SIG_IGN:
        return
    with suppress(ValueError):  # not in the main thread: then signals are somebody else's
        signal.signal(number, handler)
        config.add_cleanup(partial(_restore, number, before))


def _restore(number: int, handler: Any) -> None:
    signal.signal(number, handler)


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Put the lab's report in the place of pytest's."""
    session = config.stash.get(SESSION, None)
    if session is None:
        return
    old = config.pluginmanager.getplugin("terminalreporter")
    config.pluginmanager.unregister(old)
    reporter = LabReporter(config, session)
    config.pluginmanager.register(reporter, "terminalreporter")
    # xdist, which was first, keeps the old one in two places.
    for name, attribute in (("dsession", "terminal"), ("terminaldistreporter", "tr")):
        plugin = config.pluginmanager.getplugin(name)
        if plugin is not None:
            setattr(plugin, attribute, reporter)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Let go of the host."""
    bench = config.stash.get(BENCH, None)
    if bench is not None:
        bench.close()


# ------------------------------------------------------------------------------ collection


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> bool | None:
    """The cells are the items, in the order in which they pack best; no file is looked at."""
    config = session.config
    bench = config.stash.get(BENCH, None)
    if bench is None or config.pluginmanager.hasplugin("dsession"):
        return None  # workers collect
    session.items = [
        CellItem.from_parent(session, name=cell_id, nodeid=cell_id, planned=planned)
        for cell_id, planned in bench.cells.items()
    ]
    config.hook.pytest_collection_modifyitems(session=session, config=config, items=session.items)
    config.hook.pytest_collection_finish(session=session)
    session.testscollected = len(session.items)
    return True


class NotAsExpected(Exception):
    """A cell whose verdict is not the expected one; the report explains it."""


class CellItem(pytest.Item):
    """One cell."""

    def __init__(self, *, planned: Planned, **more: Any) -> None:
        super().__init__(**more)
        self.planned = planned

    def runtest(self) -> None:
        """Run the cell, and send its result along with pytest's report."""
        result = self.config.stash[BENCH].run(self.planned)
        self.user_properties.append(("lab", result.to_record()))
        if result.status == Status.UNSUPPORTED:
            pytest.skip(result.reason)
        if not result.ok:
            raise NotAsExpected(result.reason or f"{result.verdict}, expected {result.expected}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """One line; the report has the rest."""
        if isinstance(excinfo.value, NotAsExpected):
            return str(excinfo.value)
        return f"{super().repr_failure(excinfo, style)}\n{excinfo.exconly()}"

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the cell comes from."""
        return self.planned.scenario.path, None, self.name


# ------------------------------------------------------------------------------ the report


class LabReporter:
    """Takes the place of pytest's own terminal report: cells instead of tests."""

    hasmarkup = False
    verbosity = 0

    def __init__(self, config: pytest.Config, session: RunSession) -> None:
        self.config = config
        self.run = session
        self.is_over = False
        self.interrupted = False

    def write(self, *_: Any, **__: Any) -> None:
        """What pytest or another plugin would have its terminal report print: nothing."""

    write_raw = write_line = write_sep = rewrite = ensure_newline = section = line = write

    def isatty(self) -> bool:
        """As told to those who would draw."""
        return False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The cells that will run, where no worker collects them."""
        if not self.config.pluginmanager.hasplugin("dsession"):
            self._select([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """The cells that will run, as the first worker collected them."""
        del node
        self._select(list(ids))

    def _select(self, ids: list[str]) -> None:
        try:
            self.run.select(ids)
        except LabError as error:
            self._give_up(error)

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        """A cell is taken up."""
        del location
        self.run.cell_started(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A cell's result, or a sign that there will be none."""
        properties = dict(report.user_properties)
        try:
            if report.when == "call" and "lab" in properties:
                result = CellResult.from_record(properties["lab"])  # type: ignore[arg-type]
                self.run.cell_finished(result)
            elif report.failed:
                last = (report.longreprtext.strip().splitlines() or ["no reason given"])[-1]
                self.run.lost(report.nodeid, f"the worker failed: {last}")
        except LabError as error:
            self._give_up(error)

    def pytest_internalerror(self, excrepr: Any) -> bool:
        """A bug of the lab, or of what it stands on: shown whole."""
        self.run.progress.stop()
        print(f"lab: internal error, please report it:\n{excrepr}", file=sys.stderr)
        return True

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Interrupted by a signal, or stopped for a reason (-x); a worker may be told first."""
        error = excinfo.value
        told = "keyboard-interrupt" in str(error)  # by xdist
        own = isinstance(error, (pytest.Session.Interrupted, pytest.exit.Exception))
        xdists = type(error).__module__.startswith("xdist")
        self.interrupted = told or not (own or xdists)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Iterator[None]:
        """Once the workers have ended: the report, and the lab's own exit code."""
        if self.interrupted or self.is_over:
            self._end_workers()
        yield
        broken = (pytest.ExitCode.USAGE_ERROR, pytest.ExitCode.INTERNAL_ERROR)
        if self.is_over or exitstatus in broken:
            return
        self.is_over = True
        try:
            session.exitstatus = self.run.finish(self.interrupted)
        except LabError as error:
            session.exitstatus = complain(error)

    def pytest_unconfigure(self) -> None:
        """Interrupted before the first cell: pytest has not called `pytest_sessionfinish`."""
        if self.interrupted and not self.is_over:
            self.is_over = True
            with suppress(LabError):
                self.run.finish(True)

    def _give_up(self, error: LabError) -> None:
        self.is_over = True
        self.run.progress.stop()
        # Printed by us: pytest would print an exit's reason once more.
        pytest.exit("", returncode=complain(error))

    def _end_workers(self) -> None:
        """Have them clear up now: xdist waits for what they do. A second Ctrl-C kills them."""
        nodes = getattr(self.config.pluginmanager.getplugin("dsession"), "nodemanager", None)
        workers = [
            popen
            for gateway in getattr(nodes, "group", ())
            if (popen := getattr(getattr(gateway, "_io", None), "popen", None)) is not None
        ]
        for worker in workers:
            worker.terminate()

        def kill(*_: object) -> None:
            for worker in workers:
                worker.kill()

        _handle(self.config, signal.SIGINT, kill)
        # One whose interrupt got lost in code that swallows it would go on for ever.
        late = threading.Timer(PATIENCE, kill)
        late.daemon = True
        late.start()
        self.config.add_cleanup(late.cancel)


# ------------------------------------------------------------------------------ workers


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """As many workers as CPUs that may be used: xdist does not look at the affinity."""
    from lab import cpus

    return len(cpus.usable()) if config.getoption("lab") else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: list[Any]) -> None:
    """Keep the user's folder off the workers' path: a random.py there would be theirs."""
    for spec in specs:
        if config.getoption("lab") and spec.popen and not spec.python:
            spec.python = f"{shlex.quote(sys.executable)} -P"


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _die_with_parent() -> None:
    """A worker ends with the lab, even one that was killed; its agent then ends its cell."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
