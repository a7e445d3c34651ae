"""exceptions: what is raised arrives where it should, and no failure is swallowed."""

from __future__ import annotations

import re
from typing import Any

from lab.checks.case import Case
from lab.checks.ends import exit_text, place, raised_text
from lab.model import Finding, Sample, Verdict


def judge(case: Case) -> list[Finding]:
    """Failures of processes and of a Pool's tasks that nobody was told of, or told wrongly."""
    for sample in case.samples:
        findings = _swallowed_by_process(sample) + _swallowed_by_pool(sample) + _changed(sample)
        if findings:
            return findings
    return []


def _swallowed_by_process(sample: Sample) -> list[Finding]:
    """Children that failed, of their own accord, in a program that then ended well.

    A program may well expect it: then it reads the child's `exitcode`. Signals that it sent itself
    (`terminate`, `kill`) are no failure.
    """
    if sample.end != "ended" or sample.exit_code != 0:
        return []
    looked = {look["of"] for look in sample.told("looked")}
    signalled = {sent["to"] for sent in sample.told("signal")}
    errors = {
        error["pid"]: error for error in sample.told("exception") if error["where"] == "child"
    }
    codes = {reaped["child"]: reaped["code"] for reaped in sample.told("reaped")}
    codes |= {ended["pid"]: ended["code"] for ended in sample.told("exit") if ended["code"]}
    findings = []
    for pid, code in codes.items():
        if pid in looked or pid in signalled:
            continue
        error = errors.get(pid)
        if error:
            findings.append(
                Finding(
                    "exceptions",
                    Verdict.EXCEPTION,
                    f"{sample.name(pid)} {raised_text(error)}; nobody looked at its exit code, "
                    "and the script ended as if all were well",
                    {
                        "seed": sample.seed,
                        "process": sample.name(pid),
                        "type": error["type"],
                        "args": error["args"],
                        "line": place(error),
                        "stderr": sample.stderr[-3000:],
                    },
                )
            )
        else:
            findings.append(
                Finding(
                    "exceptions",
                    Verdict.CRASHED,
                    f"{sample.name(pid)} ended with {exit_text(code)}; nobody looked at its exit "
                    "code, and the script ended as if all were well",
                    {
                        "seed": sample.seed,
                        "process": sample.name(pid),
                        "exit": exit_text(code),
                        "stderr": sample.stderr[-3000:],
                    },
                )
            )
    return findings


def _swallowed_by_pool(sample: Sample) -> list[Finding]:
    """Results of a Pool that hold an exception which nobody asked for."""
    if sample.end != "ended" or sample.exit_code != 0:
        return []
    fetched = {(got["pid"], got["key"]) for kind in ("got", "seen") for got in sample.told(kind)}
    return [
        Finding(
            "exceptions",
            Verdict.EXCEPTION,
            f"a task of a Pool raised {failed['type']}{failed['args']}, and nobody asked for its "
            "result, so nobody ever knew",
            {
                "seed": sample.seed,
                "type": failed["type"],
                "args": failed["args"],
                "line": failed["line"],
            },
        )
        for failed in sample.told("failed")
        if (failed["pid"], failed["key"]) not in fetched
    ]


def _changed(sample: Sample) -> list[Finding]:
    """Exceptions that arrived as others than those raised, or without the worker's traceback."""
    raised = {(error["type"], _args(error)) for error in sample.told("raised")}
    findings = []
    for got in sample.told("got"):
        if got["type"].endswith("MaybeEncodingError") or not raised:
            continue  # made by the pool itself
        if (got["type"], _args(got)) not in raised:
            findings.append(
                Finding(
                    "exceptions",
                    Verdict.EXCEPTION,
                    f"get() raised {got['type']}{got['args']}, which no worker had raised",
                    {"seed": sample.seed, "raised": sorted(map(list, raised)), "got": got["args"]},
                )
            )
        elif not got["remote"]:
            findings.append(
                Finding(
                    "exceptions",
                    Verdict.EXCEPTION,
                    f"{got['type']} arrived without the traceback of the worker",
                    {"seed": sample.seed, "type": got["type"], "args": got["args"]},
                )
            )
    return findings


def _args(error: dict[str, Any]) -> str:
    """The arguments as they show, but for addresses: what arrives is a copy, at another one."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", error["args"])
