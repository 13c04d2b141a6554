"""Name trials, sessions, how they end, and the messages that travel between processes.

A *trial* is one combination to be trained; a *session* is one training of it: repeat r, attempt a. Everything here is
a frozen value that can be pickled, so that a session reads the same in the process that planned it, in the one that
trains it, and in the record.

    planned ──► running ──► completed                 its result counts
                       ├──► stopped                   ended early by a strategy, its result counts
                       └──► failed, of a kind         FailureKind says which
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import fmean, stdev
from typing import Any, Literal

from gridsearch.hparams.combination import Combination

__all__ = [
    "Ended",
    "Epoch",
    "FailureKind",
    "Heartbeat",
    "Message",
    "Objective",
    "OracleEntry",
    "Outcome",
    "Session",
    "SessionRecord",
    "Status",
    "Trial",
    "TrialRecord",
    "Verdict",
    "find_validated",
    "is_finite",
]

FLOAT32_MAX = 3.4028234663852886e38


class Status(StrEnum):
    """Where a trial or a session stands."""

    PLANNED = "planned"
    RUNNING = "running"
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def has_result(self) -> bool:
        """Whether the metrics count: completed, or stopped early on purpose."""
        return self in (Status.COMPLETED, Status.STOPPED)


class Verdict(StrEnum):
    """What becomes of a trial after an epoch."""

    GO_ON = "go on"
    STOP = "stop"  # it ends as stopped, its result counts
    PAUSE = "pause"  # likewise, but its checkpoint is kept: it may be asked for again, and resumes from there


class FailureKind(StrEnum):
    """Why a session failed."""

    EXCEPTION = "exception"  # the training raised
    DIVERGED = "diverged"  # a loss or the metric became NaN or infinite
    KILLED = "killed"  # the worker died: a signal, out of memory, os._exit
    TIMEOUT = "timeout"  # longer than training.timeout
    STALLED = "stalled"  # no sign of life for training.stall_after
    LOST = "lost"  # the machine went away
    INTERRUPTED = "interrupted"  # the sweep itself was stopped


@dataclass(frozen=True, slots=True)
class Trial:
    """A combination with its number: order of planning from 1, never reused.

    Args:
        number: 1 or more.
        values: a mapping of names to values becomes a ``Combination``.
    """

    number: int
    values: Combination

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", Combination.of(self.values))

    @property
    def id(self) -> str:
        """The combination's identity."""
        return self.values.id

    @property
    def name(self) -> str:
        """``run-0007``: the row in TensorBoard, the stem of every session's directory."""
        return f"run-{self.number:04d}"


@dataclass(frozen=True, slots=True)
class Session:
    """One training of a trial: repeat from 0 (another seed), attempt from 1 (after a failure)."""

    trial: Trial
    repeat: int
    attempt: int
    seed: int

    @property
    def name(self) -> str:
        """The session's directory: ``run-0007``, ``run-0007-r1``, ``run-0007-a2``, ``run-0007-r1-a2``."""
        repeat = f"-r{self.repeat}" if self.repeat else ""
        attempt = f"-a{self.attempt}" if self.attempt > 1 else ""
        return f"{self.trial.name}{repeat}{attempt}"


@dataclass(frozen=True, slots=True)
class Objective:
    """What the sweep is about: a metric's name, as in ``accuracy``, and whether more or less of it is better.

    Keras reports the validation's metrics under ``val_``; the objective is the validation's where there is one.
    """

    metric: str = "accuracy"
    maximize: bool = True
    with_loss: bool = True
    """Whether every trial will report a loss: a column that some rows lack hides them in parallel coordinates."""
    select: Literal["last", "best"] = "last"
    """Which epoch ranks a trial: its last one, or its best one, as KerasTuner does."""

    @property
    def ranking(self) -> str:
        """The column that ranks trials: ``accuracy``, or ``best_accuracy``."""
        return self.metric if self.select == "last" else f"best_{self.metric}"

    def of(self, metrics: Mapping[str, float]) -> float | None:
        """Return the objective's value in one epoch's metrics, or None if it was not reported."""
        return find_validated(metrics, self.metric)

    def better(self, one: float, other: float) -> bool:
        """Return whether the first value is strictly better than the second."""
        return one > other if self.maximize else one < other

    @property
    def columns(self) -> tuple[str, ...]:
        """The dashboard's first metric columns, the objective before all; every other metric follows."""
        loss = ("loss",) if self.with_loss else ()
        names = (self.metric, f"best_{self.metric}", *loss, "best_epoch", "seconds")
        return tuple(dict.fromkeys(names))


def is_finite(value: float) -> bool:
    """Return whether a metric is a number that float32 holds: beyond, it is infinite to Keras and TensorBoard."""
    return math.isfinite(value) and abs(value) <= FLOAT32_MAX


