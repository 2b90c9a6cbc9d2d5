"""What progress looks like without a terminal, and where results are kept."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from compress.cli.cache_folder import cache_folder
from compress.cli.invocation import plain
from compress.cli.progress import Bars, Lines, describe_event
from compress.errors import InputError
from exporters.events import Event


def test_without_a_terminal_progress_is_a_line_every_ten_seconds(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = 100.0
    draw = Lines(clock=lambda: now)
    draw(Event("start", "train", "first run"))
    for step in range(101):
        now = 100.0 + step * 0.25
        draw(Event("progress", "train", f"epoch {step}", step / 100))
    draw(Event("done", "train", data={"seconds": 25.04}))
    assert capsys.readouterr().err.splitlines() == [
        "train: starts (first run)",
        "train: 0% epoch 0",
        "train: 40% epoch 40",
        "train: 80% epoch 80",
        "train: done in 25.0 s",
    ]


def test_bars_show_the_stage_at_work_and_nothing_that_is_over() -> None:
    page = io.StringIO()
    console = Console(file=page, force_terminal=True, width=80, color_system=None)
    draw = Bars(console)

    def shown(*events: Event) -> list[str]:
        for event in events:
            draw(event)
        page.truncate(0)
        page.seek(0)
        assert draw._progress is not None
        draw._progress.refresh()
        lines = (
            re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", page.getvalue()).replace("\r", "").splitlines()
        )
        return [line.split()[0] for line in lines if line.strip()]

    key = {"key": "abc"}
    assert shown(Event("progress", "task", "decoding images", 1.0)) == ["task"]
    assert shown(Event("start", "choose", data=key)) == ["choose"]
    assert shown(Event("progress", "compare", "epoch 1", 0.1)) == ["choose", "compare"]
    assert shown(Event("done", "choose", data={"seconds": 1.0})) == []
    assert shown(Event("start", "train", data=key), Event("step", "train", "", 0.25)) == ["train"]
    bar = draw._progress.tasks[-1] if draw._progress else None
    assert bar is not None
    assert bar.percentage == 25.0
    draw.close()


def test_verbose_shows_all_progress(capsys: pytest.CaptureFixture[str]) -> None:
    draw = Lines(verbose=True, clock=lambda: 0.0)
    for step in range(5):
        draw(Event("progress", "train", f"epoch {step}"))
    assert len(capsys.readouterr().err.splitlines()) == 5


def test_an_event_without_words_is_no_line() -> None:
    assert describe_event(Event("step", "train")) == ""
    assert describe_event(Event("hit", "train", "stored on 2026-11-24")) == (
        "train: stored on 2026-11-24"
    )


def test_an_event_can_not_move_the_cursor() -> None:
    assert describe_event(Event("note", "a", "b\x1b[2Jc\n::error::d")) == "a: b\\x1b[2Jc ::error::d"


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        (Path("here"), {"DISTIL_CACHE": "/there", "HOME": "/home/a"}, "{cwd}/here"),
        (None, {"DISTIL_CACHE": "/there", "HOME": "/home/a"}, "/there"),
        (None, {"DISTIL_CACHE": "there", "HOME": "/home/a"}, "{cwd}/there"),
        (None, {"DISTIL_CACHE": ""}, "{cwd}/.distil"),
        (None, {}, "{cwd}/.distil"),
    ],
)
def test_the_cache_folder(
    given: Path | None,
    environ: dict[str, str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert str(cache_folder(given, environ)) == expected.format(cwd=tmp_path)


def test_the_cache_folder_of_a_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder(None, {"HOME": str(tmp_path)}) == tmp_path / ".cache" / "distil"


def test_a_cache_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        cache_folder(tmp_path / "file", {})


def test_results_become_plain_json() -> None:
    value = {"a": (1, float("nan"), Path("x/y")), "e": Event("start", "s", data={"k": {2}})}
    assert plain(value) == {
        "a": [1, None, "x/y"],
        "e": {"kind": "start", "stage": "s", "message": "", "progress": None, "data": {"k": [2]}},
    }
