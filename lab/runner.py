"""`lab run`: a pytest command line for the scenarios asked for."""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

import pytest

from lab import cpus
from lab.bench import Bench, Options
from lab.errors import UsageError
from lab.plugin import OPTIONS
from lab.scenario import bundled_folder


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{message}. `lab run --help` shows the options.")


def run(words: list[str]) -> int:
    """Run scenarios; the exit code. Raises LabError."""
    rest: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, rest = words[:at], words[at + 1 :]
    options = _parser().parse_args(words)
    bench = Bench(_options(options))  # all that can be wrong is found before anything starts
    able = sum(not bench.unsupported(planned) for planned in bench.cells.values())
    bench.close()
    workers = options.n or min(len(cpus.usable()), able)
    argv = [
        "--lab",
        f"--rootdir={Path.cwd()}",
        f"--confcutdir={Path.cwd()}",
        "-c",
        os.devnull,  # the user's pytest settings are for their tests
        "--noconftest",
        "-q",
        "-o",
        f"cache_dir={Path(options.out or 'reports') / '.pytest_cache'}",
        "-p",
        "no:warnings",
        *_given(options),
    ]
    if workers > 1:
        argv += ["-n", str(workers), "--dist", "load", "--maxschedchunk", "1"]
    else:
        argv += ["-p", "no:xdist"]
    if options.x:
        argv.append("-x")
    if options.k:
        argv += ["-k", options.k]
    targets = options.targets or [str(bundled_folder())]
    signal.signal(signal.SIGTERM, _interrupt)
    return int(pytest.main([*argv, *rest, *targets]))


def _interrupt(*_: object) -> None:
    """A run ended by SIGTERM (docker stop, a CI system) keeps its results, as for Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lab run",
        description="Run scripts in every cell of start method x cores x Python.",
        epilog="Whatever follows -- goes to pytest. Exit codes: 0 every cell as expected, 1 some "
        "not, 2 interrupted, 3 the lab's own error, 4 usage, 5 nothing ran.",
    )
    parser.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="scripts, folders, or names of bundled scenarios (default: all bundled ones)",
    )
    for name, more in OPTIONS.items():
        parser.add_argument(name, **more)
    parser.add_argument("-k", metavar="SELECTOR", help='cells by name, as in "value and spawn"')
    parser.add_argument("-n", type=_workers, metavar="WORKERS", help="cells side by side")
    parser.add_argument("-x", action="store_true", help="stop at the first unexpected cell")
    return parser


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"{text}: give a number of workers from 1 to 1024")
    return int(text)


def _options(options: argparse.Namespace) -> Options:
    return Options(
        targets=tuple(options.targets),
        start_method=options.start_method,
        cores=options.cores,
        python=options.python,
        profile=options.profile,
        host=options.host,
        samples=options.samples,
        time_budget=options.time_budget,
        timeout=options.timeout,
        seed=options.seed,
        args=options.args,
    )


def _given(options: argparse.Namespace) -> list[str]:
    """The lab's options again, for pytest."""
    words = []
    for name, more in OPTIONS.items():
        value = getattr(options, name[2:].replace("-", "_"))
        if more.get("action") == "store_true":
            words += [name] if value else []
        elif value not in (None, ""):
            words.append(f"{name}={value}")
    return words
