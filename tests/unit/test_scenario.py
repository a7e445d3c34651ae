"""Scenarios: what a metadata block means, what is said of a broken one, which scripts are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import ExitCode, MetadataError, UsageError
from lab.model import CHECKS, Cell, Grade, Verdict
from lab.scenario import Row, Scenario, bundled_folder, collect, load

HERE = "# <-- here"
"""Marks, in a broken block, the line that the error has to name."""


def script(folder: Path, metadata: str = "", name: str = "script.py", before: str = "") -> Path:
    """A script with a docstring and, if there is metadata, a block that starts in line 6."""
    text = f'"""Count to ten.\n\nIn two processes.\n"""\n\n{before}'
    if metadata:
        lines = metadata.strip().split("\n")
        block = "\n".join(f"# {line}".rstrip() for line in lines)
        text += f"# /// script\n{block}\n# ///\n"
    path = folder / name
    path.write_text(text + '\nif __name__ == "__main__":\n    pass\n', encoding="utf-8")
    return path


def cell(start_method: str, cores: int = 2) -> Cell:
    return Cell("script", start_method, cores, "3.13")


class TestMetadata:
    def test_a_script_with_no_block_gets_the_defaults(self, tmp_path: Path) -> None:
        path = script(tmp_path)
        found = load(path)
        assert found == Scenario(path, summary="Count to ten.")
        assert not found.has_block
        assert found.name == "script"
        assert found.checks == ("determinism", "exceptions", "cleanup")
        assert found.start_methods == ("fork", "spawn", "forkserver")
        assert (found.outcome, found.args, found.timeout, found.rows) == ("", (), None, ())
        assert found.expected(cell("fork")) == found.expect_across == Verdict.CLEAN

    def test_a_block_for_other_tools_changes_nothing_but_the_python(self, tmp_path: Path) -> None:
        path = script(tmp_path, 'requires-python = ">=3.12"\ndependencies = ["numpy"]')
        found = load(path)
        assert found == Scenario(path, summary="Count to ten.", requires_python=">=3.12")
        assert found.has_block

    def test_every_key(self, tmp_path: Path) -> None:
        path = script(
            tmp_path,
            r"""
requires-python = ">=3.8"

[tool.lab]
summary = "Counts"
checks = ["locks", "updates", "determinism", "exceptions", "cleanup"]
outcome = 'total=(?P<total>\d+)'
expect = "lost-updates"
expect-across = "nondeterministic"
start-methods = ["inline", "spawn"]
args = ["-n", "10"]
timeout = 0.5

[[tool.lab.outcomes]]
id = "total=10"
grade = "acceptable"

[[tool.lab.outcomes]]
id = 'total=\d+'
grade = "interesting"
why = "lost"
required = true
""",
        )
        assert load(path) == Scenario(
            path,
            summary="Counts",
            checks=("locks", "updates", "determinism", "exceptions", "cleanup"),
            outcome=r"total=(?P<total>\d+)",
            expect=(("*", Verdict.LOST_UPDATES),),
            expect_across=Verdict.NONDETERMINISTIC,
            start_methods=("inline", "spawn"),
            args=("-n", "10"),
            timeout=0.5,
            rows=(
                Row("total=10", Grade.ACCEPTABLE),
                Row(r"total=\d+", Grade.INTERESTING, "lost", required=True),
            ),
            requires_python=">=3.8",
        )

    def test_what_is_named_twice_counts_once(self, tmp_path: Path) -> None:
        path = script(
            tmp_path,
            '[tool.lab]\nchecks = ["cleanup", "cleanup"]\nstart-methods = ["spawn", "spawn"]',
        )
        found = load(path)
        assert (found.checks, found.start_methods) == (("cleanup",), ("spawn",))

    def test_the_first_selector_that_matches_wins(self, tmp_path: Path) -> None:
        path = script(
            tmp_path,
            """
