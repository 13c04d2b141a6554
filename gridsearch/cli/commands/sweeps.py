"""Train a sweep, preview it, look at its record, compare it with the dashboard."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridsearch.cli.commands.answer import Answer
from gridsearch.cli.commands.common import as_rows, counts, note, progress_bar
from gridsearch.cli.progress import LiveProgress, PlainProgress, ProgressCounts, ended_line
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import Interrupted, LogdirError, UserError
from gridsearch.record.folders import require_sweeps
from gridsearch.record.reader import Record
from gridsearch.report.text import (
    align_columns,
    describe_kept_model,
    format_duration,
    format_leaderboard,
    format_metric,
    format_value,
    format_values,
)
from gridsearch.runner.alike import describe_failure
from gridsearch.runner.plan import Plan, foresee_combinations, load_config, make_plan, trial_states
from gridsearch.runner.runner import Limits
from gridsearch.trials import SessionRecord, Status

if TYPE_CHECKING:
    from gridsearch.runner.sweep import SweepResult

__all__ = ["best", "check", "export", "plan", "rerun", "status", "sweep", "tensorboard"]

MOST_FAILED = 10
"""Failed trials that ``status`` names."""


def sweep(config: SweepConfig, limits: Limits) -> Answer:
    """Run a sweep and return its leaderboard; with status 1 if a trial of the plan has failed or is left."""
    from gridsearch.record.provenance import provenance
    from gridsearch.report.background import write_report_in_background
    from gridsearch.runner.sweep import sweep as run

    began, logdir = time.monotonic(), config.sweep.logdir
    report = logdir / "report.html"
    with ExitStack() as displays, ExitStack() as before:

        def progress(plan: Plan, record: Record, slots: int) -> list[Any]:
            before.close()  # one display at a time
            note(str(plan))
            return (
                [displays.enter_context(_progress(config, plan, record, slots))]
                if plan.left or _has_paused(record)
                else []
            )

        origin, trained = provenance(shlex.join(sys.argv)), time.time()
        decoded = before.enter_context(progress_bar("decoding"))
        try:
            result = run(config, limits=limits, displays=progress, provenance=origin, warn=note, on_decoded=decoded)
        except Interrupted:
            write_report_in_background(logdir, note)
            raise
    # A report that was cut off, or is older than a session, shows less than the record has.
    reported = min(trained, report.stat().st_mtime) if report.exists() else 0.0
    if any(max(session.began, session.ended or 0.0) >= reported for session in result.record.sessions):
        write_report_in_background(logdir, note)
    failed = [trial for trial, state in trial_states(config, result.record.trials).values() if state == "failed"]
    rows = [*result.record.ranked(), *(trial for trial in failed if not trial.results)]
    data = {"logdir": str(logdir), "plan": counts(result.plan), "trials": as_rows(rows)}
    failures = [trial.failure for trial in failed if trial.failure is not None]
    nothing = "nothing left to do" if result.plan.left == 0 else f"{result.plan.left} left"
    notes = [
        *_list_failures(failures, config, logdir),
        *_explain_failures(failures, result),
        *filter(None, [describe_kept_model(result.record)]),
        f"{nothing}: {result.plan}  ({format_duration(time.monotonic() - began)})",
        f"look at it:  gridsearch tensorboard {shlex.quote(str(logdir))}, or open {report}",
    ]
    status = 1 if result.plan.failed or result.plan.left else 0
    return Answer(data, format_leaderboard(result.record, top=10), tuple(notes), status)


def _list_failures(failures: Sequence[SessionRecord], config: SweepConfig, logdir: Path) -> Iterator[str]:
    """Yield a line for each way in which trials failed, and the names of those that failed in the same way."""
    alike: dict[str, list[SessionRecord]] = {}
    for session in failures:
        alike.setdefault(describe_failure(session), []).append(session)
    for first, *others in alike.values():
        yield ended_line(first, config.objective, logdir)
        if others:
            names = ", ".join(session.name for session in others[:MOST_FAILED])
            more = f" and {len(others) - MOST_FAILED} more" if len(others) > MOST_FAILED else ""
            yield f"  likewise {names}{more}"


def _explain_failures(failures: Sequence[SessionRecord], result: SweepResult) -> Iterator[str]:
    """Yield how to go on where every trial has failed in the same way and none is left."""
    every = len(failures) == len(result.record.trials) > 1 and not result.plan.left
    if every and len({describe_failure(session) for session in failures}) == 1:
        cure = "mend it, then `gridsearch sweep --retry-failed`"
        yield f"all {len(failures)} failed alike: {format_value(failures[0].outcome.message)}; {cure}"


def _has_paused(record: Record) -> bool:
    """Return whether trials are paused at a rung: they may resume although nothing is left to begin."""
    return any(session.paused for session in record.sessions)


def _progress(config: SweepConfig, plan: Plan, record: Record, slots: int) -> Any:
    tally = ProgressCounts(plan, record, config.training.repeats, slots)
    if not sys.stderr.isatty():
        return PlainProgress(tally, config.objective, config.sweep.logdir, note)
    return LiveProgress(tally, config.objective, config.sweep.logdir, _epochs(config), plan.combinations)


def plan(config: SweepConfig, rows: int, *, retry_failed: bool) -> Answer:
    """Return a sweep's plan: counts, and the first combinations with how they stand."""
    from gridsearch.runner.sweep import preview

    seen = preview(config, retry=retry_failed)
    state = _state_of(seen.record, config, retry=retry_failed)
    listed = list(islice(foresee_combinations(config), min(rows, seen.plan.combinations)))
    data = {
        "plan": counts(seen.plan),
        "metric": seen.config.objective.metric,
        "goal": "max" if seen.config.objective.maximize else "min",
        "combinations": [{"values": dict(values), "status": state(values)} for values in listed],
    }
    names = [hparam.name for hparam in config.space.hparams]
    table = [
        [str(n), state(values), *(format_value(values.get(name, "-")) for name in names)]
        for n, values in enumerate(listed, 1)
    ]
    lines = [align_columns(["", "status", *map(format_value, names)], table) if table else ""]
    if seen.plan.combinations > len(listed):
        lines.append(f"... and {seen.plan.combinations - len(listed):,} more")
    lines.append(str(seen.plan))
    lines.append(f"metric {data['metric']}, goal {data['goal']}")
    if not config.model.objective:
        epochs = _epochs(config)
        at_most = "at most " if config.sweep.pruner or config.pauses_trials else ""
        trained = f"each trained for {at_most}{epochs} epochs; " if epochs else ""
        lines.append(f"{trained}the log directory is {config.sweep.logdir}")
    return Answer(data, "\n".join(lines))


