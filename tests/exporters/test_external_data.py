"""External data: what leads out of the model's folder is refused before any file is opened."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
from tiny_models import conv_model, save, save_external, weight_bytes

from exporters.artifact import open_artifact
from exporters.errors import RefusedModel

OPENED: list[str] = []


def _record(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open":
        OPENED.append(str(arguments[0]))


sys.addaudithook(_record)  # can't be removed again; it only keeps names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """model/ with sub/ in it, and beside it a file that must never be read."""
    (tmp_path / "secret").write_bytes(weight_bytes())
    (tmp_path / "model" / "sub").mkdir(parents=True)
    return tmp_path / "model"


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("../secret", "leads out of the folder"),
        ("sub/../../secret", "leads out of the folder"),
        ("../../../../etc/passwd", "leads out of the folder"),
        ("/etc/passwd", "an absolute path"),
        ("C:\\x", "a Windows path"),
        ("c:secret", "a Windows path"),
        ("..\\secret", "a Windows path"),
        ("a\0b", "a NUL or control character"),
        ("a\nb", "a NUL or control character"),
        ("", "no location"),
        (".", "the folder itself"),
        ("*/_ORT_MEM_ADDR_/*", "a memory address"),
        ("sub", "in no plain file"),
        ("absent.data", "No such file"),
    ],
)
def test_locations_outside_are_refused_unopened(folder: Path, location: str, words: str) -> None:
    path = save_external(folder / "m.onnx", location=location)
    OPENED.clear()
    with pytest.raises(RefusedModel, match=words) as caught:
        open_artifact(path)
    assert "'w'" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not [name for name in OPENED if "secret" in name or "passwd" in name]


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "folder symlink"])
def test_links_are_refused_unopened(folder: Path, kind: str) -> None:
    location = "weights.data"
    if kind == "symlink":
        (folder / location).symlink_to("../secret")
    elif kind == "hardlink":
        os.link(folder.parent / "secret", folder / location)
    else:
        (folder / "out").symlink_to("..")
        location = "out/secret"
    path = save_external(folder / "m.onnx", location=location)
    OPENED.clear()
    with pytest.raises(RefusedModel, match="link") as caught:
        open_artifact(path)
    assert "cp -L" in caught.value.cure
    assert not [name for name in OPENED if name.endswith(("secret", "weights.data"))]


@pytest.mark.parametrize(
    ("offset", "length", "words"),
    [
        ("1", None, "external data end at byte 433"),
        ("0", "433", "names 433 bytes"),
        ("0", "431", "names 431 bytes"),
        ("-1", None, "the offset '-1'"),
        ("0", "-432", "the length '-432'"),
        (str(2**63), None, f"the offset '{2**63}'"),
        (str(2**63 - 1), None, "external data end at byte"),
        ("0", str(2**63), f"the length '{2**63}'"),
        ("1e3", None, "the offset '1e3'"),
        ("٣", None, "the offset"),
    ],
)
def test_offsets_and_lengths_must_fit_the_file(
    folder: Path, offset: str, length: str | None, words: str
) -> None:
    (folder / "weights.data").write_bytes(weight_bytes())
    path = save_external(folder / "m.onnx", offset=offset, length=length)
    OPENED.clear()
    with pytest.raises(RefusedModel, match=words):
        open_artifact(path)
    assert not [name for name in OPENED if name.endswith("weights.data")]


@pytest.mark.parametrize("key", ["__class__", "basepath", "Location"])
def test_undefined_keys_are_refused(folder: Path, key: str) -> None:
    (folder / "weights.data").write_bytes(weight_bytes())
    path = save_external(folder / "m.onnx", extra={key: "x"})
    with pytest.raises(RefusedModel, match=f"key '{key}'"):
        open_artifact(path)


def test_external_data_on_a_constant_of_a_subgraph_is_checked_too(folder: Path) -> None:
    from onnx import TensorProto, helper

    constant = helper.make_node("Constant", [], ["inner"], name="constant")
    tensor = TensorProto(data_type=1, dims=[108], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="../secret")
    constant.attribute.append(helper.make_attribute("value", tensor))
    branch = helper.make_graph(
        [constant], "branch", [], [helper.make_tensor_value_info("inner", 1, [108])]
    )
    choice = helper.make_node(
        "If", ["flag"], ["out"], name="if", then_branch=branch, else_branch=branch
    )
    graph = helper.make_graph(
        [choice],
        "g",
        [helper.make_tensor_value_info("flag", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("out", 1, [108])],
    )
    path = save(helper.make_model(graph, ir_version=10), folder / "m.onnx")
    with pytest.raises(RefusedModel, match=r"'constant'.*leads out of the folder"):
        open_artifact(path)


def test_size_and_digest_cover_external_data(folder: Path) -> None:
    data = folder / "sub" / "weights.data"
    data.write_bytes(b"pad!" + weight_bytes())
    path = save_external(folder / "m.onnx", location="sub/weights.data", offset="4", length="432")
    artifact = open_artifact(path)
    assert artifact.size_bytes == path.stat().st_size + 436
    assert artifact.parameters == 108
    data.write_bytes(b"pad?" + weight_bytes())
    assert open_artifact(path).digest != artifact.digest
    data.write_bytes(b"pad!" + weight_bytes())
    assert open_artifact(path).digest == artifact.digest


def test_without_external_data_the_digest_is_that_of_the_file(folder: Path) -> None:
    path = save(conv_model(), folder / "m.onnx")
    artifact = open_artifact(path)
    assert artifact.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert artifact.size_bytes == path.stat().st_size
