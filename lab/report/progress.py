"""What is seen while cells run: a live block on a terminal, few plain lines in a log."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Self, TextIO

from lab.model import CellResult, ScenarioResult
from lab.report.explain import TONES
from lab.report.matrix import mark
from lab.report.style import Color, Style, Tone, columns
from lab.report.words import Standing, against, duration, judgement, several, standing

REDRAW_SECONDS = 0.1
HEARTBEAT_SECONDS = 30.0
STATUS_COLUMNS = 66
"""Kept free for the status beside the bar, so that the bar does not change its length."""


class Progress:
    """Tells how far a run is, each time it is called; it has no thread.

    On a terminal: two lines redrawn in place, above them a line for each cell that is not as
    expected. Elsewhere: that line, one for each scenario that has finished, and, where nothing was
    said for 30 s, how far the run is. `tick`, called while nothing happens, keeps both alive.
    `stop` takes the block away; leaving the object as a context manager calls it.
    """

    def __init__(
        self,
        stream: TextIO,
        color: Color = "auto",
        width: int | None = None,
        style: Style | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Write to `stream`; `width` of None is the terminal's, read again at each drawing."""
        self._stream = stream
        self._style = style or Style.of(stream, color, width)
        self._fixed = width is not None or style is not None
        self._clock = clock
        self._total = 0
        self._began = self._spoke = self._drew = clock()
        self._running: dict[str, None] = {}
        self._stands: Counter[Standing] = Counter()
        self._scenarios: dict[str, Counter[Standing]] = {}
        self._block: list[int] = []  # columns of each line of the block on the screen

    def start(self, total: int) -> None:
        """Begin: `total` cells will run."""
        self._total = total
        self._began = self._spoke = self._clock()
        self._draw()

    def cell_started(self, cell_id: str) -> None:
        """A cell runs now."""
        self._running[cell_id] = None
        self.tick()

    def cell_finished(self, cell: CellResult) -> None:
        """A cell has its result; one that is not as expected is told at once."""
        stand = standing(cell)
        self._running.pop(cell.id, None)
        self._stands[stand] += 1
        self._scenarios.setdefault(cell.scenario, Counter())[stand] += 1
        if stand in ("unexpected", "error"):
            style = self._style
            text = f"{cell.id}: {judgement(cell)} ({duration(cell.seconds)})"
            self.say(mark(stand, style) + style.clean(text), TONES[stand])
        else:
            self.tick()

    def scenario_finished(self, result: ScenarioResult) -> None:
        """All cells of a scenario have ended; a terminal is told only if not as expected."""
        stands = self._scenarios.pop(result.scenario, Counter())
        text = f"{result.scenario}: {_stands(stands)}"
        if not result.ok:
            said = against(result.verdict.value, result.expected.value, result.ok)
            text += f"; across cells {said}"
        text = self._style.clean(text)
        if not result.ok:
            self.say(f"! {text}", "bad")
        elif not self._style.live:
            self.say(f"{text} ({self._done} of {self._total} done)")
        else:
            self.tick()

    def say(self, text: str, tone: Tone = "plain") -> None:
        """Write a line that stays, above the block where there is one.

        A terminal gets it wrapped; a log gets it whole, to be searched by line.
        """
        self._spoke = self._clock()
        lines = self._style.wrap(text, "", "  ") if self._style.live else [text]
        self._draw([self._style.paint(line, tone) for line in lines])

    def tick(self) -> None:
        """Nothing new: redraw the block, or write a heartbeat, where that is due."""
        now = self._clock()
        if self._style.live:
            if now - self._drew >= REDRAW_SECONDS:
                self._draw()
        elif self._total and now - self._spoke >= HEARTBEAT_SECONDS:
            self.say(f"{self._style.glyphs.more} {self._status()}")

    def stop(self) -> None:
        """Take the block away. What comes next starts at the left edge."""
        if self._block:
            self._write(self._erase())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def _done(self) -> int:
        return self._stands.total()

    def _status(self) -> str:
        bad = self._stands["unexpected"] + self._stands["error"]
        left = max(self._total - self._done - len(self._running), 0)
        return (
            f"{self._done}/{self._total} cells, {len(self._running)} running, {left} left, "
            f"{bad} unexpected, {duration(self._clock() - self._began)}"
        )

    def _draw(self, lines: Sequence[str] = ()) -> None:
        """Write `lines` and below them, on a terminal, the block anew; all in one write."""
        text = "".join(f"{line}\n" for line in lines)
        if not self._style.live:
            self._write(text)
            return
        if not self._fixed:
            width = shutil.get_terminal_size().columns
            self._style = replace(self._style, width=max(width, 20))
        top, below = self._lines()
        text = self._erase() + text + self._style.paint(top, self._tone) + "\n"
        text += self._style.paint(below, "quiet")
        self._block = [columns(top), columns(below)]
        self._drew = self._clock()
        self._write(text)

    @property
    def _tone(self) -> Tone:
        return "bad" if self._stands["unexpected"] + self._stands["error"] else "good"

    def _lines(self) -> tuple[str, str]:
        """The block. Each line leaves the last column free: a terminal would wrap after it."""
        style = self._style
        room = style.width - 1
        top = style.cut(self._status(), room)
        bar = min(room - STATUS_COLUMNS, room - columns(top) - 2, 24)
        if bar >= 6:
            full = bar * self._done // max(self._total, 1)
            top = f"{style.glyphs.full * full}{style.glyphs.empty * (bar - full)}  {top}"
        running = ", ".join(reversed(self._running)) or "nothing"
        return top, style.cut(style.clean(f"running: {running}"), room)

    def _erase(self) -> str:
        """Codes that take the block off the screen and leave the cursor where it began.

        On a terminal that was made narrower, the old lines have wrapped.
        """
        if not self._block:
            return ""
        rows = sum(max(-(-width // self._style.width), 1) for width in self._block)
        self._block = []
        up = f"\x1b[{rows - 1}A" if rows > 1 else ""
        return f"\r{up}\x1b[J"

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(text)
            self._stream.flush()


def _stands(stands: Counter[Standing]) -> str:
    """`6 cells as expected`, or `6 cells: 4 as expected, 1 not, 1 unsupported`."""
    expected = stands["clean"] + stands["known"]
    count = several(stands.total(), "cell")
    if expected == stands.total():
        return f"{count} as expected"
    parts = [(expected, "as expected"), (stands["unexpected"], "not")]
    parts += [(stands["unsupported"], "unsupported"), (stands["error"], "error")]
    return f"{count}: " + ", ".join(f"{number} {name}" for number, name in parts if number)
