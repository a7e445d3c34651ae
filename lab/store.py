"""A run's folder on disk: results.jsonl, run.json and the reports; written and read here alone.

`results.jsonl` is the truth. It grows by one whole line per record, so a run that is killed at any
point leaves a file that `read_run` reads.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import platform
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from importlib import metadata
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab import __version__
from lab.errors import StoreError, UsageError
from lab.model import CellResult, ScenarioResult

RESULTS = "results.jsonl"
FACTS = "run.json"
LATEST = "latest"
REPORTS = Path("reports")

Result = CellResult | ScenarioResult
Clock = Callable[[], datetime]


def _local_time() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True)
class Run:
    """What `read_run` read. `facts` is run.json's object, empty where there was none.

    `cells` and `scenarios` hold the last record of each id, in the order of the first. `others` are
    records of kinds this version does not know. `damage` says, a sentence each, what could not be
    read: a line that a kill tore, for one.
    """

    folder: Path
    cells: tuple[CellResult, ...] = ()
    scenarios: tuple[ScenarioResult, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    damage: tuple[str, ...] = ()
    others: tuple[Mapping[str, Any], ...] = ()

    @property
    def seconds(self) -> float | None:
        """How long the run took by its own clock; None where it has not ended."""
        try:
            began = datetime.fromisoformat(self.facts["started"])
            return (datetime.fromisoformat(self.facts["ended"]) - began).total_seconds()
        except (KeyError, TypeError, ValueError):
            return None


class RunFolder:
    """The folder of one run while it is being written.

    Use it as a context manager, or call `close`. `notes` are sentences about what could not be done
    but does no harm to the results, such as a `latest` link on a file system without links.
    Every method that writes raises StoreError where the disk is full or the folder unwritable.
    """

    def __init__(
        self, path: Path, facts: dict[str, Any], notes: Sequence[str] = (), now: Clock = _local_time
    ) -> None:
        """Open `path`, an existing folder, for appending; `create` makes a new one."""
        self.path = path
        self._now = now
        self.facts = facts
        self.notes = list(notes)
        self.records = 0
        with _writing(path, "Nothing was run."):
            self._results = os.open(
                path / RESULTS, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644
            )
            # A line that an earlier run's kill tore must not swallow the first of ours.
            size = os.fstat(self._results).st_size
            if size and os.pread(self._results, 1, size - 1) != b"\n":
                os.write(self._results, b"\n")
        self.notes += _hand_over(path / RESULTS)

    @classmethod
    def create(
        cls,
        *,
        argv: Sequence[str],
        seed: int | None = None,
        axes: Mapping[str, Any] | None = None,
        cells: int | None = None,
        out: Path | None = None,
        base: Path = REPORTS,
        now: Clock = _local_time,
    ) -> RunFolder:
        """A new run: its folder, an empty results.jsonl and run.json.

        Without `out` the folder is `base/<time>`, made unique, and `base/latest` points at it. An
        earlier run in `out` is kept as `results-1.jsonl` and `run-1.json`, or the next number that
        is free. `cells` is how many are planned.
        """
        started = now()
        notes: list[str] = []
        nothing = "Nothing was run."
        if out is None:
            path = _unique_folder(base, started.strftime("%Y-%m-%dT%H-%M-%S"), notes)
        else:
            path = out
            with _writing(path, nothing):
                notes += _make_folders(path)
                _set_aside(path)
        facts = {
            **machine_facts(),
            "argv": list(argv),
            "seed": seed,
            "axes": dict(axes or {}),
            "cells": cells,
            "started": started.isoformat(timespec="milliseconds"),
            "ended": None,
        }
        folder = cls(path, facts, notes, now)
        folder.write(FACTS, _json_text(facts))
        if out is None:
            folder.notes += _point_latest(base, path)
        return folder

    def append(self, result: Result | Mapping[str, Any]) -> None:
        """Add one record to results.jsonl; it is with the system when this returns."""
        record = result.to_record() if isinstance(result, Result) else dict(result)
        line = (json.dumps(record, default=repr) + "\n").encode()
        with self._whole_lines():
            written = os.write(self._results, line)
            while written < len(line):  # a disk that is nearly full takes a part: ask for the cause
                written += os.write(self._results, line[written:])
        self.records += 1

    def write(self, name: str, text: str) -> Path:
        """Write a file of the run, such as `report.html`, whole or not at all; return its path."""
        path = self.path / name
        kept = f"{RESULTS} holds its {self.records} records."
        for note in write_file(path, text, kept=kept):
            if note not in self.notes:
                self.notes.append(note)
        return path

    def amend(self, **facts: Any) -> None:
        """Note `facts` in run.json, in place of what it said of them before."""
        self.facts = {**self.facts, **facts}
        self.write(FACTS, _json_text(self.facts))

    def finish(self, **facts: Any) -> None:
        """Note in run.json that the run has ended, and `facts` with it, such as its exit code."""
        self.amend(**facts, ended=self._now().isoformat(timespec="milliseconds"))

    def close(self) -> None:
        """Close results.jsonl; harmless when it is closed."""
        if self._results >= 0:
            os.close(self._results)
            self._results = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextlib.contextmanager
    def _whole_lines(self) -> Iterator[None]:
        """Cut results.jsonl back to whole lines where the body could not write all of one."""
        before = os.fstat(self._results).st_size
        try:
            yield
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._results, before)
            kept = f"The {self.records} records before it are kept in {self.path / RESULTS}."
            raise _store_error(self.path, error, kept) from error


def machine_facts() -> dict[str, Any]:
    """What run.json says of the machine and the versions; CPUs are those this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    usable = sorted(affinity(0)) if affinity else list(range(os.cpu_count() or 1))
    return {
        "machine": {
            "name": platform.node(),
            "system": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            "libc": " ".join(platform.libc_ver()).strip(),
            "cpus": os.cpu_count(),
            "cpus_usable": usable,
        },
        "versions": {
            "lab": __version__,
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "executable": sys.executable,
            **{name: _version(name) for name in ("pytest", "pytest-xdist", "psutil")},
        },
    }


