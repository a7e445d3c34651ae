"""The records of results.jsonl: fields and types as documented, and nothing lost on the way."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from samples import ROOT, event, sample, started

from lab.model import (
    START_METHODS,
    Cell,
    CellResult,
    Finding,
    Grade,
    Outcome,
    ScenarioResult,
    Status,
    Verdict,
)

DOCS = Path(__file__).parents[2] / "docs" / "architecture.md"

FINDING = Finding("updates", Verdict.LOST_UPDATES, "lost", {"ci95": [0.1, 0.2], "examples": ["3"]})
RESULT = CellResult(
    id="s[fork-2cpu-py3.13-default]",
    scenario="s",
    path="scenarios/s.py",
    start_method="fork",
    cores=2,
    python="3.13.1",
    profile="default",
    host="local",
    cpus=(0, 3),
    status=Status.RAN,
    reason="because",
    verdict=Verdict.LOST_UPDATES,
    expected=Verdict.CLEAN,
    ok=False,
    samples=7,
    outcomes=(Outcome("3", Grade.INTERESTING, 6, "lost"), Outcome("4", Grade.ACCEPTABLE, 1)),
    findings=(FINDING,),
    power={"samples": 7},
    seconds=1.5,
    cpu_seconds=2.5,
    repro="lab run s",
    notes=("odd",),
)
ACROSS = ScenarioResult(
    scenario="s",
    path="scenarios/s.py",
    summary="Adds",
    cells=6,
    verdict=Verdict.NONDETERMINISTIC,
    expected=Verdict.CLEAN,
    ok=False,
    findings=(Finding("determinism", Verdict.NONDETERMINISTIC, "differs", {"axis": "cores"}),),
)


def documented() -> dict[str, str]:
    """Field -> type of the record `cell`, from the table in the documentation."""
    section = (
        DOCS.read_text(encoding="utf-8").partition("## What comes out")[2].partition("\n## ")[0]
    )
    found: dict[str, str] = {}
    for line in section.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        names = re.findall(r"`(\w+)`", cells[0])
        if line.startswith("| `") and names:
            types = cells[1].split(", ") if len(names) > 1 else [cells[1]]
            # One type may do for two names: `seconds`, `cpu_seconds` are float.
            types = types if len(types) == len(names) else types * len(names)
            found.update(zip(names, types, strict=True))
    return found


def is_a(value: Any, kind: str) -> bool:
    """Whether a JSON value is what the table says."""
    match kind:
        case "str" | "int" | "float" | "bool":
            return type(value).__name__ == kind
        case "object":
            return isinstance(value, dict) and all(isinstance(key, str) for key in value)
        case "list of int":
            return isinstance(value, list) and all(type(item) is int for item in value)
    keys = re.fullmatch(r"list of `\{(.*)\}`", kind)
    assert keys, f"the table has a type of a new kind: {kind}"
    wanted = set(re.findall(r'"(\w+)"', keys[1]))
    return isinstance(value, list) and all(wanted <= set(item) for item in value)


class TestCellRecord:
    def test_has_the_documented_fields(self) -> None:
        record = RESULT.to_record()
        assert next(iter(record.items())) == ("record", "cell")
        assert len(documented()) == 21
        assert set(documented()) | {"record", "notes"} == set(record)

    @pytest.mark.parametrize("name", documented())
    def test_of_the_documented_types(self, name: str) -> None:
        record = json.loads(json.dumps(RESULT.to_record()))
        assert record[name] or name == "ok", "the example has to have something here"
        assert is_a(record[name], documented()[name])

    def test_is_plain_data(self) -> None:
        record = RESULT.to_record()
        assert json.loads(json.dumps(record)) == record
        assert record["outcomes"][0] == {
            "id": "3",
            "grade": "interesting",
            "count": 6,
            "why": "lost",
        }
        assert record["findings"] == [
            {
                "check": "updates",
                "verdict": "lost-updates",
                "message": "lost",
                "evidence": {"ci95": [0.1, 0.2], "examples": ["3"]},
            }
        ]
        assert type(record["verdict"]) is str

    def test_comes_back_as_it_went(self) -> None:
        record = json.loads(json.dumps(RESULT.to_record()))
        assert CellResult.from_record(record) == RESULT

    def test_comes_back_with_its_defaults(self) -> None:
        bare = CellResult("s[x]", "s", "s.py", "fork", 1, "3.13.1", "default", "local")
        assert CellResult.from_record(json.loads(json.dumps(bare.to_record()))) == bare
        assert not bare.ok
        assert bare.verdict == Verdict.INCONCLUSIVE

    def test_may_have_more_and_need_not_have_notes(self) -> None:
        record = RESULT.to_record()
        del record["notes"], record["outcomes"][0]["why"]
        found = CellResult.from_record({**record, "of the future": 1})
        assert (found.notes, found.outcomes[0].why) == ((), "")

    @pytest.mark.parametrize(
        ("name", "value"), [("verdict", "odd"), ("status", "odd"), ("expected", None)]
    )
    def test_with_a_value_of_no_meaning_is_none(self, name: str, value: Any) -> None:
        with pytest.raises(ValueError, match="is not a valid"):
            CellResult.from_record({**RESULT.to_record(), name: value})


class TestScenarioRecord:
    def test_is_plain_data_and_comes_back_as_it_went(self) -> None:
        record = ACROSS.to_record()
        assert next(iter(record.items())) == ("record", "scenario")
        assert set(record) == {"record", *(field.name for field in fields(ScenarioResult))}
        assert ScenarioResult.from_record(json.loads(json.dumps(record))) == ACROSS


class TestVocabulary:
    """Words that results and scenarios are written in: to change one breaks both."""

    def words(self, term: str) -> list[str]:
        text = DOCS.read_text(encoding="utf-8")
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {term} |")]
        return re.findall(r"`([\w-]+)`", row)

    def test_verdicts(self) -> None:
        assert set(self.words("verdict")) == set(Verdict)

    def test_statuses(self) -> None:
        assert self.words("status") == list(Status)

    def test_grades(self) -> None:
        assert self.words("grade") == list(Grade)

    def test_start_methods(self) -> None:
        assert set(self.words("axes")) == set(START_METHODS)

    def test_the_id_of_a_cell(self) -> None:
        (words,) = re.findall(r"its id reads `(.*?)`", DOCS.read_text(encoding="utf-8"))
        assert Cell("value_unlocked", "spawn", 2, "3.13").id == words


class TestSample:
    def test_tells_events_of_a_kind_in_order(self) -> None:
        both = sample(
            events=[["got", 7, 30, {"key": 1}], ["raised", 8, 40, {}], ["got", 9, 50, {"key": 2}]]
        )
        assert both.told("got") == [
            {"pid": 7, "at": 30, "key": 1},
            {"pid": 9, "at": 50, "key": 2},
        ]
        assert both.told("looked") == []

    def test_names_processes_as_far_as_it_knows_them(self) -> None:
        forked = event("start", child=8, method="os.fork", name="", line="")
        one = sample(events=[started(7, "Process-1"), forked])
        assert one.name(7) == "Process-1 (pid 7)"
        assert one.name(8) == "pid 8"
        assert one.name(9) == "pid 9"
        assert one.name(ROOT) == "MainProcess (pid 100)"
        assert one.name(None) == "unknown"
