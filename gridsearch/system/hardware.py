"""Find what this machine grants to this process: processors, memory, GPUs, and whether bfloat16 is native to them.

A container's limits count: two processors' worth of time on a machine of sixty-four are two.
"""

from __future__ import annotations

import contextlib
import math
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psutil

__all__ = ["Gpu", "gpus", "matrix_unit", "memory_available", "native_bfloat16", "processors"]

CGROUP_ROOT = Path("/sys/fs/cgroup")

BFLOAT16_FLAGS = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
"""What Linux calls the instructions: Intel's and AMD's, the last one ARM's."""

AMPERE = 8.0
"""The first compute capability with bfloat16 in its tensor cores."""


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU.

    Args:
        index: as ``CUDA_VISIBLE_DEVICES`` names it.
        compute_capability: such as 9.0.
    """

    index: str
    compute_capability: float


def processors() -> int:
    """Return how many processors this process may keep busy, 1 or more: by affinity and control group."""
    granted = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [quota for group in _control_groups() if (quota := _cpu_quota(group)) is not None]
    return max(1, min(granted, *(math.ceil(quota) for quota in quotas))) if quotas else granted


def memory_available() -> int:
    """Return bytes that can still be taken without swapping, or being killed by the control group's limit."""
    free: int = psutil.virtual_memory().available
    rooms = [room for group in _control_groups() if (room := _memory_room(group)) is not None]
    return max(0, min(free, *rooms)) if rooms else free


def _control_groups() -> Iterator[Path]:
    """Yield this process's control group (version 2) and those around it, as far as they can be seen from here."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
            number, _, path = line.split(":", 2)
            if number == "0":
                group = CGROUP_ROOT / path.lstrip("/")
                yield from (group, *(parent for parent in group.parents if parent.is_relative_to(CGROUP_ROOT)))


def _cpu_quota(group: Path) -> float | None:
    """Return processors' worth of time, or None where there is no limit."""
    with contextlib.suppress(OSError, ValueError):
        quota, period = (group / "cpu.max").read_text(encoding="ascii").split()
        return int(quota) / int(period)
    return None


def _memory_room(group: Path) -> int | None:
    """Return bytes below the limit, or None where there is none; file pages in use are as good as free."""
    with contextlib.suppress(OSError, ValueError):
        limit = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        facts = dict(line.split() for line in (group / "memory.stat").read_text(encoding="ascii").splitlines())
        return limit - used + int(facts.get("inactive_file", 0)) + int(facts.get("active_file", 0))
    return None


@cache
def gpus() -> tuple[Gpu, ...]:
    """Return the NVIDIA GPUs that this process may use: all, or what ``CUDA_VISIBLE_DEVICES`` leaves of them."""
    found = _list_gpus()
    if not found:
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return tuple(found)
    wanted = [name.strip() for name in visible.split(",") if name.strip() not in ("", "-1")]
    by_index = {gpu.index: gpu for gpu in found}
    weakest = min((gpu.compute_capability for gpu in found), default=0.0)
    return tuple(by_index.get(name, Gpu(name, weakest)) for name in wanted)  # by UUID: of whichever of them


def _list_gpus() -> list[Gpu]:
    """Return every GPU that NVIDIA's driver knows; none where there is no driver, or it does not answer."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    try:
        handles = map(pynvml.nvmlDeviceGetHandleByIndex, range(pynvml.nvmlDeviceGetCount()))
        capabilities = [pynvml.nvmlDeviceGetCudaComputeCapability(handle) for handle in handles]
        return [Gpu(str(index), float(f"{major}.{minor}")) for index, (major, minor) in enumerate(capabilities)]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


@cache
def native_bfloat16(*, with_gpus: bool = True) -> bool:
    """Return whether what trains here is made for bfloat16: all GPUs, or the processor where none is used."""
    if with_gpus and gpus():
        return all(gpu.compute_capability >= AMPERE for gpu in gpus())
    return bool(BFLOAT16_FLAGS & processor_flags())


@cache
def matrix_unit() -> bool:
    """Return whether the processor has a unit for matrices of bfloat16 (AMX), besides its vectors."""
    return "amx_bf16" in processor_flags()


def processor_flags() -> set[str]:
    """Return lower-case names of the processor's instruction sets; empty where they cannot be read (not Linux)."""
    if platform.system() != "Linux":
        return set()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, flags = line.partition(":")
            if name.strip() in ("flags", "Features"):
                return set(flags.lower().split())
    return set()
