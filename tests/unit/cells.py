"""Running one cell of a script for real, for tests of what the lab then says of it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab.bench import Bench, Options, shown
from lab.hosts.local import Local
from lab.model import CellResult, Finding, Sample, Status, Verdict

PLANTED = Path(__file__).parents[1] / "planted"


@dataclass(frozen=True)
class Ran:
    """A cell's result, and the samples it was judged by."""

    result: CellResult
    samples: tuple[Sample, ...]

    @property
    def verdict(self) -> Verdict:
        return self.result.verdict

    @property
    def outcomes(self) -> set[str]:
        return {outcome.id for outcome in self.result.outcomes}

    def finding(self, check: str) -> Finding:
        """The one finding of a check."""
        (finding,) = [finding for finding in self.result.findings if finding.check == check]
        return finding


class _Watched(Local):
    """The local host; keeps the samples, and marks all that it starts."""

    def run(self, cores: int, request: Any) -> Any:
        answer, cpus = super().run(cores, request)
        self.samples = tuple(Sample(**sample) for sample in answer["samples"])
        return answer, cpus


def run(
    script: Path | str,
    *words: str,
    method: str,
    cores: int = 1,
    samples: int = 2,
    timeout: float = 30,
    python: str = "",
    seed: int = 0,
) -> Ran:
    """Run the one cell of a script; nothing of it may be left."""
    path = PLANTED / f"{script}.py" if isinstance(script, str) else script
    bench = Bench(
        Options(
            targets=(shown(path),),
            start_method=method,
            cores=str(cores),
            python=python,
            samples=samples,
            timeout=timeout,
            seed=seed,
            args=" ".join(words) or None,
        )
    )
    host = bench.__dict__["host"] = _Watched()
    (planned,) = bench.cells.values()
    if lack := host.lacks(cores):
        pytest.skip(lack)
    with marked() as mark:
        try:
            result = bench.run(planned)
        finally:
            bench.close()
        assert not processes_with(mark)
    assert result.status == Status.RAN, result.reason
    return Ran(result, host.samples)


class marked:
    """A mark in the environment of all that is started meanwhile."""

    def __enter__(self) -> str:
        self.mark = uuid.uuid4().hex
        os.environ["PLANTED_MARK"] = self.mark
        return self.mark

    def __exit__(self, *_: object) -> None:
        del os.environ["PLANTED_MARK"]


def processes_with(mark: str) -> list[str]:
    """The command lines of all processes that carry a mark, however they detached themselves."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # gone, or not ours
    return found


def line(script: str, marker: str) -> str:
    """`file:line` of the line of a planted script that ends in `# marker`."""
    path = PLANTED / f"{script}.py"
    (number,) = [
        number
        for number, text in enumerate(path.read_text().splitlines(), 1)
        if text.endswith(f"# {marker}")
    ]
    return f"{shown(path)}:{number}"


def every(first: Iterable[str], then: Iterable[str], *, always: str = "fork") -> list[Any]:
    """Pairs of the two, of which those with `always` run always and others with the slow tests."""
    return [
        pytest.param(one, other, marks=() if one == always else pytest.mark.slow)
        for other in then
        for one in first
    ]
