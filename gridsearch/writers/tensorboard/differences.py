"""Compare the HParams plugin's answers and TensorBoard's curves with records; a sentence for each difference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.hparams.domain import Value
from gridsearch.record.reader import Record
from gridsearch.trials import Epoch, SessionRecord, Status, TrialRecord, is_finite
from gridsearch.writers.tensorboard.events import CURVES, curve_points, row_name

__all__ = ["curve_differences", "differences", "shown_curves"]

FLOAT32 = 1e-6
"""Relative tolerance: TensorBoard keeps scalars as float32."""

SHOWN = {
    Status.COMPLETED: "STATUS_SUCCESS",
    Status.STOPPED: "STATUS_SUCCESS",
    Status.FAILED: "STATUS_FAILURE",
}

Points = Mapping[str, Mapping[str, Mapping[int, float]]]
"""Run -> tag -> step -> value."""


def differences(
    records: Mapping[str, Record], experiment: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]
) -> list[str]:
    """List every difference between the HParams plugin's answers and the records; [] if there is none.

    Args:
        records: by the sweep's path below the log directory; "." is the log directory itself.
        experiment: as the plugin shows it. Of several sweeps, it is that of one: the others' columns are not compared.
        groups: the rows.
    """
    found = []
    rows = {group["name"]: group for group in groups}
    expected: set[str] = set()
    columns = {info["name"].get("tag") for info in experiment.get("metricInfos", [])}
    for sweep, record in records.items():
        if len(records) == 1:
            found += list(_experiment_differences(record, experiment))
            columns = set(record.columns)
        config = SweepConfig.validate_tables(record.tables, where=str(record.logdir), folder=record.folder)
        names = {t.trial.name: row_name(t.trial, record.group) for t in record.trials if t.sessions}
        expected |= set(names.values())
        for trial in record.trials:
            if not trial.sessions:
                continue
            name = _below(sweep, trial.trial.name)
            row = rows.get(names[trial.trial.name])
            if row is None:
                found.append(f"{name}: in the record, but not shown")
                continue
            values = config.search_space.with_defaults(trial.trial.values)
            shown = [column for column in record.columns if column in columns]
            found += [f"{name}: {problem}" for problem in _row_differences(sweep, trial, values, shown, row)]
    short = {row_name(t.trial, r.group): _below(s, t.trial.name) for s, r in records.items() for t in r.trials}
    found += [
        f"{short.get(group['name'], group['name'])}: shown twice"
        for group in groups
        if rows[group["name"]] is not group
    ]
    return [*found, *(f"{name}: shown, but not in the record" for name in rows if name not in expected)]


def _below(sweep: str, name: str) -> str:
    return name if sweep == "." else f"{sweep}/{name}"


def shown_curves(record: Record, sweep: str, histories: Mapping[str, Sequence[Epoch]]) -> dict[str, Points]:
    """Return what TensorBoard's scalars are to show of each session: its final metrics, and its curves.

    Args:
        record: of the sweep.
        sweep: its path below the log directory.
        histories: the recorded epochs of each session.

    Returns:
        session -> run -> tag -> step -> value. Sessions that run or are paused are not among them.
    """
    wanted: dict[str, Points] = {}
    for session in record.sessions:
        if session.ended is None or session.paused:
            continue
        name = _below(sweep, session.name)
        curves = curve_points(histories.get(session.name, ()))
        points: dict[str, Mapping[str, Mapping[int, float]]] = {
            f"{name}/{part}": tags for part, tags in curves.items() if tags
        }
        if session.status.has_result:
            step = session.outcome.epochs or int(session.outcome.metrics.get("best_epoch", 0))
            written = session.outcome.metrics if record.group else record.columns  # 0.1.0 wrote only its columns
            metrics = {tag: {step: v} for tag, v in session.outcome.metrics.items() if tag in written and is_finite(v)}
            points |= {name: metrics} if metrics else {}
        wanted[name] = points
    return wanted


def curve_differences(
    wanted: Mapping[str, Points],
    found: Points,
    *,
    busy: Iterable[str] = (),
    others: Iterable[str] = (),
    optional: bool = False,
) -> list[str]:
    """List every difference between TensorBoard's scalars and the record.

    Args:
        wanted: see ``shown_curves``.
        found: what TensorBoard shows: run -> tag -> step -> value.
        busy: sessions that run or are paused: what is shown of them is not compared.
        others: runs that may have more tags than are recorded, since Keras's own callback wrote them.
        optional: whether curves may be missing, as with ``detail = "summary"``.
    """
    differing: list[str] = []
    sessions, may_have_more, left = {*wanted, *busy}, set(others), set(found)
    for session, runs in wanted.items():
        for run, tags in runs.items():
            left.discard(run)
            shown = found.get(run, {})
            if optional and run != session and not shown:
                continue
            for tag in sorted(tags.keys() | shown.keys()):
                if tag not in tags and run in may_have_more:
                    continue
                if problem := _curve_problem(tags.get(tag), shown.get(tag)):
                    differing.append(f"{session}: {tag} in {run} {problem}")
    for run in sorted(left):
        session, _, part = run.rpartition("/")
        if run in busy or (session in busy and part in CURVES) or run in may_have_more:
            continue
        owner = run if run in sessions else session
        differing.append(f"{owner}: {run} is shown, but not recorded")
    return differing


def _curve_problem(recorded: Mapping[int, float] | None, shown: Mapping[int, float] | None) -> str:
    if not recorded or not shown:
        return "" if not recorded and not shown else "is not shown" if recorded else "is shown, but not recorded"
    if recorded.keys() != shown.keys():
        return f"has steps {_steps(shown)}, recorded {_steps(recorded)}"
    step = next((step for step, value in recorded.items() if not _close(value, shown[step])), None)
    return "" if step is None else f"is {shown[step]} in step {step}, recorded {recorded[step]}"


def _steps(points: Mapping[int, float]) -> str:
    steps = sorted(points)
    return f"{steps[0]} to {steps[-1]} ({len(steps)})"


def _experiment_differences(record: Record, experiment: Mapping[str, Any]) -> Iterable[str]:
    shown = {info["name"]: info for info in experiment.get("hparamInfos", [])}
    declared = {hparam.name for hparam in record.hparams}
    yield from (f"experiment: HParam {name!r} is not shown" for name in sorted(declared - set(shown)))
    for hparam in record.hparams:
        tried = {trial.trial.values[hparam.name] for trial in record.trials if hparam.name in trial.trial.values}
        outside = [value for value in tried if not _in_domain(value, shown.get(hparam.name, {}))]
        yield from (f"experiment: {hparam.name} = {value!r} is outside the domain shown" for value in outside)
    columns = [info["name"].get("tag") for info in experiment.get("metricInfos", [])]
    if columns != list(record.columns):
        yield f"experiment: metrics shown are {columns}, recorded are {list(record.columns)}"


def _in_domain(value: Value, info: Mapping[str, Any]) -> bool:
    """Return whether TensorBoard's filters would show a row with this value."""
    if "domainDiscrete" in info:
        return any(_same_value(value, shown) for shown in info["domainDiscrete"])
    if "domainInterval" in info and not isinstance(value, str):
        interval = info["domainInterval"]
        return bool(interval.get("minValue", 0.0) <= value <= interval.get("maxValue", 0.0))
    return True


