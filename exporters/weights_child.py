"""Read a pickle of weights in a process of its own, which nothing but a safetensors file leaves.

`weights_only` refuses code, but its unpickler has had holes (CVE-2025-32434, CVE-2026-24747) and
native crashes are possible: what goes wrong there ends one child, and is told in one line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from exporters.errors import DistilError, InputError
from exporters.sniff import looks_like
from exporters.weights_file import is_safetensors

_TIMEOUT_S = 600.0
_NESTED = ("state_dict", "model")
_REFUSED = 3  # exit code of the child when it has said why
_PACKAGE_ROOT = Path(__file__).resolve().parents[1]
# Not `-m`: the package may be importable from this file's place alone.
_START = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); "
    "from exporters.weights_child import main; main()"
)
_HEAD_BYTES = 1 << 16


def run_child(source: Path, target: Path) -> str:
    """Convert in a child. Returns what was taken, in words; see convert_weights."""
    from exporters.atomic import atomic_path

    _refuse_foreign(source)
    if target.exists() and target.samefile(source):
        cure = f"name another file, such as {source.with_suffix('.safetensors').name}"
        raise InputError("would be written over itself", where=str(source), cure=cure)
    with atomic_path(target) as temporary, tempfile.TemporaryDirectory() as scratch:
        said = Path(scratch) / "said.json"
        # Absolute paths and -P: the current folder may hold packages of our names, or a torch.py.
        command = [
            *(sys.executable, "-P", "-c", _START, str(_PACKAGE_ROOT)),
            *(str(source.resolve()), str(temporary.resolve()), str(said)),
        ]
        try:
            done = subprocess.run(
                command,
                cwd=scratch,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as exc:
            what = f"reading it took more than {_TIMEOUT_S:.0f} s"
            raise DistilError(what, where=str(source), cure="check the file") from exc
        answer: dict[str, str] = {}
        if said.is_file():
            answer = json.loads(said.read_text(encoding="utf-8"))
        if done.returncode == _REFUSED and "refused" in answer:
            raise InputError(answer["refused"], where=str(source), cure=answer["cure"])
        if done.returncode != 0 or "taken" not in answer:
            raise DistilError(_death(done), where=str(source), cure="check the file, or torch")
        return answer["taken"]


def _refuse_foreign(source: Path) -> None:
    """Say at once what a file is that is plainly no pickle."""
    if not source.is_file():
        what = "is no plain file" if source.exists() else "no such file"
        raise InputError(what, where=str(source), cure="check the path")
    try:
        with source.open("rb") as stream:
            head = stream.read(_HEAD_BYTES)
    except OSError as exc:
        what = f"can't be read: {exc.strerror or exc}"
        raise InputError(what, where=str(source), cure="check its rights") from exc
    if is_safetensors(head):
        cure = "use it as it is"
        raise InputError("is a safetensors file already", where=str(source), cure=cure)
    looks = looks_like(head)
    if looks is not None and "pickle" not in looks.what:
        what = f"is {looks.what.replace('not an ONNX model', 'not a file of torch weights')}"
        raise InputError(what, where=str(source), cure="give a file written by `torch.save`")


def _death(done: subprocess.CompletedProcess[bytes]) -> str:
    if done.returncode < 0:
        try:
            name = signal.Signals(-done.returncode).name
        except ValueError:
            name = f"signal {-done.returncode}"
        return f"reading it ended by {name}"
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return f"reading it failed: {lines[-1][:200] if lines else f'exit code {done.returncode}'}"


def main() -> None:
    """The child: source, target and the answer's file from the command line."""
    source, target, said = sys.argv[1:4]
    try:
        taken, tensors = read_tensors(source)
    except Refusal as refusal:
        answer = {"refused": refusal.what, "cure": refusal.cure}
        Path(said).write_text(json.dumps(answer), encoding="utf-8")
        raise SystemExit(_REFUSED) from None
    from exporters.weights import save_bytes

    with open(target, "wb") as stream:
        stream.write(save_bytes(tensors))
        stream.flush()
        os.fsync(stream.fileno())
    Path(said).write_text(json.dumps({"taken": taken}), encoding="utf-8")


class Refusal(Exception):
    """Something in the file that is no tensor: what, and the cure."""

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(what)
        self.what, self.cure = what, cure


def read_tensors(source: str) -> tuple[str, dict[str, Any]]:
    """What was taken, in words, and its tensors. Raises Refusal."""
    import pickle

    import torch

    try:
        held = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as exc:
        cure = "save `module.state_dict()` alone, where the module is at home"
        raise Refusal(f"holds more than tensors: {_global(str(exc))}", cure) from exc
    except (EOFError, RuntimeError, ValueError, KeyError, OSError, AttributeError) as exc:
        text = (str(exc).strip().splitlines() or [type(exc).__name__])[0][:160]
        raise Refusal(f"is no whole file of torch weights: {text}", "copy it again") from exc
    taken = "the whole file"
    if isinstance(held, dict):
        for key in _NESTED:
            if isinstance(held.get(key), dict):
                taken, held = f"the entry `{key}`", held[key]
                break
    return taken, _tensors(held, taken)


def _tensors(held: Any, taken: str) -> dict[str, Any]:
    import torch

    cure = "save `module.state_dict()` alone"
    if not isinstance(held, dict) or not held:
        kind = "an empty dict" if isinstance(held, dict) else type(held).__name__
        raise Refusal(f"{taken} is {kind}, not a state dict", cure)
    for name, value in held.items():
        if not isinstance(name, str):
            raise Refusal(f"{taken} has the key {name!r:.60}, which is no name", cure)
        if not isinstance(value, torch.Tensor):
            what = f"{taken} holds `{name[:80]}`, which is {type(value).__name__} and no tensor"
            raise Refusal(what, cure)
        if value.is_quantized or value.layout != torch.strided or value.is_meta:
            raise Refusal(f"{taken} holds `{name[:80]}`, which is no dense tensor", cure)
    return held


def _global(message: str) -> str:
    """The name in torch's refusal: "Unsupported global: GLOBAL posix.system was not ..."."""
    words = message.split()
    for mark in ("GLOBAL", "class"):
        if mark in words[:-1]:
            return f"`{words[words.index(mark) + 1][:80].strip('`,.')}`"
    return " ".join(words)[:120]
