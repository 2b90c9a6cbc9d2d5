"""IDX and npz: what is read, and that nothing damaged or hostile is."""

from __future__ import annotations

import gzip
import io
import pickle
import resource
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compress.errors import InputError
from compress.tasks.idx import parse_idx, read_idx
from compress.tasks.npz import read_npz

_CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}
NAMES = ("train_images", "train_labels")


def idx_bytes(array: np.ndarray, shape: tuple[int, ...] | None = None) -> bytes:
    shape = array.shape if shape is None else shape
    code = _CODES[array.dtype.str[1:]]
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, code, len(shape), *shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.mark.parametrize("kind", list(_CODES))
@pytest.mark.parametrize("packed", [False, True])
def test_idx_of_every_type_is_read(kind: str, packed: bool, tmp_path: Path) -> None:
    array = (np.arange(24).reshape(2, 3, 4) - (0 if kind == "u1" else 12)).astype(kind)
    data = idx_bytes(array)
    (tmp_path / "a").write_bytes(gzip.compress(data) if packed else data)
    found = read_idx(tmp_path / "a")
    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize("packed", [False, True])
def test_every_truncation_is_refused(packed: bool, tmp_path: Path) -> None:
    data = idx_bytes(np.random.default_rng(0).integers(0, 256, (3, 5, 4), dtype=np.uint8))
    stored = gzip.compress(data) if packed else data
    for length in range(len(stored)):
        (tmp_path / "cut").write_bytes(stored[:length])
        with pytest.raises(InputError):
            read_idx(tmp_path / "cut")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"<!doctype html><html>", "HTML page"),
        (b"PK\x03\x04rest", "zip"),
        (b"version https://git-lfs", "git lfs pull"),
        (b"\x00\x00\x07\x01\x00\x00\x00\x00", "not an IDX"),
        (b"\x00\x00\x08\x00", "0 axes"),
        (b"\x00\x00\x08\xff" + b"\x00" * 8, "255 axes"),
        (idx_bytes(np.zeros(4, np.uint8)) + b"x", "longer than its header"),
        (gzip.compress(idx_bytes(np.zeros(4, np.uint8)) + b"x", mtime=0), "longer than its header"),
        (gzip.compress(idx_bytes(np.zeros(4, np.uint8)), mtime=0)[:-4] + b"abcd", "damaged"),
    ],
)
def test_what_is_no_idx_file_is_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(data)
    with pytest.raises(InputError, match=reason) as caught:
        read_idx(tmp_path / "bad")
    assert str(tmp_path / "bad") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("packed", [False, True])
def test_a_header_can_not_make_us_allocate(packed: bool, tmp_path: Path) -> None:
    data = idx_bytes(np.zeros(4, np.float64), (2**32 - 1, 2**32 - 1, 2**32 - 1))
    (tmp_path / "huge").write_bytes(gzip.compress(data) if packed else data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match="can't hold them"):
        read_idx(tmp_path / "huge")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_idx(tmp_path / "absent")
    with pytest.raises(InputError, match="No such file"):
        read_npz(tmp_path / "absent.npz", names=NAMES)


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=64), packed=st.booleans())
def test_random_bytes_are_refused_or_read_whole(data: bytes, packed: bool) -> None:
    data = b"\0\0" + data
    stored = gzip.compress(data) if packed else data
    try:
        found = parse_idx(io.BytesIO(stored), where="x", stored_bytes=len(stored))
    except InputError:
        return
    assert 4 + 4 * found.ndim + found.nbytes == len(data)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("order", ["C", "F"])
def test_npz_is_read(packed: bool, order: str, tmp_path: Path) -> None:
    images = np.asarray(np.arange(24, dtype=">f4").reshape(2, 3, 4), order=order)
    save = np.savez_compressed if packed else np.savez
    save(tmp_path / "a.npz", train_images=images, train_labels=np.array([1, 0]))
    found = read_npz(tmp_path / "a.npz", names=NAMES)
    np.testing.assert_array_equal(found["train_images"], images)
    assert found["train_images"].dtype == np.float32
    assert found["train_images"].flags.c_contiguous
    assert found["train_labels"].tolist() == [1, 0]


