"""Train one session from start to end, in whichever process it runs.

run_session(task, emit)
    ├─ train(values, report)          the user's objective, or
    ├─ training.fit.train(...)        pictures, proven before and after, and Keras; only here does anything heavy wake
    └─ Ended(outcome) ──► emit        always, unless the process dies, which its executor notices
"""

from __future__ import annotations

import contextlib
import os
import platform
import random
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import psutil

from gridsearch.config.entry_points import load_entry_point
from gridsearch.errors import hide_passwords
from gridsearch.record.summary import summarise
from gridsearch.system.files import is_full
from gridsearch.system.process_state import Changes, ProcessState, python_settings, thread_setting
from gridsearch.training.library_state import library_settings
from gridsearch.training.proof import PicturesChanged, PicturesProof
from gridsearch.training.reporter import (
    AwaitVerdict,
    Diverged,
    Emit,
    MetricMissing,
    Reporter,
    TrainingStopped,
    flatten_metrics,
)
from gridsearch.training.task import Task
from gridsearch.trials import Ended, FailureKind, Outcome, Status, Verdict

__all__ = ["run_session"]

POOL = "transforms"
"""How the threads of ``images.Pipelines`` are named, which stay for the next trial."""


def run_session(
    task: Task, emit: Emit, hear: AwaitVerdict = lambda epoch: Verdict.GO_ON, *, own_process: bool = False
) -> None:
    """Train a session and emit its ``Ended``; an exception of the training is an outcome, not an error.

    What the training changes in this process is put back before that. What the user's module changes when it is
    imported stays: every process that trains its sweep imports it once.

    Args:
        task: what to train.
        emit: takes what is said on the way.
        hear: waits for the verdict on an epoch, if the task is judged.
        own_process: whether this process does nothing else, so that every new thread is the training's.
    """
    began = time.perf_counter() - (task.trained_before or 0.0)
    reporter = Reporter(task, emit, hear)
    states: list[ProcessState] = []

    def note_state() -> None:
        reporter.open()  # what it imports changes warning filters: not the trial's doing
        threads = [thread_setting(POOL)] if own_process else []
        states.append(ProcessState([*python_settings(), *library_settings(), *threads]))

    try:
        outcome = _outcome(task, reporter, began, note_state)
    finally:
        changes = states[0].restore() if states else Changes()
        with contextlib.suppress(Exception):  # as below
            _say_changes(changes, own_process=own_process)
    emit(Ended(task.session.name, _add_provenance(outcome, reporter), changes.left))


def _outcome(task: Task, reporter: Reporter, began: float, note_state: Callable[[], None]) -> Outcome:
    """Train, and return what came of it.

    Raises:
        KeyboardInterrupt: the user ends a sweep that trains in its own process.
    """
    try:
        with contextlib.closing(reporter):
            train = _prepare(task, reporter)
            note_state()
            final = flatten_metrics(train())
        return _conclude(task, reporter, final, time.perf_counter() - began)
    except Diverged as error:
        print(f"diverged: {error}", file=sys.stderr)
        return Outcome.failed(FailureKind.DIVERGED, str(error))
    except MetricMissing as error:
        print(error, file=sys.stderr)
        return Outcome.failed(FailureKind.EXCEPTION, str(error))
    except BaseException as error:  # a sys.exit() of the user's ends the trial, not the sweep
        if isinstance(error, KeyboardInterrupt):
            raise
        with contextlib.suppress(Exception):  # the log may be on the disk that is full, or closed
            traceback.print_exc()
        return _explain_failure(error)


def _say_changes(changes: Changes, *, own_process: bool) -> None:
    if changes.restored:
        print(f"gridsearch: put back what this trial changed: {', '.join(changes.restored)}", file=sys.stderr)
    if changes.left:
        then = "the next trial gets a new worker process" if own_process else "the next trial will find it changed"
        print(f"gridsearch: cannot put back: {', '.join(changes.left)}; {then}", file=sys.stderr)


