"""What goes into an agent and what comes out: one request a cell, one result.

Both are JSON objects of one line. A result that is missing or cannot be read is the lab's `error`,
never a pass.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict, dataclass, fields
from typing import Any

from lab.model import START_METHODS

MAX_REQUEST = 1 << 20
"""Bytes; a longer request is refused."""

HOLD, CELL = b"h", b"c"
"""What comes with descriptors: ones to hold while the next cell lasts, or the cell's own socket."""

AT_A_TIME = 200
"""Descriptors in one message; the kernel takes 253 (SCM_MAX_FD)."""


class BadRequest(ValueError):
    """A request that is no request; the message says what is wrong with it."""


@dataclass(frozen=True)
class Request:
    """Everything an agent needs to run one cell."""

    script: str
    args: tuple[str, ...]
    cwd: str
    python: str  # the interpreter; empty: the agent's own
    start_method: str
    cpus: tuple[int, ...]  # to pin to; empty: as the agent is pinned
    seed: int  # of the first sample; the next ones count up
    fewest: int  # samples
    most: int
    budget: float  # seconds of wall time after which no further sample starts
    timeout: float  # seconds for one sample
    at_once: int  # samples that run side by side on the cell's CPUs
    observe_most: bool  # all but every fourth sample are observed, not every second one

    def __post_init__(self) -> None:
        if self.start_method not in START_METHODS:
            raise BadRequest(f"unknown start method {self.start_method!r}")
        if not 1 <= self.fewest <= self.most:
            raise BadRequest(f"fewest {self.fewest} and most {self.most} samples")
        if self.at_once < 1 or self.timeout <= 0:
            raise BadRequest("at_once and timeout must be positive")
        if self.budget < 0:
            raise BadRequest(f"budget {self.budget}: must not be below 0")
        if any(cpu < 0 for cpu in self.cpus):
            raise BadRequest(f"CPUs {self.cpus}: there is none below 0")

    def is_observed(self, seed: int) -> bool:
        """Whether the sample with this seed is observed; told by the seed, so it can be rerun."""
        return seed % (4 if self.observe_most else 2) != 0

    def to_line(self) -> bytes:
        """The request as one line."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Request:
        """The request that `to_line` wrote. Raises BadRequest."""
        if len(line) > MAX_REQUEST:
            raise BadRequest(f"longer than {MAX_REQUEST} bytes")
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadRequest(f"not JSON: {error}") from None
        if not isinstance(values, dict):
            raise BadRequest("not an object")
        kinds = {field.name: field.type for field in fields(cls)}
        if set(values) != set(kinds):
            odd = sorted(set(values) ^ set(kinds))
            raise BadRequest(f"missing or unknown keys: {', '.join(odd)}")
        return cls(**{name: _checked(name, kinds[name], value) for name, value in values.items()})


def _checked(name: str, kind: Any, value: Any) -> Any:
    match kind:
        case "str" if isinstance(value, str):
            return value
        case "bool" if isinstance(value, bool):
            return value
        case "int" if _is_int(value):
            return value
        case "float" if isinstance(value, float) and math.isfinite(value):
            return value
        case "float" if _is_int(value) and abs(value) <= sys.float_info.max:
            return float(value)
        case "tuple[str, ...]" if isinstance(value, list):
            if all(isinstance(item, str) for item in value):
                return tuple(value)
        case "tuple[int, ...]" if isinstance(value, list):
            if all(_is_int(item) for item in value):
                return tuple(value)
    raise BadRequest(f"{name} must be {kind}, not {value!r:.80}")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