def _row_differences(
    sweep: str, trial: TrialRecord, values: Mapping[str, Value], columns: Sequence[str], row: Mapping[str, Any]
) -> Iterable[str]:
    listed = row.get("hparams", {})
    for name, value in values.items():
        if name not in listed or not _same_value(value, listed[name]):
            yield f"{name} is {listed.get(name)!r}, recorded {value!r}"
    means = {column: None if trial.paused else trial.mean(column) for column in columns}
    yield from _metric_differences(means, row.get("metricValues", []), "mean ")
    shown = {_session_name(session): session for session in row.get("sessions", [])}
    recorded = {_below(sweep, session.name): session for session in trial.sessions}
    yield from (f"session {name} is shown, but not recorded" for name in shown if name not in recorded)
    for name, session in recorded.items():
        if name not in shown:
            yield f"session {name} is not shown"
        else:
            yield from _session_differences(columns, session, shown[name])


def _session_differences(columns: Sequence[str], session: SessionRecord, shown: Mapping[str, Any]) -> Iterable[str]:
    if session.paused:  # it may resume, and TensorBoard takes only one end of a session
        return
    wanted = SHOWN.get(session.status)
    if wanted and shown.get("status") != wanted:
        yield f"session {session.name} is {shown.get('status', 'STATUS_UNKNOWN')}, recorded {session.status}"
    metrics = session.outcome.metrics if session.status.has_result else {}
    recorded = {column: metrics.get(column) for column in columns}
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