def _explain_failure(error: BaseException) -> Outcome:
    """Return the outcome of an exception: the training's own fault, unless disk or pictures have failed it."""
    if isinstance(error, PicturesChanged):
        return Outcome.failed(FailureKind.INTERRUPTED, str(error), charged=False, pictures_changed=True)
    if is_full(error):
        return Outcome.failed(FailureKind.INTERRUPTED, _one_line(error), charged=False, disk_full=True)
    return Outcome.failed(FailureKind.EXCEPTION, _one_line(error))


def _prepare(task: Task, reporter: Reporter) -> Callable[[], Mapping[str, Any]]:
    """Import what the task trains with, seed its random numbers, and return what trains it."""
    if task.settings.model.objective:
        train = load_entry_point(task.settings.model.objective, task.settings.folder)
        _seed(task.session.seed)
        return partial(_train_objective, train, task, reporter)
    from gridsearch.training import fit

    proof = PicturesProof(task)
    proof.prove()
    fit.prepare(task)
    return partial(_train_on_pictures, fit.train, task, reporter, proof)


def _train_objective(train: Callable[..., Any], task: Task, reporter: Reporter) -> Mapping[str, Any]:
    try:
        returned: Mapping[str, Any] = train(dict(task.values), reporter.report)
    except TrainingStopped:
        return {}
    return returned


def _train_on_pictures(
    train: Callable[[Task, Reporter], Mapping[str, float]], task: Task, reporter: Reporter, proof: PicturesProof
) -> Mapping[str, float]:
    try:
        metrics = train(task, reporter)
    except Exception:
        _prove_again(task, proof)  # that they have changed may be why it failed
        raise
    _prove_again(task, proof)
    return metrics


def _prove_again(task: Task, proof: PicturesProof) -> None:
    """Prove the pictures after a training; remove what was kept of a training on others.

    Raises:
        PicturesChanged: they have changed while it trained.
    """
    try:
        proof.prove()
    except PicturesChanged:
        task.model_file.unlink(missing_ok=True)
        if task.checkpoints is not None:
            shutil.rmtree(task.checkpoints, ignore_errors=True)
        raise


def _seed(seed: int) -> None:
    """Seed whatever random numbers the user's objective may draw, as far as it has imported their source."""
    random.seed(seed)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed)
    elif "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    if hasattr(sys.modules.get("torch"), "manual_seed"):
        sys.modules["torch"].manual_seed(seed)


def _conclude(task: Task, reporter: Reporter, final: Mapping[str, float], seconds: float) -> Outcome:
    last = reporter.epochs[max(reporter.epochs)] if reporter.epochs else {}
    stopped = reporter.verdict is not Verdict.GO_ON
    if task.objective.of({**last, **final} if stopped else final) is None:
        reported = {*final, *(name for metrics in reporter.epochs.values() for name in metrics)}
        raise MetricMissing(task.objective.metric, reported)
    reporter.refuse_divergence(final, "at the end")
    metrics = summarise(task.objective, reporter.epochs, final, seconds)
    status = Status.STOPPED if stopped else Status.COMPLETED
    return Outcome(status, metrics=metrics, paused=reporter.verdict is Verdict.PAUSE)


def _add_provenance(outcome: Outcome, reporter: Reporter) -> Outcome:
    found = {
        **outcome.provenance,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "python": platform.python_version(),
    }
    found["memory"] = psutil.Process().memory_info().rss
    found |= reporter.provenance
    if os.environ.get("OMP_NUM_THREADS", "").isdecimal():
        found["threads"] = int(os.environ["OMP_NUM_THREADS"])
    packages = ("tensorflow", "jax", "torch", "keras", "numpy")
    loaded = {name: module for name in packages if (module := sys.modules.get(name)) is not None}
    found |= {name: str(getattr(module, "__version__", "")) for name, module in loaded.items()}
    if hasattr(loaded.get("keras"), "backend"):
        found["backend"] = loaded["keras"].backend.backend()
    return replace(outcome, epochs=max(reporter.epochs, default=-1) + 1, provenance=found)


def _one_line(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split()) or "no message"
    except Exception as worse:  # of its own __str__
        text = f"its message cannot be made: {type(worse).__name__}"
    return f"{type(error).__name__}: {hide_passwords(text)[:300]}"
