"""The options of a run: the same for `lab run` and for `pytest --lab`.

They are read here and not by pytest: among its plugins there are some with options of these names
(`--timeout`, `--seed`, `--profile`), and two plugins with one name would end every pytest, also
those that have nothing to do with the lab.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any

from lab.bench import BUDGETS, Options
from lab.errors import UsageError

OPTIONS: dict[str, dict[str, Any]] = {
    "--start-method": {
        "default": "",
        "metavar": "METHOD,...",
        "help": "fork, spawn, forkserver, inline, or all (default: each scenario's own)",
    },
    "--cores": {
        "default": "auto",
        "metavar": "N,...",
        "help": "CPU counts to pin cells to (default: auto, those that the host has)",
    },
    "--python": {
        "default": "",
        "metavar": "VERSION|PATH,...",
        "help": "interpreters to run samples with (default: the lab's own)",
    },
    "--profile": {"default": "", "metavar": "NAME,...", "help": "settings of a platform"},
    "--host": {"default": "local", "metavar": "HOST", "help": "where cells run: local, compose"},
    "--samples": {"metavar": "N", "help": "just so many samples of each cell"},
    "--time-budget": {
        "default": "default",
        "metavar": "BUDGET",
        "help": f"how long each cell samples: {', '.join(BUDGETS)}, or seconds",
    },
    "--timeout": {"metavar": "SECONDS", "help": "time limit of one sample (default: 60)"},
    "--seed": {"default": "0", "metavar": "N", "help": "seed of the first sample (default: 0)"},
    "--args": {"metavar": '"..."', "help": "arguments of the scripts, instead of their own"},
    "--out": {"metavar": "DIR", "help": "folder of the results (default: reports/<time>)"},
    "--strict": {"action": "store_true", "help": "cells that cannot run here fail"},
}


class Parser(argparse.ArgumentParser):
    """Usage errors are the lab's own, with its exit code."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **{"allow_abbrev": False, **more})

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raises UsageError."""
        name, colon, rest = message.removeprefix("argument ").partition(": ")
        if message.startswith("argument ") and colon:
            message = f"{name.split('/')[-1]}: {rest}"
        raise UsageError(f"{message.rstrip('.')}. `{self.prog} --help` shows what there is.")


def add(parser: argparse.ArgumentParser) -> None:
    """Add the options to a parser; LAB_HOST and LAB_TIME_BUDGET are their defaults, if set."""
    for name, more in OPTIONS.items():
        variable = f"LAB_{name[2:].replace('-', '_').upper()}"
        if variable in ("LAB_HOST", "LAB_TIME_BUDGET") and os.environ.get(variable):
            more = {**more, "default": os.environ[variable]}
        parser.add_argument(name, **more)


def attached(words: Sequence[str]) -> list[str]:
    """`--args WORD` as one word, so that WORD may begin with a dash: it mostly does."""
    found: list[str] = []
    rest = iter(words)
    for word in rest:
        following = next(rest, None) if word == "--args" else None
        found.append(word if following is None else f"{word}={following}")
    return found


def take(words: list[str]) -> dict[str, Any]:
    """Take the lab's options out of pytest's `words`; their values. Raises UsageError."""
    parser = Parser(prog="pytest --lab", add_help=False)
    add(parser)
    values, words[:] = parser.parse_known_args(attached(words))
    return vars(values)


def help_text() -> str:
    """What `pytest --lab --help` tells of the options, besides those of pytest."""
    parser = Parser(prog="pytest --lab", usage="%(prog)s [options] [TARGET ...]", add_help=False)
    add(parser)
    return parser.format_help()


def options(values: dict[str, Any], targets: Sequence[str]) -> Options:
    """What is asked for. Raises UsageError for what is no number."""
    samples, timeout = values["samples"], values["timeout"]
    return Options(
        targets=tuple(targets),
        start_method=values["start_method"],
        cores=values["cores"],
        python=values["python"],
        profile=values["profile"],
        host=values["host"],
        samples=None if samples is None else _whole("--samples", samples),
        time_budget=values["time_budget"],
        timeout=None if timeout is None else _seconds("--timeout", timeout),
        seed=_whole("--seed", values["seed"]),
        args=values["args"],
    )


def _whole(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{name} {text}: no whole number. Give one such as 20.") from None


def _seconds(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{name} {text}: no number of seconds. Give one such as 2.5.") from None
