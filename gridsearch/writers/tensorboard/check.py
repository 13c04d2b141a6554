"""Compare a real TensorBoard's answers with the record, row by row."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gridsearch.hparams.domain import Value
from gridsearch.record.reader import Record
from gridsearch.trials import SessionRecord, Status, TrialRecord
from gridsearch.writers.tensorboard.server import Dashboard

__all__ = ["CheckResult", "check", "differences"]

FLOAT32 = 1e-6
"""Relative tolerance: TensorBoard keeps scalars as float32."""

PATIENCE = 15.0
"""Seconds for which a difference must last before it counts: TensorBoard loads bit by bit."""

SHOWN = {
    Status.COMPLETED: "STATUS_SUCCESS",
    Status.STOPPED: "STATUS_SUCCESS",
    Status.FAILED: "STATUS_FAILURE",
}


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        agreeing: how many rows agree with the record.
        rows: how many rows the record has.
        differences: a sentence for each difference.
    """

    agreeing: int
    rows: int
    differences: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether the dashboard shows exactly the record."""
        return not self.differences


def check(
    logdir: Path, *, patience: float = PATIENCE, on_wait: Callable[[int, int], None] | None = None
) -> CheckResult:
    """Start a TensorBoard and compare it with the record until it agrees or its differences last.

    TensorBoard loads bit by bit, and the sweep may be running. So a difference counts only if it lasts ``patience``
    seconds in which no other difference has gone away.

    Args:
        logdir: the log directory.
        patience: seconds for which differences must last.
        on_wait: called with rows agreeing and rows expected.

    Raises:
        LogdirError: there is no record.
        GridsearchError: TensorBoard does not start.
    """
    columns = Record.read(logdir).objective.columns
    lasting: list[str] = []
    with Dashboard(logdir) as dashboard:
        since = time.monotonic()
        while True:
            experiment, groups = dashboard.experiment(), dashboard.session_groups(columns)
            record = Record.read(logdir)  # read after the answers, so that it is never older than they are
            found = list(dict.fromkeys(differences(record, experiment, groups)))  # a row shown thrice is one line
            verdict = _verdict(record, found)
            if on_wait:
                on_wait(verdict.agreeing, verdict.rows)
            if verdict.ok:
                return verdict
            still = set(found) & set(lasting)
            if not lasting or len(still) < len(lasting):
                lasting, since = [one for one in found if one in still] or found, time.monotonic()
            elif time.monotonic() - since > patience:
                return _verdict(record, lasting)
            time.sleep(0.5)


def _verdict(record: Record, found: Sequence[str]) -> CheckResult:
    expected, wrong = [t.trial.name for t in record.trials if t.sessions], {one.partition(":")[0] for one in found}
    return CheckResult(sum(name not in wrong for name in expected), len(expected), tuple(found))


def differences(record: Record, experiment: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """List every difference between the HParams plugin's answers and the record; [] if there is none."""
    found = list(_experiment_differences(record, experiment))
    rows = {group["name"]: group for group in groups}
    found += [f"{group['name']}: shown twice" for group in groups if rows[group["name"]] is not group]
    expected = {trial.trial.name: trial for trial in record.trials if trial.sessions}
    found += [f"{name}: shown, but not in the record" for name in rows if name not in expected]
    for name, trial in expected.items():
        if name not in rows:
            found.append(f"{name}: in the record, but not shown")
        else:
            found += [f"{name}: {problem}" for problem in _row_differences(record, trial, rows[name])]
    return found


def _experiment_differences(record: Record, experiment: Mapping[str, Any]) -> Iterable[str]:
    shown = {info["name"]: info for info in experiment.get("hparamInfos", [])}
    declared = {hparam.name for hparam in record.hparams}
    yield from (f"experiment: HParam {name!r} is not shown" for name in sorted(declared - set(shown)))
    for hparam in record.hparams:
        tried = {trial.trial.values[hparam.name] for trial in record.trials if hparam.name in trial.trial.values}
        outside = [value for value in tried if not _in_domain(value, shown.get(hparam.name, {}))]
        yield from (f"experiment: {hparam.name} = {value!r} is outside the domain shown" for value in outside)
    columns = [info["name"].get("tag") for info in experiment.get("metricInfos", [])]
    if columns != list(record.objective.columns):
        yield f"experiment: metrics shown are {columns}, recorded are {list(record.objective.columns)}"


def _in_domain(value: Value, info: Mapping[str, Any]) -> bool:
    """Return whether TensorBoard's filters would show a row with this value."""
    if "domainDiscrete" in info:
        return any(_same_value(value, shown) for shown in info["domainDiscrete"])
    if "domainInterval" in info and not isinstance(value, str):
        interval = info["domainInterval"]
        return bool(interval.get("minValue", 0.0) <= value <= interval.get("maxValue", 0.0))
    return True


def _row_differences(record: Record, trial: TrialRecord, row: Mapping[str, Any]) -> Iterable[str]:
    values = row.get("hparams", {})
    for name, value in trial.trial.values.items():
        if name not in values or not _same_value(value, values[name]):
            yield f"{name} is {values.get(name)!r}, recorded {value!r}"
    means = {column: None if trial.paused else trial.mean(column) for column in record.objective.columns}
    yield from _metric_differences(means, row.get("metricValues", []), "mean ")
    shown = {_session_name(session): session for session in row.get("sessions", [])}
    yield from (f"session {name} is shown, but not recorded" for name in shown if name not in _names(trial.sessions))
    for session in trial.sessions:
        if session.name not in shown:
            yield f"session {session.name} is not shown"
        else:
            yield from _session_differences(record, session, shown[session.name])


def _session_differences(record: Record, session: SessionRecord, shown: Mapping[str, Any]) -> Iterable[str]:
    if session.paused:  # it may resume, and TensorBoard takes only one end of a session
        return
    wanted = SHOWN.get(session.status)
    if wanted and shown.get("status") != wanted:
        yield f"session {session.name} is {shown.get('status', 'STATUS_UNKNOWN')}, recorded {session.status}"
    metrics = session.outcome.metrics if session.status.has_result else {}
    recorded = {column: metrics.get(column) for column in record.objective.columns}
    yield from _metric_differences(recorded, shown.get("metricValues", []), f"session {session.name} ")


def _metric_differences(
    recorded: Mapping[str, float | None], shown: Iterable[Mapping[str, Any]], what: str
) -> Iterable[str]:
    values = {entry["name"].get("tag"): entry.get("value", 0.0) for entry in shown}
    for column, value in recorded.items():
        found = values.get(column)
        if (value is None) != (found is None) or (value is not None and not _close(value, found)):
            yield f"{what}{column} is {found}, recorded {value}"


def _close(recorded: float, shown: Any) -> bool:
    return isinstance(shown, int | float) and math.isclose(recorded, shown, rel_tol=FLOAT32, abs_tol=1e-12)


def _same_value(recorded: object, shown: object) -> bool:
    if isinstance(recorded, bool | str):
        return type(shown) is type(recorded) and shown == recorded
    return isinstance(shown, int | float) and not isinstance(shown, bool) and float(shown) == recorded


def _session_name(session: Mapping[str, Any]) -> str:
    """Return the session's directory, relative to the log directory."""
    return str(session.get("name", "")).removeprefix("./")


def _names(sessions: Iterable[SessionRecord]) -> set[str]:
    return {session.name for session in sessions}
