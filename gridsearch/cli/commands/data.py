"""Commands on pictures: draw, prepare, check."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gridsearch.cli.commands.common import print_json, progress_bar, say, tell
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.report.text import align_columns, format_duration, format_value

__all__ = ["cache", "check_data", "draw_sample", "prepare"]


def draw_sample(out: Path, train: int, validation: int, seed: int, as_json: bool) -> None:
    """Draw the built-in sample."""
    from gridsearch.datasets.sample import draw_sample as draw

    with progress_bar("drawing") as on_progress:
        summary = draw(out, train=train, validation=validation, seed=seed, on_progress=on_progress)
    if as_json:
        print_json(asdict(summary))
    else:
        verb = f"drew {summary.drawn} pictures" if summary.drawn else "nothing to do: the sample is there"
        say(f"{verb}: {summary.train} for training, {summary.validation} for validation, in {out}")


def prepare(
    source: Path | None,
    out: Path,
    validation: float,
    limit: int | None,
    seed: int,
    choice: Mapping[str, Any],
    url: str | None,
    sha256: str | None,
    as_json: bool,
) -> None:
    """Fill the data folder from an archive or folder, downloaded first if need be."""
    from gridsearch.datasets.layouts import LayoutChoice
    from gridsearch.datasets.prepare import prepare as fill

    archive = _fetched(url, source, out, sha256)
    how = LayoutChoice(**choice)
    with progress_bar("pictures") as on_progress:
        summary = fill(archive, out, validation=validation, limit=limit, seed=seed, choice=how, on_progress=on_progress)
    if as_json:
        print_json(asdict(summary))
        return
    verb = f"wrote {summary.written} pictures" if summary.written else "nothing to do: these pictures are there"
    say(f"{verb}, in {out}")
    header = ["", *map(format_value, summary.classes)]
    rows = [
        [part, *(str(counts.get(name, 0)) for name in summary.classes)]
        for part, counts in (("train", summary.train), ("validation", summary.validation), ("test", summary.test))
        if counts
    ]
    say(align_columns(header, rows))
    if summary.converted:
        say(f"{summary.converted} converted to RGB JPEG")
    for note in summary.notes:
        tell(format_value(note))
    for broken in summary.broken[:5]:
        tell(f"set aside {format_value(broken.file)}: {broken.reason}")
    if summary.broken:
        tell(f"{len(summary.broken)} broken pictures set aside, all listed in {out / 'prepare.json'}")


def _fetched(url: str | None, source: Path | None, out: Path, sha256: str | None) -> Path:
    """Where the pictures are to be taken from, known to be the right ones if the digest is known."""
    from gridsearch.datasets.download import download, file_name, verify

    if url is None:
        assert source is not None  # cli has seen to it that there is one of them
        verify(source, sha256)
        return source
    target = source or out / "archive" / file_name(url)
    with progress_bar("bytes") as on_progress:
        return download(url, target, sha256=sha256, on_progress=lambda done, total: on_progress(done, total or 0))


def check_data(config: SweepConfig, as_json: bool) -> None:
    """Decode every picture of the sweep's folders."""
    from gridsearch.runner.sweep import inspect_pictures

    with progress_bar("pictures") as on_progress:
        found = inspect_pictures(config, deep=True, on_progress=on_progress)
    if as_json:
        print_json([{"folders": list(map(str, folders)), **asdict(summary)} for folders, summary in found.items()])
        return
    for folders, summary in found.items():
        if len(found) > 1:
            say(f"{format_value(str(folders[0]))} and {format_value(str(folders[1]))}")
        rows = [[part, *(str(counts[name]) for name in summary.classes)]
                for part, counts in (("train", summary.train), ("validation", summary.validation))]  # fmt: skip
        say(align_columns(["", *map(format_value, summary.classes)], rows))
        say(f"all {summary.train_total + summary.validation_total} pictures can be trained on")
        for note in summary.notes:
            tell(format_value(note))
    if not found:
        say("nothing to check: model.objective does without pictures")


def cache(limit: float | None, as_json: bool) -> None:
    """List the stores of decoded pictures, after deleting what is over ``limit`` gigabytes."""
    from gridsearch.training.cache import cache_folder, clean, stores

    gone = [] if limit is None else clean(int(limit * 10**9))
    left = stores()
    if as_json:
        shown = [{**asdict(store), "path": str(store.path)} for store in left]
        print_json({"folder": str(cache_folder()), "stores": shown, "deleted": [str(store.path) for store in gone]})
        return
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
    say(align_columns(header, rows) if rows else "no decoded pictures are kept")
    say(f"{sum(store.bytes for store in left) / 1e6:,.0f} MB in {cache_folder()}")
    if gone:
        say(f"deleted {len(gone)}, {sum(store.bytes for store in gone) / 1e6:,.0f} MB")
