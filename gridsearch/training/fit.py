"""A combination trained on pictures: seed, pipelines, model, epochs, and what came of it.

``Model.fit`` gets plain generators, fed by threads of our own. Given the stock iterators themselves it would take down
and rebuild its feeding threads at every epoch, and stand still for seconds each time.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import keras

from gridsearch.config import Augmentation, Data, Training
from gridsearch.training.images import Ahead, Batch, Pipelines
from gridsearch.training.models import built
from gridsearch.worker import Reporter, Task, load_entry_point

__all__ = ["train"]

SETTING_NAMES = frozenset({*Data.model_fields, *Augmentation.model_fields, *Training.model_fields})


def train(task: Task, reporter: Reporter) -> Mapping[str, float]:
    """Train a task's model and return the last epoch's metrics, under Keras's names.

    Raises:
        Diverged: a loss became NaN or infinite.
        Exception: whatever the user's model raises.
    """
    settings, seed = task.settings, task.session.seed
    keras.utils.set_random_seed(seed)
    precision = settings.training.precision
    keras.config.set_dtype_policy("float32" if precision == "auto" else precision)
    try:
        pipelines = Pipelines(settings, seed)
        build = load_entry_point(settings.model.build, settings.folder)
        taken = SETTING_NAMES & set(task.values)
        model = built(build, task.values, settings.data.shape, pipelines.classes, taken)
        metrics = _fitted(model, pipelines, task, reporter)
        if reporter.worth_keeping(metrics):
            _save(model, task.model_file)
        return metrics
    finally:
        keras.backend.clear_session()
        gc.collect()  # a model holds itself in cycles, and its weights are hundreds of megabytes


def _fitted(model: keras.Model, pipelines: Pipelines, task: Task, reporter: Reporter) -> dict[str, float]:
    telling = _Telling(reporter, pipelines.steps)
    with Ahead(pipelines.training) as training, Ahead(pipelines.validating) as validating:
        model.fit(
            _generator(training),
            epochs=task.settings.training.epochs,
            steps_per_epoch=pipelines.steps,
            validation_data=_generator(validating),
            validation_steps=pipelines.validation_steps,
            callbacks=[telling, *_extra_callbacks(task)],
            verbose=2,  # a line per epoch, in the trial's log
        )
    return telling.last


def _generator(batches: Iterator[Batch]) -> Iterator[Batch]:
    """A generator proper, which is how Keras tells a stream from a data set."""
    yield from batches


class _Telling(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Reports epochs with their learning rate, and signs of life in between."""

    def __init__(self, reporter: Reporter, steps: int) -> None:
        super().__init__()
        self._reporter, self._steps, self._epoch = reporter, steps, 0
        self.last: dict[str, float] = {}

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._reporter.beat(self._epoch, batch + 1, self._steps)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._reporter.beat(self._epoch, self._steps, self._steps)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        rate = keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        self.last = {name: float(value) for name, value in (logs or {}).items()} | {"learning_rate": float(rate)}
        self._epoch = epoch + 1
        self._reporter.epoch(epoch, self.last)


def _extra_callbacks(task: Task) -> list[keras.callbacks.Callback]:
    """Keras's TensorBoard callback with graph and histograms where the detail is full."""
    if task.detail != "full":
        return []
    return [keras.callbacks.TensorBoard(str(task.directory), histogram_freq=1, write_graph=True)]


def _save(model: keras.Model, file: Path) -> None:
    """Write the model whole or not at all: weights and architecture, without the optimizer's two copies of them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.stem}.part.keras")
    model.save(part, include_optimizer=False)
    os.replace(part, file)
