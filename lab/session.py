"""A run while it goes on: results as they come in, stored at once, shown, and summed up at the end.

Lives in the process that the user started; cells run in workers beside it.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import TextIO

from lab import judge
from lab.bench import Bench, shown
from lab.errors import ExitCode, LabError
from lab.model import CellResult, ScenarioResult, Status
from lab.report import html, junit, terminal
from lab.report.progress import Progress
from lab.store import RunFolder, read_run


class RunSession:
    """Everything between the first cell and the last line of the report."""

    def __init__(
        self, bench: Bench, argv: list[str], out: Path | None, strict: bool, stream: TextIO
    ) -> None:
        self.bench = bench
        self.strict = strict
        self.stream = stream
        self.folder = RunFolder.create(
            argv=argv,
            seed=bench.options.seed,
            axes={
                "start_methods": list(bench.axes.start_methods or ()) or "each scenario's own",
                "cores": list(bench.axes.cores),
                "pythons": [python.version for python in bench.axes.pythons],
                "profiles": list(bench.axes.profiles),
                "host": bench.host.name,
            },
            cells=len(bench.cells),
            out=out,
        )
        self.results: dict[str, CellResult] = {}
        self.scenarios: list[ScenarioResult] = []
        self.progress = Progress(stream)
        self.missing: dict[str, set[str]] = defaultdict(set)
        self.started = False

    def select(self, cell_ids: list[str]) -> None:
        """The cells that will run, once it is known which."""
        if self.started:
            return
        self.started = True
        for cell_id in cell_ids:
            self.missing[self.bench.cells[cell_id].cell.scenario].add(cell_id)
        self.progress.start(len(cell_ids))

    def cell_started(self, cell_id: str) -> None:
        """A worker took the cell up."""
        self.progress.cell_started(cell_id)

    def cell_finished(self, result: CellResult) -> None:
        """Store a result. Raises LabError if it cannot be written."""
        if result.id in self.results:
            return
        self.results[result.id] = result
        self.folder.append(result)
        self.progress.cell_finished(result)
        missing = self.missing[result.scenario]
        missing.discard(result.id)
        if not missing:
            self._scenario_finished(result.scenario)

    def lost(self, cell_id: str, reason: str) -> None:
        """A cell whose worker died, or that the lab failed in."""
        if cell_id in self.bench.cells:
            self.cell_finished(self.bench.failed(cell_id, reason))

    def exit_code(self, interrupted: bool) -> ExitCode:
        """What the command ends with, from the results alone."""
        results = self.results.values()
        if interrupted:
            return ExitCode.INTERRUPTED
        if any(result.status == Status.ERROR for result in results):
            return ExitCode.LAB_ERROR
        if any(result.status == Status.RAN and not result.ok for result in results):
            return ExitCode.NOT_AS_EXPECTED
        if not all(result.ok for result in self.scenarios):
            return ExitCode.NOT_AS_EXPECTED
        unsupported = any(result.status == Status.UNSUPPORTED for result in results)
        if self.strict and unsupported:
            return ExitCode.NOT_AS_EXPECTED
        if not any(result.status == Status.RAN for result in results):
            return ExitCode.NOTHING_RAN
        return ExitCode.OK

    def finish(self, interrupted: bool) -> ExitCode:
        """Sum up, write the reports, print the last of them. Raises LabError if it cannot write."""
        self.progress.stop()
        for scenario, missing in self.missing.items():
            if missing and not interrupted:
                self._scenario_finished(scenario)
        code = self.exit_code(interrupted)
        self.folder.finish(exit_code=int(code), interrupted=interrupted)
        run = read_run(self.folder.path)
        terminal.print_report(run, self.stream, where=shown(self.folder.path))
        self.folder.write("junit.xml", junit.junit_text(run))
        self.folder.write("report.html", html.html_text(run))
        for note in self.folder.notes:
            print(note, file=self.stream)
        self.folder.close()
        return code

    def _scenario_finished(self, name: str) -> None:
        cells = [result for result in self.results.values() if result.scenario == name]
        which = next(p.scenario for p in self.bench.cells.values() if p.cell.scenario == name)
        result = judge.judge_scenario(which, shown(which.path), cells)
        self.scenarios.append(result)
        self.folder.append(result)
        self.progress.scenario_finished(result)


def complain(error: LabError, stream: TextIO | None = None) -> int:
    """Print an error as the user should see it; the exit code."""
    print(f"lab: {error}", file=stream or sys.stderr)
    return int(error.exit_code)
