"""Stages that fail on valid input: exit 4, one line, and the earlier good run untouched."""

from __future__ import annotations

from pathlib import Path

from fault_commands import Server
from finished_run import Good

SMALL = 16_384  # bytes: holds a spec and events, but no checkpoint
MIDDLING = 131_072  # bytes: every file but the raw samples of the report


def test_a_checkpoint_that_does_not_fit_is_told_and_the_rerun_succeeds(
    good: Good, server: Server
) -> None:
    before = good.digests()
    arguments = good.arguments("--set", "distill.epochs=1")
    ended = server.run(*arguments, cwd=good.cwd, file_bytes=SMALL)
    ended.assert_error(4, "step-0", "file size limit", "raise `ulimit -f`")
    assert good.digests() == before
    assert not list((good.cache / "work").glob("*/.step-*"))


def test_a_report_that_does_not_fit_leaves_the_earlier_one(
    good: Good, server: Server, tmp_path: Path
) -> None:
    before = good.digests()
    ended = server.run(*good.arguments(), cwd=good.cwd, file_bytes=MIDDLING)
    ended.assert_error(4, "file size limit", "the earlier file is untouched")
    assert good.digests() == before
    ended = server.run(*good.arguments(out=tmp_path / "new"), cwd=good.cwd, file_bytes=MIDDLING)
    ended.assert_error(4, "file size limit")
    assert [path.name for path in (tmp_path / "new").iterdir() if path.name[0] != "."] == []
    ended = server.run(*good.arguments(out=tmp_path / "new"), cwd=good.cwd)
    assert (ended.code, ended.err) == (0, [])
