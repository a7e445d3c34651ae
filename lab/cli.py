"""The command `lab`: each verb reads its options and calls what does the work."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from lab import __version__
from lab.errors import ExitCode, LabError, UsageError

LISTS = ("scenarios", "cells", "profiles", "hosts", "pythons")


class _Parser(argparse.ArgumentParser):
    """Usage errors end with the lab's own exit code."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message}. `{self.prog} --help` shows what there is.")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (see `lab.errors.ExitCode`)."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _agents():
            if words[:1] == ["run"]:
                return _run(words[1:])
            options = _parser().parse_args(words)
            return int(options.do(options))
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return int(error.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # as in `lab list | head`
        return 0
    except KeyboardInterrupt:
        return int(ExitCode.INTERRUPTED)


def _agents() -> AbstractContextManager[None]:
    """In the containers: their agents are ours for as long as the command takes."""
    if os.environ.get("LAB_HOST") != "compose":
        return nullcontext()
    from lab.hosts import compose

    return compose.attended()


def _parser() -> _Parser:
    parser = _Parser(prog="lab", description="A lab for Python's multiprocessing.")
    parser.add_argument("--version", action="version", version=f"mplab {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=_Parser)
    verbs.add_parser("run", help="run scenarios in every cell (see `lab run --help`)")
    report = verbs.add_parser("report", help="show a run again")
    report.add_argument("run", metavar="RUN", help="folder of a run, or `latest`")
    report.add_argument("--html", metavar="FILE", help="write the report as one HTML file")
    report.set_defaults(do=_report)
    listing = verbs.add_parser("list", help="list what there is")
    listing.add_argument("what", choices=LISTS)
    listing.add_argument("targets", nargs="*", metavar="TARGET", help="scripts or folders")
    listing.add_argument("--json", action="store_true", help="as JSON")
    listing.set_defaults(do=_list)
    doctor = verbs.add_parser("doctor", help="what this machine can and cannot do")
    doctor.set_defaults(do=_doctor)
    return parser


def _run(words: list[str]) -> int:
    from lab import runner

    return runner.run(words)


def _report(options: argparse.Namespace) -> int:
    from pathlib import Path

    from lab.report.show import render_run

    render_run(options.run, Path(options.html) if options.html else None, sys.stdout)
    return 0


def _list(options: argparse.Namespace) -> int:
    from lab import listing

    return listing.show(options.what, options.targets, options.json, sys.stdout)


def _doctor(options: argparse.Namespace) -> int:
    del options
    from lab import doctor

    return doctor.report(sys.stdout)
