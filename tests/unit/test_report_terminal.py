# ruff: noqa: RUF001 - the report has such characters
"""The terminal's report: exact text at 80 columns, and what narrower or poorer streams get."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from report_results import DEADLOCK, LOST_UPDATES, cell, scenario, small_run

from lab.model import CellResult, Finding, Grade, Outcome, Status, Verdict
from lab.report.matrix import matrix_lines
from lab.report.style import ASCII, Style, columns
from lab.report.tally import Totals, sheets
from lab.report.terminal import (
    power_sentence,
    print_report,
    report_lines,
    totals_lines,
    unsupported_lines,
)
from lab.store import Run

FOLDER = Path("reports/now")
GOLDEN = """\
2026-11-24 16:44:55 +01:00 · mplab 0.1.0 · Python 3.13.1 · pytest 9.0.1
Linux 6.1.0 x86_64 · CPUs 0-2,5 of 8 · build-7
lab run scenarios --cores 1,2

                            fork           spawn
✗ globals_seen: What a child sees of a global that its parent changed
    expected clean
    1 cpu, as expected      clean          clean
    2 cpus                  – unsupported  ✗ error
    across cells: nondeterministic, expected clean: cells of one outcome each
      disagree along the start method
! two_locks: Two processes take two locks in opposite orders
    expected clean
    1 cpu, as expected      clean          clean
    2 cpus                  ! deadlock     clean
  value_unlocked: Four processes add to one Value without holding its lock
    1, 2 cpus, as expected  lost-updates   lost-updates
  ! not as expected, – unsupported here, ✗ the lab's own error

━━ Not as expected: 1 cell, 1 scenario across cells ━━━━━━━━━━━━━━━━━━━━━━━━━━━━

── two_locks[fork-2cpu-py3.13-default] ─────────────────────────────────────────
deadlock, expected clean
3 samples in 4.1 s (7.9 s of CPU) on CPUs 0-1, Python 3.13.1, host local

  outcome   count    share  grade      why
  deadlock      3  100.0 %  forbidden  both wait for ever

exceptions · deadlock: 2 processes wait for each other
  Process-1 (pid 11) waits for lock b, held by Process-2 (pid 12), at app.py:31
    in work
  Process-2 (pid 12) waits for lock a, held by Process-1 (pid 11), at app.py:38
    in work
  stack of pid 11 (Process-1)
    File "app.py", line 31 in work
    File "app.py", line 50

note: stopped after 3 samples: each took its 10 s

run it again:
lab run scenarios/two_locks.py --start-method fork --cores 2 --python 3.13 \\
  --samples 20 --seed 7

── globals_seen, across its cells ──────────────────────────────────────────────
across 4 cells: nondeterministic, expected clean
determinism · nondeterministic: cells of one outcome each disagree along the
  start method
  by start method
    fork   seen=7 × 40
    spawn  seen=0 × 40

━━ Unsupported here: 1 cell, which is no pass ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━

1 cell: needs 2 CPUs, this machine lets us use 1
    globals_seen[fork-2cpu-py3.13-default]

━━ The lab's own errors: 1 cell ━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━

── globals_seen[spawn-2cpu-py3.13-default] ─────────────────────────────────────
error: the agent answered nothing for 60 s
on CPUs 0-1, Python 3.13.1, host local
  last line: ready

run it again:
lab run scenarios/globals_seen.py --start-method spawn --cores 2 --python 3.13 \\
  --samples 20 --seed 7

