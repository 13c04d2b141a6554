"""Record a tuner's trials: sweep.db first, then TensorBoard, then other writers.

The tuner's own process is the runner here. What the oracle has heard is kept with each session, under the number of the
oracle's trial, so that a fresh oracle can be brought to where the killed one stood.
"""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.hparams.combination import Combination
from gridsearch.record.journal import Journal
from gridsearch.record.reader import read_history
from gridsearch.runner.session_book import SessionBook, end_record
from gridsearch.runner.sweep import write_experiment_if_new
from gridsearch.training.reporter import flatten_metrics
from gridsearch.trials import (
    Epoch,
    FailureKind,
    OracleEntry,
    Outcome,
    Session,
    SessionRecord,
    Status,
    TrialRecord,
    is_finite,
    summarise,
)
from gridsearch.writers import Writer, describe_sweep
from gridsearch.writers.factory import backfill_command, refuse_unknown
from gridsearch.writers.isolated import IsolatedWriter
from gridsearch.writers.tensorboard.events import EpochEvents, EventsWriter

__all__ = ["Recording"]


class Recording:
    """A log directory that is open for a search.

    Args:
        config: as the record keeps it.
        recipe: what besides the values decides a result.
        writers: notified after TensorBoard's; those that are named, from a process of their own.

    Raises:
        LogdirError: it is another runner's, of another recipe, or cannot be written.
    """

    def __init__(self, config: SweepConfig, recipe: Mapping[str, Any], writers: Sequence[Writer | str] = ()) -> None:
        refuse_unknown([name for name in writers if isinstance(name, str)], where="writers")
        self._config, self._journal = config, Journal(config.sweep.logdir, _warn)
        try:
            self._journal.declare(config, recipe)
            write_experiment_if_new(self._journal, config)
            self._events = EventsWriter(self._journal.logdir, config.objective)
            self._isolated = {name: self._isolate(name) for name in writers if isinstance(name, str)}
            others = [self._isolated[writer] if isinstance(writer, str) else writer for writer in writers]
            origin = {"host": socket.gethostname()}
            self._book = SessionBook(self._journal, [self._events, *others], provenance=origin, warn=_warn)
            self._book.deliver_abandoned()
        except BaseException:
            self._journal.close()
            raise
        self._current: SessionRecord | None = None
        self._epochs: dict[int, Mapping[str, float]] = {}
        self._before: dict[int, Mapping[str, float]] = {}
        """The epochs of the rungs below, where the session resumes."""
        self._curves: EpochEvents | None = None
        self._since = 0.0

    def _isolate(self, name: str) -> IsolatedWriter:
        info = describe_sweep(self._journal.record(), name)
        return IsolatedWriter(name, info, _warn, backfill_command(name, self.logdir))

    @property
    def logdir(self) -> Path:
        """The log directory."""
        return self._journal.logdir

    def seed(self, wanted: int) -> int:
        """Return the oracle's seed: the first one that this log directory has seen."""
        seed = self._journal.properties().get("oracle_seed")
        if seed is None:
            with self._journal.transaction():
                self._journal.set_property("oracle_seed", wanted)
        return wanted if seed is None else int(seed)

    def oracle_entries(self) -> dict[int, tuple[str, OracleEntry]]:
        """Return what the oracle has heard of each of its trials that have ended: number -> session, entry."""
        return {
            entry.number: (session.name, entry)
            for session in self._journal.record().sessions
            if session.status is not Status.RUNNING
            for entry in session.oracle
        }

    # One session at a time.

    def begin(self, values: Mapping[str, Any]) -> str:
        """Begin a session of a combination: of a new trial, or of one that is paused, failed or tried before.

        Returns:
            Its name.
        """
        combination = Combination.of(values)
        known = next((t for t in self._journal.record().trials if t.trial.id == combination.id), None)
        paused = known.paused if known else None
        with self._journal.transaction():
            if paused is not None:
                session = self._book.resume(paused)
            else:
                session = self._book.begin(self._next_session(combination, known))
        self._start(session)
        return session.name

    def _next_session(self, values: Combination, known: TrialRecord | None) -> Session:
        trial = self._journal.plan(values)
        past = [s.session for s in known.sessions] if known else []
        if known is not None and known.failure is not None:
            failed = known.failure.session
            return Session(trial, failed.repeat, failed.attempt + 1, 0)
        # new, or the oracle wants it once more
        return Session(trial, 1 + max((s.repeat for s in past), default=-1), 1, 0)

    def begin_next_execution(self) -> None:
        """Begin the next execution of the same trial: another repeat of it."""
        if self._current is None or not self._epochs:
            return
        before = self._current.session
        self.end(Outcome(Status.COMPLETED, metrics=self.summary({})))
        with self._journal.transaction():
            session = self._book.begin(Session(before.trial, before.repeat + 1, 1, 0))
        self._start(session)

    def _start(self, session: SessionRecord) -> None:
        resumed = session.resumed is not None
        self._current, self._epochs = session, {}
        self._before = {e.epoch: e.metrics for e in read_history(self.logdir, session.name)} if resumed else {}
        self._since = time.monotonic() - session.trained_before
        self._curves = EpochEvents(self.logdir / session.name)
        self._book.announce(session)

    def epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Record that an epoch has ended, counted from 0."""
        if self._current is None or self._curves is None:
            return
        metrics = flatten_metrics(logs)
        said = Epoch(self._current.name, epoch, metrics, time.time())
        with self._journal.transaction():
            self._book.add_epoch(said)
        self._epochs[epoch] = metrics
        self._curves.add(epoch, metrics, said.time)
        self._book.tell_epoch(said)

    @property
    def reported(self) -> bool:
        """Whether the session that runs has reported an epoch."""
        return bool(self._epochs)

    def summary(self, final: Mapping[str, float]) -> dict[str, float]:
        """Return the metrics of the session that runs, by the dashboard's names; ``final`` adds to its last epoch."""
        epochs = {epoch: self._of_objective(metrics) for epoch, metrics in {**self._before, **self._epochs}.items()}
        final = self._of_objective(final)
        return summarise(self._config.objective, epochs, final, time.monotonic() - self._since)

    def _of_objective(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Return metrics without the validation's where the oracle's objective is the training's.

        KerasTuner's names are exact.
        """
        exact, validations = self._config.sweep.metric, f"val_{self._config.objective.metric}"
        return {name: value for name, value in metrics.items() if exact == validations or name != validations}

    def end(self, outcome: Outcome, entry: OracleEntry | None = None) -> None:
        """Record how the session that runs has ended, with what the oracle is about to hear of it."""
        if self._current is None:
            return
        session, self._current = self._current, None
        if self._curves is not None:
            self._curves.close()
        counted = replace(outcome, epochs=max({**self._before, **self._epochs}, default=-1) + 1)
        ended = end_record(session, counted, time.time(), () if entry is None else (entry,))
        with self._journal.transaction():
            self._book.end(session.name, ended.outcome, ended.ended or 0.0, ended.oracle)
        self._book.deliver_end(ended)
        self._book.mark_delivered()

    def fail(self, kind: FailureKind, message: str, entry: OracleEntry | None = None) -> None:
        """Record that the session that runs, if one does, has failed."""
        charged = kind is not FailureKind.INTERRUPTED
        self.end(Outcome.failed(kind, " ".join(message.split())[:300], charged=charged), entry)

    def finalize(self) -> None:
        """Stop paused trials for good, once the oracle has nothing more."""
        self._book.finalize([trial.paused for trial in self._journal.record().trials if trial.paused is not None])
        self._book.mark_delivered()

    def close(self) -> None:
        """Close what runs as interrupted, and give the log directory back."""
        try:
            self.fail(FailureKind.INTERRUPTED, "the search was stopped")
            self._events.close()
            for writer in self._isolated.values():
                writer.close()
        finally:
            self._journal.close()

    def diverged(self) -> str:
        """Return what of the last epoch is not a number; "" if all of it is."""
        last = self._of_objective(self._epochs[max(self._epochs)]) if self._epochs else {}
        value = self._config.objective.of(last)
        return f"{self._config.objective.metric} is {value}" if value is not None and not is_finite(value) else ""


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=2)
