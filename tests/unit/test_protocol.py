"""The protocol: a request comes back as it went, and what is none is refused."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from lab.agent.protocol import MAX_REQUEST, BadRequest, Request

REQUEST = Request(
    script="/app/ä.py",
    args=("-n", "10"),
    cwd="/app",
    python="/usr/bin/python3",
    start_method="spawn",
    cpus=(0, 3),
    seed=7,
    fewest=2,
    most=10,
    budget=3.0,
    timeout=60.5,
    at_once=2,
    observe_most=False,
)


def line(**values: Any) -> bytes:
    """The line of a request that is right but for `values`."""
    return json.dumps({**asdict(REQUEST), **values}).encode() + b"\n"


def test_a_request_comes_back_as_it_went() -> None:
    sent = REQUEST.to_line()
    assert sent.endswith(b"\n")
    assert sent.count(b"\n") == 1
    assert Request.from_line(sent) == REQUEST


def test_whole_numbers_do_for_seconds() -> None:
    request = Request.from_line(line(budget=3, timeout=60))
    assert (request.budget, request.timeout) == (3.0, 60.0)
    assert isinstance(request.timeout, float)


def test_the_least_there_can_be() -> None:
    least = replace(REQUEST, fewest=1, most=1, budget=0.0, timeout=0.5, at_once=1, cpus=(), seed=0)
    assert Request.from_line(least.to_line()) == least


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", "not JSON"),
        (b"\n", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\n", "not JSON"),
        (line() + line(), "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "not JSON"),
        (b"[]\n", "not an object"),
        (b"null\n", "not an object"),
        (b"{}\n", "missing or unknown keys: args, at_once, budget, cpus, cwd,"),
        (line(shell="rm"), "missing or unknown keys: shell"),
        (line(script="x" * MAX_REQUEST), f"longer than {MAX_REQUEST} bytes"),
    ],
    ids=lambda value: str(value[:20]),
)
def test_what_is_no_request_is_refused(sent: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        Request.from_line(sent)


@pytest.mark.parametrize("key", asdict(REQUEST))
def test_a_missing_key_is_refused(key: str) -> None:
    values = asdict(REQUEST)
    del values[key]
    with pytest.raises(BadRequest) as error:
        Request.from_line(json.dumps(values).encode())
    assert str(error.value) == f"missing or unknown keys: {key}"


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("script", None, "script must be str, not None"),
        ("script", ["a.py"], "script must be str"),
        ("cwd", 5, "cwd must be str, not 5"),
        ("python", False, "python must be str"),
        ("args", "-n 10", "args must be tuple[str, ...], not '-n 10'"),
        ("args", ["-n", 10], "args must be tuple[str, ...]"),
        ("cpus", 2, "cpus must be tuple[int, ...], not 2"),
        ("cpus", ["0"], "cpus must be tuple[int, ...]"),
        ("cpus", [0.5], "cpus must be tuple[int, ...]"),
        ("cpus", [True], "cpus must be tuple[int, ...], not [True]"),
        ("cpus", [0, -1], "CPUs (0, -1)"),
        ("seed", "7", "seed must be int"),
        ("seed", 7.5, "seed must be int"),
        ("seed", True, "seed must be int, not True"),
        ("fewest", 0, "fewest 0 and most 10 samples"),
        ("fewest", 11, "fewest 11 and most 10 samples"),
        ("most", None, "most must be int"),
        ("budget", "3", "budget must be float"),
        ("budget", True, "budget must be float"),
        ("budget", float("nan"), "budget must be float, not nan"),
        ("budget", -1, "budget -1.0: must not be below 0"),
        ("timeout", 0, "at_once and timeout must be positive"),
        ("timeout", -1.5, "at_once and timeout must be positive"),
        ("timeout", float("inf"), "timeout must be float, not inf"),
        ("timeout", 10**400, "timeout must be float, not 1000"),
        ("at_once", 0, "at_once and timeout must be positive"),
        ("observe_most", 1, "observe_most must be bool, not 1"),
        ("start_method", "vfork", "unknown start method 'vfork'"),
        ("start_method", ["fork"], "start_method must be str"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_value_that_cannot_be_is_refused(key: str, value: Any, says: str) -> None:
    with pytest.raises(BadRequest) as error:
        Request.from_line(line(**{key: value}))
    assert says in str(error.value)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize(
    ("most", "observed"), [(False, [False, True] * 4), (True, [False, True, True, True] * 2)]
)
def test_a_seed_alone_says_whether_a_sample_is_observed(most: bool, observed: list[bool]) -> None:
    request = replace(REQUEST, observe_most=most)
    assert [request.is_observed(seed) for seed in range(8)] == observed
