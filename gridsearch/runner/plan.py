"""Compute what is left to do: the space as declared today against the record. Nothing of it is stored.

remaining_sessions    the sessions that a recorded trial still needs
SessionQueue          those that wait for a free slot
trial_states          completed, unfinished, failed or new, for each combination with a trial
Plan                  the counts that ``plan``, ``status`` and the progress bar show
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gridsearch.config.sections import Training
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.record.reader import Record
from gridsearch.trials import Session, SessionRecord, Status, Trial, TrialRecord

__all__ = [
    "Plan",
    "SessionQueue",
    "foresee_combinations",
    "load_config",
    "make_plan",
    "remaining_sessions",
    "trial_states",
]


def load_config(record: Record) -> SweepConfig:
    """Return the sweep as it was last run."""
    return SweepConfig.validate_tables(record.tables, where=str(record.logdir), folder=record.folder)


def remaining_sessions(trial: TrialRecord, training: Training, *, retry: bool = False) -> list[Session]:
    """Return the sessions that a trial still needs, one at most for each repeat without a result.

    A failed session is followed by another attempt while its kind of failure has retries left; the sessions on disk
    are the count, so a trial that takes the machine down with it is not tried for ever.

    Args:
        trial: what is recorded of it.
        training: how many repeats, how many retries.
        retry: give every failed repeat one more attempt, whatever its kind (``--retry-failed``).
    """
    sessions = []
    for repeat in range(training.repeats):
        past = [s for s in trial.sessions if s.session.repeat == repeat]
        if any(s.status.has_result or s.status is Status.RUNNING for s in past):
            continue
        if past and not retry:
            kind = past[-1].outcome.kind
            charged = sum(s.outcome.kind is kind and s.outcome.charged for s in past)
            if kind is None or charged > training.retries_after(kind):
                continue
        attempt = past[-1].session.attempt + 1 if past else 1
        sessions.append(Session(trial.trial, repeat, attempt, _seed(trial.trial, training) + repeat))
    return sessions


def _seed(trial: Trial, training: Training) -> int:
    """Return the trial's own seed if the seed is swept, else that of the sweep."""
    own = trial.values.get("seed", training.seed)
    return own if type(own) is int and own >= 0 else training.seed


class SessionQueue:
    """Sessions waiting to be trained, in order, and every trial with a session that waits or runs."""

    def __init__(self) -> None:
        self._waiting: deque[Session] = deque()
        self._waiting_of: Counter[int] = Counter()
        self._trials: dict[int, TrialRecord] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def trials(self) -> dict[int, TrialRecord]:
        """The trials with a session that waits or runs, by number, with their sessions as the record has them."""
        return self._trials

    @property
    def trial_names(self) -> set[str]:
        """Names of those trials."""
        return {trial.trial.name for trial in self._trials.values()}

    def add(self, trial: TrialRecord, sessions: Iterable[Session]) -> None:
        """Put a trial's sessions at the end."""
        self._trials[trial.trial.number] = trial
        for session in sessions:
            self._waiting.append(session)
            self._waiting_of[session.trial.number] += 1

    def add_first(self, sessions: Iterable[Session]) -> None:
        """Put sessions of a known trial before all others: another attempt after a failure."""
        for session in sessions:
            self._waiting.appendleft(session)
            self._waiting_of[session.trial.number] += 1

    def take(self) -> Session:
        """Return the next session and forget that it waits."""
        session = self._waiting.popleft()
        self._waiting_of[session.trial.number] -= 1
        return session

    def note(self, session: SessionRecord) -> TrialRecord:
        """Keep a session as the record has it now, and return its trial."""
        trial = self._trials[session.session.trial.number]
        others = [s for s in trial.sessions if s.name != session.name]
        ordered = sorted([*others, session], key=lambda s: (s.session.repeat, s.session.attempt))
        self._trials[trial.trial.number] = TrialRecord(trial.trial, tuple(ordered))
        return self._trials[trial.trial.number]

    def pop_finished(self, number: int) -> TrialRecord | None:
        """Return and forget a trial that nothing waits or runs of; None while something does."""
        if self._waiting_of[number] or self._trials[number].status is Status.RUNNING:
            return None
        del self._waiting_of[number]
        return self._trials.pop(number)

    def clear(self) -> None:
        """Forget what waits; what runs is still known."""
        self._waiting.clear()
        self._waiting_of.clear()


