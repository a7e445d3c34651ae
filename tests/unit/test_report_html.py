"""report.html: whole, well formed, escaped, offline, and to be read by all."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from report_results import cell, small_run

from lab.errors import StoreError, UsageError
from lab.model import Finding, Grade, Outcome, Verdict
from lab.report.html import html_text
from lab.report.page import STYLE
from lab.report.show import render_run, write_reports
from lab.report.style import Style
from lab.report.tally import Totals
from lab.store import Result, Run, RunFolder

VOID = {"meta", "input"}


class Page(HTMLParser):
    """The elements of a page, with a check that each is closed where it must be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self._open[-1] if self._open else "", data))

    def all(self, tag: str) -> Iterator[dict[str, str | None]]:
        return (attributes for name, attributes in self.elements if name == tag)

    def words(self, tag: str) -> list[str]:
        return [text for name, text in self.texts if name == tag]


def test_the_page_holds_the_run() -> None:
    page = Page(html_text(small_run()))
    (title,) = page.words("title")
    assert title == f"mplab: {Totals.of(small_run()).sentence()}"
    assert page.words("h3") == ["globals_seen", "two_locks", "value_unlocked"]
    assert "lab run scenarios --cores 1,2" in page.words("dd")
    places = [(a.get("class"), a.get("href")) for a in page.all("a")]
    assert len([p for p in places if p[1]]) == 12 + 3 + 1  # matrix, links on top, skip link
    kinds = [
        td.get("class")
        for td in page.all("td")
        if td.get("class") in ("clean", "known", "unexpected", "unsupported", "error")
    ]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "clean": 5,
        "unsupported": 1,
        "error": 1,
        "unexpected": 1,
        "known": 4,
    }
    assert "! deadlock" in page.words("a")
    assert "an increment was lost: += on a Value is a read, then a write" in page.words("td")
    commands = [text for text in page.words("pre") if text.startswith("lab run")]
    assert len(commands) == 12


def test_what_is_not_as_expected_stands_open_and_is_linked() -> None:
    page = Page(html_text(small_run()))
    opened = [d for d in page.all("details") if "open" in d]
    assert [d.get("id") for d in opened] == [None, "cell-4", "cell-7"]
    assert all("data-bad" in d for d in opened)
    assert "two_locks[fork-2cpu-py3.13-default]" in page.words("a")
    targets = {attributes.get("id") for _, attributes in page.elements}
    for link in page.all("a"):
        assert (link["href"] or "").removeprefix("#") in targets


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = html_text(small_run())
    page = Page(text)
    assert not [tag for tag, _ in page.elements if tag in ("link", "img", "iframe", "object")]
    assert not [a for _, a in page.elements if "src" in a or "srcset" in a]
    assert all((a["href"] or "").startswith("#") for a in page.all("a"))
    assert "url(" not in text
    assert "http:" not in text.replace("http-equiv", "")
    assert "https:" not in text
    policies = [m.get("content") for m in page.all("meta") if "http-equiv" in m]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"]


def test_every_text_is_escaped() -> None:
    evil = '</pre><script>alert(\'1\')</script>" onclick="x" & \x1b[2J\u202e'
    bad = cell(
        f"evil{evil}",
        verdict=Verdict.UNGRADED,
        ok=False,
        profile=evil,
        host=evil,
        path=evil,
        outcomes=(Outcome(evil, Grade.UNGRADED, 1, evil),),
        findings=(Finding(evil, Verdict.LEAK, evil, {evil: [evil, {evil: evil}]}),),
        power={evil: evil},
        notes=(evil,),
        repro=evil,
    )
    other = cell("other", profile="macos", path=evil)
    facts: dict[str, Any] = dict.fromkeys(("started", "ended"), evil) | {
        "argv": [evil],
        "axes": {evil: evil},
    }
    text = html_text(Run(Path(evil), (bad, other), (), facts, (evil,)))
    page = Page(text)
    assert len(list(page.all("script"))) == 1
    assert not [a for _, a in page.elements if "onclick" in a]
    assert "\x1b" not in text
    assert "\u202e" not in text
    shown = '</pre><script>alert(\'1\')</script>" onclick="x" & \\x1b[2J\\u202e'
    assert shown in page.words("pre")
    assert shown in page.words("code")


def test_tables_have_headings_and_marks_are_more_than_colour() -> None:
    page = Page(html_text(small_run()))
    assert all(th.get("scope") in ("row", "col") for th in page.all("th"))
    labels = [a["aria-label"] for a in page.all("a") if "aria-label" in a]
    assert "deadlock, not as expected: two_locks[fork-2cpu-py3.13-default]" in labels
    assert [html.get("lang") for html in page.all("html")] == ["en"]


def luminance(color: str) -> float:
    parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_every_colour_stands_out_from_its_ground_in_light_and_dark() -> None:
    """At least 4.5 to 1, the ratio that WCAG asks of text."""
    light, dark = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)
    for theme in (light, dark):
        colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", theme))
        pairs = [(name, f"{name}-ground") for name in colors if f"{name}-ground" in colors]
        assert len(pairs) == 5
        pairs += [(n, ground) for n in ("text", "soft", "link") for ground in ("ground", "raised")]
        for front, back in pairs:
            low, high = sorted((luminance(colors[front]), luminance(colors[back])))
            assert (high + 0.05) / (low + 0.05) >= 4.5, (front, back)


def test_a_run_that_did_not_end_says_so() -> None:
    run = small_run()
    page = Page(html_text(Run(run.folder, run.cells[:3], (), {**run.facts, "ended": None})))
    assert "no: the run was killed or is still going on" in page.words("dd")
    assert "did not run: it ended early" in page.words("li")
    assert "Not judged across cells: the run ended before the last." in page.words("p")


@pytest.fixture
def written(tmp_path: Path) -> RunFolder:
    run = small_run()
    with RunFolder.create(argv=["lab", "run"], seed=7, cells=12, base=tmp_path) as folder:
        results: tuple[Result, ...] = (*run.cells, *run.scenarios)
        for result in results:
            folder.append(result)
        folder.finish()
    return folder


def test_a_run_s_folder_gets_its_reports(written: RunFolder) -> None:
    run = write_reports(written)
    assert run.cells == small_run().cells
    assert sorted(path.name for path in written.path.iterdir()) == [
        "junit.xml",
        "report.html",
        "results.jsonl",
        "run.json",
    ]
    assert (written.path / "report.html").read_text() == html_text(run)


@pytest.mark.usefixtures("written")
def test_a_run_is_reported_again(tmp_path: Path) -> None:
    stream = io.StringIO()
    page = tmp_path / "again.html"
    run = render_run("latest", page, stream, Style(width=300), base=tmp_path)
    assert stream.getvalue().endswith(
        f"results in {tmp_path}/latest\n{Totals.of(run).sentence()}\n"
    )
    assert "── two_locks[fork-2cpu-py3.13-default] ──" in stream.getvalue()
    assert page.read_text() == html_text(run)


def test_what_cannot_be_reported_or_written_is_an_error(written: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        render_run(tmp_path / "nowhere", None, io.StringIO())
    with pytest.raises(StoreError, match=r"Not a directory \(ENOTDIR\)\. Make it writable"):
        render_run(written.path, written.path / "run.json" / "x.html", io.StringIO())