def _epochs(config: SweepConfig) -> int | None:
    """Return the epochs of each trial at most; None if each has a number of its own, or none that is known."""
    swept = config.model.objective or any(hparam.name == "epochs" for hparam in config.space.hparams)
    return None if swept else config.training.epochs


def _state_of(record: Record | None, config: SweepConfig, *, retry: bool) -> Callable[[Any], str]:
    known = trial_states(config, record.trials if record else (), retry=retry)
    return lambda values: known[values.id][1] if values.id in known else "new"


def watch(logdir: Path) -> Iterator[Answer]:
    """Yield where a sweep stands, every two seconds until nothing runs."""
    while True:
        yield status(logdir)
        if not any(Record.read(path).held for path in require_sweeps(logdir).values()):
            return
        time.sleep(2.0)


def status(logdir: Path) -> Answer:
    """Return where a sweep stands, or each sweep below a folder."""
    sweeps = require_sweeps(logdir)
    if "." in sweeps:
        return _status(logdir)
    data, lines = {}, []
    for name, path in sweeps.items():
        try:
            answer = _status(path)
            data[name], text = answer.data, str(answer.text)
        except LogdirError as error:
            data[name], text = {"problem": str(error)}, str(error)
        lines.append(f"{format_value(name)}:\n" + "\n".join(f"  {line}" for line in text.splitlines()))
    return Answer({"sweeps": data}, "\n".join(lines))


def _status(logdir: Path) -> Answer:
    record = Record.read(logdir)
    plan = make_plan(load_config(record), record)
    running = [s for s in record.sessions if s.status is Status.RUNNING]
    failed = [trial for trial in record.trials if trial.failure is not None]
    ranked = record.ranked()[:1]
    data = {
        "plan": counts(plan),
        "running": [s.name for s in running],
        "best": as_rows(ranked)[:1],
        "failed": as_rows(failed),
    }
    lines = [str(plan)]
    for session in running:
        since, values = format_duration(time.time() - session.began), format_values(session.session.trial.values)
        lines.append(f"{'running ' if record.held else 'cut off '} {session.name}  {since}  {values}")
    for trial in ranked:
        metric = record.objective.ranking
        shown = f"{metric} {format_metric(trial.mean(metric))}"
        lines.append(f"best     {trial.trial.name}  {shown}  {format_values(trial.trial.values)}")
    for failure in [trial.failure for trial in failed[:MOST_FAILED] if trial.failure is not None]:
        lines.append(f"failed   {failure.name}  {failure.outcome.kind}: {format_value(failure.outcome.message)}")
    if running and not record.held:
        lines.append("no runner is at work: `gridsearch sweep` resumes what was cut off")
    if len(failed) > MOST_FAILED:
        lines.append(f"... and {len(failed) - MOST_FAILED} more failed")
    return Answer(data, "\n".join(lines))


