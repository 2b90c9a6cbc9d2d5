"""`student: {kind: factory}`: a network of a family from recipe to verified file."""

from __future__ import annotations

from pathlib import Path

import pytest

from compress.errors import InputError
from compress.pipeline.run import run
from compress.pipeline.verify import verify_run

RESIDUAL = "student={kind: factory, name: residual, widths: [12, 24], stem: 8, stride: 2}"


@pytest.mark.slow
def test_a_factory_student_is_trained_quantized_and_judged(
    shapes: Path, store: Path, tmp_path: Path
) -> None:
    result = run(
        shapes / "recipe.yaml",
        out=tmp_path / "run",
        cache=store,
        overrides=(RESIDUAL, "distill.views=1", "slices=none"),
    )
    report = result.report
    assert {v.budget: v.status for v in report.verdicts} == {"accuracy": "pass", "size": "pass"}
    assert report.history is not None
    # Stem 8 x 9, BN 16; 8 -> 12 and 12 -> 24 at half and a quarter of 16 pixels, each with a 1 x 1.
    stages = (8 * 12 + 12 * 12) * 9 + 8 * 12 + 6 * 12 + (12 * 24 + 24 * 24) * 9 + 12 * 24 + 6 * 24
    assert report.history.parameters == 8 * 9 + 16 + stages + 24 * 3 + 3
    assert verify_run(tmp_path / "run") == ()


def test_a_family_that_takes_no_images_is_refused_before_anything_is_trained(
    shapes: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="can't take the inputs"):
        run(
            shapes / "recipe.yaml",
            out=tmp_path / "run",
            cache=tmp_path / "cache",
            overrides=("student={kind: factory, name: encoder, widths: [32]}",),
        )
