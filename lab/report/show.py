"""Reports of a run: into its folder when it ends, and again whenever somebody asks."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from lab.report.html import html_text
from lab.report.junit import junit_text
from lab.report.style import Style
from lab.report.terminal import print_report
from lab.store import REPORTS, Run, RunFolder, read_run, write_file

HTML = "report.html"
JUNIT = "junit.xml"


def write_reports(folder: RunFolder) -> Run:
    """Write junit.xml and report.html into a run's folder, from its results.jsonl; return the run.

    Call it after `folder.finish`. Raises StoreError; results.jsonl is safe then.
    """
    run = read_run(folder.path)
    folder.write(JUNIT, junit_text(run))
    folder.write(HTML, html_text(run))
    return run


def render_run(
    path: str | Path,
    html: Path | None,
    stream: TextIO,
    style: Style | None = None,
    base: Path = REPORTS,
) -> Run:
    """Print the report of a run to `stream`, and write its page to `html` if one is named.

    `path` is what `read_run` takes. Raises UsageError where there is no run, StoreError where
    `html` cannot be written.
    """
    run = read_run(path, base)
    print_report(run, stream, style)
    if html is not None:
        write_file(html, html_text(run))
    return run
