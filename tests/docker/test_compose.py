"""compose.yaml: what the services may and may not do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import Any

import pytest
from projects import ROOT, Project

AGENTS = {"cores-1": "0", "cores-1b": "1", "cores-2": "0-1", "cores-4": "0-3", "cores-8": "0-7"}


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services as Compose reads them; needs its client but no engine."""
    if shutil.which("docker") is None:
        pytest.skip("no docker command")
    said = subprocess.run(
        ["docker", "compose", "--profile", "*", "config", "--format", "json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
    ).stdout
    services = json.loads(said)["services"]
    assert set(services) == {*AGENTS, "lab"}
    return services


def mounts(service: dict[str, Any]) -> dict[str, str]:
    """Where each bind or volume is mounted."""
    return {mount["target"]: mount["source"] for mount in service["volumes"]}


def test_the_docker_folder_holds_no_python() -> None:
    assert not list((ROOT / "docker").rglob("*.py"))  # it would shadow the package `docker`


@pytest.mark.parametrize("name", [*AGENTS, "lab"])
def test_a_service_is_confined(services: dict[str, Any], name: str) -> None:
    service = services[name]
    assert service["network_mode"] == "none"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "no"
    assert service["init"] is True
    assert service["read_only"] is True
    assert not service.get("privileged", False)
    assert not any("docker.sock" in source for source in mounts(service).values())
    source = next(mount for mount in service["volumes"] if mount["target"] == "/src")
    assert source["read_only"] is True


@pytest.mark.parametrize("name", AGENTS)
def test_only_the_lab_shares_the_socket_of_an_agent(services: dict[str, Any], name: str) -> None:
    holders = {other for other in services if name in mounts(services[other]).values()}
    assert holders == {name, "lab"}
    assert set(mounts(services[name])) == {"/src", f"/run/lab/{name}"}
    assert services[name]["cpuset"] == AGENTS[name]
    assert services[name]["cap_add"] == ["DAC_OVERRIDE"]


@pytest.mark.docker
@pytest.mark.parametrize(
    ("name", "cpus"), [("cores-1", "0"), ("cores-1b", "1"), ("cores-2", "0 1")]
)
def test_an_agent_is_pinned(project: Project, name: str, cpus: str) -> None:
    if (os.cpu_count() or 1) < 2 and name != "cores-1":
        pytest.skip("this machine has one CPU")
    said = project.sh(name, 'python -c "import os; print(*sorted(os.sched_getaffinity(0)))"')
    assert said.strip() == cpus


@pytest.mark.docker
def test_reports_belong_to_the_owner_of_the_folder(project: Project) -> None:
    said = project.sh("lab", "id -u; mkdir reports/now; echo > reports/now/x")
    owner = project.folder.stat().st_uid
    assert said.split() == [str(owner)]
    reports = project.folder / "reports"
    assert {path.stat().st_uid for path in (reports, *reports.rglob("*"))} == {owner}


@pytest.mark.docker
def test_every_user_may_take_leases(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_LEASE_DIR", str(project.folder.parent / "leases"))
    project.sh("lab", 'echo > "$LAB_LEASE_DIR"/cpu0')
    folder = project.folder.parent / "leases"
    assert folder.stat().st_mode & 0o7777 == 0o1777
    assert (folder / "cpu0").exists()


@pytest.mark.docker
@pytest.mark.parametrize("service", ["cores-1", "lab"])
def test_a_users_file_can_be_read_but_not_changed(project: Project, service: str) -> None:
    script = project.folder / "my.py"
    script.write_text("print('mine')\n")
    os.chown(script, project.folder.stat().st_uid, -1)
    script.chmod(0o600)
    said = project.sh(
        service, "python my.py; echo > my.py || echo refused; echo > new || echo refused"
    )
    assert said.split() == ["mine", "refused", "refused"]
    assert script.read_text() == "print('mine')\n"
