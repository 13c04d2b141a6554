"""Select usable pictures: decode candidates until every class has as many pictures as it is to have.

Without a limit these are all of them. With a limit, each round draws as many untried candidates as are missing, and a
class that has no more candidates leaves its share to the others. The seed fixes the order of drawing, and a picture is
broken or not on every machine, so the result does not depend on the number of processes.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gridsearch.datasets.archives import Entry, PictureSource
from gridsearch.datasets.folder_tree import Candidate
from gridsearch.datasets.layouts import UNSPLIT, Layout, Pool
from gridsearch.datasets.parallel import Progress, map_pictures
from gridsearch.datasets.pictures import BYTE_LIMIT, UnusablePictureError, standardise_picture
from gridsearch.errors import DataError

__all__ = ["BrokenPicture", "PictureFilter", "Selection", "UsablePicture", "check_room"]

_DEPTHS = (8, 10, 12, 14, 16)
"""Bits per pixel that cameras and scanners have."""


@dataclass(frozen=True)
class BrokenPicture:
    """A picture that was left out.

    Args:
        file: its path within the source.
        reason: what is wrong with it.
    """

    file: str
    reason: str


@dataclass(frozen=True)
class UsablePicture:
    """A picture that was decoded and stored.

    Args:
        candidate: what it was in the source.
        path: where it is stored for now.
        suffix: what its final name is to end with.
        converted: whether it was encoded anew.
        deep_bits: bits that a 16-bit picture uses; 0 for others.
    """

    candidate: Candidate
    path: Path
    suffix: str
    converted: bool
    deep_bits: int = 0

    @property
    def original(self) -> Path:
        """Return where the original of a 16-bit picture is kept until all are converted."""
        return self.path.with_suffix(".original")


class Selection:
    """The candidates that are still to be tried, in the order of trying, and what became of the others.

    Attributes:
        waiting: untried candidates by pool.
        usable: stored pictures by pool, in the order of trying.
        broken: what was left out.
        notes: sentences about how pictures were converted.
    """

    def __init__(self, layout: Layout, seed: int) -> None:
        self.waiting: dict[Pool, deque[Candidate]] = {}
        for pool, candidates in layout.pools.items():
            order = list(candidates)
            # seeded by the pool as well: what is drawn from one class must not depend on the size of another
            random.Random(f"{seed}/{pool.split}/{pool.class_name}").shuffle(order)
            self.waiting[pool] = deque(order)
        self.notes: list[str] = []
        self.usable: dict[Pool, list[UsablePicture]] = {pool: [] for pool in layout.pools}
        self.broken = [BrokenPicture(entry.name, reason) for entry, reason in layout.unlabelled]

    def draw(self, limit: int | None) -> list[tuple[Pool, Candidate]]:
        """Take the candidates of the next round; none if there is no need for more."""
        wanted = self._wanted(limit)
        missing = {pool: wanted[pool] - len(self.usable[pool]) for pool in self.waiting}
        return [
            (pool, self.waiting[pool].popleft())
            for pool in self.waiting
            for _ in range(min(missing[pool], len(self.waiting[pool])))
        ]

    def _wanted(self, limit: int | None) -> dict[Pool, int]:
        most = {pool: len(self.usable[pool]) + len(waiting) for pool, waiting in self.waiting.items()}
        if limit is None:
            return most
        wanted = {}
        for split, share in _share_limit(limit, most).items():
            wanted.update(_balance({pool: most[pool] for pool in most if pool.split == split}, share))
        return wanted


def _share_limit(limit: int, most: Mapping[Pool, int]) -> dict[str, int]:
    """Return share a limit out to the splits in the proportion that the source has, one of each class at least."""
    splits = sorted({pool.split for pool in most})
    sizes = {split: sum(count for pool, count in most.items() if pool.split == split) for split in splits}
    least = {split: sum(pool.split == split for pool in most) for split in splits}
    shares: dict[str, int] = {}
    for split in (split for split in reversed(splits) if split not in ("train", UNSPLIT)):
        share = round(limit * sizes[split] / max(1, sum(sizes.values())))
        needed_later = sum(least[other] for other in splits if other != split and other not in shares)
        shares[split] = min(max(share, least[split]), limit - sum(shares.values()) - needed_later)
    (first,) = set(splits) - shares.keys()
    return {first: limit - sum(shares.values()), **shares}


def _balance(most: Mapping[Pool, int], limit: int) -> dict[Pool, int]:
    """Return deal a limit out one by one in turns, leaving out whoever has got all it can take."""
    dealt = dict.fromkeys(most, 0)
    while limit > 0 and (open_pools := [pool for pool in most if dealt[pool] < most[pool]]):
        turn = max(1, limit // len(open_pools))
        for pool in open_pools:
            given = min(turn, most[pool] - dealt[pool], limit)
            dealt[pool] += given
            limit -= given
    return dealt


@dataclass(frozen=True)
class _Job:
    raw: Path
    may_move: bool
    stored: Path
    suffix: str


@dataclass(frozen=True)
class _Result:
    problem: str = ""
    suffix: str = ""
    converted: bool = False
    deep_bits: int = 0


@dataclass
class PictureFilter:
    """Unpacks, decodes and stores candidates.

    Args:
        source: what they come from.
        scratch: an existing folder; pictures are stored in it under numbers.
        workers: processes, 1 or more; None takes one per processor.
        on_progress: called with the number of pictures tried and to be tried.
    """

    source: PictureSource
    scratch: Path
    workers: int | None
    on_progress: Progress
    tried: int = field(default=0, init=False)

    def fill(self, selection: Selection, limit: int | None) -> None:
        """Try candidates until all are tried or `limit` usable ones are found.

        Raises:
            DataError: the archive is damaged, or the disk has too little room.
            OSError: a file cannot be written.
        """
        while drawn := selection.draw(limit):
            self._try(selection, drawn)
        self._scale_deep(selection)

    def _try(self, selection: Selection, drawn: Sequence[tuple[Pool, Candidate]]) -> None:
        total = self.tried + len(drawn)
        self.on_progress(self.tried, total)
        sound = {}
        for pool, candidate in drawn:
            if problem := _check_size(candidate.entry):
                self._count(selection, candidate, problem, total)
            else:
                sound[candidate.entry] = (pool, candidate)
        check_room(self.source, list(sound), self.scratch)
        jobs: deque[tuple[Entry, _Job]] = deque()
        stored = {}
        # closed, not left to the garbage collector: an interrupt must find no process still writing to the folder
        with closing(
            map_pictures(_store, self._jobs(list(sound), jobs), total=len(sound), workers=self.workers)
        ) as results:
            for result in results:
                entry, job = jobs.popleft()
                pool, candidate = sound[entry]
                if not result.problem:
                    stored[entry] = UsablePicture(
                        candidate, job.stored, result.suffix, result.converted, result.deep_bits
                    )
                self._count(selection, candidate, result.problem, total)
        # in the order of trying: a tar yields its members in the order it was packed in
        for entry, (pool, _) in sound.items():
            if entry in stored:
                selection.usable[pool].append(stored[entry])

    def _scale_deep(self, selection: Selection) -> None:
        """Convert 16-bit pictures once more if the brightest of all needs fewer bits, as those of 12-bit cameras do."""
        deep = [picture for usable in selection.usable.values() for picture in usable if picture.deep_bits]
        if not deep:
            return
        used = max(picture.deep_bits for picture in deep)
        bits = next(depth for depth in _DEPTHS if depth >= used)
        selection.notes.append(f"{len(deep)} pictures of {bits} bits per pixel scaled to 8")
        jobs = [(picture.original, picture.path, bits) for picture in deep] if bits < 16 else []
        with closing(map_pictures(_store_deep, jobs, total=len(jobs), workers=self.workers)) as done:
            for _ in done:
                pass
        for picture in deep:
            picture.original.unlink()

    def _jobs(self, entries: Sequence[Entry], drawn: deque[tuple[Entry, _Job]]) -> Iterator[_Job]:
        for entry, raw in self.source.fetch(entries, self.scratch):
            stored = self.scratch / f"{entry.number}.stored"
            job = _Job(raw, self.source.unpacks, stored, PurePosixPath(entry.name).suffix)
            drawn.append((entry, job))
            yield job

    def _count(self, selection: Selection, candidate: Candidate, problem: str, total: int) -> None:
        if problem:
            selection.broken.append(BrokenPicture(candidate.entry.name, problem))
        self.tried += 1
        self.on_progress(self.tried, total)


def _check_size(entry: Entry) -> str:
    """Return why an entry cannot be used, as far as its size tells, or an empty text."""
    if entry.size < 0:
        return "not a regular file, or a link that leads nowhere"
    if entry.size > BYTE_LIMIT:
        return f"larger than {BYTE_LIMIT // 1_000_000} MB"
    return ""


def check_room(source: PictureSource, entries: Sequence[Entry], folder: Path) -> None:
    """Refuse to begin what cannot end for want of disk space, whether the source is large or a bomb.

    Raises:
        DataError: the entries, unpacked, are larger than what is free.
    """
    needed, free = sum(entry.size for entry in entries), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"unpacks to {needed:,} bytes, but only {free:,} are free in the data folder",
            where=source.where,
            cure="Make room, take fewer pictures with a limit, or check that it is what it should be.",
        )


def _store(job: _Job) -> _Result:
    try:
        picture = standardise_picture(job.raw, job.suffix)
    except UnusablePictureError as problem:
        if job.may_move:
            job.raw.unlink()
        return _Result(problem=str(problem))
    if job.may_move and not picture.converted:
        os.replace(job.raw, job.stored)
        return _Result(suffix=picture.suffix)
    job.stored.write_bytes(picture.content)
    if picture.deep_bits:
        shutil.copyfile(job.raw, job.stored.with_suffix(".original"))
    if job.may_move:
        job.raw.unlink()
    return _Result(suffix=picture.suffix, converted=picture.converted, deep_bits=picture.deep_bits)


def _store_deep(job: tuple[Path, Path, int]) -> None:
    """Store a 16-bit picture, of which only so many bits are used, as a JPEG."""
    original, stored, bits = job
    stored.write_bytes(standardise_picture(original, "", bits=bits).content)
