"""What `distil quantize` makes of real networks, beside onnxruntime's own quantizer.

    python -m benchmarks.evidence.quantized [--only minilm] [--results FILE]

A unit is a line of docs/results/quantization.jsonl and is skipped when it is there. Accuracy is of
samples that neither calibrated nor chose; speed is of fresh process pairs, interleaved.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.compare import compare, quick_compare
from benchmarks.environment import read_environment
from benchmarks.evidence.library import library_dynamic, library_static
from benchmarks.evidence.lines import append_line, read_lines
from benchmarks.values import Comparison
from compress.quantize.api import quantize
from compress.quantize.fidelity import answers, fidelity

_ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = _ROOT / "docs" / "results" / "quantization.jsonl"
NO_SLOWER = 1.02  # time of ours by the time of the library's


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Samples: to calibrate and choose by, and to test on."""

    given: int
    tested: int


Unit = Callable[[Path, Sizes, argparse.Namespace], dict[str, Any]]


def minilm(folder: Path, sizes: Sizes, options: argparse.Namespace) -> dict[str, Any]:
    """The sentence encoder on WordNet's definitions, 32 tokens at batch 1, one thread."""
    from benchmarks.evidence.sentences import Texts, draw_texts, encoder_file

    source = encoder_file(folder / "float.onnx")
    texts = draw_texts(sizes.given + sizes.tested, seed=1, cache=folder, folder=options.wordnet)
    given = Texts(rows=texts.rows[: sizes.given], padding=texts.padding)
    tested = Texts(rows=texts.rows[sizes.given :], padding=texts.padding)
    made = quantize(
        source.path,
        path=folder / "auto.onnx",
        data=lambda: given.batches(8),
        metric="nearest",
        max_drop=options.max_drop,
    )
    ids = np.random.default_rng(0).integers(1000, 20000, (1, 32))
    timed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    library = library_dynamic(source.path, folder / "library.onnx")
    files = {"float": source.path, "onnxruntime dynamic": library}
    files |= {"auto": folder / "auto.onnx"} if made.artifact is not None else {}
    batches = list(tested.batches(1))
    exact = answers(source.path, batches)
    kept = {}
    for name, path in files.items():
        answered = answers(path, batches)
        kept[name] = {
            metric: fidelity(exact, answered, metric=metric).value
            for metric in ("cosine", "nearest")
        } | {
            "cosine_p1": fidelity(exact, answered, metric="cosine").cosine_p1,
            "bytes": path.stat().st_size,
        }
    return {
        "chosen": made.scheme,
        "reason": made.reason,
        "tried": [[one.name, one.time_ms, one.float_ms, one.outcome] for one in made.tried],
        "batch_changes": made.batch_changes,
        "kept": kept,
        "speed": _speeds(files, timed),
    }


def fashion_teacher(folder: Path, sizes: Sizes, options: argparse.Namespace) -> dict[str, Any]:
    """The shipped Fashion-MNIST teacher: accuracy on the 10,000 test images."""
    import torch

    from compress.recipe.targets import load_target
    from compress.tasks.fashion import load_fashion
    from exporters.export import export
    from exporters.weights import load_into, load_weights

    example = _ROOT / "examples" / "fashion"
    module = load_target("model.py:teacher", example)()
    load_into(module, load_weights(example / "teacher.safetensors"))
    data = load_fashion(folder=options.fashion, cache=folder)
    source = export(
        module.eval(), torch.zeros(2, 1, 28, 28), path=folder / "float.onnx", output_names=("y",)
    )
    train, test = _images(data, "train"), _images(data, "t10k")
    rows = np.random.default_rng(0).permutation(len(train[0]))[: sizes.given]
    made = quantize(
        source.path,
        path=folder / "auto.onnx",
        data={"images": train[0][rows], "labels": train[1][rows]},
        max_drop=0.003,
    )
    tested = slice(0, min(sizes.tested, len(test[0])))
    batches = [{"images": test[0][tested][at : at + 100]} for at in range(0, tested.stop, 100)]
    files = {
        "float": source.path,
        **{
            f"onnxruntime static, per {grain}": library_static(
                source.path,
                folder / f"library-{grain}.onnx",
                lambda: _batches(train[0][rows][:512]),
                per_channel=grain == "channel",
            )
            for grain in ("channel", "tensor")
        },
    }
    files |= {"auto": folder / "auto.onnx"} if made.artifact is not None else {}
    exact = answers(source.path, batches)
    kept = {
        name: {
            "accuracy": fidelity(
                exact, answers(path, batches), metric="accuracy", labels=test[1][tested]
            ).value,
            "bytes": path.stat().st_size,
        }
        for name, path in files.items()
    }
    return {
        "chosen": made.scheme,
        "reason": made.reason,
        "tried": [[one.name, one.time_ms, one.float_ms, one.outcome] for one in made.tried],
        "kept": kept,
        "speed": _speeds(files, {"images": test[0][:1]}),
    }


