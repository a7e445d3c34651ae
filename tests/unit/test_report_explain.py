"""The explanation of one cell: evidence of every shape, outcome table, the command to copy."""

from __future__ import annotations

import io
import shlex
from typing import Any

import pytest
from report_results import DEADLOCK, DISAGREE, LOST_UPDATES, cell

from lab.model import Finding, Grade, Outcome, Verdict
from lab.report.evidence import evidence_lines, nearer
from lab.report.explain import command, explain_cell, explain_finding, outcome_table
from lab.report.style import ASCII, Glyphs, Style, columns, visible
from lab.report.words import duration, phrase, power_phrase, ranges

WAIT = "Process-{} (pid {}) waits for lock {}, held by Process-{} (pid {}), at app.py:{} in work"


@pytest.mark.parametrize(
    ("evidence", "lines"),
    [
        (
            {"samples": 20, "lost": 12, "rate": 0.6, "ci95": [0.3866, 0.7812], "minimum": 3971},
            [
                "lost in 12 of 20 samples, a rate of 0.6 (95 % interval 0.3866 to 0.7812)",
                "minimum: 3971",
            ],
        ),
        (
            DISAGREE.evidence,
            ["by start method", "  fork   seen=7 x 40", "  spawn  seen=0 x 40"],
        ),
        (
            {"axis": "samples", "sides": {"fork": {"b": 1, "a": 19}, "spawn": {}}},
            ["by samples", "  fork   a x 19, b x 1", "  spawn  nothing"],
        ),
        (
            {
                "left": [
                    {
                        "kind": "shared memory",
                        "name": "psm_1",
                        "by": "pid 12 (Process-3)",
                        "line": "app.py:31",
                    },
                    {"kind": "zombie", "name": "pid 13", "bytes": 4096},
                ]
            },
            [
                "shared memory psm_1, left by pid 12 (Process-3), made at app.py:31",
                "zombie pid 13 (bytes 4096)",
            ],
        ),
        (
            DEADLOCK.evidence,
            [
                WAIT.format(1, 11, "b", 2, 12, 31),
                WAIT.format(2, 12, "a", 1, 11, 38),
                "stack of pid 11 (Process-1)",
                '  File "app.py", line 31 in work',
                '  File "app.py", line 50',
            ],
        ),
        (
            {"waits": [{"process": "P", "thread": "feeder", "waits_for": "pipe", "held_by": None}]},
            ["P, feeder, waits for pipe"],
        ),
        (
            {
                "type": "OSError",
                "args": [28, "No space left"],
                "line": "app.py:9",
                "process": "Process-1",
                "traceback": "Traceback:\n  File\n\tx\nOSError\n",
            },
            [
                "OSError(28, 'No space left') in Process-1, at app.py:9",
                "  Traceback:",
                "    File",
                "      x",
                "  OSError",
            ],
        ),
        (
            {
                "lock": "sem.mp-a",
                "sections": [
                    {"process": "P-1", "from_ns": 1_000_000, "to_ns": 3_000_000, "line": "a.py:2"},
                    {"process": "P-20", "from_ns": 2_000_000, "to_ns": 5_000_000},
                ],
            },
            [
                "sem.mp-a: who held it when",
                "  P-1   ============------------  0.000 to 2.000 ms",
                "        at a.py:2",
                "  P-20  ------==================  1.000 to 4.000 ms",
            ],
        ),
        (
            {"seed": 3, "type": "KeyError", "args": "('a',)", "line": "app.py:9"},
            ["KeyError('a'), at app.py:9", "seed: 3"],
        ),
        (
            {
                "sections": [
                    {"process": "A", "from_ns": 0, "to_ns": None, "line": ""},
                    {"process": "B", "from_ns": 500_000, "to_ns": 1_000_000, "line": ""},
                ]
            },
            [
                "  A  ========================  0.000 never given back",
                "  B  ------------============  0.500 to 1.000 ms",
            ],
        ),
        (
            {
                "left": [{"kind": "zombie", "name": "pid 9", "by": "", "line": None}],
                "waits": [
                    {
                        "process": "P",
                        "thread": "MainThread",
                        "waits_for": "a lock made at a.py:1, held by Q",
                        "held_by": "Q",
                        "line": "",
                    }
                ],
            },
            ["zombie pid 9", "P waits for a lock made at a.py:1, held by Q"],
        ),
        (
            {"some_key": {"n": 1, "list": [1, 2], "deep": [{"a": 1, "b": [2]}, {"c": None}]}},
            [
                "some key:",
                "  n: 1",
                "  list: 1, 2",
                "  deep:",
                "    -",
                "      a: 1",
                "      b: 2",
                "    - c none",
            ],
        ),
        (
            {"text": "one\n  two\x1b[0m", "no": []},
            ["text:", "  one", "    two\\x1b[0m", "no: none"],
        ),
        ({}, []),
    ],
    ids=[
        "updates",
        "determinism",
        "samples",
        "cleanup",
        "deadlock",
        "feeder",
        "exception",
        "locks",
        "raised",
        "unreleased",
        "unknown",
        "any",
        "text",
        "none",
    ],
)
def test_evidence(evidence: dict[str, Any], lines: list[str]) -> None:
    assert evidence_lines(evidence, ASCII) == lines


