"""From the samples of a cell to its result: outcomes, grades, findings, verdict, power."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lab.checks import cleanup, determinism, ends, exceptions, locks, updates
from lab.checks.case import Case, inconclusive, missed_at_most
from lab.model import (
    Cell,
    CellResult,
    Finding,
    Grade,
    Outcome,
    Sample,
    ScenarioResult,
    Status,
    Verdict,
)
from lab.scenario import Scenario

CHECKS = {
    "determinism": determinism.judge,
    "locks": locks.judge,
    "updates": updates.judge,
    "exceptions": exceptions.judge,
    "cleanup": cleanup.judge,
}

_SEVERITY = list(Verdict)


def outcome_of(sample: Sample, pattern: str) -> str:
    """What a sample ended with, as a short text; docs/scenarios.md says how it is made."""
    if sample.end != "ended":
        return sample.end
    code = ends.exit_text(sample.exit_code)
    if sample.exit_code:
        return code  # whatever it had printed before
    if pattern:
        matches = list(re.finditer(pattern, sample.stdout))
        return _text_of(matches[-1]) if matches else "no outcome in stdout"
    text = sample.stdout.strip()
    if not text:
        return f"{code}, no output"
    if len(text) <= 60 and "\n" not in text:
        return f"{code}, {text}"
    digest = hashlib.sha256(sample.stdout.encode()).hexdigest()[:8]
    lines = text.split("\n")
    count = f"{len(lines)} line{'s' if len(lines) != 1 else ''}"
    return f"{code}, {count} ({digest}): {lines[0][:40]}"


def _text_of(match: re.Match[str]) -> str:
    if match.groupdict():
        return " ".join(f"{name}={value or ''}" for name, value in match.groupdict().items())
    if match.groups():
        return " ".join(value or "" for value in match.groups())
    return match[0]


def judge(
    scenario: Scenario,
    cell: Cell,
    samples: Iterable[Sample],
    *,
    path: str,
    host: str,
    seconds: float,
    repro: str,
) -> CellResult:
    """The result of a cell that took `seconds` of wall time."""
    samples = tuple(samples)
    expected = scenario.expected(cell)
    base = CellResult(
        id=cell.id,
        scenario=cell.scenario,
        path=path,
        start_method=cell.start_method,
        cores=cell.cores,
        python=next((s.python for s in samples if s.python), cell.python),
        profile=cell.profile,
        host=host,
        cpus=tuple(next((s.cpus for s in samples if s.cpus), ())),
        expected=expected,
        samples=len(samples),
        seconds=round(seconds, 4),
        cpu_seconds=round(sum(s.cpu_seconds for s in samples), 4),
        repro=repro,
    )
    trouble = _trouble(samples)
    if trouble:
        return replace(base, status=Status.ERROR, reason=trouble)
    outcomes = tuple(outcome_of(sample, scenario.outcome) for sample in samples)
    graded = [
        _grade(scenario, outcome, sample) for outcome, sample in zip(outcomes, samples, strict=True)
    ]
    case = Case(
        samples,
        outcomes,
        tuple(grade for grade, _ in graded),
        expected,
        concurrent=cell.start_method != "inline",
    )
    findings = ends.judge(case)
    ended_well = not findings
    for check in scenario.checks:
        findings += CHECKS[check](case)
    findings += _table(scenario, case)
    if ended_well:
        findings += _required(scenario, case)
    verdict = _verdict(findings, expected)
    reasons = dict(zip(outcomes, graded, strict=True))
    return replace(
        base,
        verdict=verdict,
        ok=verdict == expected,
        outcomes=tuple(
            Outcome(outcome, reasons[outcome][0], count, reasons[outcome][1])
            for outcome, count in Counter(outcomes).most_common()
        ),
        findings=tuple(findings),
        power=_power(scenario, case),
        notes=_notes(cell, samples),
    )


def judge_scenario(scenario: Scenario, path: str, cells: list[CellResult]) -> ScenarioResult:
    """What the cells of a scenario, side by side, amount to."""
    findings = determinism.across(cells) if "determinism" in scenario.checks else []
    ran = [cell for cell in cells if cell.status == Status.RAN]
    verdict = findings[0].verdict if findings else Verdict.CLEAN
    if not findings and len(ran) < 2 and scenario.expect_across != Verdict.CLEAN:
        findings = [inconclusive("determinism", "fewer than two cells ran")]
        verdict = Verdict.INCONCLUSIVE
    # With one side of the axis selected, nothing can differ: that is no failure of the scenario.
    # Which axis is not known, so at least no start method of its own may be missing.
    methods = {cell.start_method for cell in ran}
    compared = len(ran) > 1 and methods >= set(scenario.start_methods)
    ok = verdict == scenario.expect_across or (
        verdict in (Verdict.CLEAN, Verdict.INCONCLUSIVE) and not compared
    )
    return ScenarioResult(
        scenario=scenario.name,
        path=path,
        summary=scenario.summary,
        cells=len(cells),
        verdict=verdict,
        expected=scenario.expect_across,
        ok=ok,
        findings=tuple(findings),
    )


def _trouble(samples: tuple[Sample, ...]) -> str:
    """Why the lab cannot judge these samples; empty if it can."""
    if not samples:
        return "no sample was run"
    for sample in samples:
        if sample.error:
            return (
                f"sample with seed {sample.seed}: {_last_line(sample.error) or 'no reason given'}"
            )
        if not sample.cpus:
            why = _last_line(sample.stderr)
            if sample.exit_code and why:
                return f"the interpreter did not come up for seed {sample.seed}: {why}"
            return f"the sample with seed {sample.seed} never said on which CPUs it ran"
        if sample.pinned and tuple(sample.cpus) != sample.pinned:
            return f"pinned to CPUs {list(sample.pinned)}, but the sample saw {sample.cpus}"
    return ""


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]


def _failed(sample: Sample) -> bool:
    return sample.end != "ended" or sample.exit_code != 0


def _grade(scenario: Scenario, outcome: str, sample: Sample) -> tuple[Grade, str]:
    grade, why = scenario.grade(outcome, ended_well=not _failed(sample))
    if _failed(sample) and (grade == Grade.UNGRADED or not scenario.rows):
        return Grade.FORBIDDEN, "the script did not end well"
    return grade, why


def _table(scenario: Scenario, case: Case) -> list[Finding]:
    """Forbidden and ungraded outcomes of samples that ended well; how others ended is told."""
    findings = []
    well = [
        (outcome, grade)
        for sample, outcome, grade in zip(case.samples, case.outcomes, case.grades, strict=True)
        if not _failed(sample)
    ]
    for grade, verdict in (
        (Grade.FORBIDDEN, Verdict.FORBIDDEN),
        (Grade.UNGRADED, Verdict.UNGRADED),
    ):
        seen = Counter(outcome for outcome, its_grade in well if its_grade == grade)
        # With the check `updates` a loss is the finding, and its grade only says it twice; but
        # where losses are expected, it says that this is not one of them.
        told = (
            grade == Grade.FORBIDDEN
            and "updates" in scenario.checks
            and case.expected != Verdict.LOST_UPDATES
        )
        if seen and not told:
            outcome = next(iter(seen))
            findings.append(
                Finding(
                    "outcomes",
                    verdict,
                    f"{grade.value} outcome {outcome!r} in {sum(seen.values())} of "
                    f"{len(case.samples)} samples",
                    {"outcomes": dict(seen)},
                )
            )
    return findings


def _required(scenario: Scenario, case: Case) -> list[Finding]:
    """Rows of the table that have to be seen and were not."""
    return [
        inconclusive("outcomes", f"no sample ended with {row.id!r}, which has to be seen")
        for row in scenario.rows
        if row.required and not any(row.matches(outcome) for outcome in case.outcomes)
    ]


def _verdict(findings: list[Finding], expected: Verdict) -> Verdict:
    """The most severe that was not expected; else the expected one, if it was found; else clean."""
    found = {finding.verdict for finding in findings}
    if expected in found:
        # What follows from what was expected adds nothing: a lost update is an odd outcome too.
        found -= {expected, Verdict.INCONCLUSIVE}
        if expected in (Verdict.LOST_UPDATES, Verdict.LOCK_VIOLATED):
            found -= {Verdict.NONDETERMINISTIC}
        return min(found, key=_SEVERITY.index) if found else expected
    return min(found, key=_SEVERITY.index) if found else Verdict.CLEAN


def _power(scenario: Scenario, case: Case) -> dict[str, Any]:
    """What a green verdict of this cell means."""
    power: dict[str, Any] = {
        "samples": len(case.samples),
        "with_pauses": len(case.observed),
        "processes_together": case.together(),
        "missed_at_most": round(missed_at_most(len(case.samples)), 4),
    }
    if "locks" in scenario.checks:
        power |= locks.power(case)
    if "updates" in scenario.checks:
        power |= updates.power(case)
    return power


def _notes(cell: Cell, samples: tuple[Sample, ...]) -> tuple[str, ...]:
    notes = []
    used = {start["method"] for sample in samples for start in sample.told("start")}
    used -= {cell.start_method, "os.fork"}
    if used:
        notes.append(
            f"the script chose its own start method: {', '.join(sorted(used))} "
            f"instead of {cell.start_method}"
        )
    if any(sample.locks and sample.locks["cut"] for sample in samples):
        notes.append("more lock events than fit the record: those until it was full were judged")
    if any(trouble for sample in samples for trouble in sample.told("trouble")):
        notes.append("part of the lab's own observation failed inside the sample")
    cut = max((sample.stdout_bytes for sample in samples), default=0)
    if cut > 2 << 20:
        notes.append(f"{cut >> 20} MiB were printed; the first and the last MiB were kept")
    return tuple(notes)
