"""Progress: a block that is redrawn in place on a terminal, a few whole lines in a log."""

from __future__ import annotations

import io
import re

import pytest
from report_results import cell, scenario

from lab.model import Status, Verdict
from lab.report.progress import Progress
from lab.report.style import Color, Style

DEADLOCK = cell("two_locks", "fork", 2, verdict=Verdict.DEADLOCK, ok=False)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What CI services set must not decide what these tests see."""
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Screen:
    """What a terminal of `width` columns shows: as much of one as Progress may use."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.lines = [""]
        self.row = 0

    def feed(self, text: str) -> list[str]:
        for part in re.findall(r"\x1b\[\d*[A-Za-z]|\n|\r|[^\x1b\n\r]+", text):
            if part == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif part == "\r":
                pass  # always followed by up and erase: the column does not matter
            elif part.endswith("A"):
                self.row -= int(part[2:-1])
                assert self.row >= 0
            elif part == "\x1b[J":
                del self.lines[self.row + 1 :]
                self.lines[self.row] = ""
            else:
                assert not part.startswith("\x1b"), part
                self.lines[self.row] += part
                assert len(self.lines[self.row]) <= self.width
        return self.lines


def test_a_terminal_shows_a_block_and_keeps_what_was_not_as_expected() -> None:
    stream, clock, screen = Terminal(), Clock(), Screen(80)
    progress = Progress(stream, "no", 80, clock=clock)

    def shown() -> list[str]:
        lines = screen.feed(stream.getvalue())
        stream.seek(0)
        stream.truncate()
        return lines

    progress.start(12)
    assert shown() == [
        "░░░░░░░░░░░░░  0/12 cells, 0 running, 12 left, 0 unexpected, 0.00 s",
        "running: nothing",
    ]
    for method in ("fork", "spawn"):
        clock.now += 1
        progress.cell_started(f"two_locks[{method}-2cpu-py3.13-default]")
    assert shown() == [
        "░░░░░░░░░░░░░  0/12 cells, 2 running, 10 left, 0 unexpected, 2.0 s",
        "running: two_locks[spawn-2cpu-py3.13-default], two_locks[fork-2cpu-py3.13-defa…",
    ]
    clock.now += 90
    progress.cell_finished(DEADLOCK)
    progress.scenario_finished(scenario("two_locks", "", 1))
    assert shown() == [
        "! two_locks[fork-2cpu-py3.13-default]: deadlock, expected clean (4.1 s)",
        "█░░░░░░░░░░░░  1/12 cells, 1 running, 10 left, 1 unexpected, 1 min 32 s",
        "running: two_locks[spawn-2cpu-py3.13-default]",
    ]
    disagree = {"verdict": Verdict.NONDETERMINISTIC, "ok": False}
    progress.scenario_finished(scenario("globals_seen_in_children", "", 4, **disagree))
    assert shown() == [
        "! two_locks[fork-2cpu-py3.13-default]: deadlock, expected clean (4.1 s)",
        "! globals_seen_in_children: 0 cells as expected; across cells nondeterministic,",
        "  expected clean",
        "█░░░░░░░░░░░░  1/12 cells, 1 running, 10 left, 1 unexpected, 1 min 32 s",
        "running: two_locks[spawn-2cpu-py3.13-default]",
    ]
    progress.stop()
    progress.stop()
    assert shown() == [
        "! two_locks[fork-2cpu-py3.13-default]: deadlock, expected clean (4.1 s)",
        "! globals_seen_in_children: 0 cells as expected; across cells nondeterministic,",
        "  expected clean",
        "",
    ]


def test_a_terminal_is_not_redrawn_more_often_than_it_can_be_read() -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, "no", 80, clock=clock)
    progress.start(1000)
    for number in range(1000):
        clock.now += 0.001
        progress.cell_finished(cell(f"s{number}"))
    assert 9 <= stream.getvalue().count("cells, ") <= 12


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_the_block_fits_the_width(width: int) -> None:
    stream, clock = Terminal(), Clock()
    progress = Progress(stream, "no", width, clock=clock)
    progress.start(12)
    for number in range(9):
        clock.now += 1
        progress.cell_started(f"scenario_{number}[fork-1cpu-py3.13-default]")
    lines = Screen(max(width, 40)).feed(stream.getvalue())
    assert len(lines) == 2
    assert max(map(len, lines)) < max(width, 40)


