"""`lab doctor`: what this machine can and cannot do for the lab, and how to mend it."""

from __future__ import annotations

import multiprocessing
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import psutil

from lab import cpus, matrix
from lab.errors import ExitCode, LabError
from lab.report.style import Style

Answer = tuple[str, str]  # ok / warn / fail, and what there is to say


def report(stream: TextIO) -> int:
    """Write a line a probe; 0, or 3 if cells cannot run here at all."""
    worst = 0
    style = Style.of(stream)
    for name, probe in _PROBES.items():
        try:
            state, text = probe()
        except Exception as error:
            state, text = "fail", f"the probe itself failed: {error!r}"
        lines = [line for part in text.split("\n") for line in style.wrap(part, _INDENT, _INDENT)]
        lines[0] = f"{_MARKS[state]:4}  {name:14}  {lines[0].removeprefix(_INDENT)}"
        stream.writelines(f"{line}\n" for line in lines)
        worst = max(worst, state == "fail")
    return int(ExitCode.LAB_ERROR) if worst else 0


_INDENT = " " * 22

_MARKS = {"ok": "ok", "warn": "note", "fail": "FAIL"}


def _system() -> Answer:
    text = f"{platform.system()} {platform.release()} {platform.machine()}"
    if sys.platform != "linux":
        return "fail", f"{text}\nCells need Linux (pidfds, affinity, /proc); use the containers."
    return "ok", f"{text}, Python {platform.python_version()}"


def _cpus() -> Answer:
    usable = cpus.usable()
    total = os.cpu_count()
    counts = ",".join(map(str, cpus.default_counts(len(usable))))
    text = f"{len(usable)} of {total} CPUs usable {list(usable)}; --cores auto is {counts}"
    quota = cpus.quota()
    if quota is not None and quota < len(usable):
        return "warn", (
            f"{text}\nA quota grants {quota:g} CPUs' time only: cells on more are throttled.\n"
            "Raise it (docker run --cpus), or ask for fewer --cores."
        )
    return "ok", text


def _leases() -> Answer:
    try:
        with cpus.lease(0, ()):
            pass
    except LabError as error:
        return "fail", str(error)
    return "ok", f"CPU leases in {cpus.lease_folder()}"


def _methods() -> Answer:
    there = multiprocessing.get_all_start_methods()
    missing = {"fork", "spawn", "forkserver"} - set(there)
    if missing:
        return "fail", f"this Python lacks {', '.join(sorted(missing))}"
    return "ok", ", ".join(there)


def _shared_memory() -> Answer:
    path = Path("/dev/shm")
    if not path.is_dir() or not os.access(path, os.W_OK):
        return "fail", "/dev/shm is missing or cannot be written: locks and shared memory need it"
    free = psutil.disk_usage(str(path)).free >> 20
    text = f"/dev/shm has {free} MiB free"
    if free < 64:
        return "warn", f"{text}\nEnlarge it: docker run --shm-size, or mount -o remount,size=..."
    return "ok", text


def _temporary() -> Answer:
    free = psutil.disk_usage("/tmp").free >> 20
    state = "ok" if free > 200 else "warn"
    return state, f"/tmp has {free} MiB free"


def _limits() -> Answer:
    import resource

    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < 256:
        return "warn", f"at most {files} open files\nRaise it: ulimit -n 1024"
    return "ok", f"at most {files} open files"


def _waits() -> Answer:
    if not Path("/proc/self/syscall").exists():
        return (
            "warn",
            "the kernel does not tell system calls: deadlocks are found at --timeout only",
        )
    return "ok", "/proc tells who waits for what, so deadlocks are proven"


def _pythons() -> Answer:
    found = matrix.interpreters()
    return "ok", ", ".join(python.version for python in found) + " for --python"


def _docker() -> Answer:
    if os.environ.get("LAB_HOST") == "compose":
        from lab.hosts.compose import Compose

        host = Compose()
        host.close()
        return "ok", f"agents answer on {', '.join(map(str, host.counts()))} cores"
    if not shutil.which("docker"):
        return "warn", "no docker command: cells run on this machine only\nInstall Docker Engine."
    import docker

    if not hasattr(docker, "from_env"):
        return "warn", "the docker SDK is not installed (a folder named docker was found instead)"
    try:
        client = docker.from_env(timeout=5)
        version = client.version()["Version"]
        client.close()
    except Exception as error:
        why = str(error).splitlines()[0][:100]
        return "warn", f"no engine answers: {why}\nStart it: systemctl start docker, or dockerd."
    compose = subprocess.run(
        ["docker", "compose", "version", "--short"], capture_output=True, text=True, check=False
    )
    if compose.returncode != 0:
        return "warn", f"engine {version}, but no `docker compose`\nInstall its v2 plugin."
    return "ok", f"engine {version}, compose {compose.stdout.strip()}"


_PROBES: dict[str, Callable[[], Answer]] = {
    "system": _system,
    "CPUs": _cpus,
    "leases": _leases,
    "start methods": _methods,
    "shared memory": _shared_memory,
    "disk": _temporary,
    "limits": _limits,
    "diagnosis": _waits,
    "interpreters": _pythons,
    "docker": _docker,
}
