"""Commands on pictures: draw, prepare, check."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from gridsearch.commands.common import print_json, say, tell
from gridsearch.config import SweepConfig
from gridsearch.tables import aligned, plain

__all__ = ["check_data", "draw_sample", "prepare"]


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for pictures on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def draw_sample(out: Path, train: int, validation: int, seed: int, as_json: bool) -> None:
    """Draw the built-in sample."""
    from gridsearch.datasets.sample import draw_sample as draw

    with _bar("drawing") as on_progress:
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
    url: str | None,
    sha256: str | None,
    as_json: bool,
) -> None:
    """Fill the data folder from an archive or folder, downloaded first if need be."""
    from gridsearch.datasets.prepare import prepare as fill

    archive = _downloaded(url, source or out / "archive" / Path(url).name, sha256) if url else source
    assert archive is not None  # cli has seen to it that there is a source or a url
    with _bar("pictures") as on_progress:
        summary = fill(archive, out, validation=validation, limit=limit, seed=seed, on_progress=on_progress)
    if as_json:
        print_json(asdict(summary))
        return
    verb = f"wrote {summary.written} pictures" if summary.written else "nothing to do: these pictures are there"
    say(f"{verb}, in {out}")
    header = ["", *map(plain, summary.classes)]
    rows = [
        [part, *(str(getattr(summary, part)[name]) for name in summary.classes)] for part in ("train", "validation")
    ]
    say(aligned(header, rows))
    if summary.converted:
        say(f"{summary.converted} converted to RGB JPEG")
    for broken in summary.broken[:5]:
        tell(f"set aside {plain(broken.file)}: {broken.reason}")
    if summary.broken:
        tell(f"{len(summary.broken)} broken pictures set aside, all listed in {out / 'prepare.json'}")


def _downloaded(url: str, target: Path, sha256: str | None) -> Path:
    from gridsearch.datasets.download import download

    with _bar("bytes") as on_progress:
        return download(url, target, sha256=sha256, on_progress=lambda done, total: on_progress(done, total or 0))


def check_data(config: SweepConfig, as_json: bool) -> None:
    """Decode every picture of the sweep's folders."""
    from gridsearch.datasets.inspection import inspect

    with _bar("pictures") as on_progress:
        summary = inspect(config.data.train, config.data.validation, batch_size=config.data.batch_size, deep=True,
                          on_progress=on_progress)  # fmt: skip
    if as_json:
        print_json(asdict(summary))
        return
    rows = [[part, *(str(counts[name]) for name in summary.classes)]
            for part, counts in (("train", summary.train), ("validation", summary.validation))]  # fmt: skip
    say(aligned(["", *map(plain, summary.classes)], rows))
    say(f"all {summary.train_total + summary.validation_total} pictures can be trained on")
