"""Several teachers as one: the mean of their probabilities, of samples and of frames."""

from __future__ import annotations

import numpy as np

from compress.teachers.several import mean_of


def test_the_mean_is_over_classes_for_frames_too() -> None:
    random = np.random.default_rng(0)
    each = [random.normal(size=(2, 5, 3)).astype(np.float32) for _ in range(2)]
    together = mean_of(each, (1.0, 3.0))
    by_frame = mean_of([one.reshape(10, 3) for one in each], (1.0, 3.0))
    np.testing.assert_array_equal(together.reshape(10, 3), by_frame)
    np.testing.assert_allclose(np.exp(together).sum(-1), 1.0, rtol=1e-5)
