"""Run a sweep: the only loop.

    ┌─► fill      while a slot is free: remaining sessions, else what the strategy proposes ──► journal ──► executor
    │   collect   epochs and ends ──► journal ──► writers, then strategy
    │   watch     end what takes too long or shows no sign of life
    └── until nothing is in flight and nothing is left to ask for, or the sweep is to stop

The journal is always written first. A dead worker is an outcome; a dead runner is found by the next one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import DataError, Interrupted, StrategyError
from gridsearch.executors import Executor, SupportsAnswers, SupportsCancel, SupportsPump
from gridsearch.record.journal import Journal
from gridsearch.record.reader import read_epochs
from gridsearch.runner.alike import EarlyFailures
from gridsearch.runner.deadlines import INTERRUPTED, WakingClock, find_missed_deadline, reclassify_during_shutdown
from gridsearch.runner.paused import PausedTrials
from gridsearch.runner.pictures import find_fingerprint
from gridsearch.runner.plan import SessionQueue, remaining_sessions, trial_states
from gridsearch.runner.retention import ModelRetention, remove_checkpoints
from gridsearch.runner.session_book import SessionBook, end_record
from gridsearch.strategies import Strategy, Wait
from gridsearch.strategies.guarded import GuardedStrategy
from gridsearch.system.files import disk_full, is_full
from gridsearch.system.signals import StopRequest
from gridsearch.training.task import Task
from gridsearch.trials import Ended, Epoch, Message, Session, SessionRecord, Trial, TrialRecord
from gridsearch.writers import Writer

__all__ = ["Limits", "Runner"]

LOOK_EVERY = 0.25
"""Seconds: how long a look at the executor may take, hence how soon a stop is noticed."""


@dataclass(frozen=True)
class Limits:
    """When a sweep gives up early, or tries again what it had given up.

    Args:
        retry_failed: give every failed session of earlier runs one more attempt.
        max_failures: stop asking after this many failed trials in this run; None is never.
        keep_going: go on although the first trials all fail in the same way.
    """

    retry_failed: bool = False
    max_failures: int | None = None
    keep_going: bool = False


@dataclass
class _Flight:
    """A session in training, and when it last gave a sign of life and was begun, by the runner's clock."""

    session: SessionRecord
    last_sign: float
    since: float
    over: bool = False  # its end was heard