@pytest.mark.parametrize(
    "evidence",
    [
        {"waits": [{"process": "P"}]},
        {"sides": []},
        {"left": ["a name"]},
        {"lost": "many", "samples": 3},
        {"sections": [{"process": "P", "from_ns": None, "to_ns": 2}]},
        {"sections": []},
        {"stacks": "text"},
        {"traceback": None, "args": 3, "type": "E"},
        {"waits": None, "sides": {"fork": 3}},
    ],
)
def test_evidence_of_half_a_known_shape_is_listed_not_dropped(evidence: dict[str, Any]) -> None:
    text = "\n".join(evidence_lines(evidence))
    for key in evidence:
        assert key in text


def test_a_cell_in_full() -> None:
    lines = explain_cell(cell("value_unlocked", **LOST_UPDATES), Style(width=80))
    assert (
        "\n".join(lines)
        == """\
lost-updates, as expected
20 samples in 4.1 s (7.9 s of CPU) on CPU 0, Python 3.13.1, host local

  outcome     count   share  grade        why
  total=3971     12  60.0 %  interesting  an increment was lost: += on a Value
                                          is a read, then a write
  total=4000      8  40.0 %  acceptable   no two increments met

updates · lost-updates: 12 of 20 samples lost an update
  lost in 12 of 20 samples, a rate of 0.6 (95 % interval 0.387 to 0.781)

power: 20 samples; overlap 0.85

run it again:
lab run scenarios/value_unlocked.py --start-method fork --cores 1 \\
  --python 3.13 --samples 20 --seed 7"""
    )


def test_many_and_long_outcomes_are_cut_and_counted() -> None:
    outcomes = [Outcome(f"{n:02}" + "x" * 90, Grade.UNGRADED, 20 - n) for n in range(15)]
    lines = outcome_table(outcomes, Style(width=60))
    assert len(lines) == 14
    assert lines[1] == "  00xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…     20  10.3 %  ungraded"
    assert lines[-1] == "  … 3 more outcomes, 21 samples"


def test_long_evidence_is_cut_and_points_at_the_page() -> None:
    finding = Finding("exceptions", Verdict.HANG, "hangs", {"stacks": {"P": "\n".join("x" * 99)}})
    lines = explain_finding(finding, Style(), limit=10)
    assert len(lines) == 12
    assert lines[-1] == "  … 90 more lines in report.html"


def test_an_outcome_too_long_for_a_why_beside_it_has_it_below() -> None:
    outcomes = [Outcome("total=" + "9" * 24, Grade.INTERESTING, 2, "lost")]
    assert outcome_table(outcomes, Style(width=80)) == [
        "  outcome                         count    share  grade",
        "  total=999999999999999999999999      2  100.0 %  interesting",
        "      lost",
    ]


@pytest.mark.parametrize(
    ("path", "message", "shown"),
    [
        ("scenarios/a.py", "at /home/me/x/scenarios/a.py:3 in f", "at scenarios/a.py:3 in f"),
        ("../a.py", "(/home/a.py:3)", "(../a.py:3)"),
        ("/abs/a.py", "/abs/a.py:3", "/abs/a.py:3"),
        ("a.py", "/x/lib/python3.14t/queue.py:3", "queue.py:3"),
        ("a.py", '"/v/lib/python3.9/site-packages/b/c.py"', '"site-packages/b/c.py"'),
        (
            "a.py",
            "/other/bba.py:1, lib/a.py, http://a.py",
            "/other/bba.py:1, lib/a.py, http://a.py",
        ),
        ("", "/x/y.py", "/x/y.py"),
    ],
)
def test_files_are_shown_by_their_nearest_name(path: str, message: str, shown: str) -> None:
    finding = Finding("ends", Verdict.HANG, message, {message: [{"line": message}, 3, None]})
    assert nearer(finding, path) == Finding(
        "ends", Verdict.HANG, shown, {shown: [{"line": shown}, 3, None]}
    )


