"""Tests that need a Docker Engine: each in a Compose project and a user's folder of its own."""

from __future__ import annotations

import os
import subprocess
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from projects import ROOT, STRANGER, Project


@pytest.fixture(scope="session")
def engine() -> str:
    """The version of the engine that answers; where none does, skips, or fails in CI."""
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        trouble = done.stderr if done.returncode else ""
    except FileNotFoundError:
        trouble = "no docker command"
    if trouble and os.environ.get("LAB_REQUIRE_DOCKER") == "1":
        pytest.fail(f"LAB_REQUIRE_DOCKER is set, but no engine answers: {trouble}")
    if trouble:
        pytest.skip(f"no Docker Engine answers: {trouble}")
    return done.stdout.strip()


@pytest.fixture(scope="session")
def image(engine: str) -> str:
    """The image of the services, up to date, and not that of another checkout under test."""
    os.environ.setdefault("LAB_IMAGE", f"mplab-test-{zlib.crc32(bytes(ROOT)):08x}")
    done = subprocess.run(
        ["docker", "compose", "build", "--quiet"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"engine {engine}: {done.stderr}"
    return f"{os.environ['LAB_IMAGE']}:py{os.environ.get('LAB_PYTHON', '3.13')}"


@pytest.fixture
def project(image: str, tmp_path: Path) -> Iterator[Project]:
    """A project on a folder that nobody but its owner may read."""
    assert image
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    if os.getuid() == 0:
        os.chown(folder, STRANGER, STRANGER)
    project = Project(f"mplab-test-{uuid.uuid4().hex[:8]}", folder)
    yield project
    done = project.compose("down", "--volumes", "--timeout", "1")
    assert done.returncode == 0, done.stderr
