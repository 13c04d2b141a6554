"""Pictures as batches: ImageDataGenerator's pipelines, produced in a thread of their own while the model computes.

Pipelines ── train        augmented, shuffled, without end
          └─ validation   rescaled only, in order, the same batches in every epoch
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

# Keras 3 exports the class through TensorFlow only; from where it is defined it works with every backend.
from keras.src.legacy.preprocessing.image import DirectoryIterator, ImageDataGenerator

from gridsearch.settings import Augmentation, Settings
from gridsearch.tasks import load_entry_point

__all__ = ["Ahead", "Batch", "Pipelines"]

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
        training = ImageDataGenerator(**common, preprocessing_function=loaded)
        only_scaling = {name: common[name] for name in SCALING}
        validating = ImageDataGenerator(**only_scaling, preprocessing_function=loaded)
        if _needs_fit(settings.augmentation):
            self._fit([training, validating], ImageDataGenerator(preprocessing_function=loaded))
        self._train = self._flow(training, settings.data.train, shuffle=True)
        self._validation = self._flow(validating, settings.data.validation, shuffle=False)
        # In order of files, a few validation steps would see one class only; mixed once, they see the same mixture
        # in every epoch, trial and repeat.
        mixed = np.random.default_rng(settings.training.seed).permutation(self._validation.samples)
        self._validation.index_array = mixed

    def _flow(self, generator: ImageDataGenerator, folder: Path, *, shuffle: bool) -> DirectoryIterator:
        data = self._settings.data
        return DirectoryIterator(
            str(folder),
            generator,
            target_size=data.shape[:2],
            color_mode=data.color_mode,
            class_mode=data.class_mode,
            batch_size=data.batch_size,
            shuffle=shuffle,
            seed=self._seed,
            interpolation=data.interpolation,
            dtype="float32",
        )

    def _fit(self, generators: list[ImageDataGenerator], unscaled: ImageDataGenerator) -> None:
        """Take featurewise statistics from training pictures; ``fit`` rescales them itself."""
        plain = self._flow(unscaled, self._settings.data.train, shuffle=True)
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
        """The batches of a training in order: each epoch's training batches, then its validation batches.

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


def _needs_fit(augmentation: Augmentation) -> bool:
    wanted = (augmentation.featurewise_center, augmentation.featurewise_std_normalization, augmentation.zca_whitening)
    return any(wanted)


class Ahead:
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