@dataclass(frozen=True)
class Plan:
    """Where a sweep stands, counted in trials (combinations)."""

    combinations: int
    completed: int
    failed: int
    """Failed, and not to be tried again without being asked."""
    unfinished: int
    """Begun, with sessions that remain: interrupted ones, retries, further repeats."""
    outside: int
    """Recorded, but no longer in the declared space: kept, and out of the plan."""

    @property
    def new(self) -> int:
        """Combinations that no trial was ever begun for."""
        return self.combinations - self.completed - self.failed - self.unfinished

    @property
    def left(self) -> int:
        """Combinations with something to train."""
        return self.new + self.unfinished

    def close(self) -> Plan:
        """Return the plan of a search whose strategy has nothing more to propose."""
        return replace(self, combinations=self.completed + self.failed + self.unfinished)

    def __str__(self) -> str:
        parts = [f"{self.completed:,} completed", f"{self.failed:,} failed"]
        parts += [f"{self.unfinished:,} unfinished"] if self.unfinished else []
        parts += [f"{self.new:,} new"]
        noun = "combination" if self.combinations == 1 else "combinations"
        outside = f" ({self.outside} recorded outside the declared space)" if self.outside else ""
        return f"{self.combinations:,} {noun}: {', '.join(parts)}{outside}"


def make_plan(config: SweepConfig, record: Record | None, *, retry: bool = False) -> Plan:
    """Return the plan of a sweep; the time it takes grows with the record, not with the space."""
    trials = record.trials if record else ()
    counts = Counter(state for _, state in trial_states(config, trials, retry=retry).values())
    outside = sum(config.search_space.with_defaults(trial.trial.values) not in config.search_space for trial in trials)
    return Plan(
        _count_trials(config, counts.total()), counts["completed"], counts["failed"], counts["unfinished"], outside
    )


def foresee_combinations(config: SweepConfig) -> Iterable[Combination]:
    """Return what will be tried, in order, as far as that does not depend on how trials turn out."""
    search_space, seed = config.search_space, config.sweep.search_seed
    if not isinstance(search_space, SearchSpace):
        return search_space
    seed = config.training.seed if seed is None else seed
    return search_space.sample(seed) if config.sweep.strategy == "random" else ()


def _count_trials(config: SweepConfig, known: int) -> int:
    """Return how many trials the sweep comes to; a search without an end has only those that are known."""
    return max(config.most_trials or 0, known)


def trial_states(
    config: SweepConfig, trials: Iterable[TrialRecord], *, retry: bool = False
) -> dict[str, tuple[TrialRecord, str]]:
    """Return the state of each combination of the space that has a trial: id -> trial, one of TRIAL_STATES.

    Two trials may be one combination today, where one was trained before an HParam was declared whose default the
    other has; the one that is further counts.
    """
    found: dict[str, tuple[TrialRecord, str]] = {}
    for trial in trials:
        values = config.search_space.with_defaults(trial.trial.values)
        if values in config.search_space:
            identity, state = combination_id(values), _state(trial, config, retry=retry)
            if identity not in found or TRIAL_STATES.index(state) < TRIAL_STATES.index(found[identity][1]):
                found[identity] = trial, state
    return found


TRIAL_STATES = ("completed", "unfinished", "failed", "new")


def _state(trial: TrialRecord, config: SweepConfig, *, retry: bool) -> str:
    if remaining_sessions(trial, config.training, retry=retry) or trial.status is Status.RUNNING:
        return "unfinished" if trial.sessions else "new"
    return "failed" if trial.status is Status.FAILED else "completed"
