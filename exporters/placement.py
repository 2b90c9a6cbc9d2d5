"""On which provider each node of a session runs, and whether that is what was asked for.

onnxruntime puts a node that a device has no kernel for on the CPU, and says nothing: a number of
such a session is that of the copies between the two (onnxruntime issues 29669, 26932).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from exporters.errors import DistilError

CPU = "CPUExecutionProvider"
# Session option of onnxruntime 1.24 and later, without which there is nothing to read.
RECORD = "session.record_ep_graph_assignment_info"
_NAMED = 6  # nodes that an error lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of the optimised graph. Fused nodes have names that onnxruntime gave."""

    provider: str
    name: str
    operator: str

    def __str__(self) -> str:
        return f"{self.name or '(no name)'} ({self.operator})"


def placement(session: Any) -> tuple[Node, ...]:
    """Every node of a session that was made with RECORD set to "1"."""
    return tuple(
        Node(provider=str(part.ep_name), name=str(node.name), operator=str(node.op_type))
        for part in session.get_provider_graph_assignment_info()
        for node in part.get_nodes()
    )


def on_cpu(nodes: Iterable[Node]) -> tuple[Node, ...]:
    """Those that run on the CPU."""
    return tuple(node for node in nodes if node.provider == CPU)


def check_placement(
    nodes: Sequence[Node], *, provider: str, cpu_nodes: int, device: str, where: str
) -> None:
    """DistilError where more than cpu_nodes run on the CPU, or none on the provider asked for."""
    fallen = on_cpu(nodes)
    if len(fallen) > cpu_nodes:
        named = ", ".join(str(node) for node in fallen[:_NAMED])
        more = f" and {len(fallen) - _NAMED} more" if len(fallen) > _NAMED else ""
        allowed = f", {cpu_nodes} allowed" if cpu_nodes else ""
        what = f"{len(fallen)} of {len(nodes)} nodes would run on the CPU and not on {device}"
        cure = f"replace them, or allow them with `cpu_nodes` of at least {len(fallen)}"
        raise DistilError(f"{what}{allowed}: {named}{more}", where=where, cure=cure)
    if nodes and not any(node.provider == provider for node in nodes):
        found = ", ".join(sorted({node.provider for node in nodes}))
        what = f"no node would run on {provider}; all run on {found}"
        raise DistilError(what, where=where, cure=f"this model gains nothing from {device}")
