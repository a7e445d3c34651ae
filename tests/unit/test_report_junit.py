"""junit.xml: counts, what is a failure, and that no text can break the XML."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

from report_results import DEADLOCK, cell, small_run

from lab.model import Finding, Outcome, Status, Verdict
from lab.model import Grade as G
from lab.report.junit import junit_text
from lab.store import Run


def cases(root: ET.Element) -> dict[str, ET.Element]:
    return {case.attrib["name"]: case for case in root.iter("testcase")}


def test_a_suite_for_each_scenario_a_case_for_each_cell_and_one_across() -> None:
    root = ET.fromstring(junit_text(small_run()))
    assert root.attrib == {
        "name": "mplab",
        "tests": "15",
        "failures": "2",
        "errors": "1",
        "skipped": "1",
        "time": "49.440",
    }
    suites = [dict(suite.attrib) for suite in root]
    assert suites[1] == {
        "name": "two_locks",
        "hostname": "build-7",
        "timestamp": "2026-11-24T16:44:55",
        "tests": "5",
        "failures": "1",
        "errors": "0",
        "skipped": "0",
        "time": "16.480",
    }
    assert [suite["name"] for suite in suites] == ["globals_seen", "two_locks", "value_unlocked"]
    found = cases(root)
    assert len(found) == 15
    assert found["two_locks[spawn-2cpu-py3.13-default]"].attrib == {
        "classname": "scenarios.two_locks",
        "name": "two_locks[spawn-2cpu-py3.13-default]",
        "file": "scenarios/two_locks.py",
        "time": "4.120",
    }


def test_a_failure_says_what_the_terminal_says() -> None:
    failure = cases(ET.fromstring(junit_text(small_run())))[
        "two_locks[fork-2cpu-py3.13-default]"
    ].find("failure")
    assert failure is not None
    assert failure.attrib == {"type": "deadlock", "message": "deadlock, expected clean"}
    assert (
        failure.text
        == """
deadlock, expected clean
3 samples in 4.1 s (7.9 s of CPU) on CPUs 0-1, Python 3.13.1, host local

  outcome   count    share  grade      why
  deadlock      3  100.0 %  forbidden  both wait for ever

exceptions · deadlock: 2 processes wait for each other
  Process-1 (pid 11) waits for lock b, held by Process-2 (pid 12), at app.py:31 in work
  Process-2 (pid 12) waits for lock a, held by Process-1 (pid 11), at app.py:38 in work
  stack of pid 11 (Process-1)
    File "app.py", line 31 in work
    File "app.py", line 50

note: stopped after 3 samples: each took its 10 s

run it again:
lab run scenarios/two_locks.py --start-method fork --cores 2 --python 3.13 --samples 20 --seed 7
"""
    )


def test_what_did_not_run_is_never_a_pass() -> None:
    found = cases(ET.fromstring(junit_text(small_run())))
    skipped = found["globals_seen[fork-2cpu-py3.13-default]"].find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "unsupported: needs 2 CPUs, this machine lets us use 1"
    error = found["globals_seen[spawn-2cpu-py3.13-default]"].find("error")
    assert error is not None
    assert error.get("message") == "error: the agent answered nothing for 60 s"
    assert "last line: ready" in (error.text or "")
    across = found["globals_seen across its cells"].find("failure")
    assert across is not None
    assert across.attrib == {
        "type": "nondeterministic",
        "message": "nondeterministic, expected clean",
    }
    assert "    fork   seen=7 × 40\n" in (across.text or "")  # noqa: RUF001


def test_a_run_that_ended_early_is_an_error() -> None:
    run = small_run()
    cut = Run(run.folder, run.cells[:3], (), run.facts)
    root = ET.fromstring(junit_text(cut))
    assert (root.get("errors"), root.get("skipped"), root.get("tests")) == ("1", "1", "5")
    error = cases(root)["every cell ran"].find("error")
    assert error is not None
    assert error.get("message") == "the run ended early: 9 cells of the matrix did not run"


def test_no_text_can_break_the_xml() -> None:
    nasty = "\x00\x08\x0b\x1b[31m\ud800\ufffe ]]> <b a='\"'> & \r\n\t\x85 é \N{SNOWMAN}"
    bad = cell(
        f"nasty {nasty}",
        verdict=Verdict.UNGRADED,
        ok=False,
        outcomes=(Outcome(nasty, G.UNGRADED, 1, nasty),),
        findings=(Finding(nasty, Verdict.LEAK, nasty, {nasty: [nasty, {nasty: nasty}]}), DEADLOCK),
        notes=(nasty,),
        repro=nasty,
        power={nasty: nasty},
    )
    lost = cell("lost", status=Status.ERROR, ok=False, reason=nasty)
    gone = cell("gone", status=Status.UNSUPPORTED, ok=False, reason=nasty)
    text = junit_text(Run(Path(), (bad, lost, gone), (), {"machine": {"name": nasty}}))
    root = ET.fromstring(text.encode())
    assert len(list(root.iter("testcase"))) == 6
    failure = next(root.iter("failure"))
    shown = r"\x00\x08\x0b\x1b[31m\ud800\ufffe ]]> <b a='\"'> & \r\n\t\x85 é" + " \N{SNOWMAN}"
    assert shown.replace('\\"', '"') in " ".join((failure.text or "").split())