def test_a_terminal_made_narrower_is_cleared_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, clock = Terminal(), Clock()
    monkeypatch.setenv("COLUMNS", "100")
    progress = Progress(stream, "no", clock=clock)
    progress.start(12)
    monkeypatch.setenv("COLUMNS", "50")
    stream.truncate(0)
    clock.now += 1
    progress.tick()
    # The status took 2 rows of 50 columns, the line of ids 1: up 2.
    assert stream.getvalue().lstrip("\0").startswith("\r\x1b[2A\x1b[J")


def test_a_log_gets_scenarios_what_is_unexpected_and_a_heartbeat() -> None:
    stream, clock = io.StringIO(), Clock()
    with Progress(stream, clock=clock) as progress:
        progress.start(8)
        for method in ("fork", "spawn"):
            progress.cell_started(f"value_locked[{method}-1cpu-py3.13-default]")
            progress.cell_finished(cell("value_locked", method))
        progress.scenario_finished(scenario("value_locked", "", 2))
        clock.now += 29
        progress.tick()
        progress.cell_started(DEADLOCK.id)
        clock.now += 1
        progress.tick()
        progress.tick()
        clock.now += 29.5
        progress.tick()
        progress.cell_finished(DEADLOCK)
        progress.cell_finished(cell("two_locks", status=Status.UNSUPPORTED, ok=False))
        progress.cell_finished(
            cell("two_locks", "spawn", status=Status.ERROR, ok=False, reason="gone\nlast line")
        )
        progress.scenario_finished(scenario("two_locks", "", 3))
        clock.now += 3600
        progress.tick()
    assert stream.getvalue() == (
        "value_locked: 2 cells as expected (2 of 8 done)\n"
        "… 2/8 cells, 1 running, 5 left, 0 unexpected, 30.0 s\n"
        "! two_locks[fork-2cpu-py3.13-default]: deadlock, expected clean (4.1 s)\n"
        "✗ two_locks[spawn-1cpu-py3.13-default]: error: gone (4.1 s)\n"
        "two_locks: 3 cells: 1 not, 1 unsupported, 1 error (5 of 8 done)\n"
        "… 5/8 cells, 0 running, 3 left, 2 unexpected, 1 h 1 min\n"
    )


@pytest.mark.parametrize(("color", "codes"), [("yes", True), ("no", False), ("auto", False)])
def test_a_log_has_colour_only_where_asked(color: Color, codes: bool) -> None:
    stream = io.StringIO()
    with Progress(stream, color) as progress:
        progress.start(1)
        progress.cell_started(DEADLOCK.id)
        progress.cell_finished(DEADLOCK)
    assert ("\x1b[1;31m" in stream.getvalue()) is codes
    # Never a code that moves the cursor.
    assert re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()) == (
        "! two_locks[fork-2cpu-py3.13-default]: deadlock, expected clean (4.1 s)\n"
    )


def test_a_dumb_terminal_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    stream = Terminal()
    with Progress(stream) as progress:
        progress.start(1)
        progress.cell_finished(DEADLOCK)
    assert "\x1b" not in stream.getvalue()


def test_no_color_still_redraws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = Terminal()
    progress = Progress(stream, width=80)
    progress.start(1)
    progress.cell_finished(DEADLOCK)
    assert "\x1b[J" in stream.getvalue()
    assert not re.search(r"\x1b\[[0-9;]*m", stream.getvalue())


def test_a_style_may_be_given() -> None:
    stream = io.StringIO()
    progress = Progress(stream, style=Style(width=50, live=True), clock=Clock())
    progress.start(3)
    assert stream.getvalue().startswith("0/3 cells, 0 running, 3 left")
