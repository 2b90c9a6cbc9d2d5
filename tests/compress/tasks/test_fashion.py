"""Fashion-MNIST is found, fetched once, verified each time, and never kept broken."""

from __future__ import annotations

import gzip
import hashlib
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from compress.errors import DistilError, InputError
from compress.tasks.download import Limits, fetch
from compress.tasks.fashion import load_fashion
from exporters.events import Event
from tests.compress.tasks.debian_tools import APT, FAULTS, NO_TOOLS, programs, unpack_from


def _idx(shape: tuple[int, ...], seed: int) -> bytes:
    values = np.random.default_rng(seed).integers(0, 10, shape, dtype=np.uint8)
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + values.tobytes()


# A small set under the names of the real one: the code is the same, its pins an argument.
SMALL = {
    "train-images-idx3-ubyte": _idx((60, 4, 4), 1),
    "train-labels-idx1-ubyte": _idx((60,), 2),
    "t10k-images-idx3-ubyte": _idx((10, 4, 4), 3),
    "t10k-labels-idx1-ubyte": _idx((10,), 4),
}
PINS = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in SMALL.items()}
DEBIAN = "/usr/share/datasets/fashion-mnist"
PATIENT = Limits(wait_seconds=60.0)  # a machine may stall where the server does not
QUICK = Limits(wait_seconds=0.3)


class Server(BaseHTTPRequestHandler):
    """Serves SMALL; `fault` spoils the answers."""

    fault = ""
    requests: list[str]

    def do_GET(self) -> None:
        type(self).requests.append(self.path)
        data = gzip.compress(SMALL[Path(self.path).name.removesuffix(".gz")], mtime=1)
        if self.fault == "status":
            self.send_error(503)
            return
        if self.fault == "wrong":
            data = gzip.compress(b"\0\0\x08\x01\0\0\0\x01x")
        if self.fault == "page":
            data = b"<html>sign in to this network</html>"
        self.send_response(200)
        if self.fault != "no length":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.fault == "truncated":
            data = data[: len(data) // 2]
        if self.fault == "flipped":
            data = data[:20] + bytes([data[20] ^ 4]) + data[21:]
        self.wfile.write(data[:10])
        if self.fault == "stalls":
            self.wfile.flush()
            time.sleep(1.0)
        self.wfile.write(data[10:])

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(fault: str = "") -> Iterator[tuple[str, list[str]]]:
    requests: list[str] = []
    handler = type("Handler", (Server,), {"fault": fault, "requests": requests})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/", requests
        finally:
            server.shutdown()
            thread.join()


def _load(cache: Path, **more: Any) -> dict[str, np.ndarray]:
    defaults: dict[str, Any] = {
        "folder": None,
        "debian_folder": cache / "no debian here",
        "address": "http://127.0.0.1:9/",
        "tools": NO_TOOLS,
        "limits": PATIENT,
        "contents": PINS,
    }
    return load_fashion(cache=cache, **(defaults | more))


def _check(arrays: dict[str, np.ndarray]) -> None:
    assert {name: array.tobytes() for name, array in arrays.items()} == {
        name: data[4 + 4 * data[3] :] for name, data in SMALL.items()
    }


def _write(folder: Path, *, packed: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in SMALL.items():
        path = folder / (f"{name}.gz" if packed else name)
        path.write_bytes(gzip.compress(data, 9) if packed else data)
    return folder


@pytest.mark.parametrize("fault", ["", "no length"])
def test_a_download_is_kept_and_used_offline_ever_after(fault: str, tmp_path: Path) -> None:
    events: list[Event] = []
    with serving(fault) as (address, requests):
        _check(_load(tmp_path, address=address, on_event=events.append))
        assert sorted(requests) == sorted(f"/{name}.gz" for name in SMALL)
    assert [event.kind for event in events] == ["progress", "progress"]
    _check(_load(tmp_path))  # the server is gone


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("truncated", "download broke off"),
        ("flipped", "damaged|not the file"),
        ("wrong", "is not the file of Fashion-MNIST"),
        ("page", "is not the file of Fashion-MNIST"),
        ("stalls", "timed out"),
        ("status", "the server answers 503"),
    ],
)
def test_a_broken_download_is_refused_and_not_kept(fault: str, reason: str, tmp_path: Path) -> None:
    with (
        serving(fault) as (address, _),
        pytest.raises(InputError, match=reason) as caught,
    ):
        _load(tmp_path, address=address, limits=QUICK if fault == "stalls" else PATIENT)
    said = str(caught.value)
    assert "\n" not in said
    assert "install the Debian package dataset-fashion-mnist" in said
    assert "--data" in said
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    with serving() as (address, _):  # the same cache, once the fault is gone
        _check(_load(tmp_path, address=address))


