"""The lab's vocabulary as frozen values. Imports nothing of ours.

docs/architecture.md says what each term means; `CellResult` and `ScenarioResult` are the two
records of `results.jsonl`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

START_METHODS = ("inline", "fork", "spawn", "forkserver")
"""Every start method, in the order of columns; `inline` runs the same code with no processes."""

DEFAULT_START_METHODS = ("fork", "spawn", "forkserver")

CHECKS = ("determinism", "locks", "updates", "exceptions", "cleanup")

PROFILES = ("default",)


class Grade(StrEnum):
    """How a scenario's outcome table rates an outcome (after jcstress's `Expect`)."""

    ACCEPTABLE = "acceptable"
    INTERESTING = "interesting"
    FORBIDDEN = "forbidden"
    UNGRADED = "ungraded"


class Verdict(StrEnum):
    """What a cell amounts to, most severe first."""

    DEADLOCK = "deadlock"
    HANG = "hang"
    CRASHED = "crashed"
    EXCEPTION = "exception"
    LOCK_VIOLATED = "lock-violated"
    LOST_UPDATES = "lost-updates"
    FORBIDDEN = "forbidden"
    UNGRADED = "ungraded"
    LEAK = "leak"
    NONDETERMINISTIC = "nondeterministic"
    INCONCLUSIVE = "inconclusive"
    CLEAN = "clean"


class Status(StrEnum):
    """How the lab itself fared, apart from the verdict."""

    RAN = "ran"
    UNSUPPORTED = "unsupported"
    ERROR = "error"


@dataclass(frozen=True)
class Cell:
    """One scenario at one point of the axes. `python` is the `major.minor` to run it with."""

    scenario: str
    start_method: str
    cores: int
    python: str
    profile: str = "default"

    @property
    def id(self) -> str:
        """`value_unlocked[spawn-2cpu-py3.13-default]`."""
        return f"{self.scenario}[{self.point}]"

    @property
    def point(self) -> str:
        """The part of the id between the brackets."""
        return f"{self.start_method}-{self.cores}cpu-py{self.python}-{self.profile}"


@dataclass(frozen=True)
class Sample:
    """What an agent tells of one sample; `lab.agent.keeper` says how each came about.

    `end` is `ended` (by itself), `deadlock`, `hang` or `too many processes`; `ladder` the step at
    which the lab ended it (`interrupt`, `terminate`, `kill`). `exit_code` is negative for a signal.
    `events` are [kind, pid, monotonic ns, fields]; `left`, `waits` and `locks` are described where
    they are made (`keeper._files_left`, `waits.gather`, `sections.summarize`). `error`, if not
    empty, says why the lab cannot answer for this sample.
    """

    seed: int
    observed: bool = False
    end: str = "ended"
    ladder: str = ""
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""
    stdout_bytes: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    cpus: list[int] = field(default_factory=list)
    pinned: tuple[int, ...] = ()  # the CPUs it was to run on; added by the lab
    python: str = ""
    own_method: str | None = None
    root: int = 0
    left: list[dict[str, Any]] = field(default_factory=list)
    waits: list[dict[str, Any]] = field(default_factory=list)
    events: list[list[Any]] = field(default_factory=list)
    locks: dict[str, Any] | None = None
    error: str = ""

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The fields of all events of a kind, with `pid` and `at` (monotonic ns), oldest first."""
        return [
            {"pid": pid, "at": at, **more} for name, pid, at, more in self.events if name == kind
        ]

    def unreleased_by_dead(self, lock: dict[str, Any]) -> list[dict[str, Any]]:
        """The sections of a lock that were never left, by processes that had ended by the end."""
        alive = {wait["pid"] for wait in self.waits}
        return [s for s in lock.get("unreleased", ()) if s["pid"] not in alive]

    def name(self, pid: int | None) -> str:
        """`Process-1 (pid 12)`, as far as the name is known."""
        if pid is None:
            return "unknown"
        if pid == self.root:
            return f"MainProcess (pid {pid})"
        names = {start["child"]: start["name"] for start in self.told("start")}
        return f"{names[pid]} (pid {pid})" if names.get(pid) else f"pid {pid}"


@dataclass(frozen=True)
class Finding:
    """What a check saw. `evidence` is plain JSON data: counts, lines, stacks, pids, names."""

    check: str
    verdict: Verdict
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """One outcome of a cell's samples and how often it came."""

    id: str
    grade: Grade
    count: int
    why: str = ""


@dataclass(frozen=True)
class CellResult:
    """The record `cell` of results.jsonl; docs/architecture.md describes each field."""

    id: str
    scenario: str
    path: str
    start_method: str
    cores: int
    python: str
    profile: str
    host: str
    cpus: tuple[int, ...] = ()
    status: Status = Status.RAN
    reason: str = ""
    verdict: Verdict = Verdict.INCONCLUSIVE
    expected: Verdict = Verdict.CLEAN
    ok: bool = False
    samples: int = 0
    outcomes: tuple[Outcome, ...] = ()
    findings: tuple[Finding, ...] = ()
    power: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    repro: str = ""
    notes: tuple[str, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """The JSON object of this result, `record` first."""
        return {"record": "cell", **_plain(asdict(self))}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> CellResult:
        """The result of a JSON object that `to_record` made; keys it does not know are ignored."""
        values = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        values["cpus"] = tuple(values.get("cpus", ()))
        values["notes"] = tuple(values.get("notes", ()))
        values["status"] = Status(values["status"])
        values["verdict"] = Verdict(values["verdict"])
        values["expected"] = Verdict(values["expected"])
        values["outcomes"] = tuple(
            Outcome(o["id"], Grade(o["grade"]), o["count"], o.get("why", ""))
            for o in values.get("outcomes", ())
        )
        values["findings"] = _findings(values.get("findings", ()))
        return cls(**values)


@dataclass(frozen=True)
class ScenarioResult:
    """The record `scenario` of results.jsonl: what its cells, side by side, amount to.

    Written when the last cell of a scenario has ended. `verdict` is `nondeterministic` where the
    cells, each of one outcome, disagree; the finding names the axis.
    """

    scenario: str
    path: str
    summary: str
    cells: int
    verdict: Verdict
    expected: Verdict
    ok: bool
    findings: tuple[Finding, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """The JSON object of this result, `record` first."""
        return {"record": "scenario", **_plain(asdict(self))}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> ScenarioResult:
        """The result of a JSON object that `to_record` made."""
        values = {name: record[name] for name in cls.__dataclass_fields__ if name in record}
        values["verdict"] = Verdict(values["verdict"])
        values["expected"] = Verdict(values["expected"])
        values["findings"] = _findings(values.get("findings", ()))
        return cls(**values)


def _findings(records: Any) -> tuple[Finding, ...]:
    return tuple(
        Finding(f["check"], Verdict(f["verdict"]), f["message"], f["evidence"]) for f in records
    )


def _plain(value: Any) -> Any:
    """`value` with tuples as lists and enums as their text, as JSON would give it back."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, StrEnum) else value