[tool.lab.expect]
"spawn-1cpu-*" = "hang"
"spawn-*" = "exception"
"*-4cpu-*" = "leak"
""",
        )
        found = load(path)
        assert found.expected(cell("spawn", 1)) == Verdict.HANG
        assert found.expected(cell("spawn", 4)) == Verdict.EXCEPTION
        assert found.expected(cell("fork", 4)) == Verdict.LEAK
        assert found.expected(cell("fork", 1)) == Verdict.CLEAN

    def test_a_lone_star_is_tried_last_wherever_it_stands(self, tmp_path: Path) -> None:
        path = script(tmp_path, '[tool.lab]\nexpect = { "*" = "leak", "spawn-*" = "exception" }')
        found = load(path)
        assert found.expected(cell("spawn")) == Verdict.EXCEPTION
        assert found.expected(cell("fork")) == Verdict.LEAK

    def test_outcomes_are_graded_by_the_first_row_that_matches_the_whole(
        self, tmp_path: Path
    ) -> None:
        path = script(
            tmp_path,
            r"""
[[tool.lab.outcomes]]
id = "total=10"
grade = "acceptable"
why = "all"
[[tool.lab.outcomes]]
id = 'total=\d'
grade = "interesting"
[[tool.lab.outcomes]]
id = 'total=\d+'
grade = "forbidden"
""",
        )
        found = load(path)
        assert found.grade("total=10") == (Grade.ACCEPTABLE, "all")
        assert found.grade("total=9") == (Grade.INTERESTING, "")
        assert found.grade("total=99") == (Grade.FORBIDDEN, "")
        assert found.grade("total=10.") == (
            Grade.UNGRADED,
            "on no row of the outcome table",
        )

    def test_with_no_table_every_outcome_is_acceptable(self, tmp_path: Path) -> None:
        assert load(script(tmp_path)).grade("anything") == (Grade.ACCEPTABLE, "")

    def test_a_text_may_hold_a_line_separator(self, tmp_path: Path) -> None:
        found = load(script(tmp_path, '[tool.lab]\nsummary = "one\u2028two"\ntimeout = 3'))
        assert (found.summary, found.timeout) == ("one\u2028two", 3.0)


class TestSummary:
    """The first line of the docstring, where the block has none."""

    def of(self, folder: Path, text: str) -> str:
        path = folder / "script.py"
        path.write_text(text, encoding="utf-8")
        return load(path).summary

    @pytest.mark.parametrize(
        ("text", "summary"),
        [
            ('"""One.\n\nTwo.\n"""\n', "One."),
            ('"""\nOne.\nTwo.\n"""\n', "One."),
            ("# a comment\n'One.'\n", "One."),
            ("import os\n", ""),
            ("", ""),
            ("def broken(:\n", ""),
        ],
    )
    def test_is_found(self, tmp_path: Path, text: str, summary: str) -> None:
        assert self.of(tmp_path, text) == summary

    def test_nothing_is_said_of_an_escape_that_python_warns_of(self, tmp_path: Path) -> None:
        assert self.of(tmp_path, '"""One."""\npattern = "\\d"\n') == "One."

    def test_windows_line_ends_and_a_byte_order_mark(self, tmp_path: Path) -> None:
        path = tmp_path / "script.py"
        text = '# /// script\n# [tool.lab]\n# timeout = 3\n# ///\n"""One."""\n'
        path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
        found = load(path)
        assert (found.summary, found.timeout) == ("One.", 3.0)

    def test_a_declared_encoding(self, tmp_path: Path) -> None:
        path = tmp_path / "script.py"
        path.write_bytes("# -*- coding: latin-1 -*-\n'Zähle.'\n".encode("latin-1"))
        assert load(path).summary == "Zähle."


ROW = "[[tool.lab.outcomes]]\nid = 'a'\ngrade = 'acceptable'"

BROKEN = {
    "no TOML": (
        f"[tool.lab]\nsummary = 'a'\nchecks = oops  {HERE}",
        "the script block",
        "not TOML",
    ),
    "a key twice": (f"[tool.lab]\nargs = []\nargs = []  {HERE}", "the script block", "not TOML"),
    "tool": (f"tool = 5  {HERE}", "tool", "must be a table"),
    "tool.lab": (f"[tool]\nlab = 5  {HERE}", "tool.lab", "must be a table"),
    "requires-python of a wrong type": (
        f"requires-python = 3.11  {HERE}",
        "requires-python",
        "must be text such as '>=3.11', not 3.11",
    ),
    "requires-python that is no specifier": (
        f"requires-python = 'new'  {HERE}",
        "requires-python",
        "'new' is no version specifier such as '>=3.11'",
    ),
    "an unknown key": (
        f"[tool.lab]\nsummary = 'a'\ntimeouts = 3  {HERE}",
        "timeouts",
        "unknown key; known are summary, checks, outcome, expect,",
    ),
    "a summary": (f"[tool.lab]\nsummary = 5  {HERE}", "summary", "must be text, not 5"),
    "an outcome": (f"[tool.lab]\noutcome = ['a']  {HERE}", "outcome", "must be text, not ['a']"),
    "a regular expression": (
        f"[tool.lab]\noutcome = 'total=(['  {HERE}",
        "outcome",
        "'total=([' is no regular expression: unterminated character set",
    ),
    "a regular expression beyond all bounds": (
        f"[tool.lab]\noutcome = 'a{{99999999999}}'  {HERE}",
        "outcome",
        "is no regular expression: the repetition number is too large",
    ),
    "checks that are no list": (
        f"[tool.lab]\nchecks = 'locks'  {HERE}",
        "checks",
        "must be a list of texts, not 'locks'",
    ),
    "an unknown check": (
        f"[tool.lab]\nchecks = ['locks', 'lock']  {HERE}",
        "checks",
        f"unknown 'lock'; allowed are {', '.join(CHECKS)}",
    ),
    "an unknown check in a long list": (
        f"[tool.lab]\nsummary = 'checks'\nchecks = [  {HERE}\n  'locks',\n  'lock',\n]",
        "checks",
        "unknown 'lock'",
    ),
    "no checks": (
        f"[tool.lab]\nchecks = []  {HERE}",
        "checks",
        "is empty; allowed are determinism",
    ),
    "updates with no table": (
        f"[tool.lab]\nchecks = ['updates']  {HERE}",
        "checks",
        "`updates` needs an outcome table ([[tool.lab.outcomes]]) that says what lost nothing",
    ),
    "an unknown start method": (
        f"[tool.lab]\nstart-methods = ['fork', 'vfork']  {HERE}",
        "start-methods",
        "unknown 'vfork'; allowed are inline, fork, spawn, forkserver",
    ),
    "args": (f"[tool.lab]\nargs = ['-n', 10]  {HERE}", "args", "a list of texts, not ['-n', 10]"),
    "a timeout in words": (
        f"[tool.lab]\ntimeout = '5 s'  {HERE}",
        "timeout",
        "must be a number of seconds above 0, not '5 s'",
    ),
    "a timeout of nothing": (f"[tool.lab]\ntimeout = 0  {HERE}", "timeout", "above 0, not 0"),
    "a timeout that is true": (f"[tool.lab]\ntimeout = true  {HERE}", "timeout", "not True"),
    "a timeout without end": (f"[tool.lab]\ntimeout = inf  {HERE}", "timeout", "not inf"),
    "a timeout that is no number": (f"[tool.lab]\ntimeout = nan  {HERE}", "timeout", "not nan"),
    "a timeout beside another tool's": (
        f"[tool.other]\ntimeout = 'soon'\n[tool.lab]\ntimeout = 'later'  {HERE}",
        "timeout",
        "not 'later'",
    ),
    "an unknown verdict": (
        f"[tool.lab]\nexpect = 'cleen'  {HERE}",
        "expect",
        "unknown verdict 'cleen'; allowed are deadlock, hang,",
    ),
    "an unknown verdict after a key that begins alike": (
        f"[tool.lab]\nexpect-across = 'clean'\nexpect = 'cleen'  {HERE}",
        "expect",
        "unknown verdict 'cleen'",
    ),
    "an unknown verdict in a table": (
        f"[tool.lab.expect]\n'spawn-*' = 'leak'\n'fork-*' = 'leek'  {HERE}",
        "expect.fork-*",
        "unknown verdict 'leek'; allowed are deadlock,",
    ),
    "a verdict that judges nothing": (
        f"[tool.lab]\nexpect = 'inconclusive'  {HERE}",
        "expect",
        "'inconclusive' is no verdict to expect, for it says that nothing was judged; allowed are",
    ),
    "a verdict that is unknown, where that is no choice": (
        f"[tool.lab]\nexpect = 'cleen'  {HERE}",
        "expect",
        "leak, nondeterministic, clean.",
    ),
    "a verdict that judges nothing in a table": (
        f"[tool.lab.expect]\n'spawn-*' = 'leak'\n'*' = 'inconclusive'  {HERE}",
        "expect.*",
        "'inconclusive' is no verdict to expect",
    ),
    "a verdict that is a list": (
        f"[tool.lab]\nexpect = ['clean']  {HERE}",
        "expect",
        "unknown verdict ['clean']",
    ),
    "an empty table of verdicts": (
        f"[tool.lab]\nexpect = {{}}  {HERE}",
        "expect",
        "is an empty table",
    ),
    "a verdict across that is unknown": (
        f"[tool.lab]\nexpect-across = 'cleen'  {HERE}",
        "expect-across",
        "'cleen'; allowed are clean, nondeterministic.",
    ),
    "a verdict across that cannot be": (
        f"[tool.lab]\nexpect-across = 'deadlock'  {HERE}",
        "expect-across",
        "'deadlock'; allowed are clean, nondeterministic.",
    ),
    "a verdict across that nothing looks for": (
        f"[tool.lab]\nchecks = ['cleanup']\nexpect-across = 'nondeterministic'  {HERE}",
        "expect-across",
        "needs the check `determinism`",
    ),
    "a table for the table of outcomes": (
        f"[tool.lab.outcomes]  {HERE}\nid = 'a'",
        "outcomes",
        "must be an array of tables: [[tool.lab.outcomes]]",
    ),
    "an outcome that is no table": (
        f"[tool.lab]\noutcomes = ['a']  {HERE}",
        "outcomes",
        "must be an array of tables",
    ),
    "an outcome without id": (
        f"{ROW}\n[[tool.lab.outcomes]]  {HERE}\ngrade = 'acceptable'",
        "outcomes[2]",
        "has no `id`",
    ),
    "an outcome whose id is a number": (
        f"[[tool.lab.outcomes]]\nid = 5  {HERE}\ngrade = 'acceptable'",
        "outcomes[1].id",
        "must be text, not 5",
    ),
    "an outcome whose id is no regular expression": (
        f"{ROW}\n[[tool.lab.outcomes]]\nid = 'a('  {HERE}\ngrade = 'acceptable'",
        "outcomes[2].id",
        "'a(' is no regular expression: missing ), unterminated subpattern",
    ),
    "an outcome without grade": (
        f"[[tool.lab.outcomes]]  {HERE}\nid = 'a'",
        "outcomes[1]",
        "has no `grade`; allowed are acceptable, interesting, forbidden.",
    ),
    "an unknown grade": (
        f"{ROW}\n[[tool.lab.outcomes]]\nid = 'b'\ngrade = 'good'  {HERE}",
        "outcomes[2].grade",
        "unknown 'good'; allowed are acceptable, interesting, forbidden.",
    ),
    "the grade of no row": (
        f"[[tool.lab.outcomes]]\nid = 'b'\ngrade = 'ungraded'  {HERE}",
        "outcomes[1].grade",
        "unknown 'ungraded'",
    ),
    "an unknown key of an outcome": (
        f"{ROW}\nwhy = 'because'\n{ROW}\nbecause = 'a'  {HERE}",
        "outcomes[2].because",
        "unknown key; known are id, grade, why, required.",
    ),
    "a reason that is no text": (
        f"[[tool.lab.outcomes]]\nid = 'a'\ngrade = 'acceptable'\nwhy = 5  {HERE}",
        "outcomes[1].why",
        "must be text, not 5",
    ),
    "required in words": (
        f"[[tool.lab.outcomes]]\nid = 'a'\ngrade = 'acceptable'\nrequired = 'yes'  {HERE}",
        "outcomes[1].required",
        "must be true or false, not 'yes'",
    ),
}
"""Broken blocks: name -> metadata, the key that the message names, what it says of it."""


class TestBrokenMetadata:
    @pytest.mark.parametrize("name", BROKEN)
    def test_is_one_message_with_file_line_and_key(self, tmp_path: Path, name: str) -> None:
        metadata, key, says = BROKEN[name]
        path = script(tmp_path, metadata)
        lines = path.read_text(encoding="utf-8").split("\n")
        line = next(number for number, text in enumerate(lines, 1) if HERE in text)
        with pytest.raises(MetadataError) as error:
            load(path)
        message = str(error.value)
        assert message.startswith(f"{path}:{line}: {key}")
        assert says in message
        assert message.endswith(".")
        assert "\n" not in message
        assert error.value.exit_code == ExitCode.USAGE

    def test_toml_that_ends_too_early_is_an_error_of_its_last_line(self, tmp_path: Path) -> None:
        path = script(tmp_path, "[tool.lab]\nchecks = [\n  'locks',")
        with pytest.raises(MetadataError, match=r"script\.py:9: the script block is not TOML: "):
            load(path)

    def test_a_second_block(self, tmp_path: Path) -> None:
        first = "# /// script\n# [tool.lab]\n# ///\n\n"
        path = script(tmp_path, "[tool.lab]", before=first)
        with pytest.raises(MetadataError) as error:
            load(path)
        assert str(error.value) == f"{path}:10: a second `# /// script` block; there may be one."

    @pytest.mark.parametrize(
        "block",
        [
            "# /// script\n# [tool.lab]\n# timeout = 5\n",
            "# /// script\n# requires-python = '>=3.8'\n\n# [tool.lab]\n# timeout = 5\n# ///\n",
            "# /// script\n#[tool.lab]\n#timeout = 5\n# ///\n",
            "#/// script\n# [[tool.lab.outcomes]]\n# ///\n",
        ],
        ids=["no end", "an empty line", "no space", "no space before the slashes"],
    )
    def test_a_block_that_is_none_is_not_passed_over(self, tmp_path: Path, block: str) -> None:
        path = script(tmp_path, before=block)
        with pytest.raises(MetadataError) as error:
            load(path)
        assert str(error.value) == (
            f"{path}:6: this script block is not whole, so nobody reads it. It begins with the "
            "line `# /// script` and ends with `# ///`; each line between is `#`, or `# ` and more."
        )

    def test_a_block_of_others_may_be_as_it_likes(self, tmp_path: Path) -> None:
        path = script(tmp_path, before="# /// script\n# dependencies = []\n")
        assert load(path) == Scenario(path, summary="Count to ten.")

    def test_files_that_are_no_scripts(self, tmp_path: Path) -> None:
        (tmp_path / "binary.py").write_bytes(b"\x7fELF\xff\xfe")
        (tmp_path / "later.py").write_bytes(b"# one\n# two\n# three\n# \xff\n")
        (tmp_path / "odd.py").write_bytes(b"# -*- coding: klingon -*-\n")
        for name, says in (
            ("missing.py", "no such file. Give a script or a folder of scripts."),
            ("binary.py", "not UTF-8"),
            ("later.py", "not UTF-8 (invalid start byte at byte 22)"),
            ("odd.py", "unknown encoding"),
            ("", "Is a directory"),
        ):
            with pytest.raises(UsageError) as error:
                load(tmp_path / name)
            assert str(error.value).startswith(f"{tmp_path / name}: ")
            assert says in str(error.value)


@pytest.fixture
def bundled(tmp_path: Path) -> Path:
    """A folder of bundled scenarios."""
    folder = tmp_path / "bundled"
    folder.mkdir()
    for name in ("value_locked", "value_unlocked", "queue"):
        script(folder, name=f"{name}.py")
    return folder


class TestCollect:
    def names(self, targets: list[str], bundled: Path) -> list[str]:
        return [found.path.name for found in collect(targets, bundled)]

    def test_no_target_means_the_bundled_ones(self, bundled: Path) -> None:
        assert self.names([], bundled) == ["queue.py", "value_locked.py", "value_unlocked.py"]

    def test_files_folders_and_names_in_the_order_given(
        self, tmp_path: Path, bundled: Path
    ) -> None:
        folder = tmp_path / "mine"
        folder.mkdir()
        script(folder, name="b.py")
        script(folder, name="a.py")
        file = script(tmp_path, name="own.py")
        targets = ["queue", str(file), str(folder)]
        assert self.names(targets, bundled) == ["queue.py", "own.py", "a.py", "b.py"]

    def test_each_script_once(self, tmp_path: Path, bundled: Path) -> None:
        file = script(tmp_path, name="own.py")
        (tmp_path / "link.py").symlink_to(file)
        targets = [str(file), str(tmp_path / "." / "own.py"), str(tmp_path / "link.py"), "queue"]
        assert len(self.names([*targets, "queue"], bundled)) == 2

    def test_of_a_folder_only_what_can_be_run(self, tmp_path: Path, bundled: Path) -> None:
        folder = tmp_path / "mine"
        (folder / "package.py").mkdir(parents=True)
        script(folder, name="guarded.py")
        script(folder, name="_private.py")
        (folder / "blocked.py").write_text("# /// script\n# [tool.lab]\n# ///\n")
        (folder / "module.py").write_text("x = 1\n")
        (folder / "binary.py").write_bytes(b"\xff__main__")
        (folder / "notes.txt").write_text("__main__")
        assert self.names([str(folder)], bundled) == ["blocked.py", "guarded.py"]

    def test_a_folder_without_a_scenario(self, tmp_path: Path, bundled: Path) -> None:
        folder = tmp_path / "mine"
        folder.mkdir()
        with pytest.raises(UsageError) as error:
            collect([str(folder)], bundled)
        assert str(error.value).startswith(f"{folder}: no scenario in this folder. A scenario is")

    @pytest.mark.parametrize(
        ("target", "hint"),
        [
            ("value", " Did you mean value_locked or value_unlocked?"),
            ("value_unlokced", " Did you mean value_unlocked or value_locked?"),
            ("scenarios/queu.py", " Did you mean queue?"),
            ("quite another", ""),
            ("x" * 300, ""),
        ],
        ids=lambda value: value[:20],
    )
    def test_a_target_that_is_nowhere(self, bundled: Path, target: str, hint: str) -> None:
        with pytest.raises(UsageError) as error:
            collect([target], bundled)
        assert str(error.value) == (
            f"{target}: no such file or folder, and no bundled scenario of that name.{hint} "
            "`lab list scenarios` shows the bundled ones."
        )

    def test_one_broken_script_ends_it(self, tmp_path: Path, bundled: Path) -> None:
        broken = script(tmp_path, "[tool.lab]\ntimeout = 0", name="broken.py")
        with pytest.raises(MetadataError, match=r"broken\.py:8: timeout"):
            collect(["queue", str(broken)], bundled)

    def test_the_bundled_scenarios_are_whole(self) -> None:
        found = collect([], bundled_folder())
        assert len(found) > 30
        assert all(one.has_block and one.summary for one in found)
