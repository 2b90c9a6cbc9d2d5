"""The committed baseline <-> JSON, and where a gate finds it: the working tree, or a git commit."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from compress.gate.baseline import BASELINE_SCHEMA, Baseline, BaselineState
from compress.gate.gate_file import LoadedGate
from compress.gate.sources import BaselineNode
from compress.report.codec import from_json, to_json
from compress.report.serialise import parse_json
from exporters.atomic import sha256_file, write_bytes, write_json
from exporters.errors import DistilError, InputError

_LIMIT_BYTES = 64 * 2**20
_GIT_S = 60


def find_baseline(gate: LoadedGate) -> BaselineState | None:
    """What a gate file's budgets `vs: baseline` are held against; None where there is no such one.

    Nothing is raised for a baseline that is missing, unreadable, of a newer schema or not the one
    that its model file is of: `problem` says it, and budgets are judged by that.
    """
    node = gate.baseline
    if node is None:
        return None
    try:
        found = _in_folder(node, gate) if node.ref is None else _in_commit(node, node.ref, gate)
        return replace(found, pinned=gate.pinned, by_task=_by_task(gate))
    except _NoBaseline as error:
        return BaselineState(
            stored=None,
            file_sha256=None,
            model=None,
            problem=str(error),
            missing=node.missing,
            pinned=gate.pinned,
        )


def _by_task(gate: LoadedGate) -> bool:
    feeds = gate.gate.feeds
    return gate.candidate is not None and feeds is not None and feeds.task is not None


def read_baseline(text: str, *, where: str) -> Baseline:
    """One baseline. Raises InputError where it is malformed or of a newer schema."""
    data = parse_json(text, where=where)
    schema = data.get("schema")
    if type(schema) is not int or schema < 1:
        raise InputError("is no baseline: it has no schema", where=where)
    if schema > BASELINE_SCHEMA:
        raise InputError(
            f"newer schema: {schema}, this distil reads up to {BASELINE_SCHEMA}; upgrade distil",
            where=where,
        )
    return from_json(Baseline, data, where=where)


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Atomically, in a form that diffs well."""
    write_json(path, to_json(baseline, where="baseline"))


class _NoBaseline(Exception):
    """Why there is none, in one line."""


def _in_folder(node: BaselineNode, gate: LoadedGate) -> BaselineState:
    store = gate.folder / node.store
    stored = None
    if store.exists():
        stored = _parse(_read(store), node.store)
    named = node.model or (stored.model if stored is not None else "")
    base = gate.folder if node.model else store.parent
    model = base / named if named else None
    name = f"of {stored.updated_at[:10]}" if stored is not None else (node.model or "")
    return replace(_state(node, stored, model, name), folder=store.parent)


def _in_commit(node: BaselineNode, ref: str, gate: LoadedGate) -> BaselineState:
    if not gate.folder.is_dir():
        raise _NoBaseline(f"{gate.folder} is no folder")
    commit = _git(gate.folder, "rev-parse", "--verify", "--end-of-options", f"{ref}^{{commit}}")
    if commit is None:
        raise _NoBaseline(f"{ref[:80]!r} is no commit here, or git is missing; is it fetched?")
    sha = commit.decode().strip()
    text = _git(gate.folder, "show", f"{sha}:./{node.store}")
    stored = _parse(text.decode("utf-8", "replace"), node.store) if text is not None else None
    named = node.model or (_beside(node.store, stored.model) if stored is not None else "")
    name = f"{ref}@{sha[:7]}"
    if not named:
        raise _NoBaseline(f"{name} has no {node.store}, and no `model` is named")
    return _state(node, stored, _checked_out(gate, sha, named), name)


def _beside(store: str, model: str) -> str:
    return str(Path(store).parent / model) if model else ""


def _checked_out(gate: LoadedGate, sha: str, named: str) -> Path | None:
    """The model of a commit as a file of its own, made once per content."""
    blob = _git(gate.folder, "rev-parse", "--verify", "--end-of-options", f"{sha}:./{named}")
    if blob is None:
        return None
    path = gate.measured / f"baseline-{blob.decode().strip()[:16]}.onnx"
    if not path.is_file():
        data = _git(gate.folder, "cat-file", "blob", blob.decode().strip())
        if data is None:
            raise _NoBaseline(f"{named} of {sha[:7]} can't be read; is the clone complete?")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)
    return path


def _state(
    node: BaselineNode, stored: Baseline | None, model: Path | None, name: str
) -> BaselineState:
    there = model is not None and model.is_file()
    if stored is None and not there:
        what = f"there is no {node.store}" + (f", and no {node.model}" if node.model else "")
        raise _NoBaseline(f"{what} ({name})" if node.ref else what)
    digest = sha256_file(model) if there and model is not None else None
    if stored is not None and digest not in (None, stored.facts.file_sha256):
        raise _NoBaseline(f"{model} is not the file that {node.store} was made from")
    if digest is None and stored is not None:
        digest = stored.facts.file_sha256
    return BaselineState(
        stored=stored, file_sha256=digest, model=model, missing=node.missing, name=name
    )


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise _NoBaseline(f"{path.name} is larger than 64 MiB")
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise _NoBaseline(f"{path.name} can't be read ({error})") from error


def _parse(text: str, name: str) -> Baseline:
    try:
        return read_baseline(text, where=name)
    except DistilError as error:
        raise _NoBaseline(f"{error.where}: {error.what}") from error


def _git(folder: Path, *arguments: str) -> bytes | None:
    """Standard output of git; None where it fails, or is not there."""
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=_GIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