def best(logdir: Path, top: int) -> Answer:
    """Return the best trials."""
    record = Record.read(logdir)
    text = "\n".join(filter(None, (format_leaderboard(record, top), describe_kept_model(record, top))))
    return Answer(as_rows(record.ranked()[:top]), text)


def export(logdir: Path, kind: str, *, history: bool) -> Answer:
    """Return the record as CSV, JSON or Parquet."""
    from gridsearch.report import export as tables

    if kind == "parquet" and sys.stdout.isatty():
        raise UserError("Parquet is binary", where="--format parquet", cure="Send it to a file: ... > trials.parquet")
    record = Record.read(logdir)
    rows = tables.history(record) if history else tables.sessions(record)
    if kind == "parquet":
        return Answer(rows, tables.as_parquet(rows))
    return Answer(rows, tables.as_csv(rows) if kind == "csv" else tables.as_json(rows))


def check(logdir: Path, patience: float, *, repair: bool = False) -> Answer:
    """Compare the dashboard with the record, or the records below a folder; status 1 if they differ.

    Args:
        logdir: the log directory, or a folder of several.
        patience: seconds for which differences must last.
        repair: whether event files that do not read back as recorded are written again before.
    """
    from gridsearch.writers.tensorboard.check import check as compare

    repaired = _repair(logdir) if repair else []
    found = compare(logdir, patience=patience)
    word = "agrees" if found.ok else "DIFFERS"
    lines = [*repaired, *map(format_value, found.differences), *found.notes]
    lines.append(f"{word}: {found.agreeing} of {found.rows} trials are shown as recorded")
    if not found.ok and not repair:
        command = f"gridsearch check {shlex.quote(str(logdir))} --repair"
        lines.append(f"`{command}` writes again what does not read back as recorded")
    data = {**asdict(found), "ok": found.ok, **({"repaired": repaired} if repair else {})}
    return Answer(data, "\n".join(lines), status=0 if found.ok else 1)


def _repair(logdir: Path) -> list[str]:
    """Repair the event files of each sweep; of several, those that are in use are left alone."""
    from gridsearch.runner.dashboard import repair_dashboard

    lines, taken = [], set[str]()
    sweeps = require_sweeps(logdir)
    for name, path in sweeps.items():
        try:
            repaired = repair_dashboard(path, taken, note)
        except LogdirError as error:
            if name == ".":
                raise
            lines.append(f"not repaired: {error}")
            continue
        taken.add(Record.read(path).group)
        if repaired:
            lines.append(f"{'' if name == '.' else f'{format_value(name)}: '}{repaired}")
    return [*lines, "a TensorBoard that is running shows them once it is started again"] if lines else []


def rerun(logdir: Path, name: str) -> Answer:
    """Train a recorded session again and compare; status 1 if it came out otherwise."""
    from gridsearch.runner.rerun import rerun as train_again

    again = train_again(logdir, name)
    names = [name for name in again.recorded if name != "seconds"]
    rows = [
        [metric, format_value(again.recorded[metric]), format_value(again.found.get(metric, "-"))] for metric in names
    ]
    conclusion = "agrees exactly" if again.agrees else f"does not agree{': ' + again.problem if again.problem else ''}"
    text = f"{align_columns([again.session, 'recorded', 'again'], rows)}\n{conclusion}"
    return Answer({**asdict(again), "agrees": again.agrees}, text, status=0 if again.agrees else 1)


def tensorboard(logdir: Path, arguments: Sequence[str]) -> None:
    """Become TensorBoard; this process is no longer gridsearch then."""
    from gridsearch.writers.tensorboard.mixture import describe_mixture
    from gridsearch.writers.tensorboard.server import serve

    # A wrong directory is refused now, not shown as an empty page.
    records = {name: Record.read(path) for name, path in require_sweeps(logdir).items()}
    for line in describe_mixture(logdir, records):
        note(line)
    serve(logdir, arguments)
