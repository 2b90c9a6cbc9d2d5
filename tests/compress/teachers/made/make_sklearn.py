"""Makes sklearn_mlp.onnx: a scikit-learn network, written by skl2onnx.

Neither is a dependency of the project: in a fresh environment
    pip install scikit-learn==1.9.1 skl2onnx==1.20.0 && python make_sklearn.py
"""

import sys
from pathlib import Path

import numpy as np
from skl2onnx import to_onnx
from sklearn.neural_network import MLPClassifier

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from toy import images  # noqa: E402  # the folder above has just been put on the path


def main() -> None:
    pixels, labels = images(600, seed=7)
    rows = (pixels.reshape(len(pixels), -1) / 255.0).astype(np.float32)
    model = MLPClassifier(hidden_layer_sizes=(8,), max_iter=300, random_state=0).fit(rows, labels)
    made = to_onnx(model, rows[:1], options={"zipmap": False}, target_opset=17)
    (HERE / "sklearn_mlp.onnx").write_bytes(made.SerializeToString())
    maps = to_onnx(model, rows[:1], target_opset=17)
    (HERE / "sklearn_maps.onnx").write_bytes(maps.SerializeToString())


if __name__ == "__main__":
    main()
