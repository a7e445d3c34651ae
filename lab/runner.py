"""`lab run`: a pytest command line for the scenarios asked for."""

from __future__ import annotations

import argparse
import json
import os
import signal
import warnings
from pathlib import Path

from lab import cpus, options
from lab.bench import Bench
from lab.errors import UsageError
from lab.hosts.local import ASIDE
from lab.options import Parser
from lab.scenario import bundled_folder

SET_ASIDE = ("PYTEST_ADDOPTS", "PYTEST_PLUGINS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD")
"""The user's settings for their own tests: they must not change how the lab runs."""


def run(words: list[str]) -> int:
    """Run scenarios; the exit code. Raises LabError."""
    rest: list[str] = []
    if "--" in words:
        at = words.index("--")
        words, rest = words[:at], words[at + 1 :]
    values = _parser().parse_intermixed_args(options.attached(words))
    # All that can be wrong is found before anything starts.
    bench = Bench(options.options(vars(values), values.targets))
    try:
        return _pytest(values, rest, bench)
    finally:
        bench.close()  # not before: agents in containers end when no lab is connected to them


def _pytest(values: argparse.Namespace, rest: list[str], bench: Bench) -> int:
    import pytest  # late: what is wrong with the input is told without it, and sooner

    warnings.simplefilter("ignore", pytest.PytestCacheWarning)  # --lf is lost: results are not
    _obey_signals_once()

    able = sum(not bench.unsupported(planned) for planned in bench.cells.values())
    workers = values.n or min(len(cpus.usable()), able)
    argv = [
        "--lab",
        f"--rootdir={Path.cwd()}",
        f"--confcutdir={Path.cwd()}",
        "-c",
        os.devnull,
        "--noconftest",
        "--capture=no",  # nothing but the lab prints
        "--assert=plain",  # else pytest rewrites the lab's own modules first
        "-q",
        "-o",
        f"cache_dir={Path(values.out or 'reports') / '.pytest_cache'}",
        "-p",
        "lab",
        "-p",
        "no:warnings",
        "-p",
        "no:logging",  # captures nothing here; half set up, it prints a traceback when interrupted
        *_given(values),
    ]
    if workers > 1:
        argv += ["-p", "xdist", "-n", str(workers), "--dist", "load", "--maxschedchunk", "1"]
    else:
        argv += ["-p", "no:xdist"]
    if values.x:
        argv.append("-x")
    if values.k:
        argv.append(f"-k={values.k}")
    targets = values.targets or [str(bundled_folder())]
    os.environ[ASIDE] = json.dumps({name: os.environ.pop(name, None) for name in SET_ASIDE})
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return int(pytest.main([*argv, *rest, *targets]))


def _obey_signals_once() -> None:
    """Ctrl-C, or SIGTERM, ends the run; the next ones do not end what is done then.

    While workers run, lab.plugin goes further.
    """
    interrupted = False

    def interrupt(*_: object) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, interrupt)


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
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
    options.add(parser)
    parser.add_argument("-k", metavar="SELECTOR", help='cells by name, as in "value and spawn"')
    parser.add_argument("-n", metavar="WORKERS", type=_workers, help="cells side by side")
    parser.add_argument("-x", action="store_true", help="stop at the first unexpected cell")
    return parser


def _workers(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise UsageError(f"-n {text}: give a number of workers from 1 to 1024.")
    return int(text)


def _given(values: argparse.Namespace) -> list[str]:
    """The lab's options again, for pytest."""
    words = []
    for name, more in options.OPTIONS.items():
        value = getattr(values, name[2:].replace("-", "_"))
        if more.get("action") == "store_true":
            words += [name] if value else []
        elif value is not None:
            words.append(f"{name}={value}")
    return words
