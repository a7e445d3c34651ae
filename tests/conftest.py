"""How all tests run: as many workers as CPUs that may be used, one test at a time each."""

from __future__ import annotations

import pytest

from lab import cpus

pytest_plugins = ["pytester"]


def pytest_configure(config: pytest.Config) -> None:
    """Have xdist hand out tests one by one: they come the widest first, and pack best that way."""
    if config.getoption("maxschedchunk", None) is None:
        config.option.maxschedchunk = 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means: xdist by itself does not look at the affinity."""
    return len(cpus.usable())
