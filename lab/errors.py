"""What can go wrong for the lab itself, each with the exit code that the command ends with."""

import sys
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of every `lab` command."""

    OK = 0
    NOT_AS_EXPECTED = 1
    INTERRUPTED = 2
    LAB_ERROR = 3
    USAGE = 4
    NOTHING_RAN = 5


class LabError(Exception):
    """The lab could not do its work. The message: the value, what is allowed, the next step."""

    exit_code: ExitCode = ExitCode.LAB_ERROR


class UsageError(LabError):
    """The user asked for something that does not exist or cannot be."""

    exit_code = ExitCode.USAGE


class MetadataError(UsageError):
    """A scenario's metadata block is wrong; the message names file, line and key."""


class StoreError(LabError):
    """A run's folder could not be written; the message says why, what was kept, the next step."""


class HostError(LabError):
    """A host (agent, container, engine) did not answer as it must."""


class NothingRan(LabError):
    """A selection left nothing to run."""

    exit_code = ExitCode.NOTHING_RAN


def complain(error: LabError) -> ExitCode:
    """Print an error as the user should see it; the exit code."""
    print(f"lab: {error}", file=sys.stderr)
    return error.exit_code
