"""The one place that makes an InferenceSession, and that says in one line why one failed."""

from __future__ import annotations

import os
import re
from pathlib import Path

import onnxruntime

from exporters.builds import check_builds
from exporters.cpus import check_threads
from exporters.errors import (
    DistilError,
    InputError,
    MachineFailed,
    RefusedModel,
    RuntimeMissing,
)
from exporters.placement import CPU, RECORD, check_placement, placement

# Exceptions of onnxruntime share no base class but Exception; their names are all there is.
_REFUSED = frozenset({"InvalidProtobuf", "InvalidGraph", "InvalidArgument", "NoModel", "Fail"})
_MEMORY = re.compile(r"bad.?alloc|failed to allocate|out of memory|bfcarena", re.IGNORECASE)
# "[ONNXRuntimeError] : 1 : FAIL : " and the C++ source that RuntimeException puts first.
_NOISE = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : |/\S+\.(?:cc|h):\d+ \S.*?\) (?=\S)")
PROVIDERS = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
_Providers = list[str | tuple[str, dict[str, str]]]


def runs_on(device: str) -> bool:
    """Whether this onnxruntime was built for a device: "cpu", "cuda" or "tensorrt"."""
    return PROVIDERS[device] in onnxruntime.get_available_providers()


def open_session(
    path: str | os.PathLike[str],
    *,
    threads: int = 1,
    device: str = "cpu",
    spinning: bool = False,
    cpu_nodes: int = 0,
    stream: int | None = None,
) -> onnxruntime.InferenceSession:
    """A session on one device alone: sequential, one thread pool, all graph optimisations.

    path: a file that open_artifact has passed. device: "cpu", "cuda", "tensorrt" or "cuda:1"; on a
    GPU more than cpu_nodes nodes on the CPU are an error (TensorRT may leave nodes to CUDA).
    spinning: whether idle threads busy-wait. stream: the handle of a CUDA stream to run on. Raises
    InputError (threads, device), RefusedModel, RuntimeMissing (no such provider), DistilError.
    """
    check_builds()
    check_threads(threads)
    providers = _providers(device, stream)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = 3  # errors only
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(spinning)))
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    recorded = hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info")
    if device != "cpu":
        if recorded:
            options.add_session_config_entry(RECORD, "1")
        elif cpu_nodes:
            what = f"onnxruntime {onnxruntime.__version__} can't say which nodes run on the CPU"
            raise RuntimeMissing(what, cure="install onnxruntime 1.24 or newer")
        else:
            options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    try:
        # Without enable_fallback=0 a failure prints to stdout and is tried again on the CPU.
        session = onnxruntime.InferenceSession(
            _source(Path(path)), sess_options=options, providers=providers, enable_fallback=0
        )
    except Exception as exc:  # no common base class: see _REFUSED
        raise runtime_error(exc, where=os.fsdecode(path), device=device) from exc
    wanted, found = PROVIDERS[device.partition(":")[0]], session.get_providers()
    where = os.fsdecode(path)
    if found[0] != wanted:
        what = f"onnxruntime took {found[0]} where {wanted} was asked for"
        raise RuntimeMissing(what, where=where, cure="check the CUDA libraries")
    if device != "cpu" and recorded:
        nodes = placement(session)
        check_placement(nodes, provider=wanted, cpu_nodes=cpu_nodes, device=device, where=where)
    return session


def runtime_error(exc: Exception, *, where: str, device: str = "cpu") -> DistilError:
    """The one line for an exception that onnxruntime raised while it loaded or ran a model."""
    if isinstance(exc, DistilError):
        return exc
    kind, said = type(exc).__name__, _one_line(str(exc)) or type(exc).__name__
    if isinstance(exc, MemoryError) or _MEMORY.search(said):
        cure = "use a smaller batch or give it more memory"
        return MachineFailed(f"out of memory on {device}: {said}", where=where, cure=cure)
    if kind == "NoSuchFile":
        return InputError("no such file", where=where, cure="check the path")
    if kind == "NotImplemented":
        cure = "export it in another form, or use a newer onnxruntime"
        return RefusedModel(f"onnxruntime has no kernel: {said}", where=where, cure=cure)
    if device != "cpu":
        cure = "run it on the CPU, or change what has no form on this device"
        return DistilError(f"onnxruntime failed on {device}: {said}", where=where, cure=cure)
    if kind in _REFUSED:
        return RefusedModel(f"onnxruntime refuses it: {said}", where=where, cure="export it again")
    return DistilError(f"onnxruntime failed: {said}", where=where)


def _providers(device: str, stream: int | None) -> _Providers:
    kind, _, index = device.partition(":")
    if kind not in PROVIDERS or (index and (kind == "cpu" or not index.isdecimal())):
        raise InputError(f"unknown device {device!r}", cure="cpu, cuda, tensorrt or cuda:N")
    if kind == "cpu":
        return [CPU]
    if PROVIDERS[kind] not in onnxruntime.get_available_providers():
        have = ", ".join(onnxruntime.get_available_providers())
        what = f"device {device}: this onnxruntime has no {PROVIDERS[kind]} (it has {have})"
        raise RuntimeMissing(what, cure="install onnxruntime-gpu and a CUDA driver, or use cpu")
    options = {"device_id": index or "0"}
    if stream is not None:
        options["user_compute_stream"] = str(stream)
    cuda = (PROVIDERS["cuda"], options)
    return [cuda] if kind == "cuda" else [(PROVIDERS[kind], dict(options)), cuda]


def _source(path: Path) -> str | bytes:
    """The path, or the file's bytes where onnxruntime can't take the name: it wants UTF-8."""
    text = os.path.abspath(path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        try:
            return Path(text).read_bytes()
        except OSError as exc:
            where, what = os.fsdecode(path), f"can't be read: {exc.strerror}"
            raise InputError(what, where=where, cure="check the path") from exc
    return text


def _one_line(text: str, limit: int = 300) -> str:
    plain = " ".join(_NOISE.sub("", text).split())
    return plain.encode("ascii", "backslashreplace").decode()[:limit]
