"""What is left to do, computed from facts: the space as declared today against the record. Nothing is stored.

owed(trial)    the sessions that a recorded trial still needs
Plan           the counts that ``plan``, ``status`` and the progress bar show
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gridsearch.config.sections import Training
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.hparams.combination import Combination, combination_id
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.record.reader import Record
from gridsearch.trials import Session, Status, Trial, TrialRecord

__all__ = ["Plan", "foresee_combinations", "load_config", "make_plan", "remaining_sessions", "trial_states"]


def load_config(record: Record) -> SweepConfig:
    """The sweep as it was last run."""
    return SweepConfig.validate_tables(record.tables, where=str(record.logdir), folder=record.folder)


def remaining_sessions(trial: TrialRecord, training: Training, *, retry: bool = False) -> list[Session]:
    """The sessions that a trial still needs, one at most for each repeat without a result.

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
    """The trial's own, if the seed is swept."""
    own = trial.values.get("seed", training.seed)
    return own if type(own) is int and own >= 0 else training.seed


@dataclass(frozen=True)
class Plan:
    """Where a sweep stands, counted in trials (combinations)."""

    combinations: int
    completed: int
    failed: int
    """Failed, and not to be tried again without being asked."""
    unfinished: int
    """Begun, with sessions still owed: interrupted ones, retries, further repeats."""
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

    def closed(self) -> Plan:
        """The plan of a search whose strategy has nothing more: what there was is all there is."""
        return replace(self, combinations=self.completed + self.failed + self.unfinished)

    def __str__(self) -> str:
        parts = [f"{self.completed:,} completed", f"{self.failed:,} failed"]
        parts += [f"{self.unfinished:,} unfinished"] if self.unfinished else []
        parts += [f"{self.new:,} new"]
        noun = "combination" if self.combinations == 1 else "combinations"
        outside = f" ({self.outside} recorded outside the declared space)" if self.outside else ""
        return f"{self.combinations:,} {noun}: {', '.join(parts)}{outside}"


def make_plan(config: SweepConfig, record: Record | None, *, retry: bool = False) -> Plan:
    """The plan of a sweep; in time that grows with the record, not with the space."""
    trials = record.trials if record else ()
    counts = Counter(standing for _, standing in trial_states(config, trials, retry=retry).values())
    outside = sum(config.search_space.with_defaults(trial.trial.values) not in config.search_space for trial in trials)
    return Plan(_planned(config, counts.total()), counts["completed"], counts["failed"], counts["unfinished"], outside)


def foresee_combinations(config: SweepConfig) -> Iterable[Combination]:
    """Return what will be tried, in order, as far as that does not depend on how trials turn out."""
    search_space, seed = config.search_space, config.sweep.search_seed
    if not isinstance(search_space, SearchSpace):
        return search_space
    seed = config.training.seed if seed is None else seed
    return search_space.sample(seed) if config.sweep.strategy == "random" else ()


def _planned(config: SweepConfig, known: int) -> int:
    """How many trials the sweep comes to, those that are known among them; a search without an end has only those."""
    return max(config.most_trials or 0, known)


def trial_states(
    config: SweepConfig, trials: Iterable[TrialRecord], *, retry: bool = False
) -> dict[str, tuple[TrialRecord, str]]:
    """How each combination of the space that has a trial stands: by its id, the trial and one of STANDINGS.

    Two trials may be one combination today, where one was trained before an HParam was declared whose default the
    other has; the one that is further counts.
    """
    found: dict[str, tuple[TrialRecord, str]] = {}
    for trial in trials:
        values = config.search_space.with_defaults(trial.trial.values)
        if values in config.search_space:
            identity, standing = combination_id(values), _standing(trial, config, retry=retry)
            if identity not in found or TRIAL_STATES.index(standing) < TRIAL_STATES.index(found[identity][1]):
                found[identity] = trial, standing
    return found


TRIAL_STATES = ("completed", "unfinished", "failed", "new")


def _standing(trial: TrialRecord, config: SweepConfig, *, retry: bool) -> str:
    if remaining_sessions(trial, config.training, retry=retry) or trial.status is Status.RUNNING:
        return "unfinished" if trial.sessions else "new"
    return "failed" if trial.status is Status.FAILED else "completed"
