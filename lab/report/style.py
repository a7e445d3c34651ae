"""How text may look on one stream: its width, its colour, the characters it can carry.

Colour only adds: everything is said by words and marks too.
"""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, TextIO

Color = Literal["auto", "yes", "no"]
"""As pytest's `--color`."""

NARROWEST = 40

Tone = Literal["title", "good", "known", "bad", "lab", "quiet", "plain"]
"""good: clean as expected; known: a fault, as expected; bad: not as expected; lab: not ran."""

_CODES: dict[Tone, str] = {
    "title": "1",
    "good": "32",
    "known": "36",
    "bad": "1;31",
    "lab": "33",
    "quiet": "2",
    "plain": "",
}


@dataclass(frozen=True)
class Glyphs:
    """The few characters that are not ASCII, or what stands in for them."""

    rule: str = "─"
    heavy: str = "━"
    dot: str = "·"
    times: str = "\N{MULTIPLICATION SIGN}"
    dash: str = "\N{EN DASH}"
    cross: str = "✗"
    more: str = "…"
    full: str = "█"
    empty: str = "░"
    bar: str = "▬"


ASCII = Glyphs("-", "=", "-", "x", "-", "x", "...", "#", ".", "=")


@dataclass(frozen=True)
class Style:
    """The look of one stream. `encoding` is what user text must fit in; `live` is a terminal."""

    width: int = 80
    color: bool = False
    glyphs: Glyphs = Glyphs()
    encoding: str = "utf-8"
    live: bool = False

    @classmethod
    def of(
        cls,
        stream: TextIO,
        color: Color = "auto",
        width: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Style:
        """The style that suits `stream`. An asked `color` wins over NO_COLOR and FORCE_COLOR."""
        env = os.environ if environment is None else environment
        terminal = stream.isatty()
        able = terminal and env.get("TERM") != "dumb"
        if color == "auto":
            wanted = not env.get("NO_COLOR") and (able or bool(env.get("FORCE_COLOR")))
        else:
            wanted = color == "yes"
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            "".join(vars(Glyphs()).values()).encode(encoding)
            glyphs = Glyphs()
        except (UnicodeEncodeError, LookupError):
            glyphs = ASCII
        width = width or shutil.get_terminal_size().columns
        return cls(max(width, NARROWEST), wanted, glyphs, encoding, able)

    def paint(self, text: str, tone: Tone) -> str:
        """`text` in the colour of `tone`, or as it is."""
        if not self.color or not text or not _CODES[tone]:
            return text
        return f"\x1b[{_CODES[tone]}m{text}\x1b[0m"

    def clean(self, text: str) -> str:
        """`text` on one line, without control codes, in characters that the stream can carry."""
        safe = visible(text)
        return safe.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def cut(self, text: str, width: int) -> str:
        """`text` in at most `width` columns, its end replaced by dots where it is longer."""
        if columns(text) <= width:
            return text
        room = max(width - len(self.glyphs.more), 0)
        kept = ""
        used = 0
        for character in text:
            used += columns(character)
            if used > room:
                break
            kept += character
        return (kept + self.glyphs.more)[:width]

    def clip(self, text: str, width: int) -> str:
        """As `cut`, but after a whole word where one ends in the second half."""
        short = self.cut(text, width)
        if short == text:
            return text
        head, blank, _ = short.removesuffix(self.glyphs.more).rpartition(" ")
        long_enough = blank and columns(head) >= width // 2
        return f"{head} {self.glyphs.more}" if long_enough else short

    def wrap(self, text: str, indent: str = "", hanging: str | None = None) -> list[str]:
        """`text` on lines of at most the width, the first after `indent`, others after `hanging`.

        Breaks at blanks; a word that is too long is broken where it must be.
        """
        rest = indent if hanging is None else hanging
        lines: list[str] = []
        line, blank = indent, True
        for word in re.findall(r"\S+", text):
            while True:
                gap = "" if blank else " "
                if columns(line) + len(gap) + columns(word) <= self.width:
                    line, blank = line + gap + word, False
                    break
                if not blank:
                    lines.append(line)
                    line, blank = rest, True
                    continue
                head = _prefix(word, max(self.width - columns(line), 1))
                lines.append(line + head)
                word = word[len(head) :]
                line, blank = rest, True
        return lines if blank else [*lines, line]

    def rule(self, title: str = "", heavy: bool = False, tone: Tone = "title") -> str:
        """A line across, with `title` set into it."""
        stroke = self.glyphs.heavy if heavy else self.glyphs.rule
        if not title:
            return self.paint(stroke * self.width, "quiet")
        title = self.cut(title, self.width - 6)
        tail = stroke * (self.width - columns(title) - 4)
        return (
            self.paint(stroke * 2, "quiet")
            + " "
            + self.paint(title, tone)
            + " "
            + self.paint(tail, "quiet")
        )


PLAIN = Style(width=100)
"""For files that others show, such as junit.xml."""


def columns(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def pad(text: str, width: int, right: bool = False) -> str:
    """`text` filled with blanks to `width` columns, at its left where `right` is set."""
    blanks = " " * (width - columns(text))
    return blanks + text if right else text + blanks


def visible(text: str) -> str:
    r"""`text` with control characters, lone surrogates and their like as `\n`, `\x1b`, `\ud800`.

    What a program printed must neither move the reader's cursor nor break XML.
    """
    return "".join(_visible(text))


_SHORT = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}


def _visible(text: str) -> Iterator[str]:
    for character in text:
        if character in _SHORT:
            yield _SHORT[character]
        elif unicodedata.category(character) in {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}:
            code = ord(character)
            yield f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
        else:
            yield character


def _prefix(word: str, width: int) -> str:
    """As many characters of `word`, at least one, as `width` columns hold."""
    used = 0
    for index, character in enumerate(word):
        used += columns(character)
        if used > width and index:
            return word[:index]
    return word
