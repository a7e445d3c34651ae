"""What a run was asked for, made into cells; and one cell made into its result."""

from __future__ import annotations

import math
import os
import shlex
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from lab import judge, matrix, scenario
from lab.agent.protocol import Request
from lab.errors import LabError, UsageError
from lab.hosts import NAMES, Host
from lab.matrix import Axes, Interpreter
from lab.model import Cell, CellResult, Sample, Status, Verdict
from lab.scenario import Scenario

BUDGETS = {"quick": (0.4, 2), "default": (3.0, 4), "thorough": (20.0, 12)}
"""Seconds after which a cell starts no further sample, and the fewest samples all the same."""

PATIENCE = 12
"""How many times the fewest samples a cell gets before it has to have shown what it should."""

MOST_SAMPLES = 10_000

TIMEOUT = 60.0
"""Seconds for one sample. A deadlock is proven, and ended, long before; see lab.agent.waits."""


@dataclass(frozen=True)
class Options:
    """The options of a run as they were typed; `Bench` says what is wrong with them."""

    targets: tuple[str, ...] = ()
    start_method: str = ""
    cores: str = "auto"
    python: str = ""
    profile: str = ""
    host: str = "local"
    samples: int | None = None
    time_budget: str = "default"
    timeout: float | None = None
    seed: int = 0
    args: str | None = None


@dataclass(frozen=True)
class Planned:
    """A cell to run: its scenario, and the interpreter for it."""

    scenario: Scenario
    cell: Cell
    interpreter: Interpreter


