"""Prepare a data folder: turn an archive or folder of pictures into ``train/<class>`` and ``validation/<class>``.

Published collections cannot be trained on as they are. The competition's zip has its classes in file names, the
Microsoft one holds files that are no pictures, and a broken picture stops the stock Keras class in the middle of an
epoch. `prepare` decodes every picture once, to its last pixel. Broken pictures are left out and named. The others are
split the same way on every machine. The result appears as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gridsearch.datasets.archives import PictureSource, open_source
from gridsearch.datasets.folder_tree import claims_to_be_picture
from gridsearch.datasets.layouts import UNSPLIT, Layout, LayoutChoice, find_layout, natural_order
from gridsearch.datasets.parallel import Progress
from gridsearch.datasets.pictures import escape_name, natural_key
from gridsearch.datasets.selection import BrokenPicture, PictureFilter, Selection, UsablePicture, check_room
from gridsearch.datasets.staging import (
    RECORD,
    SPLITS,
    fingerprint_splits,
    finish_interrupted,
    open_staging_folder,
    publish,
    read_existing_record,
)
from gridsearch.errors import DataError

__all__ = ["BrokenPicture", "PrepareSummary", "prepare"]

_STEM_BYTES = 200
"""UTF-8 bytes of a stored picture's name before its suffix; file systems end at 255 for the whole name."""


