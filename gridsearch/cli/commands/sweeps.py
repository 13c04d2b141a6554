"""Commands on sweeps and their records: train, preview, look, compare."""

from __future__ import annotations

import shlex
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from gridsearch.cli.commands.common import as_rows, counts, print_json, progress_bar, say, tell
from gridsearch.cli.progress import LiveProgress, PlainProgress, ProgressCounts, ended_line
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import Interrupted, UserError
from gridsearch.record.reader import Record
from gridsearch.report.text import (
    align_columns,
    format_duration,
    format_leaderboard,
    format_metric,
    format_value,
    format_values,
)
from gridsearch.runner.plan import Plan, foresee_combinations, load_config, make_plan, trial_states
from gridsearch.runner.runner import Limits
from gridsearch.trials import Status

__all__ = ["best", "check", "export", "plan", "rerun", "status", "sweep", "tensorboard"]

MOST_FAILED = 10
"""Failed trials that ``status`` names."""


def sweep(config: SweepConfig, limits: Limits, as_json: bool) -> int:
    """Run a sweep and print its leaderboard; 1 if a trial of the plan has failed."""
    from gridsearch.record.provenance import provenance
    from gridsearch.report.background import write_report_in_background
    from gridsearch.runner.sweep import sweep as run

    began, logdir = time.monotonic(), config.sweep.logdir
    report = logdir / "report.html"
    with ExitStack() as displays, ExitStack() as before:

        def progress(plan: Plan, record: Record, slots: int) -> list[Any]:
            before.close()  # one display at a time
            tell(str(plan))
            return (
                [displays.enter_context(_progress(config, plan, record, slots))] if plan.left or _aside(record) else []
            )

        origin, trained = provenance(shlex.join(sys.argv)), time.time()
        decoded = before.enter_context(progress_bar("decoding"))
        try:
            result = run(config, limits=limits, displays=progress, provenance=origin, warn=tell, on_decoded=decoded)
        except Interrupted:
            write_report_in_background(logdir, tell)
            raise
    told = min(trained, report.stat().st_mtime) if report.exists() else 0.0  # one that was cut off told of less
    if any(max(session.began, session.ended or 0.0) >= told for session in result.record.sessions):
        write_report_in_background(logdir, tell)
    failed = [trial for trial, standing in trial_states(config, result.record.trials).values() if standing == "failed"]
    if as_json:
        ranked = result.record.ranked()
        rows = [*ranked, *(trial for trial in failed if not trial.results)]
        print_json({"logdir": str(logdir), "plan": counts(result.plan), "trials": as_rows(rows)})
    else:
        say(format_leaderboard(result.record, top=10))
    for session in (trial.failure for trial in failed):
        if session is not None:
            tell(ended_line(session, config.objective, logdir))
    nothing = "nothing left to do" if result.plan.left == 0 else f"{result.plan.left} left"
    tell(f"{nothing}: {result.plan}  ({format_duration(time.monotonic() - began)})")
    tell(f"look at it:  gridsearch tensorboard {shlex.quote(str(logdir))}, or open {report}")
    return 1 if result.plan.failed or result.plan.left else 0


def _aside(record: Record) -> bool:
    """Whether trials wait at a rung: they may go on although nothing is left to begin."""
    return any(session.paused for session in record.sessions)


def _progress(config: SweepConfig, plan: Plan, record: Record, slots: int) -> Any:
    tally = ProgressCounts(plan, record, config.training.repeats, slots)
    if not sys.stderr.isatty():
        return PlainProgress(tally, config.objective, config.sweep.logdir, tell)
    return LiveProgress(tally, config.objective, config.sweep.logdir, _epochs(config), plan.combinations)


def plan(config: SweepConfig, rows: int, retry_failed: bool, as_json: bool) -> None:
    """Print a sweep's plan: counts, and the first combinations with how they stand."""
    from gridsearch.runner.sweep import preview

    seen = preview(config, retry=retry_failed)
    standing = _standing(seen.record, config, retry_failed)
    listed = list(islice(foresee_combinations(config), min(rows, seen.plan.combinations)))
    if as_json:
        combinations = [{"values": values, "status": standing(values)} for values in listed]
        print_json({"plan": counts(seen.plan), "combinations": combinations})
        return
    names = [hparam.name for hparam in config.space.hparams]
    table = [
        [str(n), standing(values), *(format_value(values.get(name, "-")) for name in names)]
        for n, values in enumerate(listed, 1)
    ]
    say(align_columns(["", "status", *map(format_value, names)], table) if table else "")
    if seen.plan.combinations > len(listed):
        say(f"... and {seen.plan.combinations - len(listed):,} more")
    say(str(seen.plan))
    if config.model.objective:
        return
    epochs = _epochs(config)
    at_most = "at most " if config.sweep.pruner or config.pauses_trials else ""
    trained = f"each trained for {at_most}{epochs} epochs; " if epochs else ""
    say(f"{trained}the log directory is {config.sweep.logdir}")


