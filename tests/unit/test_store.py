"""The run folder: what a kill, a full disk or a second run leave of it, and what is read back."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from report_results import LOST_UPDATES, cell, scenario

from lab.errors import StoreError, UsageError
from lab.model import CellResult, Verdict
from lab.store import RunFolder, read_run, write_file

START = datetime(2026, 11, 24, 16, 44, 55, tzinfo=timezone(timedelta(hours=1)))
ONE = cell("value_unlocked", "spawn", 2, **LOST_UPDATES)
TWO = cell("value_unlocked", "fork", 2)
ACROSS = scenario("value_unlocked", "Four processes add to one Value", 2)


def create(base: Path, out: Path | None = None) -> RunFolder:
    return RunFolder.create(
        argv=["lab", "run"],
        seed=7,
        axes={"cores": [2]},
        cells=2,
        out=out,
        base=base,
        now=lambda: START,
    )


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    with create(tmp_path / "reports") as folder:
        folder.append(ONE)
        folder.append(TWO)
        folder.append(ACROSS)
        folder.finish(exit_code=0)
    assert folder.path == tmp_path / "reports/2026-11-24T16-44-55"
    assert folder.notes == []
    assert sorted(p.name for p in folder.path.iterdir()) == ["results.jsonl", "run.json"]

    run = read_run(folder.path)

    assert (run.cells, run.scenarios, run.damage) == ((ONE, TWO), (ACROSS,), ())
    assert run.facts["argv"] == ["lab", "run"]
    assert run.facts["seed"] == 7
    assert run.facts["axes"] == {"cores": [2]}
    assert run.facts["started"] == "2026-11-24T16:44:55.000+01:00"
    assert run.facts["exit_code"] == 0
    assert run.facts["machine"]["cpus_usable"] == sorted(os.sched_getaffinity(0))
    assert set(run.facts["versions"]) >= {"lab", "python", "pytest", "psutil"}
    assert run.seconds == 0


def test_a_record_can_be_read_before_the_next_is_written(tmp_path: Path) -> None:
    with create(tmp_path) as folder:
        folder.append(ONE)
        run = read_run(folder.path)
    assert run.cells == (ONE,)
    assert run.facts["ended"] is None
    assert run.seconds is None


def test_latest_is_a_relative_link_to_the_last_run(tmp_path: Path) -> None:
    base = tmp_path / "reports"
    for number in (1, 2, 3):
        with create(base) as folder:
            folder.append(cell(f"run_{number}"))
    assert (base / "latest").readlink() == Path("2026-11-24T16-44-55-3")
    assert [c.scenario for c in read_run("latest", base).cells] == ["run_3"]
    assert sorted(p.name for p in base.iterdir()) == [
        "2026-11-24T16-44-55",
        "2026-11-24T16-44-55-2",
        "2026-11-24T16-44-55-3",
        "latest",
    ]


def test_a_folder_named_latest_is_left_alone_and_told(tmp_path: Path) -> None:
    (tmp_path / "latest" / "mine").mkdir(parents=True)
    with create(tmp_path) as folder:
        folder.append(ONE)
    assert folder.notes == [f"{tmp_path}/latest does not point at this run: Is a directory."]
    assert (tmp_path / "latest" / "mine").is_dir()
    assert [p.name for p in tmp_path.glob(".*")] == []


def test_an_earlier_run_in_the_same_folder_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for number in (1, 2, 3):
        with create(tmp_path / "unused", out) as folder:
            folder.append(cell(f"run_{number}"))
            folder.finish(number=number)
    assert [c.scenario for c in read_run(out).cells] == ["run_3"]
    for number in (1, 2):
        earlier = read_run(out / f"results-{number}.jsonl")
        assert [c.scenario for c in earlier.cells] == [f"run_{number}"]
        assert earlier.facts["number"] == number
    assert not (tmp_path / "unused").exists()


def test_the_last_record_of_a_cell_wins_and_unknown_kinds_are_kept_apart(tmp_path: Path) -> None:
    again = cell("value_unlocked", "spawn", 2, verdict=Verdict.CLEAN, ok=False)
    with create(tmp_path) as folder:
        for record in (ONE, TWO, again):
            folder.append(record)
        folder.append({"record": "weather", "sky": "blue"})
    run = read_run(folder.path / "results.jsonl")
    assert run.cells == (again, TWO)
    assert run.others == ({"record": "weather", "sky": "blue"},)


@pytest.mark.parametrize("cut", [1, 20, 300])
def test_a_torn_last_line_is_left_out_and_told(tmp_path: Path, cut: int) -> None:
    with create(tmp_path) as folder:
        folder.append(TWO)
        folder.append(ONE)
    results = folder.path / "results.jsonl"
    whole = results.read_bytes()
    results.write_bytes(whole[: whole.index(b"\n") + 1 + cut])
    run = read_run(folder.path)
    assert run.cells == (TWO,)
    assert run.damage == ("results.jsonl line 2 was left out: a kill or a full disk cut it off.",)

    with RunFolder(folder.path, dict(run.facts)) as reopened:
        reopened.append(ONE)
    run = read_run(folder.path)
    assert run.cells == (TWO, ONE)
    assert run.damage == ("results.jsonl line 2 was left out: it is no record.",)


WRITER = """
import sys
from report_results import LOST_UPDATES, cell
from lab.store import RunFolder
from pathlib import Path
with RunFolder.create(argv=[], out=Path(sys.argv[1])) as folder:
    number = 0
    while True:
        folder.append(cell(f"run_{number}", **LOST_UPDATES))
        number += 1
