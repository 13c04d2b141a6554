"""A combination trained on pictures: seed, pipelines, model, epochs, and what came of it.

Why not ``Model.fit``: it takes down and rebuilds its own feeding threads at every epoch, which on pictures stands
still for seconds each time. The loop here is ``train_on_batch`` and ``test_on_batch``, with Keras's own callbacks
around it where they are wanted.
"""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from gridsearch.config import Augmentation, Data, Settings, Training
from gridsearch.training.images import Ahead, Pipelines
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
        with _callbacks(task, model) as callbacks:
            metrics = _epochs(model, pipelines, settings, reporter, callbacks)
        if reporter.worth_keeping(metrics):
            _save(model, task.model_file)
        return metrics
    finally:
        keras.backend.clear_session()
        gc.collect()  # a model holds itself in cycles, and its weights are hundreds of megabytes


def _epochs(
    model: keras.Model, pipelines: Pipelines, settings: Settings, reporter: Reporter, callbacks: Any
) -> dict[str, float]:
    epochs, steps = settings.training.epochs, pipelines.steps
    metrics: dict[str, float] = {}
    with Ahead(lambda: pipelines.epochs(epochs)) as batches:
        for epoch in range(epochs):
            callbacks.on_epoch_begin(epoch)
            model.reset_metrics()
            logs: dict[str, Any] = {}
            for step in range(steps):
                callbacks.on_train_batch_begin(step)
                logs = model.train_on_batch(*next(batches), return_dict=True)
                callbacks.on_train_batch_end(step, logs)
                reporter.beat(epoch, step + 1, steps)
            metrics = _plain(logs) | _validated(model, batches, pipelines.validation_steps)
            metrics["learning_rate"] = float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))
            callbacks.on_epoch_end(epoch, dict(metrics))
            reporter.epoch(epoch, metrics)
    return metrics


def _validated(model: keras.Model, batches: Iterator[Any], steps: int) -> dict[str, float]:
    model.reset_metrics()
    logs: dict[str, Any] = {}
    for _ in range(steps):
        logs = model.test_on_batch(*next(batches), return_dict=True)
    return {f"val_{name}": value for name, value in _plain(logs).items()}


def _plain(logs: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}


@contextlib.contextmanager
def _callbacks(task: Task, model: keras.Model) -> Iterator[Any]:
    """Keras's TensorBoard callback with graph and histograms where the detail is full, otherwise none."""
    wanted = []
    if task.detail == "full":
        wanted.append(keras.callbacks.TensorBoard(str(task.directory), histogram_freq=1, write_graph=True))
    callbacks = keras.callbacks.CallbackList(wanted, model=model)
    callbacks.on_train_begin()
    try:
        yield callbacks
    finally:
        callbacks.on_train_end()


def _save(model: keras.Model, file: Path) -> None:
    """Write the model whole or not at all: weights and architecture, without the optimizer's two copies of them."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f"{file.stem}.part.keras")
    model.save(part, include_optimizer=False)
    os.replace(part, file)
