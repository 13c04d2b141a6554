"""The only loop: ask, journal, submit, collect, journal, tell.

    ┌─► fill      while a slot is free: what is owed, else what the strategy proposes ──► journal ──► executor
    │   collect   epochs and ends ──► journal ──► writers, then strategy
    │   watch     what takes too long or shows no sign of life is ended
    └── until nothing is in flight and nothing is left to ask for, or the sweep is to stop

The journal is written first, always. A dead worker is an outcome; a dead runner is found by the next one.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from operator import methodcaller

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import Interrupted, StrategyError
from gridsearch.executors import Executor, SupportsAnswers, SupportsCancel, SupportsPump
from gridsearch.record.journal import Journal
from gridsearch.record.reader import read_epochs
from gridsearch.runner.deadlines import INTERRUPTED, WakingClock, find_missed_deadline, reclassify_during_shutdown
from gridsearch.runner.paused import PausedTrials, finalize_session, resume_session
from gridsearch.runner.plan import remaining_sessions, trial_states
from gridsearch.runner.retention import ModelRetention, remove_checkpoints
from gridsearch.strategies import Strategy, Wait
from gridsearch.strategies.guarded import GuardedStrategy
from gridsearch.system.files import disk_full, is_full
from gridsearch.system.signals import StopRequest
from gridsearch.training.task import Task
from gridsearch.trials import Ended, Epoch, Message, Outcome, Session, SessionRecord, Status, TrialRecord
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
    """

    retry_failed: bool = False
    max_failures: int | None = None


@dataclass
class _Flight:
    """A session in training."""

    session: SessionRecord
    last_sign: float
    since: float
    over: bool = False  # its end was heard


