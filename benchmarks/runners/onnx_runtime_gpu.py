"""One ONNX model in onnxruntime on a GPU: its tensors bound to the device, each end synchronised.

Without binding, `session.run` allocates on every call, and whatever is measured is mostly that
(onnxruntime issue 8166).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.runners.cuda import CudaTimer, cuda_torch
from benchmarks.runners.onnx_runtime import session_inputs
from benchmarks.runners.runner import Call, Closing, DeviceCall, Feeds, check_feeds, closed
from exporters.placement import Node, placement
from exporters.session import PROVIDERS, open_session, runtime_error


class OnnxRuntimeGpuRunner(Closing):
    """A context manager. device: "cuda" or "tensorrt"; cpu_nodes: how many may run on the CPU.

    Raises RuntimeMissing (no provider, no device), DistilError (nodes that would run elsewhere).
    """

    def __init__(self, path: Path, *, threads: int, device: str, cpu_nodes: int = 0) -> None:
        self._torch = cuda_torch()
        # A stream that we know: events on any other would time nothing.
        self._stream = self._torch.cuda.Stream(device=0)
        self._session: Any = open_session(
            path,
            threads=threads,
            device=device,
            cpu_nodes=cpu_nodes,
            stream=int(self._stream.cuda_stream),
        )
        self._device, self._provider = device, PROVIDERS[device]

    @property
    def fallback_nodes(self) -> tuple[str, ...] | None:
        """Nodes on another provider than the one asked for."""
        if not hasattr(self._session, "get_provider_graph_assignment_info"):
            return None
        nodes: tuple[Node, ...] = placement(self._session)
        return tuple(
            f"{node} on {node.provider}" for node in nodes if node.provider != self._provider
        )

    def close(self) -> None:
        """Free the session and its memory on the device."""
        self._session = None

    def explain(self, error: Exception) -> Exception:
        """Memory of the device, or what it could not do."""
        return runtime_error(error, where="", device=self._device)

    def prepare(self, feeds: Feeds) -> Call:
        """Copies in, run, copies out: what a server pays that holds its data on the host."""
        session, binding, inputs = self._bound(feeds)

        def call() -> Any:
            for held, array in inputs:
                held.update_inplace(array)
            # The copies may go by another stream (onnxruntime issue 32673: wrong results).
            binding.synchronize_inputs()
            session.run_with_iobinding(binding)
            binding.synchronize_outputs()
            return binding.copy_outputs_to_cpu()

        return call

    def prepare_on_device(self, feeds: Feeds) -> DeviceCall | None:
        """The run alone, its inputs and outputs on the device."""
        session, binding, _ = self._bound(feeds)
        binding.synchronize_inputs()
        return DeviceCall(
            call=lambda: session.run_with_iobinding(binding),
            timer=CudaTimer(self._torch, self._stream),
        )

    def _bound(self, feeds: Feeds) -> tuple[Any, Any, list[tuple[Any, Any]]]:
        if self._session is None:
            raise closed()
        check_feeds(session_inputs(self._session), feeds)
        binding = self._session.io_binding()
        inputs = []
        for name, array in feeds.items():
            held = onnxruntime.OrtValue.ortvalue_from_numpy(array, "cuda", 0)
            binding.bind_ortvalue_input(name, held)
            inputs.append((held, array))
        for found in self._session.get_outputs():
            binding.bind_output(found.name, "cuda", 0)
        return self._session, binding, inputs
