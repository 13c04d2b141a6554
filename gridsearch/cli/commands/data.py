"""Draw, prepare and check pictures, and look after the decoded ones."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gridsearch.cli.commands.answer import Answer
from gridsearch.cli.commands.common import progress_bar
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.report.text import align_columns, format_duration, format_value

__all__ = ["cache", "check_data", "draw_sample", "prepare"]


def draw_sample(out: Path, train: int, validation: int, seed: int) -> Answer:
    """Draw the built-in sample."""
    from gridsearch.datasets.sample import draw_sample as draw

    with progress_bar("drawing") as on_progress:
        summary = draw(out, train=train, validation=validation, seed=seed, on_progress=on_progress)
    verb = f"drew {summary.drawn} pictures" if summary.drawn else "nothing to do: the sample is there"
    text = f"{verb}: {summary.train} for training, {summary.validation} for validation, in {out}"
    return Answer(asdict(summary), text)


def prepare(
    source: Path | None,
    out: Path,
    validation: float,
    limit: int | None,
    seed: int,
    choice: Mapping[str, Any],
    url: str | None,
    sha256: str | None,
) -> Answer:
    """Fill the data folder from an archive or folder, downloaded first if need be."""
    from gridsearch.datasets.layouts import LayoutChoice
    from gridsearch.datasets.prepare import prepare as fill

    archive = _fetch(url, source, out, sha256)
    how = LayoutChoice(**choice)
    with progress_bar("pictures") as on_progress:
        summary = fill(archive, out, validation=validation, limit=limit, seed=seed, choice=how, on_progress=on_progress)
    verb = f"wrote {summary.written} pictures" if summary.written else "nothing to do: these pictures are there"
    rows = [
        [part, *(str(counts.get(name, 0)) for name in summary.classes)]
        for part, counts in (("train", summary.train), ("validation", summary.validation), ("test", summary.test))
        if counts
    ]
    lines = [f"{verb}, in {out}", align_columns(["", *map(format_value, summary.classes)], rows)]
    lines += [f"{summary.converted} converted to RGB JPEG"] if summary.converted else []
    notes = [format_value(each) for each in summary.notes]
    notes += [f"left out {format_value(broken.file)}: {broken.reason}" for broken in summary.broken[:5]]
    if summary.broken:
        notes.append(f"{len(summary.broken)} broken pictures left out, all listed in {out / 'prepare.json'}")
    return Answer(asdict(summary), "\n".join(lines), tuple(notes))


def _fetch(url: str | None, source: Path | None, out: Path, sha256: str | None) -> Path:
    """Return where the pictures are to be taken from; check them first if their digest is known."""
    from gridsearch.datasets.download import download, file_name, verify

    if url is None:
        assert source is not None  # cli has seen to it that there is one of them
        verify(source, sha256)
        return source
    target = source or out / "archive" / file_name(url)
    with progress_bar("bytes") as on_progress:
        return download(url, target, sha256=sha256, on_progress=lambda done, total: on_progress(done, total or 0))


def check_data(config: SweepConfig) -> Answer:
    """Decode every picture of the sweep's folders, and return what is in them."""
    from gridsearch.runner.pictures import inspect_pictures

    with progress_bar("pictures") as on_progress:
        found = inspect_pictures(config, deep=True, on_progress=on_progress)
    data = [{"folders": list(map(str, folders)), **asdict(summary)} for folders, summary in found.items()]
    lines: list[str] = []
    notes: list[str] = []
    for folders, summary in found.items():
        if len(found) > 1:
            lines.append(f"{format_value(str(folders[0]))} and {format_value(str(folders[1]))}")
        rows = [
            [part, *(str(counts[name]) for name in summary.classes)]
            for part, counts in (("train", summary.train), ("validation", summary.validation))
        ]
        lines.append(align_columns(["", *map(format_value, summary.classes)], rows))
        lines.append(f"all {summary.train_total + summary.validation_total} pictures can be trained on")
        notes += map(format_value, summary.notes)
    return Answer(data, "\n".join(lines) or "nothing to check: model.objective does without pictures", tuple(notes))


def cache(limit: float | None) -> Answer:
    """Return the stores of decoded pictures, after deleting what is over ``limit`` gigabytes."""
    from gridsearch.training.cache import cache_folder, clean, stores

    gone = [] if limit is None else clean(int(limit * 10**9))
    left = stores()
    shown = [{**asdict(store), "path": str(store.path)} for store in left]
    data = {"folder": str(cache_folder()), "stores": shown, "deleted": [str(store.path) for store in gone]}
    header = ["pictures", "size", "MB", "last used", "of"]
    rows = [
        [
            f"{store.pictures:,}",
            f"{store.width} x {store.height}",
            f"{store.bytes / 1e6:,.0f}",
            f"{format_duration(max(0.0, time.time() - store.used))} ago",
            format_value(store.folder),
        ]
        for store in left
    ]
    lines = [align_columns(header, rows) if rows else "no decoded pictures are kept"]
    lines.append(f"{sum(store.bytes for store in left) / 1e6:,.0f} MB in {cache_folder()}")
    lines += [f"deleted {len(gone)}, {sum(store.bytes for store in gone) / 1e6:,.0f} MB"] if gone else []
    return Answer(data, "\n".join(lines))
