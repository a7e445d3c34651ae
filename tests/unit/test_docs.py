"""docs/: tables name what there is, the example does what it declares, plans are refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from samples import sample

from lab import scenario
from lab.bench import Bench, Options
from lab.cli import main
from lab.errors import ExitCode
from lab.judge import outcome_of
from lab.model import CHECKS, Verdict

DOCS = Path(__file__).parents[2] / "docs"
SCENARIOS, CHECKS_TEXT, ARCHITECTURE = (
    (DOCS / f"{name}.md").read_text(encoding="utf-8")
    for name in ("scenarios", "checks", "architecture")
)
PLANNED = [
    "run --host docker",
    "run --host dask:tcp://localhost:8786",
    "run --python python:3.13-slim",
    "run --profile macos",
    "test -- tests",
    "explore app.py",
    "replay 1",
    "reproduce --all",
    "diff a b",
    "merge a b",
    "ci github",
]


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text)
    assert [link for link in links if not (DOCS / link).exists()] == []


def test_every_key_of_a_block_is_described() -> None:
    keys = re.findall(r"^\| `(?:\[\[tool\.lab\.)?([\w-]+)(?:\]\])?` \|", SCENARIOS, re.M)
    assert set(keys) == set(scenario._KEYS)
    assert all(f"`{key}" in SCENARIOS for key in scenario._ROW_KEYS)


def test_the_example_does_what_it_declares(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", SCENARIOS, re.M | re.S)
    script = tmp_path / "count.py"
    script.write_text(code)
    bench = Bench(Options((str(script),), start_method="fork", cores="1", time_budget="quick"))
    (planned,) = bench.cells.values()
    try:
        result = bench.run(planned)
    finally:
        bench.close()
    assert (result.verdict, result.expected) == (Verdict.LOST_UPDATES, Verdict.LOST_UPDATES)
    assert result.ok, result


@pytest.mark.parametrize(
    ("pattern", "stdout", "code", "outcome"),
    [
        (r"total: (?P<total>\d+)", "total: 1\ntotal: 1000\n", 0, "total=1000"),
        (r"total: (?P<total>\d+)", "total: 1000\n", 1, "exit=1"),
        ("", "total: 1000\n", -9, "signal=SIGKILL"),
        (r"total: (?P<total>\d+)", "hello\n", 0, "no outcome in stdout"),
        ("", "total: 1000\n", 0, "exit=0, total: 1000"),
        ("", "", 0, "exit=0, no output"),
    ],
)
def test_outcomes_are_as_the_table_shows(
    pattern: str, stdout: str, code: int, outcome: str
) -> None:
    assert outcome_of(sample(stdout=stdout, exit_code=code), pattern) == outcome
    assert outcome in SCENARIOS


def test_every_check_is_described() -> None:
    assert re.findall(r"^## (\w+)$", CHECKS_TEXT, re.M) == [
        "ends",
        *sorted(CHECKS, key=("determinism", "updates", "locks", "exceptions", "cleanup").index),
    ]


@pytest.mark.parametrize("words", PLANNED)
def test_what_is_planned_is_refused(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    verb = words.split()[1 if words.startswith("run") else 0]
    assert verb in ARCHITECTURE
    assert main(words.split()) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("lab: ")
