"""Report what a training says while it runs: checked, sent to the runner and written as curves."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

from gridsearch.training.task import Task
from gridsearch.trials import Epoch, Heartbeat, Message, Verdict, is_finite

__all__ = ["AwaitVerdict", "Diverged", "Emit", "Reporter", "TrainingStopped", "flatten_metrics"]

Emit = Callable[[Message], None]


AwaitVerdict = Callable[[int], Verdict]
"""Waits for what the runner says about an epoch that was emitted as asking."""


MOST_EPOCHS = 2**31


HEARTBEAT_SECONDS = 0.5
"""Signs of life within an epoch come no more often than this."""


class Diverged(Exception):
    """A loss or the objective is NaN or infinite."""


class TrainingStopped(BaseException):
    """The strategy has stopped the trial; no ``except Exception`` of the user's should keep it going."""


class Reporter:
    """What a training says while it runs: checked, sent to the runner, and written as per-epoch curves."""

    def __init__(self, task: Task, emit: Emit, hear: AwaitVerdict = lambda epoch: Verdict.GO_ON) -> None:
        self.task, self._emit, self._hear = task, emit, hear
        self.verdict = Verdict.GO_ON
        """What was said about the last epoch."""
        self.epochs: dict[int, dict[str, float]] = {}
        self._events: Any = None
        self._last_beat = 0.0
        self.provenance: dict[str, Any] = {}
        """What else is to be recorded of the session."""
        self._may_go_on = bool(task.settings.model.objective)
        """After as many epochs as are set: what is trained to its end is not stopped there, but completed."""
        self.writes_epochs = task.detail == "epoch" or (task.detail == "full" and bool(task.settings.model.objective))

    def report(self, epoch: int, metrics: Mapping[str, Any]) -> None:
        """Report an epoch of a user's objective, which is left at once if it is to stop.

        Raises:
            TrainingStopped: the strategy has stopped or paused it.
            Diverged, TypeError, ValueError: as ``epoch``.
        """
        if self.epoch(epoch, metrics) is not Verdict.GO_ON:
            raise TrainingStopped

    def restore(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Note an epoch behind the checkpoint that training resumes from; report it only if another session had it."""
        if self.task.trained_before is None:
            self._say(epoch, dict(metrics), asks=False)
        self.epochs[epoch] = dict(metrics)

    def epoch(self, epoch: int, metrics: Mapping[str, Any]) -> Verdict:
        """Return a finished epoch, counted from 0; whether to go on.

        Raises:
            Diverged: a loss or the objective is NaN or infinite; what was reported is kept.
            TypeError, ValueError: not an epoch, or metrics that are not numbers.
        """
        if isinstance(epoch, bool) or not hasattr(epoch, "__index__") or not 0 <= epoch < MOST_EPOCHS:
            raise ValueError(f"report(epoch={epoch!r}, ...): epochs are ints, from 0 to {MOST_EPOCHS - 1}")
        plain = flatten_metrics(metrics)
        self.epochs[int(epoch)] = plain
        asks = self.task.judged and (self._may_go_on or int(epoch) + 1 < self.task.settings.training.epochs)
        self._say(int(epoch), plain, asks=asks)
        self.refuse_divergence(plain, f"in epoch {int(epoch) + 1}")
        if asks:
            self.verdict = self._hear(int(epoch))
        return self.verdict

    def _say(self, epoch: int, metrics: dict[str, float], *, asks: bool) -> None:
        now = time.time()
        self._emit(Epoch(self.task.session.name, epoch, metrics, now, asks))
        if self.writes_epochs:
            self._write(epoch, metrics, now)

    def _write(self, epoch: int, metrics: Mapping[str, float], at: float) -> None:
        if self._events is None:
            from gridsearch.writers.tensorboard.events import EpochEvents

            self._events = EpochEvents(self.task.directory)
        self._events.add(epoch, metrics, at)

    def beat(self, epoch: int, step: int, steps: int) -> None:
        """Give a sign of life within an epoch."""
        now = time.monotonic()
        if now - self._last_beat >= HEARTBEAT_SECONDS:
            self._last_beat = now
            self._emit(Heartbeat(self.task.session.name, epoch, step, steps))

    def refuse_divergence(self, metrics: Mapping[str, float], when: str) -> None:
        """Raise ``Diverged`` if training these metrics came from has left the numbers that float32 holds."""
        watched = {name: metrics[name] for name in ("loss", "val_loss") if name in metrics}
        value = self.task.objective.of(metrics)
        watched |= {} if value is None else {self.task.objective.metric: value}
        for name, found in watched.items():
            if not is_finite(found):
                raise Diverged(f"{name} is {found} {when}")

    def worth_keeping(self, metrics: Mapping[str, float]) -> bool:
        """Return whether a model with these final metrics is among the best so far."""
        value, bar = self.task.objective.of(metrics), self.task.keep_above
        return value is not None and bar is not None and (math.isinf(bar) or self.task.objective.better(value, bar))

    def close(self) -> None:
        """Close the curves."""
        if self._events is not None:
            self._events.close()


def flatten_metrics(metrics: object) -> dict[str, float]:
    """Return metrics as floats by name; of an array, such as Keras's F1 of each class, each number by its place.

    Raises:
        TypeError: not a mapping of names to numbers.
    """
    if not isinstance(metrics, Mapping):
        raise TypeError(f"metrics must map names to numbers, as in {{'accuracy': 0.9}}; got {metrics!r}")
    plain: dict[str, float] = {}
    for name, value in metrics.items():
        several = value.ravel().tolist() if getattr(value, "ndim", 0) and hasattr(value, "ravel") else None
        named = {f"{name}_{place}": one for place, one in enumerate(several)} if several else {str(name): value}
        try:
            plain |= {one: float(number) for one, number in named.items()}
        except (TypeError, ValueError):
            raise TypeError(f"metric {name!r} is {value!r}, which is not a number") from None
    return plain
