"""`distil convert`: a pickle is read in a child process, and leaves tensors or one line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from exporters import weights_child
from exporters.errors import DistilError, InputError
from exporters.weights import convert_weights, load_weights
from exporters.weights_child import Refusal, read_tensors


class Planted:
    """Runs a command when it is unpickled without care."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


def test_a_state_dict_becomes_safetensors(tmp_path: Path) -> None:
    shared = torch.arange(4.0)
    held = {"a": shared, "tied": shared, "half": torch.ones(2, 2, dtype=torch.bfloat16).T}
    torch.save(held, tmp_path / "in.pt")
    assert convert_weights(tmp_path / "in.pt", tmp_path / "out") == "the whole file"
    loaded = load_weights(tmp_path / "out")
    assert all(torch.equal(loaded[name], held[name]) for name in held)
    assert loaded["half"].dtype == torch.bfloat16


@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_dict_inside_is_found_and_named(tmp_path: Path, zipped: bool) -> None:
    held = {"epoch": 3, "state_dict": nn.Linear(2, 3).state_dict(), "note": "x"}
    torch.save(held, tmp_path / "in.pt", _use_new_zipfile_serialization=zipped)
    taken, tensors = read_tensors(str(tmp_path / "in.pt"))
    assert taken == "the entry `state_dict`"
    assert sorted(tensors) == ["bias", "weight"]


def test_a_file_is_not_written_over_itself(tmp_path: Path) -> None:
    source, other = tmp_path / "in.pt", tmp_path / "linked.pt"
    torch.save({"w": torch.zeros(1)}, source)
    other.symlink_to(source)
    before = source.read_bytes()
    for target in (source, other):
        with pytest.raises(InputError, match="written over itself"):
            convert_weights(source, target)
    assert source.read_bytes() == before


def test_a_malicious_pickle_is_refused_by_name_and_leaves_no_trace(tmp_path: Path) -> None:
    trace, target = tmp_path / "pwned", tmp_path / "out"
    target.write_bytes(b"earlier")
    torch.save({"w": torch.zeros(1), "x": Planted(f"touch {trace}")}, tmp_path / "in.pt")
    with pytest.raises(InputError, match=r"holds more than tensors: `(posix|nt|os)\.system`"):
        convert_weights(tmp_path / "in.pt", target)
    assert not trace.exists()
    assert target.read_bytes() == b"earlier"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in.pt", "out"]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"w": torch.zeros(1), "lr": 0.1}, "`lr`, which is float and no tensor"),
        ({"model": {"w": 3}}, "the entry `model` holds `w`, which is int"),
        ([torch.zeros(1)], "is list, not a state dict"),
        ({}, "is an empty dict"),
        ({0: torch.zeros(1)}, "the key 0"),
    ],
    ids=["number", "nested", "list", "empty", "key"],
)
def test_anything_else_is_refused_by_name(tmp_path: Path, held: Any, said: str) -> None:
    torch.save(held, tmp_path / "in.pt")
    with pytest.raises(Refusal) as caught:
        read_tensors(str(tmp_path / "in.pt"))
    assert said in caught.value.what


def test_files_of_another_kind_never_reach_the_child(tmp_path: Path) -> None:
    source, target = tmp_path / "in.pt", tmp_path / "out"
    with pytest.raises(InputError, match="no such file"):
        convert_weights(source, target)
    for content, said in (
        (b"", "empty file"),
        (b"<html>", "an HTML page, not a file of torch weights"),
        (b"\x02" + b"\x00" * 7 + b"{}", "is a safetensors file already"),
    ):
        source.write_bytes(content)
        with pytest.raises(InputError, match=said):
            convert_weights(source, target)
    assert not target.exists()


def test_a_truncated_file_is_one_line(tmp_path: Path) -> None:
    torch.save({"w": torch.zeros(1000)}, tmp_path / "in.pt")
    data = (tmp_path / "in.pt").read_bytes()
    (tmp_path / "in.pt").write_bytes(data[: len(data) // 2])
    with pytest.raises(Refusal, match="no whole file of torch weights") as caught:
        read_tensors(str(tmp_path / "in.pt"))
    assert "\n" not in caught.value.what


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "reading it ended by SIGKILL"),
        ("raise MemoryError('no room')", "reading it failed: MemoryError: no room"),
        ("", "reading it failed: exit code 0"),
    ],
    ids=["killed", "error", "silent"],
)
def test_a_dying_child_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, said: str
) -> None:
    torch.save({"w": torch.zeros(1)}, tmp_path / "in.pt")
    monkeypatch.setattr(weights_child, "_START", program)
    with pytest.raises(DistilError) as caught:
        convert_weights(tmp_path / "in.pt", tmp_path / "out")
    assert said in str(caught.value)
    assert caught.value.exit_code == 4
    assert not (tmp_path / "out").exists()


def test_folders_with_our_names_in_the_current_folder_are_not_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("exporters", "torch"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('wrong one')")
    torch.save({"w": torch.ones(2)}, tmp_path / "in.pt")
    monkeypatch.chdir(tmp_path)
    convert_weights("in.pt", "out")
    assert torch.equal(load_weights("out")["w"], torch.ones(2))
