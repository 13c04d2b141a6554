"""How many workers with how many threads on which GPU."""

from __future__ import annotations

import itertools

import pytest

from gridsearch.errors import UserError
from gridsearch.executors import placement
from gridsearch.executors.placement import MEMORY_OF_A_WORKER, Place, choose_places
from gridsearch.system.hardware import Gpu


def machine(monkeypatch: pytest.MonkeyPatch, processors: int, workers_in_memory: float, gpus: int = 0) -> None:
    monkeypatch.setattr(placement, "processors", lambda: processors)
    monkeypatch.setattr(placement, "memory_available", lambda: int(workers_in_memory * MEMORY_OF_A_WORKER))
    monkeypatch.setattr(placement, "visible_gpus", lambda: tuple(Gpu(str(n), 9.0) for n in range(gpus)))


@pytest.mark.parametrize(
    ("processors", "memory", "wanted", "expected"),
    [
        (8, 100, {}, [Place(1)] * 8),
        (8, 3.5, {}, [Place(2)] * 3),
        (1, 0.2, {}, [Place(1)]),
        (8, 0.2, {}, [Place(8)]),
        (8, 100, {"workers": 2}, [Place(4)] * 2),
        (8, 100, {"threads": 4}, [Place(4)] * 2),
        (8, 100, {"threads": 100}, [Place(100)]),
        (2, 0.1, {"workers": 5}, [Place(1)] * 5),
        (8, 100, {"workers": 3, "threads": 1}, [Place(1)] * 3),
        (8, 100, {"gpus": 0}, [Place(1)] * 8),
    ],
)
def test_without_gpus_processors_are_shared_out_as_memory_allows(
    monkeypatch: pytest.MonkeyPatch, processors: int, memory: float, wanted: dict[str, int], expected: list[Place]
) -> None:
    machine(monkeypatch, processors, memory)
    assert choose_places(**wanted) == expected


def test_with_gpus_there_is_a_worker_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, processors=16, workers_in_memory=1, gpus=2)
    assert choose_places() == [Place(8, "0"), Place(8, "1")]
    assert choose_places(gpus=1) == [Place(16, "0")]
    assert choose_places(workers=3, threads=2) == [Place(2, "0"), Place(2, "1"), Place(2, "0")]
    assert {place.gpu for place in choose_places(gpus=0)} == {""}, (
        "the GPUs are hidden from workers that shall not use them"
    )
    with pytest.raises(UserError, match="3 GPUs are wanted, 2 can be used"):
        choose_places(gpus=3)


def test_what_a_worker_is_told() -> None:
    assert Place(3).environment["OMP_NUM_THREADS"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in Place(3).environment
    assert Place(1, "").environment["CUDA_VISIBLE_DEVICES"] == "-1"
    on_gpu = Place(1, "1").environment
    assert (on_gpu["CUDA_VISIBLE_DEVICES"], on_gpu["TF_FORCE_GPU_ALLOW_GROWTH"]) == ("1", "true")


def test_no_processor_is_idle_and_none_is_promised_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    for processors, memory in itertools.product(range(1, 40), (0.5, 1, 3, 7, 50)):
        machine(monkeypatch, processors, memory)
        found = choose_places()
        used = sum(place.threads for place in found)
        assert processors - len(found) < used <= processors
