"""A run while it goes on: results as they come in, stored at once, shown, and summed up at the end.

Lives in the process that the user started; cells run in workers beside it.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections import defaultdict
from pathlib import Path
from typing import TextIO

from lab import judge
from lab.bench import Bench, shown
from lab.errors import ExitCode, LabError, StoreError
from lab.model import CellResult, ScenarioResult, Status
from lab.report.progress import Progress
from lab.report.show import write_reports
from lab.report.style import Color, Style
from lab.report.terminal import print_report
from lab.store import RunFolder, read_run


class RunSession:
    """Everything between the first cell and the last line of the report."""

    def __init__(
        self,
        bench: Bench,
        argv: list[str],
        out: Path | None,
        strict: bool,
        stream: TextIO,
        color: Color = "auto",
    ) -> None:
        self.bench = bench
        self.strict = strict
        self.stream = Screen(stream)
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
            out=out,
        )
        self.results: dict[str, CellResult] = {}
        self.scenarios: list[ScenarioResult] = []
        self.style = Style.of(stream, color)
        self.progress = Ticking(Progress(self.stream, color))
        self.missing: dict[str, set[str]] = defaultdict(set)
        self.started = False

    def select(self, cell_ids: list[str]) -> None:
        """The cells that will run, once it is known which."""
        if self.started:
            return
        self.started = True
        for cell_id in cell_ids:
            self.missing[self.bench.cells[cell_id].cell.scenario].add(cell_id)
        self.folder.amend(cells=len(cell_ids))
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
        """Sum up, print the report, write the others. Raises LabError if it cannot write."""
        self.progress.stop()
        trouble: LabError | None = None
        try:
            if not interrupted:
                for scenario, missing in self.missing.items():
                    if missing:
                        self._scenario_finished(scenario)
            code = self.exit_code(interrupted)
            self.folder.finish(exit_code=int(code), interrupted=interrupted)
            run = write_reports(self.folder)
        except StoreError as error:
            trouble, run = error, read_run(self.folder.path)
        where = shown(self.folder.path)
        if self.started and not self.missing and not interrupted:
            print("lab: no cell was selected. `lab list cells` shows them.", file=sys.stderr)
        else:
            print_report(run, self.stream, self.style, where=where)
        for note in self.folder.notes:
            print(note, file=self.stream)
        self.folder.close()
        if interrupted:
            print(f"lab: interrupted. `lab report {where}` shows what had ended.", file=sys.stderr)
        if trouble:
            raise trouble
        if self.stream.trouble:
            raise LabError(
                f"standard output cannot be written: {self.stream.trouble}. "
                f"The results are complete: `lab report {where}` shows them."
            )
        return code

    def _scenario_finished(self, name: str) -> None:
        cells = [result for result in self.results.values() if result.scenario == name]
        which = next(p.scenario for p in self.bench.cells.values() if p.cell.scenario == name)
        result = judge.judge_scenario(which, shown(which.path), cells)
        self.scenarios.append(result)
        self.folder.append(result)
        self.progress.scenario_finished(result)


class Screen(io.TextIOBase, TextIO):
    """Where a run is shown. It may go away (a pipe to `head`) or fill up: the run goes on.

    `trouble` says why something could not be shown; a closed pipe is no trouble.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.trouble = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """As of what is behind it."""
        return self._stream.encoding or "utf-8"

    def isatty(self) -> bool:
        """As of what is behind it."""
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Write at once, what cannot be encoded escaped."""
        safe = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        try:
            self._stream.write(safe)
            self._stream.flush()
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self.trouble = error.strerror or str(error)
            # What it still holds goes the same way.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
        return len(text)


class Ticking:
    """A progress display that is told the time once a second, also while no cell ends."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._clock = threading.Thread(target=self._tick, daemon=True)

    def _tick(self) -> None:
        while not self._over.wait(1.0):
            with self._lock:
                self._progress.tick()

    def start(self, total: int) -> None:
        """As `Progress.start`."""
        with self._lock:
            self._progress.start(total)
        self._clock.start()

    def cell_started(self, cell_id: str) -> None:
        """As `Progress.cell_started`."""
        with self._lock:
            self._progress.cell_started(cell_id)

    def cell_finished(self, result: CellResult) -> None:
        """As `Progress.cell_finished`."""
        with self._lock:
            self._progress.cell_finished(result)

    def scenario_finished(self, result: ScenarioResult) -> None:
        """As `Progress.scenario_finished`."""
        with self._lock:
            self._progress.scenario_finished(result)

    def stop(self) -> None:
        """As `Progress.stop`; also ends the clock."""
        self._over.set()
        if self._clock.is_alive():
            self._clock.join()
        self._progress.stop()
