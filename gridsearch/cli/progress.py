"""Show a sweep while it runs: one line per ended trial, and on a terminal a live display above the prompt.

Both are ``Writer``s: they hear from the runner what the record already has.

    run-0007 failed (diverged): loss is nan in epoch 2    logs/hparam_tuning/run-0007/log.txt
    sweep ━━━━━━━━━━━━━━━━━━━╸━━━━━━━━━━━━  19 done  1 failed  16 left  eta 6 min 40 s   best run-0004 accuracy 0.9125
      run-0021  epoch 3/5  val_accuracy 0.8000  num_units=512 dropout=0.1 optimizer=sgd learning_rate=0.001
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gridsearch.record.reader import Record
from gridsearch.report.text import format_duration, format_metric, format_values
from gridsearch.runner.plan import Plan
from gridsearch.trials import Epoch, Objective, SessionRecord, Status

__all__ = ["LiveProgress", "PlainProgress", "ProgressCounts"]

PACE_OF = 50
"""Sessions whose mean time extrapolates to the end."""


class ProgressCounts:
    """Counts a sweep in trials as its sessions end, and extrapolates.

    Args:
        plan: how the sweep stands at the start.
        record: likewise; the best so far may be in it, and repeats that trials have behind them.
        repeats: sessions that make a trial complete.
        slots: trials at a time.
    """

    def __init__(self, plan: Plan, record: Record, repeats: int, slots: int) -> None:
        self._plan, self._repeats, self._slots, self._objective = plan, repeats, slots, record.objective
        self._results = {t.trial.number: len(t.results) for t in record.trials if 0 < len(t.results) < repeats}
        self._failed: set[int] = set()
        self._begun: set[str] = set()
        self._spent: deque[float] = deque(maxlen=PACE_OF)
        self.completed, self.best = 0, ""
        self._best: float | None = None
        for trial in record.ranked()[:1]:
            for session in trial.results:
                self._compare(session)

    def begin(self, session: SessionRecord) -> None:
        """Count a session from here on; its trial has not failed while it runs."""
        self._begun.add(session.name)
        self._failed.discard(session.session.trial.number)
        if session.resumed is not None:  # it was counted when it was paused
            self.completed -= 1

    def end(self, session: SessionRecord) -> None:
        """Count an ended session, unless it ended in an earlier run and is delivered only now."""
        if session.name not in self._begun:
            return
        self._begun.remove(session.name)
        number = session.session.trial.number
        self._spent.append(session.seconds)
        if not session.status.has_result:
            if session.outcome.charged:  # one that was stopped in good order is still to come
                self._failed.add(number)
            return
        self._results[number] = self._results.get(number, 0) + 1
        if self._results[number] == self._repeats:
            del self._results[number]
            self.completed += 1
        self._compare(session)

    def _compare(self, session: SessionRecord) -> None:
        metric = self._objective.ranking
        value = session.outcome.metrics.get(metric)
        if value is not None and (self._best is None or self._objective.better(value, self._best)):
            self._best = value
            self.best = f"best {session.session.trial.name} {metric} {format_metric(value)}"

    @property
    def done(self) -> int:
        """Trials completed, in earlier runs and this one."""
        return self._plan.completed + self.completed

    @property
    def failed(self) -> int:
        """Trials failed, in earlier runs and this one."""
        return self._plan.failed + len(self._failed)

    @property
    def left(self) -> int:
        """Trials still to come, those in training among them."""
        return max(0, self._plan.combinations - self.done - self.failed)

    @property
    def eta(self) -> float | None:
        """Seconds to the end at the mean pace of the last sessions, or None before the first has ended."""
        if not self._spent:
            return None
        return self.left * self._repeats * sum(self._spent) / len(self._spent) / self._slots

    def __str__(self) -> str:
        eta = f"  eta {format_duration(self.eta)}" if self.left and self.eta is not None else ""
        return f"{self.done} done  {self.failed} failed  {self.left} left{eta}  {self.best}".rstrip()


def ended_line(session: SessionRecord, objective: Objective, logdir: Path) -> str:
    """Return one line about an ended session: what came of it, or why it failed and where its log is."""
    outcome = session.outcome
    if not session.status.has_result:
        return f"{session.name} failed ({outcome.kind}): {outcome.message}  {logdir / session.name / 'log.txt'}"
    shown = format_metric(outcome.metrics.get(objective.metric))
    took = format_duration(outcome.metrics.get("seconds", 0.0))
    values = format_values(session.session.trial.values)
    return f"{session.name} {session.status}: {objective.metric} {shown} in {took}  {values}"


class PlainProgress:
    """A line per ended trial, for logs and pipes."""

    def __init__(self, tally: ProgressCounts, objective: Objective, logdir: Path, say: Callable[[str], None]) -> None:
        self._tally, self._objective, self._logdir, self._say = tally, objective, logdir, say

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        pass

    def begin(self, session: SessionRecord) -> None:
        """Count it; there is nothing to show yet."""
        self._tally.begin(session)

    def epoch(self, epoch: Epoch) -> None:
        """Do nothing: a line for each trial is enough."""

    def end(self, session: SessionRecord) -> None:
        """Print what came of the session."""
        self._tally.end(session)
        self._say(f"{ended_line(session, self._objective, self._logdir)}  [{self._tally}]")


class LiveProgress:
    """A bar for the sweep and a line for each running trial, redrawn in place; ended trials scroll by above.

    Args:
        tally: the counts.
        objective: its metric is shown.
        logdir: where logs are.
        epochs: of a trial, if they are known beforehand.
        total: trials of the plan.
    """

    def __init__(
        self, tally: ProgressCounts, objective: Objective, logdir: Path, epochs: int | None, total: int
    ) -> None:
        from rich.console import Console
        from rich.live import Live
        from rich.progress import BarColumn, Progress, TextColumn

        self._tally, self._objective, self._logdir, self._epochs = tally, objective, logdir, epochs
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("sweep"), BarColumn(24), TextColumn("{task.description}"), console=self._console
        )
        self._task = self._bar.add_task(str(tally), total=total, completed=tally.done + tally.failed)
        self._running: dict[str, tuple[SessionRecord, Epoch | None]] = {}
        self._live = Live(console=self._console, get_renderable=self._render, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._live.stop()

    def _render(self) -> Any:
        from rich.console import Group
        from rich.text import Text

        lines = [Text(f"  {self._line(*running)}", no_wrap=True, overflow="ellipsis") for running in self._snapshot()]
        return Group(self._bar, *lines)

    def _snapshot(self) -> list[tuple[SessionRecord, Epoch | None]]:
        return list(self._running.values())  # the display draws from a thread of its own

    def _line(self, session: SessionRecord, epoch: Epoch | None) -> str:
        values = format_values(session.session.trial.values)
        since = format_duration(time.time() - session.began)
        if epoch is None:
            return f"{session.name}  starting, {since}  {values}"
        of = f"/{self._epochs}" if self._epochs else ""
        value = self._objective.of(epoch.metrics)
        shown = "" if value is None else f"  {self._objective.metric} {format_metric(value)}"
        return f"{session.name}  epoch {epoch.epoch + 1}{of}, {since}{shown}  {values}"

    def begin(self, session: SessionRecord) -> None:
        """Add a line for the session."""
        self._tally.begin(session)
        self._running[session.name] = (session, None)

    def epoch(self, epoch: Epoch) -> None:
        """Show how far the session is."""
        if epoch.session in self._running:
            self._running[epoch.session] = (self._running[epoch.session][0], epoch)

    def end(self, session: SessionRecord) -> None:
        """Print what came of the session above the bar, and move the bar."""
        self._tally.end(session)
        self._running.pop(session.name, None)
        self._bar.update(self._task, description=str(self._tally), completed=self._tally.done + self._tally.failed)
        style = "" if session.status in (Status.COMPLETED, Status.STOPPED) else "red"
        line = ended_line(session, self._objective, self._logdir)
        self._console.print(line, style=style, markup=False, highlight=False, soft_wrap=True)