"""


def test_a_kill_at_any_point_leaves_whole_records_in_order(tmp_path: Path) -> None:
    out = tmp_path / "out"
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(out)], env={**os.environ, "PYTHONPATH": paths}
    ) as writer:
        deadline = time.monotonic() + 30
        results = out / "results.jsonl"
        while not results.exists() or results.stat().st_size < 200_000:
            assert writer.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)
        writer.send_signal(signal.SIGKILL)
    run = read_run(out)
    assert len(run.cells) > 50
    assert [c.scenario for c in run.cells] == [f"run_{n}" for n in range(len(run.cells))]


def test_a_full_disk_names_the_folder_the_cause_and_what_was_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "results.jsonl").symlink_to("/dev/full")
    with create(tmp_path, out) as folder, pytest.raises(StoreError) as caught:
        folder.append(ONE)
    assert str(caught.value) == (
        f"The run's folder {out} cannot be written: No space left on device (ENOSPC). "
        f"The 0 records before it are kept in {out}/results.jsonl. "
        "Free some space there, or name another folder with --out."
    )
    assert caught.value.exit_code == 3


@pytest.fixture
def file_size_limit() -> Iterator[int]:
    """A limit on file sizes: past it the system takes a part of a write, then none, like a disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield 4096
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_record_that_fits_in_part_is_taken_back(tmp_path: Path, file_size_limit: int) -> None:
    def fill(folder: RunFolder) -> None:
        for _ in range(100):
            folder.append(ONE)

    with create(tmp_path) as folder, pytest.raises(StoreError, match="File too large"):
        fill(folder)
    results = (folder.path / "results.jsonl").read_bytes()
    assert 2 <= folder.records == results.count(b"\n")
    assert results.endswith(b"\n")
    assert len(results) < file_size_limit
    assert read_run(folder.path).damage == ()