results in reports/2026-11-24T16-44-55
12 cells: 9 as expected, 1 not, 1 unsupported, 1 error, 1 scenario not as
expected across cells in 3 min 12 s (seed 7)
"""


def test_the_whole_report_at_80_columns() -> None:
    assert "\n".join(report_lines(small_run(), Style(width=80))) + "\n" == GOLDEN


def test_colour_only_adds() -> None:
    colored = "\n".join(report_lines(small_run(), Style(width=80, color=True)))
    assert "\x1b[1;31m! deadlock\x1b[0m" in colored
    assert "\x1b[36mlost-updates\x1b[0m" in colored
    assert "\x1b[33m\N{EN DASH} unsupported\x1b[0m" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) + "\n" == GOLDEN


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("poor", [False, True], ids=["unicode", "ascii"])
def test_no_line_is_wider_than_the_stream(width: int, poor: bool) -> None:
    style = Style(width=width)
    if poor:
        style = replace(style, glyphs=ASCII, encoding="ascii")
    run = small_run()
    odd = replace(
        run.cells[6],
        outcomes=(
            Outcome("x" * 300, Grade.UNGRADED, 3),
            Outcome("\N{CJK UNIFIED IDEOGRAPH-4E00}" * 99, Grade.FORBIDDEN, 1, "w" * 200),
        ),
        findings=(
            DEADLOCK,
            Finding("cleanup", Verdict.LEAK, "m" * 200, {"deep": [{"k": "v" * 99}]}),
        ),
        notes=("n" * 200,),
    )
    cells = (*run.cells[:6], odd, *run.cells[7:])
    for line in report_lines(replace(run, cells=cells), style):
        assert columns(line) <= width
        assert line.isascii() or not poor


def test_an_ascii_stream_gets_ascii() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    run = small_run()
    snowman = replace(run.cells[6], notes=("caf\xe9 \N{SNOWMAN}",))
    print_report(replace(run, cells=(snowman,)), stream)
    text = raw.getvalue().decode("ascii")
    assert "-- two_locks[fork-2cpu-py3.13-default] -----" in text
    assert "note: caf\\xe9 \\u2603\n" in text


def test_what_a_program_printed_cannot_drive_the_terminal() -> None:
    loud = cell(
        "loud",
        verdict=Verdict.UNGRADED,
        ok=False,
        outcomes=(Outcome("\x1b[2Jred\r\n\x07\u202e", Grade.UNGRADED, 1),),
    )
    text = "\n".join(report_lines(Run(FOLDER, (loud,)), Style()))
    assert r"\x1b[2Jred\r\n\x07\u202e" in text
    assert not re.search(r"[\x00-\x09\x0b-\x1f\u202e]", text)


def grid(*cells: CellResult, width: int = 80, **values: object) -> str:
    names = dict.fromkeys(cell.scenario for cell in cells)
    results = tuple(scenario(name, f"About {name}", 1, **values) for name in names)
    return "\n".join(matrix_lines(sheets(Run(FOLDER, cells, results)), Style(width=width)))


def test_cells_that_agree_take_one_row() -> None:
    cells = [cell("a", method, cores) for cores in (1, 2, 4) for method in ("spawn", "fork")]
    assert grid(*cells) == (
        "                               fork   spawn\n"
        "  a: About a\n"
        "    1, 2, 4 cpus, as expected  clean  clean"
    )


def test_only_neighbours_are_joined_and_a_place_without_a_cell_shows() -> None:
    lost = LOST_UPDATES | {"ok": False, "expected": Verdict.CLEAN}
    cells = [cell("a", "fork", 1), cell("a", "fork", 2, **lost), cell("a", "fork", 4)]
    assert grid(*cells, cell("a", "inline", 1)) == (
        "                         inline  fork\n"
        "! a: About a\n"
        "    expected clean\n"
        "    1 cpu, as expected   clean   clean\n"
        "    2 cpus               ·       ! lost-updates\n"
        "    4 cpus, as expected  ·       clean"
    )


def test_each_python_and_profile_has_rows_of_its_own() -> None:
    cells = [
        cell("a", "fork", 1, python=python, profile=profile, verdict=verdict, ok=verdict == "clean")
        for python, profile, verdict in (
            ("3.13.1", "default", Verdict.CLEAN),
            ("3.9.20", "default", Verdict.CLEAN),
            ("3.13.1", "macos", Verdict.HANG),
        )
    ]
    cells.append(cell("a", "fork", 2, python="3.9.20", verdict=Verdict.LEAK, ok=False))
    # Of `b` only one has ended, and it does not know its whole version.
    assert grid(*cells, cell("b", "fork", 1, python="3.13")) == (
        "                                        fork\n"
        "! a: About a\n"
        "    expected clean\n"
        "    py3.9 default   1 cpu, as expected  clean\n"
        "                    2 cpus              ! leak\n"
        "    py3.13 default  1 cpu, as expected  clean\n"
        "    py3.13 macos    1 cpu               ! hang\n"
        "  b: About b\n"
        "    py3.13 default  1 cpu, as expected  clean"
    )


def test_pythons_stand_above_their_rows_where_marks_take_the_room() -> None:
    bad = {"verdict": Verdict.NONDETERMINISTIC, "ok": False}
    methods = ("fork", "spawn", "forkserver")
    cells = [cell("a", method, cores, python="3.9.20") for method in methods for cores in (1, 2)]
    cells += [cell("a", method, cores, **bad) for method in methods for cores in (1, 2)]
    assert grid(*cells) == (
        "                 fork                spawn               forkserver\n"
        "! a: About a\n"
        "    expected clean\n"
        "    py3.9\n"
        "      1, 2 cpus  clean               clean               clean\n"
        "    py3.13\n"
        "      1, 2 cpus  ! nondeterministic  ! nondeterministic  ! nondeterministic"
    )
    assert "    py3.9   1, 2 cpus, as expected  clean  " in grid(*cells, width=100)
    assert grid(*cells, width=60) == (
        "! a: About a\n"
        "    expected clean\n"
        "    py3.9\n"
        "      1, 2 cpus, as expected\n"
        "      fork clean, spawn clean, forkserver clean\n"
        "    py3.13\n"
        "      1, 2 cpus\n"
        "      fork ! nondeterministic, spawn ! nondeterministic,\n"
        "      forkserver ! nondeterministic"
    )


def test_expectations_that_differ_name_their_cells() -> None:
    deadlock = {"expected": Verdict.DEADLOCK, "ok": False}
    cells = [cell("a", "fork", 1), cell("a", "fork", 2, **deadlock), cell("a", "spawn", 1)]
    assert "\n    expected clean (fork-1cpu-py3.13-default, spawn); deadlock (fork-2cpu-" in grid(
        *cells, width=100
    )


def test_too_narrow_for_columns_the_cells_follow_one_another() -> None:
    nondeterministic = {"verdict": Verdict.NONDETERMINISTIC, "ok": False}
    cells = [cell("a", method, 1, **nondeterministic) for method in ("fork", "spawn", "forkserver")]
    assert grid(*cells, width=60) == (
        "! a: About a\n"
        "    expected clean\n"
        "    1 cpu\n"
        "      fork ! nondeterministic, spawn ! nondeterministic,\n"
        "      forkserver ! nondeterministic"
    )


def test_unsupported_alone_is_no_failure_but_shows() -> None:
    text = grid(cell("a", status=Status.UNSUPPORTED, reason="no fork", ok=False))
    assert text.splitlines()[1:] == [
        "\N{EN DASH} a: About a",
        "    expected clean",
        "    1 cpu  \N{EN DASH} unsupported",
    ]


def test_a_scenario_that_never_ended_says_so() -> None:
    lines = matrix_lines(sheets(Run(FOLDER, (cell("a"),))), Style())
    assert lines[1:] == [
        "  a",
        "    1 cpu, as expected  clean",
        "    not judged across cells: the run ended before the last of them",
    ]


def test_unsupported_cells_are_grouped_by_reason_and_extent() -> None:
    def unsupported(name: str, method: str, cores: int, reason: str) -> CellResult:
        return cell(name, method, cores, status=Status.UNSUPPORTED, ok=False, reason=reason)

    cells = [
        unsupported(name, method, 4, "needs 4 CPUs")
        for name in ("a", "b")
        for method in ("fork", "spawn")
    ]
    cells += [unsupported("c", "fork", 1, "no fork"), unsupported("d", "spawn", 2, "no fork")]
    assert unsupported_lines(cells, Style(width=80))[2:] == [
        "4 cells: needs 4 CPUs",
        "    a, b: fork, spawn x 4cpu x py3.13.1 x default",
        "2 cells: no fork",
        "    c[fork-1cpu-py3.13-default], d[spawn-2cpu-py3.13-default]",
        "",
    ]


def test_totals() -> None:
    run = small_run()
    assert Totals.of(run).sentence() == (
        "12 cells: 9 as expected, 1 not, 1 unsupported, 1 error, "
        "1 scenario not as expected across cells in 3 min 12 s (seed 7)"
    )
    assert not Totals.of(run).ok
    fine = Run(FOLDER, run.cells[:4], run.scenarios[:1])
    assert Totals.of(fine).sentence() == ("4 cells: 4 as expected, 0 not, 0 unsupported, 0 errors")
    assert Totals.of(fine).ok
    assert not Totals.of(Run(FOLDER)).ok


def test_a_run_that_was_cut_short_says_so_last() -> None:
    run = small_run()
    cut = Run(FOLDER, run.cells[:4], run.scenarios[:1], {"cells": 12}, ("line 5 was left out.",))
    assert totals_lines(cut, Style()) == [
        "The run ended early: 8 cells of the matrix did not run.",
        "results in reports/now",
        "4 of 12 cells: 4 as expected, 0 not, 0 unsupported, 0 errors",
    ]
    assert "line 5 was left out." in report_lines(cut, Style())


def test_what_a_green_run_may_have_missed() -> None:
    cells = [
        cell("a", samples=20, power={"missed_at_most": 0.1391}),
        cell("b", samples=3, power={"missed_at_most": 0.6316}),
        cell("c", samples=1, power={"missed_at_most": 0.95}, ok=False),
    ]
    assert power_sentence(cells) == (
        "3 to 20 samples of each cell: "
        "what happens in fewer than 13.9 to 63.2 % of runs may have been missed"
    )
    assert power_sentence(cells[:1]) == (
        "20 samples of each cell: what happens in fewer than 13.9 % of runs may have been missed"
    )
    assert power_sentence([cell("a")]) == ""
    assert power_sentence([]) == ""