def read_run(path: str | os.PathLike[str], base: Path = REPORTS) -> Run:
    """Read a run: its folder, its results.jsonl, or `latest` for the one `base/latest` points at.

    Lines that are no whole record are left out and named in `damage`. Raises UsageError where there
    is no run, and where a record has a value this version does not know.
    """
    results = _results_file(path, base)
    try:
        lines = results.read_bytes().splitlines(keepends=True)
    except OSError as error:
        raise UsageError(
            f"{results} cannot be read: {error.strerror}. Name a run's folder, such as "
            f"{base / LATEST}."
        ) from error
    facts, damage = _read_facts(results)
    cells: dict[str, CellResult] = {}
    scenarios: dict[tuple[str, str], ScenarioResult] = {}
    others: list[Mapping[str, Any]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _record(line)
        if record is None:
            last = number == len(lines)
            cause = "a kill or a full disk cut it off" if last else "it is no record"
            damage.append(f"{results.name} line {number} was left out: {cause}.")
            continue
        try:
            match record["record"]:
                case "cell":
                    cell = CellResult.from_record(record)
                    cells[cell.id] = cell
                case "scenario":
                    scenario = ScenarioResult.from_record(record)
                    scenarios[scenario.path, scenario.scenario] = scenario
                case _:
                    others.append(record)
        except (KeyError, TypeError, ValueError) as error:
            raise UsageError(
                f"{results} line {number}: a {record['record']} record that mplab {__version__} "
                f"cannot read ({type(error).__name__}: {error}). "
                f"It was written by mplab {(facts.get('versions') or {}).get('lab', 'unknown')}."
            ) from error
    if not facts and not (cells or scenarios or others) and lines:
        raise UsageError(f"{results} is no run: no line of it is a record of `lab run`.")
    return Run(
        results.parent,
        tuple(cells.values()),
        tuple(scenarios.values()),
        facts,
        tuple(damage),
        tuple(others),
    )


def write_file(path: Path, text: str, kept: str = "") -> list[str]:
    """Write `text` to `path` whole or not at all; return notes on what did no harm.

    Anything but a regular file (a pipe, /dev/stdout) is written to directly. Raises StoreError, in
    whose message `kept` says what is safe.
    """
    data = text.encode("utf-8", "backslashreplace")
    with _writing(path.parent, kept, path):
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return []
        part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            part.write_bytes(data)
            notes = _hand_over(part)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return notes


def _results_file(path: str | os.PathLike[str], base: Path) -> Path:
    """The results.jsonl that `path` means, a UsageError where it means none."""
    place = Path(path)
    if str(path) == LATEST:
        place = base / LATEST
        if not place.exists():
            raise UsageError(f"There is no run in {base} yet. `lab run` makes one.")
    if not place.exists():
        raise UsageError(f"{place} does not exist. Name a run's folder or `{LATEST}`.")
    if not place.is_dir():
        return place
    if not (place / RESULTS).is_file():
        raise UsageError(
            f"{place} is no run: it has no {RESULTS}. Name a folder that `lab run` wrote, "
            f"such as {base / LATEST}."
        )
    return place / RESULTS


def _record(line: bytes) -> dict[str, Any] | None:
    """The record on a line, or None where the line is not a whole one."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    whole = isinstance(record, dict) and isinstance(record.get("record"), str)
    return record if whole else None


def _read_facts(results: Path) -> tuple[dict[str, Any], list[str]]:
    """The object of the run.json beside `results` (run-1.json beside results-1.jsonl), and damage.

    A run without one is still a run.
    """
    name = f"run{results.stem.removeprefix('results')}.json"
    try:
        facts = json.loads(results.with_name(name).read_bytes())
    except FileNotFoundError:
        return {}, [f"{name} is missing: the report cannot say where and how this ran."]
    except (OSError, ValueError) as error:
        return {}, [f"{name} cannot be read: {error}."]
    return (facts, []) if isinstance(facts, dict) else ({}, [f"{name} holds no object."])


def _json_text(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, indent=2, default=repr) + "\n"


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _unique_folder(base: Path, name: str, notes: list[str]) -> Path:
    """Make `base/name`, or `base/name-2`, ... where another run took it in the same second."""
    with _writing(base, "Nothing was run."):
        notes += _make_folders(base)
        number = 1
        while True:
            path = base / (name if number == 1 else f"{name}-{number}")
            try:
                path.mkdir()
            except FileExistsError:
                number += 1
            else:
                notes += _hand_over(path)
                return path


def _make_folders(path: Path) -> list[str]:
    """Make `path` and the folders above it that are missing, and hand each over."""
    missing = []
    place = path
    while not place.exists():
        missing.append(place)
        place = place.parent
    path.mkdir(parents=True, exist_ok=True)
    return [note for made in reversed(missing) for note in _hand_over(made)]


def _set_aside(folder: Path) -> None:
    """Rename the files of an earlier run: no run's results are ever written over."""
    results = folder / RESULTS
    if not results.is_file() or results.stat().st_size == 0:
        return
    number = 1
    while (folder / f"results-{number}.jsonl").exists():
        number += 1
    results.rename(folder / f"results-{number}.jsonl")
    with contextlib.suppress(FileNotFoundError):
        (folder / FACTS).rename(folder / f"run-{number}.json")


def _point_latest(base: Path, path: Path) -> list[str]:
    """Make `base/latest` a relative link to `path` in one step: a reader always finds one."""
    link = base / f".{LATEST}.{secrets.token_hex(4)}"
    try:
        link.symlink_to(path.name)
        notes = _hand_over(link)
        link.replace(base / LATEST)
    except OSError as error:
        with contextlib.suppress(OSError):
            link.unlink(missing_ok=True)
        return [f"{base / LATEST} does not point at this run: {error.strerror}."]
    return notes


def _hand_over(path: Path) -> list[str]:
    """Give `path` to LAB_OWNER ("uid:gid"), set where root in a container writes a user's folder.

    A file system that refuses is no reason to lose a run: it is returned as a note.
    """
    owner = os.environ.get("LAB_OWNER", "")
    if not owner:
        return []
    uid, _, gid = owner.partition(":")
    if not (uid.isdecimal() and gid.isdecimal()):
        raise UsageError(f'LAB_OWNER is "{owner}"; it must be uid:gid, such as "1000:1000".')
    try:
        os.chown(path, int(uid), int(gid), follow_symlinks=False)
    except PermissionError as error:
        return [f"The reports do not belong to {owner} (LAB_OWNER): {error.strerror}."]
    return []


@contextlib.contextmanager
def _writing(folder: Path, kept: str, path: Path | None = None) -> Iterator[None]:
    """Turn an OSError of the body into a StoreError that says what is safe and what to do next."""
    try:
        yield
    except OSError as error:
        raise _store_error(folder, error, kept, path) from error


def _store_error(folder: Path, error: OSError, kept: str, path: Path | None = None) -> StoreError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    step = "Free some space there" if full else "Make it writable"
    step += ", or write to another place." if path else ", or name another folder with --out."
    cause = f"{os.strerror(error.errno)} ({errno.errorcode[error.errno]})" if error.errno else error
    where = f"{path} cannot be written" if path else f"The run's folder {folder} cannot be written"
    return StoreError(" ".join(part for part in (f"{where}: {cause}.", kept, step) if part))
