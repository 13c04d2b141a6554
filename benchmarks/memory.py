"""A worker's memory over 36 trials, and whether workers share the pages of the picture store."""

from __future__ import annotations

import re
import tempfile
import threading
from pathlib import Path

import psutil

import gridsearch
from benchmarks.precision import AUGMENTATION
from gridsearch.datasets.sample import draw_sample
from gridsearch.record.reader import Record

HPARAMS = {
    "num_units": {"discrete": [256]},
    "optimizer": {"discrete": ["adam", "sgd", "rmsprop"]},
    "learning_rate": {"discrete": [0.001, 0.0005, 0.0001]},
    "dropout": {"real_interval": [0.1, 0.2], "points": 4},
}


def main() -> None:
    """36 trials in one worker at a quarter of the size; then two workers on one store."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        draw_sample(folder / "sample", train=160, validation=80)
        record = _trained(folder, "one", workers=1)
        sizes = [session.outcome.facts["memory"] / 2**20 for session in sorted(record.sessions, key=lambda s: s.began)]
        print(f"resident after trial 2: {sizes[1]:,.0f} MiB, after trial {len(sizes)}: {sizes[-1]:,.0f} MiB "
              f"({100 * (sizes[-1] / sizes[1] - 1):+.1f}%), most {max(sizes):,.0f} MiB")  # fmt: skip
        shares: list[tuple[int, float, float]] = []
        done = threading.Event()
        watching = threading.Thread(target=_watch, args=(done, shares))
        watching.start()
        _trained(folder, "two", workers=2)
        done.set()
        watching.join()
        workers, resident, proportional = max(shares)
        print(f"the store's pages in {workers} workers: {resident:.1f} MiB resident in all, "
              f"{proportional:.1f} MiB proportional ({resident / proportional:.2f} times shared)")  # fmt: skip


def _trained(folder: Path, name: str, workers: int) -> Record:
    config = gridsearch.SweepConfig.model_validate(
        {
            "hparams": HPARAMS,
            "data": {
                "train": folder / "sample/train",
                "validation": folder / "sample/validation",
                "image_size": 75,
            },
            "augmentation": AUGMENTATION,
            "training": {"epochs": 1, "keep_models": 0},
            "sweep": {"logdir": folder / name, "workers": workers, "threads": 1},
        }
    )
    return gridsearch.sweep(config).record


def _watch(done: threading.Event, shares: list[tuple[int, float, float]]) -> None:
    """Note how many workers map the training store, and its resident and proportional size, in MiB over all."""
    while not done.wait(0.5):
        found = [pages for worker in psutil.Process().children() if (pages := _store_pages(worker.pid)) is not None]
        if found:
            shares.append((len(found), sum(rss for rss, _ in found) / 1024, sum(pss for _, pss in found) / 1024))


def _store_pages(pid: int) -> tuple[int, int] | None:
    """Resident and proportional KiB of the mapped picture stores of a process."""
    try:
        text = Path(f"/proc/{pid}/smaps").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    mappings = re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", text, flags=re.M)
    stores = [mapping for mapping in mappings if "pictures.npy" in mapping.partition("\n")[0]]
    sizes = [[int(number) for number in re.findall(r"^[RP]ss: +(\d+) kB", store, re.M)] for store in stores]
    return (sum(rss for rss, _ in sizes), sum(pss for _, pss in sizes)) if any(rss for rss, _ in sizes) else None