def test_nothing_listening_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no-such-apt-get.*download failed"):
        _load(tmp_path)


def test_a_server_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = f"http://127.0.0.1:{deaf.getsockname()[1]}/file"
        with pytest.raises(DistilError, match="timed out"):
            fetch(address, limits=QUICK)


def test_limits_of_time_and_size_hold() -> None:
    with serving() as (address, _):
        with pytest.raises(DistilError, match="refused"):
            fetch(f"{address}train-images-idx3-ubyte.gz", limits=Limits(most_bytes=100))
        with pytest.raises(DistilError, match="too slow"):
            fetch(f"{address}train-images-idx3-ubyte.gz", limits=Limits(total_seconds=0.0))
    with serving("no length") as (address, _), pytest.raises(DistilError, match="more than 100"):
        fetch(f"{address}train-images-idx3-ubyte.gz", limits=Limits(most_bytes=100))


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1/x", "/etc/passwd"])
def test_other_schemes_are_refused(address: str) -> None:
    with pytest.raises(DistilError, match="not an http address"):
        fetch(address, limits=QUICK)


def test_a_damaged_copy_in_the_cache_is_fetched_again(tmp_path: Path) -> None:
    kept = _write(tmp_path / "data" / "fashion-mnist")
    path = kept / "train-images-idx3-ubyte.gz"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(InputError, match="damaged or truncated gzip"):
        _load(tmp_path)
    with serving() as (address, _):
        _check(_load(tmp_path, address=address))
    _check(_load(tmp_path))


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("inner", ["", "fashion-mnist"])
def test_the_folder_of_the_user_is_read_whatever_its_compression(
    packed: bool, inner: str, tmp_path: Path
) -> None:
    _write(tmp_path / "own" / inner, packed=packed)
    _check(_load(tmp_path / "cache", folder=tmp_path / "own"))
    assert not (tmp_path / "cache").exists()


def test_a_folder_of_the_user_is_not_passed_over(tmp_path: Path) -> None:
    """Who names a folder wants those files, and not others from elsewhere."""
    good = _write(tmp_path / "debian")
    for folder, reason in ((tmp_path / "absent", "no such folder"), (tmp_path, "has no train-im")):
        with pytest.raises(InputError, match=reason):
            _load(tmp_path / "cache", folder=folder, debian_folder=good)
    other = _write(tmp_path / "other")
    (other / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(_idx((10,), 5)))
    with pytest.raises(InputError, match=r"t10k-labels-idx1-ubyte.gz: is not the file of Fashion"):
        _load(tmp_path / "cache", folder=other, debian_folder=good)


def test_debian_files_need_no_cache(tmp_path: Path) -> None:
    _check(_load(tmp_path / "cache", debian_folder=_write(tmp_path / "debian")))
    assert not (tmp_path / "cache").exists()


def test_the_debian_package_is_unpacked_without_root(tmp_path: Path) -> None:
    tools = programs(tmp_path, apt=APT, dpkg=unpack_from(_write(tmp_path / "stock"), DEBIAN))
    cache = tmp_path / "cache"
    _check(_load(cache, tools=tools))
    names = sorted(path.name for path in cache.rglob("*") if path.is_file())
    assert names == sorted(f"{name}.gz" for name in SMALL)  # and no temporary folder
    _check(_load(cache))


@pytest.mark.parametrize(("apt", "dpkg", "reason"), FAULTS)
def test_apt_that_fails_leaves_the_download(
    apt: str, dpkg: str, reason: str, tmp_path: Path
) -> None:
    tools = programs(tmp_path, apt=apt, dpkg=dpkg)
    with pytest.raises(InputError, match=reason):
        _load(tmp_path / "cache", tools=tools)
    with serving() as (address, _):
        _check(_load(tmp_path / "cache", tools=tools, address=address))


def test_apt_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    started = tmp_path / "started"
    apt = f"sleep 600 & echo $$ $! > '{started}'; sleep 600"
    for limit_seconds in (0.3, 3.0, 30.0):  # a machine may stall before it has started
        tools = programs(tmp_path, apt=apt, dpkg="", limit_seconds=limit_seconds)
        with pytest.raises(InputError, match=f"took longer than {limit_seconds:g} s"):
            _load(tmp_path / "cache", tools=tools)
        if started.exists() and started.read_text():
            break
    hanging = [int(word) for word in started.read_text().split()]
    assert len(hanging) == 2
    deadline = time.monotonic() + 60
    while not all(map(_has_ended, hanging)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def _has_ended(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_cache_that_can_not_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(InputError, match="choose a cache folder"):
        _load(tmp_path / "cache")
