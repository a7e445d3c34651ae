"""The command `lab`: each verb reads its options and calls what does the work."""

from __future__ import annotations

import argparse
import errno
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from lab import __version__
from lab.errors import ExitCode, LabError, UsageError, complain
from lab.options import Parser

LISTS = ("scenarios", "cells", "profiles", "hosts", "pythons")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code (see `lab.errors.ExitCode`)."""
    _open_standard_streams()
    words = list(sys.argv[1:] if argv is None else argv)
    code = 0
    try:
        try:
            code = _verb(words)
        finally:
            sys.stdout.flush()
    except BrokenPipeError:  # as in `lab list | head`: whoever read has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if not _is_of_stdout(error):
            raise
        code = complain(LabError(f"standard output cannot be written: {error.strerror}."))
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


def _verb(words: list[str]) -> int:
    try:
        _check_folder()
        with _agents():
            if words[:1] == ["run"]:
                code = _run(words[1:])
            else:
                options = _parser().parse_args(words)
                code = int(options.do(options))
    except LabError as error:
        return complain(error)
    except SystemExit as error:  # of --help and --version
        return int(error.code or 0)
    except KeyboardInterrupt:
        code = ExitCode.INTERRUPTED
    if code == ExitCode.INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the exit code is told already
    return code


def _agents() -> AbstractContextManager[None]:
    """In the containers: their agents are ours for as long as the command takes."""
    if os.environ.get("LAB_HOST") != "compose":
        return nullcontext()
    from lab.hosts import compose

    return compose.attended()


def _check_folder() -> None:
    try:
        Path.cwd()
    except OSError as error:
        raise UsageError(
            f"the current folder cannot be used: {error.strerror}. Go to another one (cd)."
        ) from None


def _is_of_stdout(error: OSError) -> bool:
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF)


def _open_standard_streams() -> None:
    """Started with a closed one (`lab run >&-`), a file of ours would get its number."""
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(fd, True)
    os.close(fd)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _parser() -> Parser:
    parser = Parser(prog="lab", description="A lab for Python's multiprocessing.")
    parser.add_argument("--version", action="version", version=f"mplab {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True, parser_class=Parser)
    verbs.add_parser("run", help="run scenarios in every cell (see `lab run --help`)")
    report = verbs.add_parser("report", help="show a run again")
    report.add_argument("run", metavar="RUN", help="folder of a run, or `latest`")
    report.add_argument("--html", metavar="FILE", help="write the report as one HTML file")
    report.set_defaults(do=_report)
    listing = verbs.add_parser("list", help="list what there is")
    listing.add_argument("what", metavar="WHAT", help=", ".join(LISTS))
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
    from lab.report.show import render_run

    render_run(options.run, Path(options.html) if options.html else None, sys.stdout)
    return 0


def _list(options: argparse.Namespace) -> int:
    from lab import listing

    if options.what not in LISTS:
        raise UsageError(f"list {options.what}: unknown list. Allowed are {', '.join(LISTS)}.")
    return listing.show(options.what, options.targets, options.json, sys.stdout)


def _doctor(options: argparse.Namespace) -> int:
    del options
    from lab import doctor

    return doctor.report(sys.stdout)
