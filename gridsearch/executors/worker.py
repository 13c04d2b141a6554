"""Train tasks in a process of its own, for ``executors.processes``: ``python -m gridsearch.executors.worker FD``."""

from __future__ import annotations

import gc
import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TextIO

import psutil

from gridsearch.system.child_process import remove_temporary_folder
from gridsearch.system.signals import STOP_SIGNALS
from gridsearch.training.session import run_session
from gridsearch.training.task import Task
from gridsearch.trials import Message, Verdict

__all__ = ["main"]

Answer = tuple[str, int, Verdict]
"""Session, epoch, and what becomes of it."""


OPTIONAL = ("sklearn", "pandas", "matplotlib")
"""For Keras's wrappers, for data frames and for drawings, none of which the training on pictures has."""


def main(descriptor: int) -> None:
    """Train the tasks that arrive, one at a time, until the runner closes its end or is gone."""
    # Ctrl-C, or a SIGTERM to everything, reaches workers too; what it means for a trial is the runner's decision. They
    # were started with both blocked, so that none can come before this. What a trial starts shall not inherit that: it
    # must be possible to end it.
    for number in STOP_SIGNALS:
        signal.signal(number, lambda number, frame: None)  # not SIG_IGN, which other programs would inherit
        signal.siginterrupt(number, False)
    held, heard = (partial(signal.pthread_sigmask, how, STOP_SIGNALS) for how in (signal.SIG_BLOCK, signal.SIG_UNBLOCK))
    os.register_at_fork(before=held, after_in_parent=heard, after_in_child=_heed_signals)
    heard()
    connection = Connection(descriptor)
    tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
    answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(connection, tasks, answers), daemon=True).start()
    me, sending = psutil.Process(), threading.Lock()

    def emit(message: Message) -> None:
        try:
            with sending:  # users may report from threads of their own
                connection.send((message, me.memory_info().rss))
        except OSError:
            _leave()  # the runner is gone

    while True:
        task = tasks.get()
        with _output_to(task.directory / "log.txt"):
            if not task.settings.model.objective:
                _import_training()
            run_session(task, emit, partial(_heard, answers, task.session.name))


def _heed_signals() -> None:
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def _import_training() -> None:
    """Import Keras without what it looks for and this process does not use: a third of the time, before the first step.

    Only Keras does without it: whoever imports it later, such as the user's own code, has it.
    """
    if "keras" in sys.modules:
        return
    hidden: dict[str, Any] = {name: None for name in OPTIONAL if name not in sys.modules}
    sys.modules.update(hidden)  # None: an import of it is an ImportError
    try:
        with suppress(Exception):  # it comes up again where it is the outcome of a trial
            import_module("gridsearch.training.fit")
    finally:
        for name in hidden:
            del sys.modules[name]
    gc.freeze()  # a million objects that stay: to look through them after each trial takes a quarter of a second


def _heard(answers: queue.SimpleQueue[Answer], session: str, epoch: int) -> Verdict:
    """Wait for the answer to this epoch; one that nobody waited for, since its training failed, is passed over."""
    while True:
        to, about, verdict = answers.get()
        if (to, about) == (session, epoch):
            return verdict


def _receive(connection: Connection, tasks: queue.SimpleQueue[Task], answers: queue.SimpleQueue[Answer]) -> None:
    """Take what comes; the end of the connection is the end of this process and of all that it has started."""
    try:
        while True:
            received = connection.recv()
            if isinstance(received, Task):
                tasks.put(received)
            else:
                answers.put(received)
    finally:  # whatever it was: who no longer hears the runner must not outlive it
        _leave()


def _leave() -> None:
    """End this process with all that it has started."""
    remove_temporary_folder()
    os.killpg(0, signal.SIGKILL)


@contextmanager
def _output_to(log: Path) -> Iterator[None]:
    """Send everything that this process prints, from C++ too, to a trial's log."""
    saved = [os.dup(1), os.dup(2)]
    file = _opened(log)
    try:
        _flush()
        os.dup2(file, 1)
        os.dup2(file, 2)
        # Anew: an earlier trial may have closed them, or put others in their place that close them when they go.
        sys.stdout, sys.stderr = _stream(1), _stream(2)
        yield
    finally:
        _flush()
        for original, number in zip(saved, (1, 2), strict=True):
            os.dup2(original, number)
            os.close(original)
        os.close(file)


def _stream(descriptor: int) -> TextIO:
    return open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _opened(log: Path) -> int:
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        return os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        print(f"no log for this trial: {error}", file=sys.stderr)  # a trial without a log beats no trial
        return os.open(os.devnull, os.O_WRONLY)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # a full disk, or whatever a trial has put there: that is the trial's outcome
            stream.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]))
