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
from gridsearch.errors import UserError
from gridsearch.hparams.combination import Combination
from gridsearch.kerastuner.errors import like_upstream
from gridsearch.record.journal import Journal
from gridsearch.record.reader import read_history
from gridsearch.record.summary import summarise
from gridsearch.runner.dashboard import Dashboard
from gridsearch.runner.session_book import SessionBook, end_record
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
)
from gridsearch.writers import Writer, describe_sweep
from gridsearch.writers.factory import backfill_command, refuse_unknown
from gridsearch.writers.isolated import IsolatedWriter
from gridsearch.writers.tensorboard.events import EpochEvents

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
        self._recipe = dict(recipe)
        self._config, self._journal = config, Journal(config.sweep.logdir, _warn)
        try:
            self._journal.declare(config, recipe)
            self._journal.close_abandoned()
            self._opened, self._dashboard = time.time(), Dashboard(self._journal, config)
            self._dashboard.repair()
            self._events = self._dashboard.events
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
        self._announced = True
        """Whether writers know of the session that runs."""

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

    def refuse_other_oracle(self, kind: str) -> None:
        """Refuse an oracle of another class than the one that proposed the recorded trials, see ``other_oracle``."""
        recorded = self._journal.properties().get("oracle")
        if recorded is None:
            with self._journal.transaction():
                self._journal.set_property("oracle", kind)
        elif recorded != kind:
            raise other_oracle(self.logdir, recorded, kind)

    def sessions(self) -> tuple[SessionRecord, ...]:
        """Return every session that is recorded."""
        return self._journal.record().sessions

    def extend(self, config: SweepConfig) -> None:
        """Adopt a larger space: hyperparameters that trials were the first to ask for become columns."""
        self._config = config
        self._journal.declare(config, self._recipe)
        self._dashboard.extend(config)

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

    def settle(self, values: Mapping[str, Any]) -> str:
        """Give the trial that runs the values as they stand: training may be the first to ask for some.

        Writers hear of a session once its values are known: with its first epoch, or at its end. If values come later
        still, TensorBoard's rows are written anew.

        Returns:
            The session's name. It is another one where a trial has these values already: one that was killed after it
            had asked for them is tried again.
        """
        assert self._current is not None, "a session runs"
        combination, before = Combination.of(values), self._current.session.trial
        if combination.id == before.id:
            return self._current.name
        with self._journal.transaction():
            free = self._journal.replace_values(before.number, combination)
            if not free and not self._announced:
                self._journal.withdraw(self._current)
        if free:
            trial = next(t for t in self._journal.record().trials if t.trial.number == before.number)
            self._current = next(s for s in trial.sessions if s.name == self._current.name)
            shown = {self._current.name} if self._announced else set()
            for session in trial.sessions:
                if session.delivered or session.name in shown:
                    self._events.rewrite(session)
        elif not self._announced:
            return self.begin(combination)
        else:
            _warn(f"{before.name} has come to the values of another trial, {dict(combination)}: "
                  f"it stays under those it began with, {dict(before.values)}")  # fmt: skip
        return self._current.name

    def begin_next_execution(self, metrics: Mapping[str, float] | None = None) -> None:
        """Begin the next execution of the same trial: another repeat of it.

        Args:
            metrics: what the last one came to; None is what its epochs say, and it goes on if it had none.
        """
        if self._current is None or not (self._epochs or metrics):
            return
        before = self._current.session
        self.end(Outcome(Status.COMPLETED, metrics=self.summary({}) if metrics is None else metrics))
        with self._journal.transaction():
            session = self._book.begin(Session(before.trial, before.repeat + 1, 1, 0))
        self._start(session)

    def _start(self, session: SessionRecord) -> None:
        resumed = session.resumed is not None
        self._current, self._epochs = session, {}
        self._before = {e.epoch: e.metrics for e in read_history(self.logdir, session.name)} if resumed else {}
        self._since = time.monotonic() - session.trained_before
        self._curves = EpochEvents(self.logdir / session.name)
        self._announced = False

    def announce(self) -> None:
        """Tell the writers of the session that runs, if they do not know of it yet."""
        if self._current is not None and not self._announced:
            self._announced = True
            self._book.announce(self._current)

    def epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Record that an epoch has ended, counted from 0."""
        if self._current is None or self._curves is None:
            return
        self.announce()
        metrics = flatten_metrics(logs)
        said = Epoch(self._current.name, epoch, metrics, time.time())
        with self._journal.transaction():
            self._book.add_epoch(said)
        self._epochs[epoch] = metrics
        self._curves.add(epoch, metrics, said.time)
        self._book.tell_epoch(said)

    @property
    def running(self) -> bool:
        """Whether a session runs."""
        return self._current is not None

    @property
    def reported(self) -> bool:
        """Whether the session that runs has reported an epoch."""
        return bool(self._epochs)

    def summary(self, final: Mapping[str, float], scored: tuple[float, int | None] | None = None) -> dict[str, float]:
        """Return the metrics of the session that runs, by the dashboard's names.

        Args:
            final: adds to the metrics of its last epoch.
            scored: the value that KerasTuner scores it with, and of which epoch, counted from 1; None is the last. A
                session that resumed keeps a better one of the rungs below.
        """
        epochs = {epoch: self._of_objective(metrics) for epoch, metrics in {**self._before, **self._epochs}.items()}
        final, objective = self._of_objective(final), self._config.objective
        found = summarise(objective, epochs, final, time.monotonic() - self._since)
        if scored is not None and is_finite(scored[0]) and not self._before:
            found[f"best_{objective.metric}"] = float(scored[0])
            found["best_epoch"] = float(max(epochs, default=-1) + 1 if scored[1] is None else scored[1])
        return found

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
        self.announce()
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
            self._dashboard.finish(self._opened)
            for writer in self._isolated.values():
                writer.close()
        finally:
            self._journal.close()


def other_oracle(logdir: Path, recorded: str, kind: str) -> UserError:
    """Return the error for an oracle of another class: a RuntimeError, too, as KerasTuner raises it."""
    problem = f"was searched with a {recorded}, not with a {kind}"
    cure = "Name another log directory, or pass `overwrite=True` to begin anew."
    return like_upstream(UserError(problem, where=str(logdir), cure=cure), RuntimeError())


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=2)