@dataclass(frozen=True)
class PrepareSummary:
    """What a data folder was filled with.

    Args:
        out: the data folder.
        train: number of training pictures by class, classes sorted.
        validation: number of validation pictures by class, classes sorted.
        test: number of test pictures by class, classes sorted; empty if the source has no labelled test pictures.
        broken: what was left out, in natural order of the names.
        converted: how many pictures were stored as a new JPEG and not byte for byte.
        written: how many pictures this run wrote: all of them, or 0 when there was nothing to do.
        notes: sentences about what of the source is not used, and about what was assumed.
    """

    out: Path
    train: Mapping[str, int]
    validation: Mapping[str, int]
    test: Mapping[str, int]
    broken: tuple[BrokenPicture, ...]
    converted: int
    written: int
    notes: tuple[str, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of all classes, sorted."""
        return tuple(self.train)


def prepare(
    source: Path,
    out: Path,
    *,
    validation: float = 0.2,
    limit: int | None = None,
    seed: int = 0,
    choice: LayoutChoice | None = None,
    workers: int | None = None,
    on_progress: Progress | None = None,
) -> PrepareSummary:
    """Fill `out` with the pictures of `source`, checked and split by class.

    RGB pictures are copied byte for byte, their pixels unturned whatever their EXIF orientation says, as Keras reads
    them; others become RGB JPEG. Running the same again does nothing; an interrupted run leaves nothing.

    Args:
        source: a folder, zip or tar: a Dogs-vs-Cats ``train.zip`` (or the zip around it), class folders at any depth,
            or either below ``train`` and ``validation``, which split is then kept.
        out: the data folder, made if missing; other files in it stay.
        validation: share of every class's pictures that goes to validation, between 0 and 1, at least one picture.
        limit: how many pictures to take in all, balanced over the classes, at least 2 of each; None takes all.
        seed: of the choice of pictures, any integer.
        choice: how to read a layout that can be read in more than one way.
        workers: processes that decode, 1 or more; None takes one per processor.
        on_progress: called with the pictures tried and how many there will be, which grows where broken ones have to
            be replaced to reach `limit`.

    Raises:
        DataError: the source cannot be used, `out` holds other pictures, a disk is full, or an option is out of range.
    """
    choice = choice or LayoutChoice()
    options = {"validation": validation, "limit": limit, "seed": seed, **choice.as_options()}
    try:
        _check_options(source, out, validation, limit)
        with open_source(source) as opened:
            name, content = source.resolve().name, _describe_content(opened)
            finish_interrupted(out)
            record = read_existing_record(out, content, options)
            if record is not None:
                return _summarise(out, record, wrote=False)
            with open_staging_folder(out) as staging, _open_innermost(opened, staging) as pictures:
                layout = find_layout(pictures.entries, source, choice)
                _check_limit(limit, layout, source)
                selection = Selection(layout, seed)
                PictureFilter(pictures, staging, workers, on_progress or _ignore_progress).fill(selection, limit)
                _check_usable(selection, source)
                made = _arrange(selection, validation, staging)
                notes = [*_name_other_archives(opened, pictures), *layout.notes, *selection.notes]
                record = {"source": name, "content": content, "options": options, **made, "notes": notes}
                publish(staging, out, record)
    except OSError as error:
        raise DataError(
            f"cannot be read or written: {error.strerror or error}", where=escape_name(str(error.filename or out))
        ) from error
    return _summarise(out, record, wrote=True)


def _ignore_progress(done: int, total: int) -> None:
    """Show no progress."""


def _check_options(source: Path, out: Path, validation: float, limit: int | None) -> None:
    if not 0 < validation < 1:
        raise DataError(f"a validation share of {validation!r}", cure="Give a number between 0 and 1, such as 0.2.")
    if limit is not None and limit < 1:
        raise DataError(f"a limit of {limit!r} pictures", cure="Give 2 or more for each class.")
    if source.is_dir() and out.resolve().is_relative_to(source.resolve()):
        raise DataError(
            "the data folder lies in its own source", where=escape_name(out), cure="Choose a folder outside."
        )


def _describe_content(source: PictureSource) -> dict[str, object]:
    """Return what tells a source from others; its name does not, since a copy may have another one."""
    size = None if source.path.is_dir() else source.path.stat().st_size
    return {"bytes": size, "fingerprint": source.fingerprint}


@contextmanager
def _open_innermost(source: PictureSource, staging: Path) -> Iterator[PictureSource]:
    """Open the competition's ``train.zip`` in a source without pictures; give any other source as it is."""
    inner = [entry for entry in source.entries if entry.parts[-1].lower() == "train.zip"]
    if not inner or any(map(claims_to_be_picture, source.entries)):
        yield source
        return
    scratch = staging / "outer"
    scratch.mkdir()
    check_room(source, inner[:1], staging)
    for entry, path in source.fetch(inner[:1], scratch):
        with open_source(path, f"{source.where}: {escape_name(entry.name)}") as opened:
            yield opened


def _check_limit(limit: int | None, layout: Layout, source: Path) -> None:
    least = sum(2 if pool.split == UNSPLIT else 1 for pool in layout.pools)
    if limit is not None and limit < least:
        raise DataError(
            f"a limit of {limit} pictures is too low for {len(layout.classes)} classes",
            where=escape_name(source),
            cure=f"Give {least} or more: every class needs one to train on and one to validate with.",
        )


def _check_usable(selection: Selection, source: Path) -> None:
    for pool, usable in selection.usable.items():
        needed = 2 if pool.split == UNSPLIT else 1
        if len(usable) < needed:
            which = f"{pool.split} pictures" if pool.split else "pictures"
            raise DataError(
                f"too few usable {which} of class {pool.class_name!r}: {len(usable)} of the {needed} needed"
                f"{_describe_broken(selection.broken)}",
                where=escape_name(source),
            )


def _describe_broken(broken: Sequence[BrokenPicture]) -> str:
    if not broken:
        return ""
    return f" ({len(broken)} cannot be used, such as {escape_name(broken[0].file)}: {broken[0].reason})"


def _name_other_archives(source: PictureSource, pictures: PictureSource) -> list[str]:
    """Return say which archives beside the competition's ``train.zip`` were not opened."""
    if pictures is source:
        return []
    others = [entry.name for entry in source.entries if entry.name.lower().endswith((".zip", ".tar"))]
    return [f"{escape_name(name)} is not opened" for name in others if PurePosixPath(name).name.lower() != "train.zip"]


def _arrange(selection: Selection, validation: float, staging: Path) -> dict[str, Any]:
    """Move the stored pictures to the split folders of `staging`; return what belongs into the record."""
    chosen: dict[str, dict[str, list[UsablePicture]]] = {split: {} for split in SPLITS}
    for pool, usable in selection.usable.items():
        if pool.split == UNSPLIT:
            count = min(max(round(len(usable) * validation), 1), len(usable) - 1)
            chosen["validation"][pool.class_name] = usable[:count]
            chosen["train"][pool.class_name] = usable[count:]
        else:
            chosen[pool.split][pool.class_name] = usable
    for split, classes in chosen.items():
        for class_name, pictures in classes.items():
            _name(pictures, staging / split / class_name)
    return {
        "classes": {
            name: {split: len(chosen[split].get(name, ())) for split in SPLITS if chosen[split]}
            for name in sorted(chosen["train"])
        },
        "converted": sum(picture.converted for usable in selection.usable.values() for picture in usable),
        "broken": [asdict(broken) for broken in sorted(selection.broken, key=lambda broken: natural_key(broken.file))],
        "fingerprint": fingerprint_splits(staging),
    }


def _name(pictures: Sequence[UsablePicture], folder: Path) -> None:
    """Move pictures to `folder` under their own names, as far as these are different and fit for every system."""
    folder.mkdir(parents=True)
    taken: set[str] = set()
    for picture in sorted(pictures, key=lambda picture: natural_order(picture.candidate)):
        stem = _make_plain(str(PurePosixPath(picture.candidate.name).with_suffix("")))
        name, copy = f"{stem}{picture.suffix}", 1
        while name.casefold() in taken:
            copy += 1
            name = f"{stem}-{copy}{picture.suffix}"
        taken.add(name.casefold())
        picture.path.rename(folder / name)


def _make_plain(stem: str) -> str:
    """Return a file's stem as every system takes it, its end where it is too long."""
    plain = "".join("-" if c == "/" else c if c.isprintable() and c not in '\\:*?"<>|' else "_" for c in stem)[-100:]
    while len(plain.encode("utf-8")) > _STEM_BYTES:
        plain = plain[1:]
    return plain


def _summarise(out: Path, record: Mapping[str, Any], *, wrote: bool) -> PrepareSummary:
    try:
        train, validation = ({name: int(of[split]) for name, of in record["classes"].items()} for split in SPLITS[:2])
        test = {name: int(of["test"]) for name, of in record["classes"].items() if "test" in of}
        return PrepareSummary(
            out=out,
            train=train,
            validation=validation,
            test=test,
            broken=tuple(BrokenPicture(**broken) for broken in record["broken"]),
            converted=int(record["converted"]),
            written=sum(map(sum, (train.values(), validation.values(), test.values()))) if wrote else 0,
            notes=tuple(map(str, record.get("notes", ()))),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError("damaged", where=escape_name(out / RECORD), cure="Remove it, train and validation.") from error
