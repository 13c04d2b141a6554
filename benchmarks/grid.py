"""A grid of 10^12 combinations: what it costs to count it, to index it and to begin going through it."""

from __future__ import annotations

import time
import tracemalloc
from itertools import islice
from statistics import median

import gridsearch

RUNS = 9


def main() -> None:
    """Time construction, ``len``, ``[i]`` and the first thousand together."""
    hparams = [gridsearch.HParam(f"h{n}", gridsearch.Discrete(list(range(10)))) for n in range(12)]
    times, peaks = [], []
    for _ in range(RUNS):
        tracemalloc.start()
        grid = gridsearch.Grid(hparams)
        _touch(grid)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        began = time.perf_counter()
        _touch(gridsearch.Grid(hparams))
        times.append(1000 * (time.perf_counter() - began))
    print(f"{len(grid):,} combinations: len, [i] and the first 1,000: median {median(times):.1f} ms "
          f"({min(times):.1f} to {max(times):.1f}, {RUNS} runs), {max(peaks) / 1024:.0f} KiB at most")  # fmt: skip


def _touch(grid: gridsearch.Grid) -> None:
    assert len(grid) == 10**12
    assert grid[987_654_321_012]["h11"] == 2
    for _ in islice(grid, 1000):
        pass
