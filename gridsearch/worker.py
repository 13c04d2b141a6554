"""One session, start to end, in whichever process it runs.

run_session(task, emit)
    ├─ train(values, report)          the user's objective, or
    ├─ training.fit.train(...)        pictures and Keras; only here does anything heavy wake
    └─ Ended(outcome) ──► emit        always, unless the process dies, which its executor notices
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from typing import Any

from gridsearch.tasks import Diverged, Emit, Reporter, Task, load_entry_point, numbers
from gridsearch.trials import Ended, FailureKind, Outcome, Status, summarise

__all__ = ["is_full", "run_session"]


def run_session(task: Task, emit: Emit) -> None:
    """Train a session and emit its ``Ended``; an exception of the training is an outcome, not an error."""
    began = time.perf_counter()
    reporter = Reporter(task, emit)
    try:
        with contextlib.closing(reporter):
            final = numbers(_trained(task, reporter))
        outcome = _judged(task, reporter, final, time.perf_counter() - began)
    except Diverged as error:
        outcome = Outcome.failed(FailureKind.DIVERGED, str(error))
        print(f"diverged: {error}", file=sys.stderr)
    except Exception as error:
        with contextlib.suppress(OSError):  # the log may be on the disk that is full
            traceback.print_exc()
        outcome = _blamed(error)
    emit(Ended(task.session.name, _with_facts(outcome, reporter)))


def _blamed(error: Exception) -> Outcome:
    """The outcome of an exception: the training's own fault, unless the disk was full."""
    if is_full(error):
        return Outcome.failed(FailureKind.INTERRUPTED, _one_line(error), charged=False, facts={"disk_full": True})
    return Outcome.failed(FailureKind.EXCEPTION, _one_line(error))


def is_full(error: BaseException) -> bool:
    """Whether an error says that there is no room left; HDF5 says so in words only."""
    full = (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, OSError) and (error.errno in full or os.strerror(errno.ENOSPC) in str(error))


def _trained(task: Task, reporter: Reporter) -> Mapping[str, Any]:
    if task.settings.model.objective:
        train = load_entry_point(task.settings.model.objective, task.settings.folder)
        returned: Mapping[str, Any] = train(dict(task.values), reporter.epoch)
        return returned
    from gridsearch.training.fit import train as train_on_pictures

    return train_on_pictures(task, reporter)


def _judged(task: Task, reporter: Reporter, final: Mapping[str, float], seconds: float) -> Outcome:
    if task.objective.of(final) is None:
        reported = ", ".join(sorted({*final, *(name for metrics in reporter.epochs.values() for name in metrics)}))
        problem = f"the metric {task.objective.metric!r} was not among the results, which hold: {reported or 'nothing'}"
        return Outcome.failed(FailureKind.EXCEPTION, problem)
    reporter.refuse_divergence(final, "at the end")
    return Outcome(Status.COMPLETED, metrics=summarise(task.objective, reporter.epochs, final, seconds))


def _with_facts(outcome: Outcome, reporter: Reporter) -> Outcome:
    facts = {**outcome.facts, "host": socket.gethostname(), "pid": os.getpid(), "python": platform.python_version()}
    facts["epochs"] = max(reporter.epochs, default=-1) + 1
    packages = ("tensorflow", "keras", "numpy")
    facts |= {name: str(sys.modules[name].__version__) for name in packages if name in sys.modules}
    return Outcome(outcome.status, outcome.kind, outcome.metrics, outcome.message, outcome.charged, facts)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or "no message"
    return f"{type(error).__name__}: {text[:300]}"
