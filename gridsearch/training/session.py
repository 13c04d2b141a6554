"""Train one session from start to end, in whichever process it runs.

run_session(task, emit)
    ├─ train(values, report)          the user's objective, or
    ├─ training.fit.train(...)        pictures and Keras; only here does anything heavy wake
    └─ Ended(outcome) ──► emit        always, unless the process dies, which its executor notices
"""

from __future__ import annotations

import contextlib
import os
import platform
import random
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import psutil

from gridsearch.config.entry_points import load_entry_point
from gridsearch.errors import hide_passwords
from gridsearch.system.files import is_full
from gridsearch.training.reporter import AwaitVerdict, Diverged, Emit, Reporter, TrainingStopped, flatten_metrics
from gridsearch.training.task import Task
from gridsearch.trials import Ended, FailureKind, Outcome, Status, Verdict, summarise

__all__ = ["run_session"]


def run_session(task: Task, emit: Emit, hear: AwaitVerdict = lambda epoch: Verdict.GO_ON) -> None:
    """Train a session and emit its ``Ended``; an exception of the training is an outcome, not an error.

    Args:
        task: what to train.
        emit: takes what is said on the way.
        hear: waits for the verdict on an epoch, if the task is judged.
    """
    began = time.perf_counter() - (task.trained_before or 0.0)
    reporter = Reporter(task, emit, hear)
    try:
        with contextlib.closing(reporter):
            final = flatten_metrics(_train(task, reporter))
        outcome = _conclude(task, reporter, final, time.perf_counter() - began)
    except Diverged as error:
        outcome = Outcome.failed(FailureKind.DIVERGED, str(error))
        print(f"diverged: {error}", file=sys.stderr)
    except BaseException as error:  # a sys.exit() of the user's ends the trial, not the sweep
        if isinstance(error, KeyboardInterrupt):
            raise
        with contextlib.suppress(Exception):  # the log may be on the disk that is full, or closed
            traceback.print_exc()
        outcome = _explain_failure(error)
    emit(Ended(task.session.name, _add_provenance(outcome, reporter)))


def _explain_failure(error: BaseException) -> Outcome:
    """Return the outcome of an exception: the training's own fault, unless the disk was full."""
    if is_full(error):
        return Outcome.failed(FailureKind.INTERRUPTED, _one_line(error), charged=False, disk_full=True)
    return Outcome.failed(FailureKind.EXCEPTION, _one_line(error))


def _train(task: Task, reporter: Reporter) -> Mapping[str, Any]:
    if task.settings.model.objective:
        train = load_entry_point(task.settings.model.objective, task.settings.folder)
        _seed(task.session.seed)
        try:
            returned: Mapping[str, Any] = train(dict(task.values), reporter.report)
        except TrainingStopped:
            return {}
        return returned
    from gridsearch.training.fit import train as train_on_pictures

    return train_on_pictures(task, reporter)


def _seed(seed: int) -> None:
    """Seed whatever random numbers the user's objective may draw, as far as it has imported their source."""
    random.seed(seed)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed)
    elif "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)


def _conclude(task: Task, reporter: Reporter, final: Mapping[str, float], seconds: float) -> Outcome:
    last = reporter.epochs[max(reporter.epochs)] if reporter.epochs else {}
    stopped = reporter.verdict is not Verdict.GO_ON
    if task.objective.of({**last, **final} if stopped else final) is None:
        reported = ", ".join(sorted({*final, *(name for metrics in reporter.epochs.values() for name in metrics)}))
        metric = f"the metric {task.objective.metric!r}, which sweep.metric names,"
        problem = f"{metric} was not among the results, which hold: {reported or 'nothing'}"
        return Outcome.failed(FailureKind.EXCEPTION, problem)
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