class Runner:
    """Runs a sweep on an open journal until it is done or the user stops it.

    Args:
        config: the sweep; the journal has adopted its declaration.
        journal: the record.
        strategy: fresh; it hears what the record knows.
        executor: closed by the caller; one that ``SupportsAnswers`` if the strategy ``SupportsVerdicts``.
        writers: notified in order; the first is TensorBoard's. If one fails, the next run notifies all of them again.
        stop: whether the user wants to stop.
        displays: notified likewise; nothing is lost if one fails.
        limits: when to give up, what to try again.
        provenance: kept with every session, such as host and command line.
        warn: says a line to the user.

    Attributes:
        exhausted: whether the strategy has nothing more to propose.
    """

    def __init__(
        self,
        config: SweepConfig,
        journal: Journal,
        strategy: Strategy,
        executor: Executor,
        writers: Sequence[Writer],
        stop: StopRequest,
        *,
        displays: Sequence[Writer] = (),
        limits: Limits | None = None,
        provenance: Mapping[str, Any] | None = None,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._config, self._journal, self._executor = config, journal, executor
        self._strategy = GuardedStrategy(strategy, config.objective, config.sweep.strategy)
        self._book = SessionBook(journal, writers, displays=displays, provenance=provenance, warn=warn)
        self._stop, self._limits, self._warn = stop, limits or Limits(), warn
        self._queue, self._flights = SessionQueue(), dict[str, _Flight]()
        self._heard: deque[tuple[Message, float]] = deque()
        self.exhausted = False
        self._failed: set[int] = set()
        self._early = EarlyFailures(keep_going=True)
        self._models = ModelRetention(
            journal.logdir, config.objective, config.training.keep_models, config.training.repeats
        )
        self._paused, self._clock = PausedTrials(config.search_space), WakingClock()
        self._resuming: dict[str, SessionRecord] = {}
        self._recipe: Mapping[str, Any] = journal.properties().get("recipe", {})
        self._changed_pictures = ""
        if isinstance(executor, SupportsPump):
            executor.pump = self._take_in

    def run(self) -> None:
        """Train what is left.

        Raises:
            Interrupted: the user asked to stop; what was running is closed.
            DataError: the pictures are no longer those that the record has; what was running is closed.
            LogdirError: the record can no longer be written, or another runner has taken over.
            StrategyError: the strategy has failed; what was running is closed.
        """
        try:
            self._take_over()
            self._loop()
            self._book.mark_delivered()
        except StrategyError:
            self._close_flights()
            raise
        except OSError as error:
            if not is_full(error):
                raise
            raise disk_full(self._journal.logdir, str(error)) from error

    def _loop(self) -> None:
        while True:
            if self._stop.requested:
                self._close_flights()
                raise Interrupted("interrupted: the same command goes on from here")
            self._fill()
            if not self._flights:
                self._finalize_paused()
                return
            self._collect(LOOK_EVERY)
            if self._changed_pictures:
                self._close_flights()
                cure = "Put the pictures back and run the same command again, or name another directory with --logdir."
                raise DataError(self._changed_pictures, where=str(self._journal.logdir), cure=cure)
            self._watch()
            self._journal.prove_lock()

    @property
    def problem(self) -> str:
        """What the first trials all failed with, if the sweep stopped for it; empty otherwise."""
        return self._early.problem

    # What earlier runs left behind.

    def _take_over(self) -> None:
        self._book.deliver_abandoned()
        trials, retry = self._journal.record().trials, self._limits.retry_failed
        self._paused.put_all(trials)
        self._early = EarlyFailures(trials, keep_going=self._limits.keep_going)
        for trial, state in trial_states(self._config, trials, retry=retry).values():
            sessions = remaining_sessions(trial, self._config.training, retry=retry)
            if sessions and state != "completed":
                self._queue.add(trial, sessions)
        epochs = read_epochs(self._journal.logdir) if self._strategy.supports_verdicts else {}
        self._strategy.take_over(trials, epochs, self._queue.trials)
        self._models.consider(session for trial in trials for session in trial.results)
        self._models.prune(self._flights, self._queue.trial_names)
        self._remove_checkpoints()

    def _remove_checkpoints(self) -> None:
        kept = self._config.training.checkpoint != "none" or self._config.pauses_trials
        if kept and not self._stop.requested:
            remove_checkpoints(self._journal.logdir, self._queue.trial_names | self._paused.trials)

    # Ask, journal, submit.

    def _fill(self) -> None:
        if len(self._flights) >= self._executor.slots or self._given_up or (self.exhausted and not self._queue):
            return
        starting: list[SessionRecord] = []
        with self._journal.transaction():
            self._book.record_delivered()
            while len(self._flights) + len(starting) < self._executor.slots and (self._queue or self._ask()):
                starting.append(self._begin(self._queue.take()))
        for session in starting:
            now = self._clock.now()
            self._flights[session.name] = _Flight(session, now, now - session.trained_before)
            self._queue.note(session)
            self._book.announce(session)
            self._executor.submit(self._task(session))

    def _begin(self, session: Session) -> SessionRecord:
        """Record that a session is about to be trained, or resumes after a pause."""
        paused = self._resuming.pop(session.name, None)
        if paused is None:
            return self._book.begin(session)
        self._models.withdraw(session)
        return self._book.resume(paused)

    @property
    def _given_up(self) -> bool:
        most = self._limits.max_failures
        return bool(self._early.problem) or (most is not None and len(self._failed) >= most)

    def _ask(self) -> bool:
        """Queue the sessions of the strategy's next combination; return False if there is none for now."""
        if self.exhausted:
            return False
        while True:
            values = self._strategy.ask()
            if values is None:
                self.exhausted = True
                if self._strategy.over:
                    self._warn(self._strategy.over)
                return False
            if isinstance(values, Wait):
                return False
            if paused := self._paused.take(values):
                self._resuming[paused.name] = paused
                self._queue.add(TrialRecord(paused.session.trial, (paused,)), [paused.session])
                return True
            if not self._journal.has(values):
                break
        trial = TrialRecord(Trial(self._journal.give_number(values), values), ())
        self._queue.add(trial, remaining_sessions(trial, self._config.training))
        return True

    def _task(self, session: SessionRecord) -> Task:
        values = self._config.search_space.with_defaults(session.session.trial.values)
        settings = self._config.settings_for(values)
        return Task(
            session=session.session,
            values=values,
            settings=settings,
            objective=self._config.objective,
            logdir=self._journal.logdir.resolve(),
            detail=self._config.sweep.detail,
            keep_above=self._models.bar(session.session),
            judged=self._strategy.supports_verdicts,
            pausable=self._config.pauses_trials,
            trained_before=None if session.resumed is None else session.trained_before,
            fingerprint="" if settings.model.objective else find_fingerprint(self._recipe, settings.data),
        )

    # Collect, journal, tell.

    def _collect(self, seconds: float) -> None:
        said = self._executor.collect(seconds)
        self._clock.tick()
        self._take_in(said)

    def _take_in(self, said: Iterable[Message]) -> None:
        counted, now = [message for message in said if self._counts(message)], time.time()
        messages = [reclassify_during_shutdown(message) for message in counted] if self._stop.requested else counted
        lasting = [message for message in messages if isinstance(message, Epoch | Ended)]
        if lasting:
            with self._journal.transaction():
                for message in lasting:
                    if isinstance(message, Epoch):
                        self._book.add_epoch(message)
                    else:
                        self._book.end(message.session, message.outcome, now)
        self._heard.extend((message, now) for message in messages)
        while self._heard:  # also what was left of an earlier batch, if the strategy has failed in the middle of it
            self._pass_on(*self._heard.popleft())

    def _counts(self, message: Message) -> bool:
        """Return whether a message counts: nothing does after an end.

        A session that was cancelled may end twice, and an objective's own thread may talk on.
        """
        flight = self._flights.get(message.session)
        if flight is None or flight.over:
            return False
        flight.last_sign, flight.over = self._clock.now(), isinstance(message, Ended)
        return True

    def _pass_on(self, message: Message, now: float) -> None:
        if isinstance(message, Epoch):
            self._book.tell_epoch(message)
            self._decide(message)
        elif isinstance(message, Ended):
            ended = end_record(self._flights.pop(message.session).session, message.outcome, now)
            trial = self._queue.note(ended)
            if ended.paused:
                self._paused.put(ended)
            self._book.deliver_end(ended)
            self._settle(ended, trial)
            if message.outcome.pictures_changed:
                self._changed_pictures = message.outcome.message
            if message.outcome.disk_full:
                raise disk_full(self._journal.logdir, message.outcome.message)

    def _decide(self, epoch: Epoch) -> None:
        """Hear the strategy's verdict on an epoch, and pass it on if the training waits for it."""
        verdict = self._strategy.verdict(self._flights[epoch.session].session.session, epoch.epoch, epoch.metrics)
        if epoch.asks and isinstance(self._executor, SupportsAnswers):
            self._executor.answer(epoch.session, epoch.epoch, verdict)

    def _finalize_paused(self) -> None:
        """Stop paused trials for good, once nothing more will be asked for."""
        if self.exhausted:
            self._book.finalize(self._paused.clear())
            self._remove_checkpoints()

    def _settle(self, ended: SessionRecord, trial: TrialRecord) -> None:
        """Try an ended session again, wait for its trial's other repeats, or tell the strategy of the whole trial."""
        if ended.status.has_result:
            self._models.consider([ended])
            self._early.note(ended)
        else:
            left = remaining_sessions(trial, self._config.training)
            again = [session for session in left if session.repeat == ended.session.repeat]
            self._queue.add_first(again)
            if not again:
                self._failed.add(trial.trial.number)
                self._early.note(ended)
        finished = self._queue.pop_finished(trial.trial.number)
        self._models.prune(self._flights, self._queue.trial_names)
        if finished is not None:
            self._strategy.tell(finished)
            self._remove_checkpoints()

    # Ends that do not come from the trial itself.

    def _watch(self) -> None:
        if not isinstance(self._executor, SupportsCancel):
            return
        now = self._clock.now()
        for name, flight in self._flights.items():
            if outcome := find_missed_deadline(self._config, now - flight.since, now - flight.last_sign):
                self._executor.cancel(name, outcome)

    def _close_flights(self) -> None:
        """Stop as the user asked: what has ended is kept, what runs is closed as interrupted."""
        self._collect(0.0)
        self._executor.close()
        self._collect(0.0)  # what ended before its worker did
        self._queue.clear()
        self._take_in([Ended(name, INTERRUPTED) for name in self._flights])
        self._book.mark_delivered()