UNITS: Mapping[str, tuple[Unit, Sizes]] = {
    "minilm": (minilm, Sizes(given=1536, tested=1024)),
    "fashion-teacher": (fashion_teacher, Sizes(given=1536, tested=10_000)),
}


def main() -> None:
    """Run the units that the results lack."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(UNITS))
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--wordnet", type=Path, help="a folder with WordNet's data files")
    parser.add_argument("--fashion", type=Path, help="a folder with Fashion-MNIST")
    parser.add_argument("--max-drop", type=float, default=0.04, help="of MiniLM's neighbours")
    parser.add_argument("--given", type=int, help="samples to choose by, for a trial")
    parser.add_argument("--tested", type=int, help="samples to test on, for a trial")
    options = parser.parse_args()
    done = {line["unit"] for line in read_lines(options.results)}
    for name, (unit, sizes) in UNITS.items():
        if name in done or options.only not in {None, name}:
            continue
        wanted = Sizes(given=options.given or sizes.given, tested=options.tested or sizes.tested)
        with tempfile.TemporaryDirectory(prefix="distil-evidence-") as folder:
            before = os.getloadavg()[0]
            found = unit(Path(folder), wanted, options)
        machine = read_environment()
        line = {
            "unit": name,
            "cpu_model": machine.cpu_model,
            "cpu_flags": machine.cpu_flags,
            "versions": machine.versions,
            "load_before": before,
            "load_after": os.getloadavg()[0],
            "given": wanted.given,
            "tested": wanted.tested,
            **found,
        }
        append_line(options.results, line)


def _images(
    data: Mapping[str, NDArray[np.generic]], split: str
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(n, 1, 28, 28) in [0, 1], and classes."""
    pixels = data[f"{split}-images-idx3-ubyte"].reshape(-1, 1, 28, 28)
    images = pixels.astype(np.float32) * np.float32(1 / 255)
    return images, data[f"{split}-labels-idx1-ubyte"].astype(np.int64)


def _batches(images: NDArray[np.float32]) -> Iterator[dict[str, NDArray[np.float32]]]:
    for at in range(0, len(images), 32):
        yield {"images": images[at : at + 32]}


def _speeds(files: Mapping[str, Path], feeds: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Each against float; and ours against each of the library's, at a limit of 2 % more time."""
    library = [name for name in files if name not in {"float", "auto"}]
    asked: dict[str, Any] = {"inputs": dict(feeds), "batch": 1, "threads": 1, "seed": 0}
    found = {
        f"{name} against float": quick_compare(files["float"], files[name], **asked)
        for name in files
        if name != "float"
    }
    if "auto" in files:
        for name in library:
            found[f"auto against {name}"] = compare(
                files[name], files["auto"], limit=NO_SLOWER, **asked
            )
    return {name: _numbers(one) for name, one in found.items()}


def _numbers(found: Comparison) -> dict[str, Any]:
    return {
        "verdict": found.verdict,
        "speedup": found.speedup,
        "low": found.speedup_low,
        "high": found.speedup_high,
        "epochs": len(found.log_ratios),
        "at_limit": found.limit_verdict,
    }


if __name__ == "__main__":
    main()