def find_validated(metrics: Mapping[str, float], name: str) -> float | None:
    """Return a metric's value on the validation data, or else the one without ``val_``; None without either."""
    value = metrics.get(f"val_{name}", metrics.get(name))
    return None if value is None else float(value)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a session ended.

    Args:
        status: ``completed``, ``stopped`` or ``failed``.
        kind: why, if it failed.
        metrics: final values by the dashboard's names, see ``summarise``; without NaN or infinity.
        message: one line for people; empty when all went well.
        charged: whether a failure counts against the trial's retries (an orderly interruption does not).
        paused: whether a stopped session may resume from its checkpoint.
        epochs: how many epochs it has behind it, those before a pause among them.
        disk_full: whether it failed because the disk had no room left, which ends the sweep; not recorded.
        pictures_changed: whether its pictures were not those that the record has, which ends the sweep; not recorded.
        provenance: where and with what it ran, for people: host, pid, versions, memory in bytes, threads.
    """

    status: Status
    kind: FailureKind | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    message: str = ""
    charged: bool = True
    paused: bool = False
    epochs: int = 0
    disk_full: bool = False
    pictures_changed: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def failed(cls, kind: FailureKind, message: str, **fields: Any) -> Outcome:
        """Return a failure of this kind."""
        return cls(Status.FAILED, kind, message=message, **fields)


@dataclass(frozen=True, slots=True)
class Epoch:
    """A finished epoch, counted from 0, with its metrics under the names that Keras gives them."""

    session: str
    epoch: int
    metrics: Mapping[str, float]
    time: float  # seconds since 1970
    asks: bool = False
    """Whether the training waits for a verdict before it goes on."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life between epochs; ``step`` of ``steps`` batches of the epoch are done, where that is known."""

    session: str
    epoch: int = 0
    step: int = 0
    steps: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A session's last message.

    Args:
        session: its name.
        outcome: how it ended.
        left_changed: what it changed in its process and could not be put back: no other may be trained there.
    """

    session: str
    outcome: Outcome
    left_changed: tuple[str, ...] = ()


Message = Epoch | Heartbeat | Ended


@dataclass(frozen=True, slots=True)
class OracleEntry:
    """What a KerasTuner oracle has heard of one of its trials.

    Args:
        number: of the oracle's trial, from 0.
        values: as the oracle has them, KerasTuner's own among them.
        metrics: empty if the trial failed.
        step: the epoch that the metrics are of.
        status: what the trial ended as: COMPLETED, FAILED, or INVALID, which the oracle may retry. Empty in records of
            earlier versions: completed if there are metrics.
        declared: hyperparameters that the trial was the first to ask for, as KerasTuner serializes them.
    """

    number: int
    values: Mapping[str, Any]
    metrics: Mapping[str, float]
    step: int
    status: str = ""
    declared: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True)
class SessionRecord:
    """A session and how it stands. Times are seconds since 1970.

    Args:
        session: which training it is.
        outcome: how it stands, or ended.
        began: when it was first begun.
        ended: None while it runs.
        delivered: whether every writer knows its end.
        boot: the boot id of the machine's run that trains it; empty where it is unknown.
        resumed: when it last resumed after a pause; None if it never did.
        trained_before: seconds for which it was trained before that.
        oracle: what a KerasTuner oracle has heard of it, oldest first.
    """

    session: Session
    outcome: Outcome
    began: float
    ended: float | None
    delivered: bool
    boot: str = ""
    resumed: float | None = None
    trained_before: float = 0.0
    oracle: tuple[OracleEntry, ...] = ()

    @property
    def name(self) -> str:
        """The session's directory below the log directory."""
        return self.session.name

    @property
    def status(self) -> Status:
        """Running, completed, stopped or failed."""
        return self.outcome.status

    @property
    def seconds(self) -> float:
        """How long it was trained, pauses not counted; while it runs, until its last pause."""
        lasted = self.ended - self.training_since if self.ended is not None else 0.0
        return float(self.outcome.metrics.get("seconds", self.trained_before + lasted))

    @property
    def training_since(self) -> float:
        """When it last began to be trained."""
        return self.began if self.resumed is None else self.resumed

    @property
    def paused(self) -> bool:
        """Whether it may still resume; until it cannot, writers do not hear of its end."""
        return self.status is Status.STOPPED and self.outcome.paused


@dataclass(frozen=True)
class TrialRecord:
    """A trial with its sessions, oldest first."""

    trial: Trial
    sessions: tuple[SessionRecord, ...]

    @property
    def latest(self) -> dict[int, SessionRecord]:
        """The last attempt of each repeat."""
        return {session.session.repeat: session for session in self.sessions}

    @property
    def status(self) -> Status:
        """The worst of what its repeats came to: running, failed, stopped, completed; planned without a session."""
        found = {session.status for session in self.latest.values()}
        order = (Status.RUNNING, Status.FAILED, Status.STOPPED, Status.COMPLETED)
        return next((status for status in order if status in found), Status.PLANNED)

    @property
    def paused(self) -> SessionRecord | None:
        """The session that is paused at a rung of a search, if one is: stopped, but it may resume."""
        return next((session for session in self.latest.values() if session.paused), None)

    @property
    def failure(self) -> SessionRecord | None:
        """The failed session of a failed trial: the last attempt of the first repeat without a result."""
        return next((session for session in self.latest.values() if session.status is Status.FAILED), None)

    @property
    def results(self) -> tuple[SessionRecord, ...]:
        """The sessions whose metrics count, one for each repeat that has come to a result."""
        return tuple(session for session in self.latest.values() if session.status.has_result)

    def values_of(self, metric: str) -> list[float]:
        """Return a metric in each session that counts and has it."""
        return [s.outcome.metrics[metric] for s in self.results if metric in s.outcome.metrics]

    def mean(self, metric: str) -> float | None:
        """Return a metric's mean over the repeats, as the dashboard's row shows it; None if there is none."""
        values = self.values_of(metric)
        return fmean(values) if values else None

    def deviation(self, metric: str) -> float | None:
        """Return a metric's sample standard deviation over the repeats, or None with fewer than two."""
        values = self.values_of(metric)
        return stdev(values) if len(values) > 1 else None