def _epochs(config: SweepConfig) -> int | None:
    """What each trial is trained for at most; None if each has a number of its own, or none that is known."""
    swept = config.model.objective or any(hparam.name == "epochs" for hparam in config.space.hparams)
    return None if swept else config.training.epochs


def _standing(record: Record | None, config: SweepConfig, retry: bool) -> Callable[[Any], str]:
    from gridsearch.hparams.combination import combination_id

    known = trial_states(config, record.trials if record else (), retry=retry)
    return lambda values: known[i][1] if (i := combination_id(values)) in known else "new"


def status(logdir: Path, watch: bool, as_json: bool) -> None:
    """Print where a sweep stands; with ``watch`` again until nothing runs."""
    while True:
        record = Record.read(logdir)
        _print_status(record, as_json)
        if not watch or not record.held:
            return
        time.sleep(2.0)


def _print_status(record: Record, as_json: bool) -> None:
    plan = make_plan(load_config(record), record)
    running = [s for s in record.sessions if s.status is Status.RUNNING]
    failed = [trial for trial in record.trials if trial.failure is not None]
    ranked = record.ranked()[:1]
    if as_json:
        print_json({"plan": counts(plan), "running": [s.name for s in running], "best": as_rows(ranked)[:1],
                     "failed": as_rows(failed)})  # fmt: skip
        return
    say(str(plan))
    for session in running:
        since, values = format_duration(time.time() - session.began), format_values(session.session.trial.values)
        say(f"{'running ' if record.held else 'cut off '} {session.name}  {since}  {values}")
    for trial in ranked:
        metric = record.objective.metric
        say(f"best     {trial.trial.name}  {metric} {format_metric(trial.mean(metric))}  "
            f"{format_values(trial.trial.values)}")  # fmt: skip
    for trial in failed[:MOST_FAILED]:
        if trial.failure is not None:
            outcome = trial.failure.outcome
            say(f"failed   {trial.failure.name}  {outcome.kind}: {format_value(outcome.message)}")
    if running and not record.held:
        say("no runner is at work: `gridsearch sweep` goes on with what was cut off")
    if len(failed) > MOST_FAILED:
        say(f"... and {len(failed) - MOST_FAILED} more failed")


def best(logdir: Path, top: int, as_json: bool) -> None:
    """Print the best trials."""
    record = Record.read(logdir)
    if as_json:
        print_json(as_rows(record.ranked()[:top]))
    else:
        say(format_leaderboard(record, top))


def export(logdir: Path, kind: str, history: bool) -> None:
    """Print the record as CSV, JSON or Parquet."""
    from gridsearch.report import export as tables

    if kind == "parquet" and sys.stdout.isatty():
        raise UserError("Parquet is binary", where="--format parquet", cure="Send it to a file: ... > trials.parquet")
    record = Record.read(logdir)
    rows = tables.history(record) if history else tables.sessions(record)
    if kind == "parquet":
        say(tables.as_parquet(rows), nl=False)
        return
    say(tables.as_csv(rows) if kind == "csv" else tables.as_json(rows), nl=False)


def check(logdir: Path, patience: float, as_json: bool) -> int:
    """Compare the dashboard with the record; 1 if they differ."""
    from gridsearch.writers.tensorboard.check import check as compare

    verdict = compare(logdir, patience=patience)
    if as_json:
        print_json({**asdict(verdict), "ok": verdict.ok})
    else:
        for difference in verdict.differences:
            say(format_value(difference))
        word = "agrees" if verdict.ok else "DIFFERS"
        say(f"{word}: {verdict.agreeing} of {verdict.rows} trials are shown as recorded")
    return 0 if verdict.ok else 1


def rerun(logdir: Path, name: str, as_json: bool) -> int:
    """Train a recorded session again and compare; 1 if it came out otherwise."""
    from gridsearch.runner.rerun import rerun as train_again

    again = train_again(logdir, name)
    if as_json:
        print_json({**asdict(again), "agrees": again.agrees})
        return 0 if again.agrees else 1
    names = [name for name in again.recorded if name != "seconds"]
    rows = [
        [metric, format_value(again.recorded[metric]), format_value(again.found.get(metric, "-"))] for metric in names
    ]
    say(align_columns([again.session, "recorded", "again"], rows))
    say("agrees exactly" if again.agrees else f"does not agree{': ' + again.problem if again.problem else ''}")
    return 0 if again.agrees else 1


def tensorboard(logdir: Path, arguments: Sequence[str]) -> None:
    """Become TensorBoard."""
    from gridsearch.writers.tensorboard.server import serve

    Record.read(logdir)  # a wrong directory is told now, not by an empty page
    serve(logdir, arguments)
