"""The pytest plugin: `pytest --lab SCRIPT ...` runs scripts as scenarios, a cell an item.

Collection, selection, workers, `-x`, `--lf` and JUnit are pytest's and xdist's own; `lab run` is
the front door to it. Without `--lab` nothing here changes how pytest works.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from lab.bench import BUDGETS, Bench, Options, Planned
from lab.errors import ExitCode, LabError, UsageError
from lab.model import CellResult, Status
from lab.session import RunSession

BENCH = pytest.StashKey[Bench]()
_PR_SET_PDEATHSIG = 1


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of a run."""
    group = parser.getgroup("lab", "a lab for multiprocessing")
    group.addoption("--lab", action="store_true", help="run scripts as scenarios, a cell an item")
    for name, more in OPTIONS.items():
        with suppress(ValueError):  # another plugin has an option of this name: then it is its own
            group.addoption(name, **more)


OPTIONS: dict[str, dict[str, Any]] = {
    "--start-method": {
        "default": "",
        "metavar": "METHOD,...",
        "help": "fork, spawn, forkserver, inline, or all (default: each scenario's own)",
    },
    "--cores": {"default": "auto", "metavar": "N,...", "help": "CPU counts to pin cells to"},
    "--python": {
        "default": "",
        "metavar": "VERSION|PATH,...",
        "help": "interpreters to run samples with (default: this one)",
    },
    "--profile": {"default": "", "metavar": "NAME,...", "help": "settings of a platform"},
    "--host": {
        "default": os.environ.get("LAB_HOST", "local"),
        "metavar": "HOST",
        "help": "where cells run: local, compose",
    },
    "--samples": {"type": int, "metavar": "N", "help": "samples of each cell"},
    "--time-budget": {
        "default": os.environ.get("LAB_TIME_BUDGET", "default"),
        "metavar": "BUDGET",
        "help": f"{', '.join(BUDGETS)}, or seconds for each cell",
    },
    "--timeout": {"type": float, "metavar": "SECONDS", "help": "time limit of one sample"},
    "--seed": {"type": int, "default": 0, "metavar": "N", "help": "of the first sample"},
    "--args": {"metavar": '"..."', "help": "arguments of the scripts, instead of their own"},
    "--out": {"metavar": "DIR", "help": "folder of the results (default: reports/<time>)"},
    "--strict": {"action": "store_true", "help": "cells that cannot run here fail"},
}


def options_of(config: pytest.Config) -> Options:
    """The run that a pytest command line asks for."""
    value = config.getoption
    timeout = value("timeout", None)
    return Options(
        targets=tuple(config.args),
        start_method=value("start_method"),
        cores=value("cores"),
        python=value("python"),
        profile=value("profile"),
        host=value("host"),
        samples=value("samples"),
        time_budget=value("time_budget"),
        timeout=float(timeout) if timeout else None,
        seed=value("seed"),
        args=value("args"),
    )


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """Plan the run; bad input ends it here, before anything has started."""
    if not config.getoption("lab"):
        return
    try:
        bench = Bench(options_of(config))
        config.stash[BENCH] = bench
        config.args = [str(which.path.resolve()) for which in bench.scenarios]
        if _is_worker(config):
            _die_with_parent()
            return
        out = config.getoption("out")
        session = RunSession(
            bench,
            [Path(sys.argv[0]).name, *sys.argv[1:]],
            Path(out) if out else None,
            config.getoption("strict"),
            sys.stdout,
            config.getoption("color"),
        )
    except UsageError as error:
        raise pytest.UsageError(str(error)) from None
    except LabError as error:
        pytest.exit(str(error), returncode=int(error.exit_code))
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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """As many workers as CPUs that may be used: xdist does not look at the affinity."""
    from lab import cpus

    return len(cpus.usable()) if config.getoption("lab") else None


# ------------------------------------------------------------------------------ collection


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A script of the run is a scenario."""
    bench = parent.config.stash.get(BENCH, None)
    if bench is None:
        return None
    for which in bench.scenarios:
        if which.path.resolve() == file_path.resolve():
            return ScenarioFile.from_parent(parent, path=file_path, nodeid=which.name)
    return None


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Collector | None:
    """Such a script is no test module: it must not be imported here."""
    del module_path
    if parent.config.stash.get(BENCH, None) is None:
        return None
    return Nothing.from_parent(parent, path=parent.path / "nothing", nodeid="nothing")


class Nothing(pytest.File):
    """Stands for a test module that is none."""

    def collect(self) -> list[pytest.Item]:
        """No test."""
        return []


class ScenarioFile(pytest.File):
    """A script, with an item for each of its cells."""

    def collect(self) -> Iterator[pytest.Item]:
        """Its cells."""
        for cell_id, planned in self.config.stash[BENCH].cells.items():
            if planned.scenario.path.resolve() == self.path.resolve():
                yield CellItem.from_parent(self, name=cell_id, nodeid=cell_id, planned=planned)


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
        return str(super().repr_failure(excinfo, style))

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where the cell comes from."""
        return self.path, None, self.name


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Cells in the order in which they pack best."""
    bench = config.stash.get(BENCH, None)
    if bench is not None:
        order = {cell_id: number for number, cell_id in enumerate(bench.cells)}
        items.sort(key=lambda item: order[item.nodeid])


# ------------------------------------------------------------------------------ the report


class LabReporter:
    """Takes the place of pytest's own terminal report: cells instead of tests."""

    hasmarkup = False
    verbosity = 0

    def __init__(self, config: pytest.Config, session: RunSession) -> None:
        self.config = config
        self.run = session
        self.is_over = False

    def write(self, *_: Any, **__: Any) -> None:
        """What pytest or another plugin would have its terminal report print: nothing."""

    write_raw = write_line = write_sep = rewrite = ensure_newline = section = line = write

    def isatty(self) -> bool:
        """As told to those who would draw."""
        return False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The cells that will run, where no worker collects them."""
        if session.items:
            self.run.select([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
        """The cells that will run, as the first worker collected them."""
        del node
        self.run.select(list(ids))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """What could not be collected."""
        if report.failed:
            print(f"lab: {report.nodeid}: {report.longreprtext}", file=sys.stderr)

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

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        """Interrupted: the report says so."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Iterator[None]:
        """Once the workers have ended: the report, and the lab's own exit code."""
        yield
        if self.is_over or exitstatus in (
            pytest.ExitCode.USAGE_ERROR,
            pytest.ExitCode.INTERNAL_ERROR,
        ):
            return
        self.is_over = True
        interrupted = exitstatus == pytest.ExitCode.INTERRUPTED
        if not interrupted and not self.run.missing:
            self.run.progress.stop()
            keyword = self.config.getoption("keyword")
            chosen = f"-k {keyword!r} selects none of" if keyword else "nothing was selected of"
            count = len(self.run.bench.cells)
            print(f"lab: {chosen} the {count} cells. `lab list cells` shows them.", file=sys.stderr)
            session.exitstatus = ExitCode.NOTHING_RAN
            return
        try:
            session.exitstatus = self.run.finish(interrupted)
        except LabError as error:
            self._give_up(error)

    def _give_up(self, error: LabError) -> None:
        self.is_over = True
        self.run.progress.stop()
        print(f"lab: {error}", file=sys.stderr)
        # Printed by us: pytest would print an exit's reason once more.
        pytest.exit("", returncode=int(error.exit_code))


# ------------------------------------------------------------------------------ workers


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def _die_with_parent() -> None:
    """A worker ends with the lab, even one that was killed; its agent then ends its cell."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