def test_other_names_are_listed(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x_train=np.zeros(2), train_labels=np.zeros(2))
    with pytest.raises(InputError, match=r"'x_train'; keep these names alone: train_images"):
        read_npz(tmp_path / "a.npz", names=NAMES)


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


def test_a_pickle_in_an_npz_is_refused_and_not_run(tmp_path: Path) -> None:
    pwned = tmp_path / "pwned"
    objects = np.empty(1, dtype=object)
    objects[0] = Touch(pwned)
    np.savez(tmp_path / "a.npz", train_images=objects)
    with pytest.raises(InputError, match="Python objects"):
        read_npz(tmp_path / "a.npz", names=NAMES)
    (tmp_path / "b.npz").write_bytes(pickle.dumps(Touch(pwned)))
    with pytest.raises(InputError, match="not an npz file"):
        read_npz(tmp_path / "b.npz", names=NAMES)
    assert not pwned.exists()


def _member(path: Path, data: bytes, name: str = "train_images.npy") -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)


def _npy(shape: tuple[int, ...], payload: bytes, descr: str = "|u1") -> bytes:
    stream = io.BytesIO()
    head = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, head)
    return stream.getvalue() + payload


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not a .npy"),
        (b"random bytes and more", "not a .npy"),
        (_npy((2**31, 2**31), b"1234"), "asks for"),
        (_npy((4,), b"123"), "asks for"),
        (_npy((4,), b"12345"), "asks for"),
        (_npy((1,), b"1234", "<U1"), "not numbers"),
        (_npy((-4,), b""), "asks for|not a .npy"),
    ],
)
def test_a_member_must_be_what_its_header_says(data: bytes, reason: str, tmp_path: Path) -> None:
    _member(tmp_path / "a.npz", data)
    with pytest.raises(InputError, match=reason) as caught:
        read_npz(tmp_path / "a.npz", names=NAMES)
    assert "train_images" in str(caught.value)


def test_members_that_would_leave_the_folder_are_refused(tmp_path: Path) -> None:
    for name in ("../train_images.npy", "/etc/passwd", "a/../../train_labels.npy"):
        _member(tmp_path / "a.npz", _npy((1,), b"1"), name)
        with pytest.raises(InputError, match="keep these names alone"):
            read_npz(tmp_path / "a.npz", names=NAMES)
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_a_lie_about_sizes_is_refused(tmp_path: Path) -> None:
    """The directory of the archive claims 2 GiB for a few bytes."""
    path = tmp_path / "a.npz"
    _member(path, _npy((2**31 - 1,), b"1"))
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, central + 24, 2**31 - 1)
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged or hostile"):
        read_npz(path, names=NAMES)


def test_a_flipped_bit_or_cut_archive_is_refused_or_read_alike(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, 5), dtype=np.uint8)
    np.savez_compressed(tmp_path / "a.npz", train_images=images)
    whole = (tmp_path / "a.npz").read_bytes()
    for position in range(0, len(whole), 2):
        damaged = bytearray(whole)
        damaged[position] ^= 0x10
        for data in (bytes(damaged), whole[:position]):
            (tmp_path / "b.npz").write_bytes(data)
            try:
                found = read_npz(tmp_path / "b.npz", names=NAMES)
            except InputError:
                continue
            for array in found.values():  # a bit of the date, of a comment, ...
                np.testing.assert_array_equal(array, images)


def test_two_arrays_of_one_name_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("train_images.npy", _npy((1,), b"1"))
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("train_images.npy", _npy((1,), b"2"))
    with pytest.raises(InputError, match="two arrays of one name"):
        read_npz(tmp_path / "a.npz", names=NAMES)
