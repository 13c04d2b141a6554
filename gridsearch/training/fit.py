"""Train a combination on pictures: seed, pipelines, model, epochs, and what comes of it.

Why not ``Model.fit``: on pictures it stands still for seconds between training and validation and at its end, whether
it is fed by the stock iterators or by generators. ``train_on_batch`` with a thread that produces batches ahead does
the same arithmetic without waiting; Keras's callbacks are called around it as ``fit`` would.
"""

from __future__ import annotations

import contextlib
import gc
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

from gridsearch.config.entry_points import load_entry_point
from gridsearch.config.sections import Augmentation, Data, Training
from gridsearch.system.files import is_full, replace_when_whole
from gridsearch.training.checkpoints import Checkpoints
from gridsearch.training.images import Pipelines, Prefetcher
from gridsearch.training.keras_json import use_keras_defaults
from gridsearch.training.model_cache import ModelCache
from gridsearch.training.models import build_model, takes_class_numbers
from gridsearch.training.predict import class_names
from gridsearch.training.reporter import Reporter, flatten_metrics
from gridsearch.training.task import Task
from gridsearch.trials import Verdict

__all__ = ["train"]

SETTING_NAMES = frozenset({*Data.model_fields, *Augmentation.model_fields, *Training.model_fields})


BENCH = ModelCache()
"""Where this process keeps the model of its last trial."""


def train(task: Task, reporter: Reporter) -> Mapping[str, float]:
    """Train a task's model and return the last epoch's metrics, under Keras's names.

    Raises:
        Diverged: a loss became NaN or infinite.
        Exception: whatever the user's model raises.
    """
    settings, seed = task.settings, task.session.seed
    use_keras_defaults()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(settings.training.precision)
    try:
        pipelines = Pipelines(settings, seed)
        reporter.provenance["classes"] = class_names(settings.data.train)
        build = load_entry_point(settings.model.build, settings.folder)
        taken = SETTING_NAMES & set(task.values)
        if task.detail == "full":  # whose callback writes the graph of a model that it sees for the first time
            BENCH.clear()
        model = BENCH.prepare(build_model(build, task.values, settings.data.shape, pipelines.classes, taken))
        gc.collect()  # models hold themselves in cycles: the one before, or the one that this one replaces
        metrics = _fitted(model, pipelines, task, reporter)
        if reporter.worth_keeping(metrics):
            _keep(model, task.model_file, reporter)
        BENCH.keep(model)
        return metrics
    except BaseException:
        BENCH.clear()  # whatever came over this model shall not come over the next
        raise
    finally:
        keras.backend.clear_session(free_memory=False)  # the next trial collects garbage


def _fitted(model: keras.Model, pipelines: Pipelines, task: Task, reporter: Reporter) -> dict[str, float]:
    epochs = task.settings.training.epochs
    checkpoints = Checkpoints(task.checkpoints, model) if task.checkpoints else None
    for epoch, known in sorted((checkpoints.restore() if checkpoints else {}).items()):
        reporter.restore(epoch, known)  # the curves of this session begin where the first one's did
    done = len(reporter.epochs)
    metrics: dict[str, float] = dict(reporter.epochs.get(done - 1, {}))
    callbacks = keras.callbacks.CallbackList(_extra_callbacks(task), model=model)
    callbacks.on_train_begin()
    by_number = takes_class_numbers(model)

    def batch() -> tuple[Any, Any]:
        pictures, classes = next(batches)
        return pictures, classes.argmax(axis=-1) if by_number else classes

    with Prefetcher(lambda: pipelines.epochs(done, epochs)) as batches, _accumulate_metrics(model) as start_over:
        for epoch in range(done, epochs):
            callbacks.on_epoch_begin(epoch)
            start_over()
            for step in range(pipelines.steps):
                callbacks.on_train_batch_begin(step)
                logs = model.train_on_batch(*batch(), return_dict=True)
                callbacks.on_train_batch_end(step, logs)
                reporter.beat(epoch, step + 1, pipelines.steps)
            metrics = flatten_metrics(logs)
            start_over()
            for _ in range(pipelines.validation_steps):
                logs = model.test_on_batch(*batch(), return_dict=True)
                reporter.beat(epoch, pipelines.steps, pipelines.steps)
            metrics |= {f"val_{name}": value for name, value in flatten_metrics(logs).items()}
            rate = getattr(model.optimizer, "learning_rate", None)  # several optimizers in one have none
            metrics |= {} if rate is None else {"learning_rate": float(keras.ops.convert_to_numpy(rate))}
            callbacks.on_epoch_end(epoch, dict(metrics))
            print(f"epoch {epoch + 1}", *(f"{name} {value:.4g}" for name, value in metrics.items()), sep="  ")
            verdict = reporter.epoch(epoch, metrics)
            every_epoch = task.settings.training.checkpoint == "epoch"
            if checkpoints and (every_epoch or verdict is Verdict.PAUSE):
                checkpoints.save(reporter.epochs)
            if verdict is not Verdict.GO_ON:
                break
    if reporter.verdict is not Verdict.PAUSE and hasattr(model.optimizer, "finalize_variable_values"):
        model.optimizer.finalize_variable_values(model.trainable_weights)  # averages of weights take their place
    callbacks.on_train_end()
    return metrics


@contextlib.contextmanager
def _accumulate_metrics(model: keras.Model) -> Iterator[Callable[[], None]]:
    """Let metrics run on from batch to batch until the yielded function starts them over, as in ``fit``.

    Keras resets them within ``train_on_batch`` and ``test_on_batch``, so that what those return is of the last batch.
    """
    start_over = model.reset_metrics
    model.reset_metrics = lambda: None
    try:
        yield start_over
    finally:
        del model.reset_metrics


def _extra_callbacks(task: Task) -> list[keras.callbacks.Callback]:
    """Return Keras's TensorBoard callback with graph and histograms where the detail is full."""
    if task.detail != "full":
        return []
    return [keras.callbacks.TensorBoard(str(task.directory), histogram_freq=1, write_graph=True)]


def _keep(model: keras.Model, file: Path, reporter: Reporter) -> None:
    """Save the model if that can be done: a layer that Keras cannot write is no reason to lose what was trained."""
    try:
        _save(model, file)
    except Exception as error:
        if is_full(error):
            raise
        traceback.print_exc()
        reporter.provenance["model"] = f"not saved: {type(error).__name__}: {error}"


def _save(model: keras.Model, file: Path) -> None:
    """Write the model whole or not at all: weights and architecture, without the optimizer's two copies of them.

    Loaded, it can be evaluated and trained on, with an optimizer that starts anew.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    model.optimizer.save_own_variables = lambda store: None  # Keras's include_optimizer does nothing in this format
    try:
        with replace_when_whole(file, ".keras") as part:
            model.save(part)
    finally:
        del model.optimizer.save_own_variables
