"""A tuner's trials in a log directory: sweep.db first, then TensorBoard, then whoever else is to be told.

The tuner's own process is the runner here. What was handed to the oracle is kept with each session, under the number
of the oracle's trial, so that a fresh oracle can be brought to where the killed one stood.
"""

from __future__ import annotations

import socket
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import methodcaller
from pathlib import Path
from typing import Any

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.hparams.domain import Combination, combination_id
from gridsearch.record.journal import Journal
from gridsearch.record.reader import read_history
from gridsearch.runner.paused import finalize_session, resume_session
from gridsearch.runner.sweep import write_experiment_if_new
from gridsearch.system.files import is_full
from gridsearch.training.reporter import flatten_metrics
from gridsearch.trials import (
    Epoch,
    FailureKind,
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

__all__ = ["OracleEntry", "Recording"]

ORACLE = "kerastuner"
"""The fact of a session that says what the oracle was told of it."""


@dataclass(frozen=True)
class OracleEntry:
    """What an oracle was told of one of its trials."""

    number: int
    values: Mapping[str, Any]
    """As the oracle has them, KerasTuner's own among them."""
    metrics: Mapping[str, float]
    """Empty if the trial failed."""
    step: int
    session: str


class Recording:
    """A home that is open for a search.

    Args:
        config: as the record keeps it.
        recipe: what besides the values decides a result.
        writers: told after TensorBoard; those that are named, from a process of their own.

    Raises:
        HomeError: it is another runner's, of another recipe, or cannot be written.
    """

    def __init__(self, config: SweepConfig, recipe: Mapping[str, Any], writers: Sequence[Writer | str] = ()) -> None:
        refuse_unknown([name for name in writers if isinstance(name, str)], where="writers")
        self._config, self._journal = config, Journal(config.sweep.logdir)
        try:
            self._journal.settle(config, recipe)
            write_experiment_if_new(self._journal, config)
            self._events = EventsWriter(self._journal.home, config.objective)
            self._outside = {name: self._told_outside(name) for name in writers if isinstance(name, str)}
            self._writers: list[Writer] = [self._events]
            self._writers += [self._outside[w] if isinstance(w, str) else w for w in writers]
            self._facts = {"host": socket.gethostname(), "boot": self._journal.boot}
            self._switched_off = False
            for session in self._journal.close_abandoned():
                if not session.paused:
                    self._tell_end(session)
        except BaseException:
            self._journal.close()
            raise
        self._current: SessionRecord | None = None
        self._epochs: dict[int, Mapping[str, float]] = {}
        self._before: dict[int, Mapping[str, float]] = {}
        """The epochs of the rungs below, where the session goes on."""
        self._curves: EpochEvents | None = None
        self._since = 0.0

    def _told_outside(self, name: str) -> IsolatedWriter:
        def warn(line: str) -> None:
            warnings.warn(line, stacklevel=2)

        return IsolatedWriter(
            name, describe_sweep(self._journal.record(), name), warn, backfill_command(name, self.home)
        )

    @property
    def home(self) -> Path:
        """The log directory."""
        return self._journal.home

    def seed(self, wanted: int) -> int:
        """The oracle's seed: the first one that this home has seen."""
        seed = self._journal.facts().get("oracle_seed")
        if seed is None:
            with self._journal.transaction():
                self._journal.set_fact("oracle_seed", wanted)
        return wanted if seed is None else int(seed)

    def handed(self) -> dict[int, OracleEntry]:
        """What the oracle was told of each of its trials that have ended."""
        found = {}
        for session in self._journal.record().sessions:
            for entry in session.outcome.facts.get(ORACLE, ()) if session.status is not Status.RUNNING else ():
                handed = OracleEntry(entry["number"], entry["values"], entry["metrics"], entry["step"], session.name)
                found[handed.number] = handed
        return found

    # One session at a time.

    def begin(self, values: Combination) -> str:
        """A session of a combination begins: of a new trial, of one that was interrupted, put aside, or tried before.

        Returns:
            Its name.
        """
        identity = combination_id(values)
        known = next((t for t in self._journal.record().trials if t.trial.id == identity), None)
        aside = known.paused if known else None
        with self._journal.transaction():
            if aside is not None:
                session = resume_session(aside, {**self._facts, ORACLE: aside.outcome.facts.get(ORACLE, [])})
                self._journal.reopen(session.name, session.outcome.facts)
            else:
                session = self._new_session(values, known)
                self._journal.begin(session.session, session.began, self._facts)
        self._start(session, anew=aside is None)
        return session.name

    def _new_session(self, values: Combination, known: TrialRecord | None) -> SessionRecord:
        trial = self._journal.plan(values)
        past = [s.session for s in known.sessions] if known else []
        failed = known.failure.session if known is not None and known.failure is not None else None
        if failed is not None:
            which = Session(trial, failed.repeat, failed.attempt + 1, 0)
        else:  # new, or the oracle wants it once more
            which = Session(trial, 1 + max((s.repeat for s in past), default=-1), 1, 0)
        return SessionRecord(which, Outcome(Status.RUNNING, facts=self._facts), time.time(), None, told=False)

    def again(self) -> None:
        """The next execution of the same trial begins: another repeat of it."""
        if self._current is None or not self._epochs:
            return
        before = self._current.session
        self.end(Outcome(Status.COMPLETED, metrics=self.summary({})))
        running = Outcome(Status.RUNNING, facts=self._facts)
        which = Session(before.trial, before.repeat + 1, 1, 0)
        session = SessionRecord(which, running, time.time(), None, told=False)
        with self._journal.transaction():
            self._journal.begin(session.session, session.began, self._facts)
        self._start(session, anew=True)

    def _start(self, session: SessionRecord, *, anew: bool) -> None:
        self._current, self._epochs = session, {}
        self._before = {} if anew else {e.epoch: e.metrics for e in read_history(self.home, session.name)}
        self._since = time.monotonic() - float(session.outcome.facts.get("spent", 0.0))
        self._curves = EpochEvents(self.home / session.name)
        if anew:
            self._tell(methodcaller("begin", session))

    def epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """An epoch has ended, counted from 0."""
        if self._current is None or self._curves is None:
            return
        metrics = flatten_metrics(logs)
        said = Epoch(self._current.name, epoch, metrics, time.time())
        with self._journal.transaction():
            self._journal.epoch(said)
        self._epochs[epoch] = metrics
        self._curves.add(epoch, metrics, said.time)
        self._tell(methodcaller("epoch", said))

    @property
    def reported(self) -> bool:
        """Whether the session that runs has told of an epoch."""
        return bool(self._epochs)

    def summary(self, final: Mapping[str, float]) -> dict[str, float]:
        """The metrics of the session that runs, by the dashboard's names; ``final`` adds to its last epoch."""
        epochs = {epoch: self._own(metrics) for epoch, metrics in {**self._before, **self._epochs}.items()}
        return summarise(self._config.objective, epochs, self._own(final), time.monotonic() - self._since)

    def _own(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Without the validation's, where the oracle's objective is the training's: KerasTuner's names are exact."""
        exact, validations = self._config.sweep.metric, f"val_{self._config.objective.metric}"
        return {name: value for name, value in metrics.items() if exact == validations or name != validations}

    def end(self, outcome: Outcome, handed: OracleEntry | None = None) -> None:
        """The session that runs has ended; what the oracle is about to be told of it is recorded with it."""
        if self._current is None:
            return
        session, self._current = self._current, None
        if self._curves is not None:
            self._curves.close()
        facts = {
            **session.outcome.facts,
            **outcome.facts,
            "epochs": max({**self._before, **self._epochs}, default=-1) + 1,
        }
        if handed is not None:
            entry = {"number": handed.number, "values": dict(handed.values), "metrics": dict(handed.metrics)}
            facts[ORACLE] = [*facts.get(ORACLE, []), {**entry, "step": handed.step}]
        ended = replace(session, outcome=replace(outcome, facts=facts), ended=time.time())
        with self._journal.transaction():
            self._journal.end(session.name, ended.outcome, ended.ended or 0.0)
        if not ended.paused:
            self._tell_end(ended)

    def fail(self, kind: FailureKind, message: str, handed: OracleEntry | None = None) -> None:
        """The session that runs, if one does, has failed."""
        charged = kind is not FailureKind.INTERRUPTED
        self.end(Outcome.failed(kind, " ".join(message.split())[:300], charged=charged), handed)

    def finish(self) -> None:
        """The oracle has nothing more: what was put aside at a rung is stopped for good."""
        for trial in self._journal.record().trials:
            if trial.paused is not None:
                with self._journal.transaction():
                    self._journal.release(trial.paused.name)
                self._tell_end(finalize_session(trial.paused))

    def _tell_end(self, session: SessionRecord) -> None:
        """Tell a session's end; if a writer is switched off, the next search tells it again."""
        self._tell(methodcaller("end", session))
        if not self._switched_off:
            with self._journal.transaction():
                self._journal.told([session.name])

    def _tell(self, say: Callable[[Writer], None]) -> None:
        """Tell every writer; one that fails is switched off with a warning, and is no fault of the trial's."""
        for writer in list(self._writers):
            try:
                say(writer)
            except Exception as error:
                if is_full(error):
                    raise
                self._writers.remove(writer)
                self._switched_off = True
                said = f"{type(error).__name__}: {error}"
                warnings.warn(f"the writer {type(writer).__name__} has failed and is switched off: {said}",
                              stacklevel=2)  # fmt: skip

    def close(self) -> None:
        """Close what runs as interrupted, and give the home back."""
        try:
            self.fail(FailureKind.INTERRUPTED, "the search was stopped")
            self._events.close()
            for writer in self._outside.values():
                writer.close()
        finally:
            self._journal.close()

    def diverged(self) -> str:
        """What of the last epoch is not a number, or nothing."""
        last = self._own(self._epochs[max(self._epochs)]) if self._epochs else {}
        value = self._config.objective.of(last)
        return f"{self._config.objective.metric} is {value}" if value is not None and not is_finite(value) else ""