@pytest.mark.parametrize("width", [40, 60, 80])
@pytest.mark.parametrize(
    "text",
    [
        "lab run a.py --start-method fork --cores 2 --python 3.13 --samples 20 --seed 70 -x",
        "lab run 'a folder/b c.py' --args \"-x 'y z' \\\"q\\\"\" --start-method spawn --cores 1 -x",
        "lab run a.py --start-method fork -x --args alpha\\ beta\\ gam --cores 1 --seed 718281",
        "lab run a\\ b.py --args='--one  two' --cores 1 -- -k 'a and b' --tb=short tests/unit",
    ],
)
def test_a_command_over_several_lines_is_the_same_command(text: str, width: int) -> None:
    lines = command(text, Style(width=width))
    assert len(lines) > 1
    assert all(line.endswith(" \\") for line in lines[:-1])
    assert max(len(line) for line in lines) <= width
    assert shlex.split("\n".join(lines).replace("\\\n", "")) == shlex.split(text)


def test_a_style_suits_its_stream() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    def color(stream: io.StringIO, asked: Any = "auto", **env: str) -> bool:
        return Style.of(stream, asked, 80, env).color

    log, terminal = io.StringIO(), Terminal()
    assert color(terminal, TERM="xterm")
    assert not color(terminal, TERM="dumb")
    assert not color(terminal, TERM="xterm", NO_COLOR="1")
    assert not color(terminal, "no", TERM="xterm")
    assert color(terminal, "yes", TERM="xterm", NO_COLOR="1")
    assert not color(log)
    assert color(log, FORCE_COLOR="1")
    assert not color(log, FORCE_COLOR="1", NO_COLOR="1")
    assert Style.of(log, width=80).glyphs == Glyphs()
    latin = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    assert Style.of(latin, width=80).glyphs == ASCII
    assert Style.of(latin, width=80).clean("caf\xe9 \N{SNOWMAN}") == "caf\xe9 \\u2603"


def test_wide_and_combining_characters_are_measured() -> None:
    assert columns("e\N{COMBINING ACUTE ACCENT}") == 1
    assert columns("\N{CJK UNIFIED IDEOGRAPH-4E00}") == 2
    assert Style().clip("one two three four", 12) == "one two …"
    assert Style().clip("one twothreefour", 12) == "one twothre…"
    assert Style().cut("\N{CJK UNIFIED IDEOGRAPH-4E00}" * 5, 6) == (
        "\N{CJK UNIFIED IDEOGRAPH-4E00}" * 2 + "\N{HORIZONTAL ELLIPSIS}"
    )


def test_every_control_character_becomes_visible() -> None:
    text = "".join(map(chr, [*range(32), *range(127, 160), 0x200B, 0x202E, 0x2028, 0xD800, 0xFFFE]))
    assert visible(text).isprintable()
    assert visible("a\tb\nc\x00") == r"a\tb\nc\x00"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.00 s"),
        (0.996, "1.00 s"),
        (4.12, "4.1 s"),
        (59.96, "1 min 0 s"),
        (192, "3 min 12 s"),
        (3599.7, "1 h 0 min"),
        (7500, "2 h 5 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_power_says_what_may_have_been_missed() -> None:
    power = {
        "missed_at_most": 0.1391,
        "samples": 20,
        "with_pauses": 5,
        "processes_together": 4,
        "lock_sections": 120,
        "lock_waits": 1,
        "lost_updates_missed_at_most": 0.45,
        "odd_one": [1],
    }
    assert power_phrase(power) == (
        "20 samples; 5 of them with pauses; at most 4 processes at work at once; "
        "locks were taken 120 times; 1 time after a wait; "
        "what happens in fewer than 13.9 % of runs may have been missed; "
        "lost updates in fewer than 45.0 % of runs may have been missed; odd one 1"
    )


def test_phrases() -> None:
    assert ranges([5, 0, 1, 2]) == "0-2,5"
    assert phrase({"missed_rate": 0.13913, "sure": True, "why": None, "of": [1, "two", []]}) == (
        "missed rate 0.1391, sure yes, why none, of 1, two, none"
    )