def test_a_report_that_does_not_fit_leaves_the_old_one(
    tmp_path: Path, file_size_limit: int
) -> None:
    with create(tmp_path) as folder:
        folder.append(ONE)
        folder.write("report.html", "old")
        with pytest.raises(StoreError) as caught:
            folder.write("report.html", "new" * file_size_limit)
    assert str(caught.value) == (
        f"{folder.path}/report.html cannot be written: File too large (EFBIG). results.jsonl holds"
        " its 1 records. Make it writable, or write to another place."
    )
    assert (folder.path / "report.html").read_text() == "old"
    assert sorted(p.name for p in folder.path.iterdir()) == [
        "report.html",
        "results.jsonl",
        "run.json",
    ]


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError) as caught:
        create(tmp_path / "file" / "reports")
    assert str(caught.value) == (
        f"The run's folder {tmp_path}/file/reports cannot be written: Not a directory (ENOTDIR). "
        "Nothing was run. Make it writable, or name another folder with --out."
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user, and may write")
def test_a_folder_of_another_user_is_named(tmp_path: Path) -> None:
    (tmp_path / "reports").mkdir(mode=0o700)
    os.seteuid(65534)
    try:
        with pytest.raises(StoreError, match=r"Permission denied \(EACCES\)\. Nothing was run\."):
            create(tmp_path / "reports")
    finally:
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_all_that_is_made_belongs_to_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAB_OWNER", "1234:5678")
    with create(tmp_path / "new" / "reports") as folder:
        folder.append(ONE)
        folder.write("report.html", "")
        folder.finish()
    made = [tmp_path / "new", *(tmp_path / "new").rglob("*")]
    assert len(made) == 7
    assert {(p.lstat().st_uid, p.lstat().st_gid) for p in made} == {(1234, 5678)}


def test_an_owner_that_is_refused_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setenv("LAB_OWNER", "1234:5678")
    monkeypatch.setattr(os, "chown", refuse)
    with create(tmp_path) as folder:
        folder.append(ONE)
    assert set(folder.notes) == {
        "The reports do not belong to 1234:5678 (LAB_OWNER): Operation not permitted."
    }
    assert read_run(folder.path).cells == (ONE,)


@pytest.mark.parametrize("owner", ["me", "1000", "1000:", "1000:users"])
def test_an_owner_that_is_no_pair_of_numbers_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: str
) -> None:
    monkeypatch.setenv("LAB_OWNER", owner)
    with pytest.raises(UsageError) as caught:
        create(tmp_path / "reports")
    assert str(caught.value) == f'LAB_OWNER is "{owner}"; it must be uid:gid, such as "1000:1000".'


def test_what_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"There is no run in .*/nowhere yet\. `lab run` makes one\."
    ):
        read_run("latest", tmp_path / "nowhere")
    with pytest.raises(
        UsageError, match=r"/nowhere does not exist\. Name a run's folder or `latest"
    ):
        read_run(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"is no run: it has no results\.jsonl"):
        read_run(tmp_path)
    (tmp_path / "notes.txt").write_text("Not a run.\n{}\n")
    with pytest.raises(UsageError, match=r"notes\.txt is no run: no line of it is a record"):
        read_run(tmp_path / "notes.txt")


def test_a_record_of_another_version_is_refused_with_its_line(tmp_path: Path) -> None:
    record = {**ONE.to_record(), "verdict": "puzzled"}
    with create(tmp_path) as folder:
        folder.append(TWO)
        folder.append(record)
    with pytest.raises(UsageError, match=r"line 2: a cell record that mplab .* 'puzzled' is not a"):
        read_run(folder.path)


def test_odd_text_survives_the_file(tmp_path: Path) -> None:
    odd = cell("odd", reason="tab\tnul\0 line\nend\u2028 \ud800 \N{SNOWMAN}")
    with create(tmp_path) as folder:
        folder.append(odd)
    assert read_run(folder.path).cells == (odd,)
    line = (folder.path / "results.jsonl").read_text("ascii")
    assert line.count("\n") == 1
    assert CellResult.from_record(json.loads(line)) == odd


def test_a_file_that_is_no_regular_one_is_written_to_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert write_file(pipe, "text") == []
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
