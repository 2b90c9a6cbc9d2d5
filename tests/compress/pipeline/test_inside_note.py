"""What the report says of preprocessing inside the file: also what could not be checked."""

from __future__ import annotations

from dataclasses import asdict

from compress.pipeline.stages.inside import Resizing, inside_note
from exporters.values import Parity

PARITY = asdict(
    Parity(
        samples=64, batches=(1, 64), max_abs_diff=1e-6, top1_agreement=1.0, atol=1e-3, rtol=1e-3,
        passed=True,
    )
)  # fmt: skip


def test_resizing_that_was_not_checked_is_said() -> None:
    note = inside_note({"parity": PARITY, "resizing": None, "resizes": True})
    assert note.endswith(
        "That they resize as the task does was not checked: no image of the folder is among the "
        "first 4,096 training samples."
    )


def test_where_nothing_is_resized_nothing_is_said_of_it() -> None:
    assert "resize" not in inside_note({"parity": PARITY, "resizing": None})


def test_resizing_that_was_checked_is_told() -> None:
    found = Resizing(images=32, pixel_levels=1, max_abs_diff=0.01, top1_agreement=1.0)
    note = inside_note({"parity": PARITY, "resizing": asdict(found), "resizes": True})
    assert "On 32 images at their own size pixels differ by at most 1 of 255" in note
    assert "not checked" not in note
