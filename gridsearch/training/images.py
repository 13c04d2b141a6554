"""Make batches of pictures: ImageDataGenerator's pipelines, produced in a thread of their own while the model computes.

Pipelines ── train        augmented, shuffled, without end
          └─ validation   rescaled only, the same batches in every epoch

Both are the stock directory iterator. With the ``fast`` engine only what it does with a batch's files is replaced:
pictures come from the store and are transformed by OpenCV. What is drawn, in which order, is the stock class's doing.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

# Keras 3 exports the class through TensorFlow only; from where it is defined it works with every backend.
from gridsearch.config.entry_points import load_entry_point
from gridsearch.config.sections import Augmentation, Settings
from gridsearch.datasets.listing import list_classes, list_pictures
from gridsearch.training.cache import Decoding, Pictures, Unstorable, ignore_pillow_warnings, open_pictures
from gridsearch.training.keras_internals import DirectoryIterator, ImageDataGenerator, keep_pictures
from gridsearch.training.warping import Warp

__all__ = ["Batch", "Pipelines", "Prefetcher"]

Batch = tuple[np.ndarray, np.ndarray]
"""Pictures, float32 of shape (batch, height, width, channels); classes, one-hot float32 of shape (batch, classes)."""

SCALING = (
    "rescale",
    "samplewise_center",
    "samplewise_std_normalization",
    "featurewise_center",
    "featurewise_std_normalization",
    "zca_whitening",
    "zca_epsilon",
)
"""What validation pictures go through, too; everything else of [augmentation] is for training only."""

LEVELWISE = ("rescale", "zca_epsilon")
"""What of that is done level by level, or does nothing by itself."""

PATIENCE = 0.1
"""Seconds between looks at whether the other side has left."""

MOST_TO_FIT = 1000
"""Training pictures from which featurewise statistics are taken, all in memory at once."""


class Pipelines:
    """The two directory iterators of a trial.

    Args:
        settings: the trial's.
        seed: decides shuffling and transforms; the same seed gives the same pictures in the same order.
    """

    def __init__(self, settings: Settings, seed: int) -> None:
        self._settings, self._seed = settings, seed
        common = settings.augmentation.model_dump()
        function = common.pop("preprocessing_function")
        loaded = load_entry_point(function, settings.folder) if function else None
        layout = {"data_format": "channels_last", "dtype": "float32"}  # whatever a keras.json says
        training = ImageDataGenerator(**common, **layout, preprocessing_function=loaded)
        only_scaling = {name: common[name] for name in SCALING}
        validating = ImageDataGenerator(**only_scaling, **layout, preprocessing_function=loaded)
        ignore_pillow_warnings()
        if _needs_fit(settings.augmentation):
            self._fit([training, validating], ImageDataGenerator(**layout, preprocessing_function=loaded))
        self._train = self._flow(training, settings.data.train, shuffle=True)
        self._validation = self._flow(validating, settings.data.validation, shuffle=False)
        # In order of files, a few validation steps would see one class only; mixed once, they see the same mixture
        # in every epoch, trial and repeat.
        mixed = np.random.default_rng(settings.training.seed).permutation(self._validation.samples)
        self._validation.index_array = mixed

    def _flow(
        self, generator: ImageDataGenerator, folder: Path, *, shuffle: bool, stock: bool = False
    ) -> DirectoryIterator:
        data = self._settings.data
        arguments = {
            "classes": list_classes(folder),
            "target_size": data.shape[:2],
            "color_mode": data.color_mode,
            "class_mode": data.class_mode,
            "batch_size": data.batch_size,
            "shuffle": shuffle,
            "seed": self._seed,
            "interpolation": data.interpolation,
            "data_format": "channels_last",
            "dtype": "float32",
        }
        if not stock and self._settings.training.engine == "fast":
            beyond = self._settings.augmentation.beyond_fast
            try:
                if beyond is None:
                    names, pictures = open_pictures(folder, Decoding.of(data), warn=print)
                    return _FastIterator(names, pictures, str(folder), generator, **arguments)
            except Unstorable as error:
                beyond = str(error)
            print(f"pictures by the stock engine, not the fast one, because of {beyond}")
        stock_iterator = DirectoryIterator(str(folder), generator, **arguments)
        _keep_listed(stock_iterator, [picture.name for found in list_pictures(folder).values() for picture in found])
        return stock_iterator

    def _fit(self, generators: list[ImageDataGenerator], unscaled: ImageDataGenerator) -> None:
        """Take featurewise statistics from training pictures; ``fit`` rescales them itself."""
        plain = self._flow(unscaled, self._settings.data.train, shuffle=True, stock=True)
        wanted = min(MOST_TO_FIT, plain.samples)
        batches: list[np.ndarray] = []
        while sum(len(batch) for batch in batches) < wanted:
            batches.append(next(plain)[0])
        pictures = np.concatenate(batches)[:wanted]
        for generator in generators:
            generator.fit(pictures)

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return int(self._train.num_classes)

    @property
    def steps(self) -> int:
        """Batches of a training epoch: as set, or one pass."""
        return self._settings.training.steps_per_epoch or len(self._train)

    @property
    def validation_steps(self) -> int:
        """Batches of a validation: as set, but never more than one pass, which would count pictures twice."""
        return min(self._settings.training.validation_steps or len(self._validation), len(self._validation))

    def epochs(self, first: int, epochs: int) -> Iterator[Batch]:
        """Yield the batches of a training in order: each epoch's training batches, then its validation batches.

        Args:
            first: the epoch to begin with, from 0; the batches are those that a training from the start would see.
            epochs: the epoch to end before.

        One stream and not two, because the stock class draws from numpy's global generator: two threads drawing at
        once would change what a seed means.
        """
        for _ in range(first * self.steps):
            next(self._train.index_generator)  # draws which pictures, and decodes none
        for _ in range(first, epochs):
            for _ in range(self.steps):
                yield next(self._train)
            for step in range(self.validation_steps):
                yield self._validation[step]


class _FastIterator(DirectoryIterator):  # type: ignore[misc]  # Keras has no types
    """The stock iterator with another way to make a batch of what it has chosen and its generator has drawn."""

    def __init__(
        self,
        names: Sequence[str],
        pictures: Pictures,
        folder: str,
        generator: ImageDataGenerator,
        **arguments: Any,
    ) -> None:
        super().__init__(folder, generator, **arguments)
        _keep_listed(self, names)
        row = {name: number for number, name in enumerate(names)}
        self._rows = [row[Path(name).as_posix()] for name in self.filenames]
        self._pictures, self._generator = pictures, generator
        self._only_rescaled = not any(getattr(generator, name) for name in SCALING if name not in LEVELWISE)
        rescale = generator.rescale if self._only_rescaled else None
        self._warp = Warp(generator.fill_mode, generator.cval, rescale)

    def _get_batches_of_transformed_samples(self, index_array: np.ndarray) -> Batch:
        # Every draw comes before any work, in the order of the stock class, from numpy's global generator.
        drawn = [self._generator.get_random_transform(self.image_shape) for _ in index_array]
        batch = np.empty((len(index_array), *self.image_shape), np.float32)

        def transform(number: int) -> None:
            picture = self._pictures[self._rows[index_array[number]]]
            self._warp(picture, drawn[number], batch[number])
            if not self._only_rescaled:
                batch[number] = self._generator.standardize(batch[number])

        _for_each(transform, len(index_array))
        classes = np.zeros((len(index_array), self.num_classes), np.float32)
        classes[np.arange(len(index_array)), self.classes[index_array]] = 1
        return batch, classes


def _keep_listed(iterator: DirectoryIterator, names: Sequence[str]) -> None:
    """Leave out of a stock iterator what `list_pictures` leaves out: files that systems leave behind.

    Nothing is drawn before its first batch, so the order of what remains is the stock class's.
    """
    listed = set(names)
    kept = [number for number, name in enumerate(iterator.filenames) if Path(name).as_posix() in listed]
    if len(kept) == len(iterator.filenames):
        return
    keep_pictures(iterator, kept)


def _for_each(function: Callable[[int], None], count: int) -> None:
    """Call a function with 0 to count - 1, in as many threads as this process has for its arithmetic."""
    threads = min(int(os.environ.get("OMP_NUM_THREADS") or 1), count)

    def part(first: int) -> None:
        for number in range(first, count, threads):
            function(number)

    if threads > 1:
        list(_pool(threads).map(part, range(threads)))
    else:
        part(0)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="transforms")


def _needs_fit(augmentation: Augmentation) -> bool:
    wanted = (augmentation.featurewise_center, augmentation.featurewise_std_normalization, augmentation.zca_whitening)
    return any(wanted)


class Prefetcher:
    """Runs an iterator in a thread, a few items ahead of whoever takes them.

    Used as a context: leaving it ends the thread, also in the middle.
    """

    def __init__(self, items: Callable[[], Iterator[Any]], ahead: int = 4) -> None:
        self._items = items
        self._queue: queue.Queue[Any] = queue.Queue(ahead)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._produce, name="pictures", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._left.set()
        self._thread.join()

    def _put(self, entry: tuple[Any, Exception | None]) -> None:
        while not self._left.is_set():
            with contextlib.suppress(queue.Full):
                self._queue.put(entry, timeout=PATIENCE)
                return

    def _produce(self) -> None:
        try:
            for item in self._items():
                self._put((item, None))
                if self._left.is_set():
                    return
            self._put((None, StopIteration()))
        except Exception as error:
            self._put((None, error))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        while not self._left.is_set():
            with contextlib.suppress(queue.Empty):
                item, error = self._queue.get(timeout=PATIENCE)
                if error is not None:
                    raise error
                return item
        raise StopIteration