class Runner:
    """Runs a sweep on an open journal until it is done, or told to stop.

    Args:
        config: the sweep; its declaration has been settled in the journal.
        journal: the record.
        strategy: fresh; it is told what the record knows.
        executor: closed by the caller; one that ``SupportsAnswers`` if the strategy ``Judges``.
        writers: told in order; the first is TensorBoard's. If one fails, the next run tells all of them again.
        displays: told likewise; nothing is lost if one fails.
        stop: whether the user wants to.
        facts: kept with every session, such as host and command line.
        warn: says a line to the user.
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
        facts: dict[str, object] | None = None,
        warn: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._config, self._journal, self._executor = config, journal, executor
        self._advice = GuardedStrategy(strategy, config.objective, config.sweep.strategy)
        self._listeners, self._writers, self._displays = [*writers, *displays], list(writers), list(displays)
        self._stop, self._limits, self._warn = stop, limits or Limits(), warn
        self._facts = {**(facts or {}), "boot": journal.boot}
        self._owed: deque[Session] = deque()
        self._owed_of: Counter[int] = Counter()
        self._trials: dict[int, TrialRecord] = {}
        self._flights: dict[str, _Flight] = {}
        self._heard: deque[tuple[Message, float]] = deque()
        self._told: list[str] = []
        self._switched_off = self.exhausted = False
        self._failed: set[int] = set()
        self._models = ModelRetention(journal.home, config.objective, config.training.keep_models)
        self._shelf, self._clock = PausedTrials(config.territory), WakingClock()
        self._continuing: dict[str, SessionRecord] = {}
        if isinstance(executor, SupportsPump):
            executor.pump = self._take_in

    def run(self) -> None:
        """Train what is left.

        Raises:
            Interrupted: the user asked to stop; what was running is closed.
            HomeError: the record can no longer be written; what was running is closed by the next run.
            StrategyError: the strategy has failed; what was running is closed.
        """
        try:
            self._take_over()
            self._loop()
            self._mark_told()
        except StrategyError:
            self._close_flights()
            raise
        except OSError as error:
            if not is_full(error):
                raise
            raise disk_full(self._journal.home, str(error)) from error

    def _loop(self) -> None:
        while True:
            if self._stop.requested:
                self._close_flights()
                raise Interrupted("interrupted: the same command goes on from here")
            self._fill()
            if not self._flights:
                self._release()
                return
            self._collect(LOOK_EVERY)
            self._watch()
            self._journal.beat()

    # What earlier runs left behind.

    def _take_over(self) -> None:
        for session in self._journal.close_abandoned():
            if not session.paused:
                self._tell_end(session)
        self._mark_told()
        trials, retry = self._journal.record().trials, self._limits.retry_failed
        self._shelf.put_all(trials)
        for trial, standing in trial_states(self._config, trials, retry=retry).values():
            sessions = remaining_sessions(trial, self._config.training, retry=retry)
            if sessions and standing != "completed":
                self._trials[trial.trial.number] = trial
                self._owe(sessions)
        self._advice.take_over(trials, read_epochs(self._journal.home) if self._advice.judges else {}, self._trials)
        results = [session for trial in trials for session in trial.results]
        self._models.consider(sorted(results, key=lambda session: session.ended or 0.0))
        self._models.prune(self._flights)
        self._forget_checkpoints()

    def _owe(self, sessions: Iterable[Session], *, first: bool = False) -> None:
        """Put sessions among those to be trained, at the end or before all others."""
        for session in sessions:
            if first:
                self._owed.appendleft(session)
            else:
                self._owed.append(session)
            self._owed_of[session.trial.number] += 1

    def _next_owed(self) -> Session:
        session = self._owed.popleft()
        self._owed_of[session.trial.number] -= 1
        return session

    def _forget_checkpoints(self) -> None:
        kept = self._config.training.checkpoint != "none" or self._config.pauses_trials
        if kept and not self._stop.requested:
            remaining_sessions = {trial.trial.name for trial in self._trials.values()}
            remove_checkpoints(self._journal.home, remaining_sessions | self._shelf.trials)

    # Ask, journal, submit.

    def _fill(self) -> None:
        if len(self._flights) >= self._executor.slots or self._given_up or (self.exhausted and not self._owed):
            return
        starting: list[SessionRecord] = []
        with self._journal.transaction():
            self._journal.told(self._told)
            while len(self._flights) + len(starting) < self._executor.slots and (self._owed or self._ask()):
                starting.append(self._begin(self._next_owed()))
        self._told.clear()
        for session in starting:
            now = self._clock.now()
            self._flights[session.name] = _Flight(session, now, now - session.outcome.facts.get("spent", 0.0))
            self._note(session)
            again = "continued" in session.outcome.facts
            self._tell(methodcaller("begin", session), self._displays if again else None)
            self._executor.submit(self._task(session))

    def _begin(self, session: Session) -> SessionRecord:
        """Write that a session is about to be trained, or goes on after it was put aside."""
        aside = self._continuing.pop(session.name, None)
        if aside is None:
            running = Outcome(Status.RUNNING, facts=self._facts)
            begun = SessionRecord(session, running, time.time(), None, told=False)
            self._journal.begin(session, begun.began, self._facts)
        else:
            begun = resume_session(aside, self._facts)
            self._models.withdraw(session.name)
            self._journal.reopen(session.name, begun.outcome.facts)
        return begun

    @property
    def _given_up(self) -> bool:
        most = self._limits.max_failures
        return most is not None and len(self._failed) >= most

    def _ask(self) -> bool:
        """Plan the strategy's next combination, so that its sessions are owed; False if there is none for now."""
        if self.exhausted:
            return False
        while True:
            values = self._advice.ask()
            if values is None:
                self.exhausted = True
                if self._advice.over:
                    self._warn(self._advice.over)
                return False
            if isinstance(values, Wait):
                return False
            if aside := self._shelf.take(values):
                self._continuing[aside.name] = aside
                self._trials[aside.session.trial.number] = TrialRecord(aside.session.trial, (aside,))
                self._owe([aside.session])
                return True
            if not self._journal.has(values):
                break
        trial = self._journal.plan(values)
        self._trials[trial.number] = TrialRecord(trial, ())
        self._owe(remaining_sessions(self._trials[trial.number], self._config.training))
        return True

    def _task(self, session: SessionRecord) -> Task:
        values = self._config.territory.completed(session.session.trial.values)
        return Task(
            session=session.session,
            values=values,
            settings=self._config.settings_for(values),
            objective=self._config.objective,
            home=self._journal.home.resolve(),
            detail=self._config.sweep.detail,
            keep_above=self._models.bar,
            judged=self._advice.judges,
            pausable=self._config.pauses_trials,
            spent=session.outcome.facts.get("spent"),
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
                        self._journal.epoch(message)
                    else:
                        self._journal.end(message.session, message.outcome, now)
        self._heard.extend((message, now) for message in messages)
        while self._heard:  # also what was left of an earlier batch, if the strategy has failed in the middle of it
            self._pass_on(*self._heard.popleft())

    def _counts(self, message: Message) -> bool:
        """Nothing does after an end: one that was cancelled may end twice, an objective's own thread may talk on."""
        flight = self._flights.get(message.session)
        if flight is None or flight.over:
            return False
        flight.last_sign, flight.over = self._clock.now(), isinstance(message, Ended)
        return True

    def _pass_on(self, message: Message, now: float) -> None:
        if isinstance(message, Epoch):
            self._tell(methodcaller("epoch", message))
            self._judge(message)
        elif isinstance(message, Ended):
            flight = self._flights.pop(message.session)
            facts = {**flight.session.outcome.facts, **message.outcome.facts}
            outcome = replace(message.outcome, facts=facts)
            ended = replace(flight.session, outcome=outcome, ended=now)
            self._note(ended)
            if ended.paused:
                self._shelf.put(ended)
                self._tell(methodcaller("end", ended), self._displays)
            else:
                self._tell_end(ended)
            self._settle(ended)
            if message.outcome.facts.get("disk_full"):
                raise disk_full(self._journal.home, message.outcome.message)

    def _judge(self, epoch: Epoch) -> None:
        """Hear what the strategy says of an epoch, and pass it on if the training waits for it."""
        verdict = self._advice.verdict(self._flights[epoch.session].session.session, epoch.epoch, epoch.metrics)
        if epoch.asks and isinstance(self._executor, SupportsAnswers):
            self._executor.answer(epoch.session, epoch.epoch, verdict)

    def _release(self) -> None:
        """Nothing more will be asked for: what was put aside is stopped for good."""
        aside = [finalize_session(session) for session in self._shelf.clear()] if self.exhausted else []
        if aside:
            with self._journal.transaction():
                for session in aside:
                    self._journal.release(session.name)
            for session in aside:
                self._tell_end(session, self._writers)
            self._forget_checkpoints()

    def _note(self, session: SessionRecord) -> None:
        """Keep a trial's sessions as the record has them, while some of them are still to come."""
        number = session.session.trial.number
        trial = self._trials[number]
        others = [s for s in trial.sessions if s.name != session.name]
        ordered = sorted([*others, session], key=lambda s: (s.session.repeat, s.session.attempt))
        self._trials[number] = TrialRecord(trial.trial, tuple(ordered))

    def _settle(self, ended: SessionRecord) -> None:
        """A session ended: try it again, wait for its other repeats, or tell the strategy of the whole trial."""
        trial = self._trials[ended.session.trial.number]
        if ended.status.has_result:
            self._models.consider([ended])
            self._models.prune(self._flights)
        else:
            again = [s for s in remaining_sessions(trial, self._config.training) if s.repeat == ended.session.repeat]
            self._owe(again, first=True)
            if not again:
                self._failed.add(trial.trial.number)
        if not self._owed_of[trial.trial.number] and trial.status is not Status.RUNNING:
            del self._trials[trial.trial.number], self._owed_of[trial.trial.number]
            self._advice.tell(trial)
            self._forget_checkpoints()

    def _tell_end(self, session: SessionRecord, only: Sequence[Writer] | None = None) -> None:
        """Tell a session's end; if a writer is switched off, the next run tells it again."""
        self._tell(methodcaller("end", session), only)
        if not self._switched_off:
            self._told.append(session.name)

    def _tell(self, say: Callable[[Writer], None], only: Sequence[Writer] | None = None) -> None:
        """Tell every writer, or some; one that fails is switched off with a line, and the sweep goes on."""
        for listener in [one for one in self._listeners if only is None or one in only]:
            try:
                say(listener)
            except Exception as error:
                if is_full(error):
                    raise
                self._listeners.remove(listener)
                self._switched_off |= listener in self._writers
                name = type(listener).__name__
                self._warn(f"{name} is switched off, the record goes on without it: {type(error).__name__}: {error}")

    def _mark_told(self) -> None:
        if self._told:
            with self._journal.transaction():
                self._journal.told(self._told)
            self._told.clear()

    # Ends that do not come from the trial itself.

    def _watch(self) -> None:
        if not isinstance(self._executor, SupportsCancel):
            return
        now = self._clock.now()
        for name, flight in self._flights.items():
            if outcome := find_missed_deadline(self._config, now - flight.since, now - flight.last_sign):
                self._executor.cancel(name, outcome)

    def _close_flights(self) -> None:
        """The user asked to stop: what has ended is kept, what runs is closed as interrupted."""
        self._collect(0.0)
        self._executor.close()
        self._collect(0.0)  # what ended before its worker did
        self._owed.clear()
        self._owed_of.clear()
        self._take_in([Ended(name, INTERRUPTED) for name in self._flights])
        self._mark_told()