class Bench:
    """A run's host and cells. Raises UsageError, or HostError if the host cannot be reached."""

    def __init__(self, options: Options) -> None:
        self.options = options
        if options.samples is not None and not 1 <= options.samples <= MOST_SAMPLES:
            raise UsageError(
                f"--samples {options.samples}: give a number from 1 to {MOST_SAMPLES}."
            )
        if options.timeout is not None and not 0 < options.timeout < math.inf:
            raise UsageError(f"--timeout {options.timeout}: give a number of seconds above 0.")
        if not 0 <= options.seed < 2**32:
            raise UsageError(f"--seed {options.seed}: give a number from 0 to {2**32 - 1}.")
        self.budget, self.fewest, self.most = self._effort()
        self.args = self._args()
        methods = matrix.parse_start_methods(options.start_method)
        profiles = matrix.parse_profiles(options.profile)
        if options.host not in NAMES:
            raise UsageError(
                f"--host {options.host}: unknown host. Allowed are {', '.join(NAMES)}."
            )
        self.scenarios = scenario.collect(list(options.targets), scenario.bundled_folder())
        cores = matrix.parse_cores(options.cores, self.host.counts())
        self.axes = Axes(methods, cores, self.host.pythons(options.python), profiles)
        self.cells = {
            cell.id: Planned(which, cell, python)
            for which, cell, python in matrix.cells(self.scenarios, self.axes)
        }

    @property
    def patience(self) -> int:
        """Samples after which a cell is given up that has not shown what it should."""
        return PATIENCE * self.fewest

    @cached_property
    def host(self) -> Host:
        """The host, connected when first needed."""
        if self.options.host == "compose":
            from lab.hosts.compose import Compose

            return Compose()
        from lab.hosts.local import Local

        return Local()

    def unsupported(self, planned: Planned) -> str:
        """Why a cell cannot run on this host; empty if it can."""
        return self.host.lacks(planned.cell.cores) or matrix.unsupported(
            planned.scenario, planned.interpreter
        )

    def run(self, planned: Planned) -> CellResult:
        """Run a cell. Never raises for what a script or an agent does: that is in the result."""
        reason = self.unsupported(planned)
        if reason:
            return self._not_run(planned, Status.UNSUPPORTED, reason)
        which, cell = planned.scenario, planned.cell
        observe_most = bool({"locks", "updates"} & set(which.checks))
        request = Request(
            script=str(which.path),
            args=which.args if self.args is None else self.args,
            cwd=str(Path.cwd()),
            python=planned.interpreter.path,
            start_method=cell.start_method,
            cpus=(),
            seed=self.options.seed,
            fewest=self.fewest,
            most=self.most,
            budget=self.budget,
            timeout=self.options.timeout or which.timeout or TIMEOUT,
            at_once=min(cell.cores + 1, self.most),
            observe_most=observe_most,
        )
        samples: list[Sample] = []
        seconds = 0.0
        while True:
            try:
                answer, pinned = self.host.run(cell.cores, request)
                samples += [Sample(**sample, pinned=pinned) for sample in answer["samples"]]
                seconds += float(answer["seconds"])
            except LabError as error:  # of the host, or of the leases
                return self._not_run(planned, Status.ERROR, str(error))
            except (KeyError, TypeError, ValueError) as error:
                reason = f"the agent's answer is no result: {error}"
                return self._not_run(planned, Status.ERROR, reason)
            result = judge.judge(
                which,
                cell,
                samples,
                path=shown(which.path),
                host=self.host.name,
                seconds=seconds,
                repro=self.repro(planned),
            )
            # More samples where what was expected has not shown yet, or nothing could be seen.
            # Never after something unexpected has: that stays.
            missing = not result.ok and result.verdict in (Verdict.CLEAN, Verdict.INCONCLUSIVE)
            fixed = self.options.samples is not None
            if fixed or result.status != Status.RAN or not missing or len(samples) >= self.patience:
                return result
            request = replace(request, seed=self.options.seed + len(samples))

    def failed(self, cell_id: str, reason: str) -> CellResult:
        """The result of a cell that the lab itself lost."""
        return self._not_run(self.cells[cell_id], Status.ERROR, reason)

    def repro(self, planned: Planned) -> str:
        """The command that runs this one cell again, where the user types it."""
        options = self.options
        command = os.environ.get("LAB_COMMAND") or "lab"  # in a container: of the host's shell
        bundled = planned.scenario.path.parent == scenario.bundled_folder()
        words = ["run", planned.scenario.name if bundled else shown(planned.scenario.path)]
        words += ["--start-method", planned.cell.start_method, "--cores", str(planned.cell.cores)]
        if planned.interpreter.asked:
            words += ["--python", planned.interpreter.asked]
        if options.host != os.environ.get("LAB_HOST", "local"):
            words += ["--host", options.host]
        if options.samples is not None:
            words += ["--samples", str(options.samples)]
        elif options.time_budget != "default" or "LAB_TIME_BUDGET" in os.environ:
            words += ["--time-budget", options.time_budget]
        if options.timeout is not None:
            words += ["--timeout", f"{options.timeout:g}"]
        if self.args is not None:
            words += ["--args", shlex.join(self.args)]
        return f"{command} {shlex.join([*words, '--seed', str(options.seed)])}"

    def close(self) -> None:
        """End what the host started, if it was ever reached."""
        if "host" in self.__dict__:
            self.host.close()

    def _effort(self) -> tuple[float, int, int]:
        options = self.options
        if options.samples is not None:
            return 0.0, options.samples, options.samples
        if options.time_budget in BUDGETS:
            seconds, fewest = BUDGETS[options.time_budget]
            return seconds, fewest, MOST_SAMPLES
        try:
            seconds = float(options.time_budget)
        except ValueError:
            seconds = -1.0
        if not 0 < seconds < 86400:
            raise UsageError(
                f"--time-budget {options.time_budget}: allowed are {', '.join(BUDGETS)}, "
                "or a number of seconds for each cell."
            )
        return seconds, 2, MOST_SAMPLES

    def _args(self) -> tuple[str, ...] | None:
        if self.options.args is None:
            return None
        try:
            return tuple(shlex.split(self.options.args))
        except ValueError as error:
            raise UsageError(f"--args {self.options.args!r}: {error}.") from None

    def _not_run(self, planned: Planned, status: Status, reason: str) -> CellResult:
        cell = planned.cell
        return CellResult(
            id=cell.id,
            scenario=cell.scenario,
            path=shown(planned.scenario.path),
            start_method=cell.start_method,
            cores=cell.cores,
            python=planned.interpreter.version,
            profile=cell.profile,
            host=self.host.name,
            status=status,
            reason=reason,
            expected=planned.scenario.expected(cell),
            repro=self.repro(planned),
        )


def shown(path: Path) -> str:
    """A path relative to where the run started, if it is below it."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)
