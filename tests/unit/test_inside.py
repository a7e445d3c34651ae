"""What runs in samples, by itself: what it loads and when, and how it writes its events."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lab.agent import keeper
from lab.agent.inside.mplab_inside.sample import to_json

ATTACH = """
import os, sys
had = set(sys.modules)
sys.path.insert(0, sys.argv[1])
import mplab_inside
mplab_inside.attach(sys.argv[2], "fork", 0, 0, "0.1", "/home/me", sys.argv[2] + "/t")
sys.path.remove(sys.argv[1])
"""

LOADED = ATTACH + "print(*sorted(set(sys.modules) - had))"

HOSTILE = (
    ATTACH
    + """
class Refusal:
    def find_spec(self, name, path=None, target=None):
        raise ImportError("asked for " + name)

sys.meta_path[:] = [Refusal()]
sys.path_hooks.clear()
sys.path_importer_cache.clear()
sys.path.clear()
os.chdir("/")
os.kill(os.getpid(), mplab_inside.DUMP_SIGNAL)
"""
)


def probed(code: str, folder: Path) -> str:
    """What `code` prints, in a Python with the lab's folder and another one as arguments."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(keeper.INSIDE), str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def test_attaching_loads_no_more_than_every_process_needs(tmp_path: Path) -> None:
    parts = {f"mplab_inside.{name}" for name in ("frames", "made", "processes", "sample")}
    assert set(probed(LOADED, tmp_path).split()) == {"mplab_inside", "faulthandler", *parts}


def test_stacks_are_told_whatever_the_script_did_to_imports(tmp_path: Path) -> None:
    probed(HOSTILE, tmp_path)
    (dump,) = tmp_path.glob("dump.*")
    (thread,) = json.loads(dump.read_text(encoding="ascii"))["threads"]
    assert [entry[2] for entry in thread["stack"]] == ["<module>"]
    events = (tmp_path / "events").read_text(encoding="ascii")
    assert [json.loads(line)[0] for line in events.splitlines()] == ["attach"]


@pytest.mark.parametrize(
    "value",
    [
        "plain text, with = and ~",
        'a "quote" and a \\ in it',
        "\0\t\n\x1b\x7f\x80\u00e9\u20ac\ufffd",
        "\U00010000 \U0001f600 \U0010ffff",
        "alone: \ud800 and \udfff",
        {"key \n": [None, True, False, -1, 2**70, ["x"], {}]},
    ],
)
def test_what_is_written_can_be_read(value: object) -> None:
    text = to_json(value)
    assert text.isascii()
    assert "\n" not in text
    assert json.loads(text) == value


def test_what_json_has_no_word_for_is_written_as_text() -> None:
    assert json.loads(to_json({1: (2.5, b"x", Path("/a"))})) == {"1": ["2.5", "b'x'", "/a"]}
