"""What is written down about the machine, read from a made-up one."""

from __future__ import annotations

import os
from pathlib import Path

from benchmarks.environment import machine_fingerprint, read_environment


def machine(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_x86_flags_that_choose_kernels_are_kept_and_the_rest_are_not(tmp_path: Path) -> None:
    cpuinfo = "processor\t: 0\nmodel name\t: Model X\nflags\t\t: fpu avx2 avx512_vnni sse4_1 mmx\n"
    found = read_environment(machine(tmp_path, {"proc/cpuinfo": cpuinfo}))
    assert found.cpu_model == "Model X"
    assert found.cpu_flags == ("sse4_1", "avx2", "avx512_vnni")
    assert found.governor is None


def test_arm_is_named_by_its_part(tmp_path: Path) -> None:
    cpuinfo = "Features\t: fp asimd i8mm\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n"
    found = machine_fingerprint(machine(tmp_path, {"proc/cpuinfo": cpuinfo}))
    assert found["cpu_model"] == "0x41 0xd40"
    assert found["cpu_flags"] == "asimd i8mm"


def test_memory_is_the_tightest_of_host_and_control_groups(tmp_path: Path) -> None:
    files = {
        "proc/meminfo": "MemTotal:       1000 kB\n",
        "proc/self/cgroup": "0::/a/b\n",
        "sys/fs/cgroup/a/memory.max": "300000\n",
        "sys/fs/cgroup/a/b/memory.max": "max\n",
    }
    assert read_environment(machine(tmp_path, files)).memory_bytes == 300_000
    old = {
        "proc/self/cgroup": "4:memory:/x\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "200000\n",
    }
    assert read_environment(machine(tmp_path, old)).memory_bytes == 200_000


def test_this_machine_is_described() -> None:
    found = read_environment()
    assert found.memory_bytes > 1 << 26
    assert 1 <= found.allowed_cpus <= len(os.sched_getaffinity(0))
    assert "numpy" in found.versions
    assert "onnx" in found.versions
    expected = {"cpu_model", "cpu_flags", "allowed_cpus", "architecture"}
    assert set(machine_fingerprint()) - {"gpus"} == expected


def test_gpus_and_their_driver_are_part_of_what_a_speed_depends_on(tmp_path: Path) -> None:
    files = {
        "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t Some GPU\nIRQ: 1\n",
        "proc/driver/nvidia/version": "NVRM version: 580.1\nGCC version: 12\n",
    }
    found = machine_fingerprint(machine(tmp_path, files))
    assert found["gpus"] == "Some GPU; NVRM version: 580.1"
    assert "gpus" not in machine_fingerprint(tmp_path / "none")
