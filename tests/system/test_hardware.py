"""What the machine grants: read from files and programs that a container or another machine would have."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from gridsearch.config.sections import Training
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.system import hardware


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Nothing is remembered from another test, nor for one."""
    remembered = (hardware.gpus, hardware.native_bfloat16, hardware.matrix_unit)
    for answer in remembered:
        answer.cache_clear()
    yield
    for answer in remembered:
        answer.cache_clear()


@pytest.fixture
def groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Two control groups, one in the other."""
    outer, inner = tmp_path, tmp_path / "inner"
    inner.mkdir()
    monkeypatch.setattr(hardware, "_control_groups", lambda: iter([inner, outer]))
    return outer, inner


def test_the_tightest_quota_of_time_counts(groups: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)
    assert hardware.processors() == 64
    groups[1].joinpath("cpu.max").write_text("max 100000\n")
    assert hardware.processors() == 64
    groups[0].joinpath("cpu.max").write_text("250000 100000\n")
    assert hardware.processors() == 3
    groups[1].joinpath("cpu.max").write_text("10000 100000\n")
    assert hardware.processors() == 1


def test_the_tightest_limit_of_memory_counts_and_file_pages_are_free(groups: tuple[Path, Path]) -> None:
    free = hardware.memory_available()
    assert abs(free - psutil.virtual_memory().available) < 2**30
    for group, limit in zip(groups, ("max", str(100 * 2**20)), strict=True):
        group.joinpath("memory.max").write_text(limit)
        group.joinpath("memory.current").write_text(str(90 * 2**20))
        group.joinpath("memory.stat").write_text(f"anon 1\ninactive_file {20 * 2**20}\nactive_file {10 * 2**20}\n")
    assert hardware.memory_available() == 40 * 2**20


class FakeDriver:
    """NVIDIA's driver as ``pynvml`` shows it: GPUs by their capabilities, or a function that fails."""

    NVMLError = RuntimeError

    def __init__(self, *capabilities: tuple[int, int], fails: str = "") -> None:
        self.capabilities, self.fails, self.open = capabilities, fails, 0

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):  # of the import system
            raise AttributeError(name)
        if name == self.fails:
            return self.fail
        return {
            "nvmlInit": lambda: setattr(self, "open", self.open + 1),
            "nvmlShutdown": lambda: setattr(self, "open", self.open - 1),
            "nvmlDeviceGetCount": lambda: len(self.capabilities),
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetCudaComputeCapability": lambda handle: self.capabilities[handle],
        }[name]

    def fail(self, *arguments: object) -> None:
        raise self.NVMLError("the driver does not answer")


def drive(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_gpus_are_those_that_the_driver_and_the_environment_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drive(monkeypatch, driver := FakeDriver((9, 0), (7, 5)))
    assert hardware.gpus() == (hardware.Gpu("0", 9.0), hardware.Gpu("1", 7.5))
    assert not hardware.native_bfloat16(), "one of them cannot"
    assert driver.open == 0, "the driver was not closed again"
    for visible, expected in (("1", ["1"]), ("", []), ("-1", []), ("1,0", ["1", "0"]), ("GPU-abc", ["GPU-abc"])):
        hardware.gpus.cache_clear()
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        assert [gpu.index for gpu in hardware.gpus()] == expected
    hardware.gpus.cache_clear()
    hardware.native_bfloat16.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert hardware.native_bfloat16()
    monkeypatch.setattr(hardware, "processor_flags", set)
    assert not hardware.native_bfloat16(with_gpus=False), "of GPUs that are not used nothing follows"
    training = {"training": {"precision": "auto"}}
    for number, precision in ((0, "float32"), (1, "mixed_bfloat16")):
        config = SweepConfig.validate_tables(
            {"hparams": {"dropout": {"discrete": [0.1]}}, "sweep": {"gpus": number}, **training},
            where="test",
            folder=tmp_path,
        )
        assert config.settings_for({"dropout": 0.1}).training.precision == precision
        assert config.recipe()["training.precision"] == precision


@pytest.mark.parametrize(
    "fails",
    ["nvmlInit", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex", "nvmlDeviceGetCudaComputeCapability"],
)
def test_a_driver_that_does_not_answer_is_no_gpu(monkeypatch: pytest.MonkeyPatch, fails: str) -> None:
    drive(monkeypatch, driver := FakeDriver((9, 0), fails=fails))
    assert hardware.gpus() == ()
    assert driver.open == 0


def test_the_real_driver_can_be_asked_where_there_is_none() -> None:
    """What ``pynvml`` calls its functions and its error: a new version may not rename them unnoticed."""
    import pynvml

    for name in ("nvmlInit", "nvmlShutdown", "nvmlDeviceGetCount", "nvmlDeviceGetHandleByIndex",
                 "nvmlDeviceGetCudaComputeCapability"):  # fmt: skip
        assert callable(getattr(pynvml, name))
    assert issubclass(pynvml.NVMLError, Exception)
    assert isinstance(hardware.gpus(), tuple)


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ({"avx2", "avx512_bf16"}, True),
        ({"amx_bf16"}, True),
        ({"bf16"}, True),
        ({"avx512f", "fma"}, False),
        (set(), False),
    ],
)
def test_without_gpus_the_processor_decides_and_auto_follows(
    monkeypatch: pytest.MonkeyPatch, flags: set[str], native: bool
) -> None:
    monkeypatch.setattr(hardware, "processor_flags", lambda: flags)
    monkeypatch.setenv("PATH", "")
    assert hardware.native_bfloat16() is native
    assert hardware.matrix_unit() is ("amx_bf16" in flags)
    assert Training().resolve().precision == ("mixed_bfloat16" if native else "float32")
    assert Training(precision="float32").resolve().precision == "float32"


def test_flags_are_read_where_there_are_some() -> None:
    if Path("/proc/cpuinfo").exists():
        assert hardware.processor_flags()
