"""What the own process of a training is given."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from compress.distill.launch import _environment

# Sixteen times 8 MiB, each written and freed, as the activations of a step are.
STEPS = """
import resource
import torch
faults = []
for step in range(8):
    held = [torch.zeros(2 << 20) for _ in range(16)]
    del held
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
print(faults[-1] - faults[3])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_memory_that_a_step_frees_stays_for_the_next_one() -> None:
    def faults(environment: dict[str, str]) -> int:
        done = subprocess.run(
            [sys.executable, "-c", STEPS],
            env={**environment, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=True,
        )
        return int(done.stdout)

    ours = _environment(cpu=True)
    given_back = {**ours, "MALLOC_MMAP_THRESHOLD_": "131072"}
    page = os.sysconf("SC_PAGE_SIZE")
    assert faults(given_back) > 4 * (64 << 20) / page  # most of 128 MiB, in each step
    assert faults(ours) < (8 << 20) / page


def test_a_users_own_setting_of_memory_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "4096")
    assert _environment(cpu=True)["MALLOC_TRIM_THRESHOLD_"] == "4096"
