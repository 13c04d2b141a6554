"""What each command does, from validated arguments to what is printed; ``cli`` declares them."""

from __future__ import annotations

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import click

from gridsearch.config import SweepConfig
from gridsearch.planning import Plan, config_of, plan_of, standings
from gridsearch.progress import LiveProgress, PlainProgress, Tally, ended_line
from gridsearch.record import Record, TrialRecord
from gridsearch.runner import Limits
from gridsearch.tables import aligned, duration, leaderboard, plain, values_in_words
from gridsearch.trials import Status

say = click.echo

MOST_FAILED = 10
"""Failed trials that ``status`` names."""


def tell(line: str) -> None:
    """A line for people, on stderr; whether they listen does not matter."""
    with suppress(OSError):
        click.echo(line, err=True)


def _print_json(value: Any) -> None:
    say(json.dumps(value, indent=2, default=str))


def _as_rows(trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    return [
        {
            "trial": trial.trial.name,
            "status": trial.status,
            "values": trial.trial.values,
            "metrics": {name: trial.mean(name) for s in trial.results[:1] for name in s.outcome.metrics},
            "sessions": [
                {"name": s.name, "status": s.status, "kind": s.outcome.kind, "message": s.outcome.message,
                 "seed": s.session.seed, "metrics": s.outcome.metrics, "facts": s.outcome.facts}
                for s in trial.sessions
            ],
        }
        for trial in trials
    ]  # fmt: skip


def _counts(plan: Plan) -> dict[str, int]:
    return {**asdict(plan), "new": plan.new, "left": plan.left}


def sweep(config: SweepConfig, limits: Limits, as_json: bool) -> int:
    """Run a sweep and print its leaderboard; 1 if a trial of the plan has failed."""
    from gridsearch.provenance import provenance
    from gridsearch.sweeping import sweep as run

    began, home = time.monotonic(), config.sweep.logdir
    with ExitStack() as displays:

        def progress(plan: Plan, record: Record, slots: int) -> list[Any]:
            tell(str(plan))
            return [displays.enter_context(_progress(config, plan, record, slots))] if plan.left else []

        facts = provenance(shlex.join(sys.argv))
        result = run(config, limits=limits, displays=progress, facts=facts, warn=tell)
    failed = [trial for trial, standing in standings(config, result.record.trials).values() if standing == "failed"]
    if as_json:
        ranked = result.record.ranked()
        rows = [*ranked, *(trial for trial in failed if not trial.results)]
        _print_json({"logdir": str(home), "plan": _counts(result.plan), "trials": _as_rows(rows)})
    else:
        say(leaderboard(result.record, top=10))
    for session in (trial.failure for trial in failed):
        if session is not None:
            tell(ended_line(session, config.objective, home))
    nothing = "nothing left to do" if result.plan.left == 0 else f"{result.plan.left} left"
    tell(f"{nothing}: {result.plan}  ({duration(time.monotonic() - began)})")
    tell(f"look at it:  gridsearch tensorboard {shlex.quote(str(home))}")
    return 1 if result.plan.failed or result.plan.left else 0


def _progress(config: SweepConfig, plan: Plan, record: Record, slots: int) -> Any:
    tally = Tally(plan, record, config.training.repeats, slots)
    if not sys.stderr.isatty():
        return PlainProgress(tally, config.objective, config.sweep.logdir, tell)
    known = not config.model.objective and "epochs" not in {hparam.name for hparam in config.space.hparams}
    epochs = config.training.epochs if known else None
    return LiveProgress(tally, config.objective, config.sweep.logdir, epochs, plan.combinations)


def plan(config: SweepConfig, rows: int, retry_failed: bool, as_json: bool) -> None:
    """Print a sweep's plan: counts, and the first combinations with how they stand."""
    from gridsearch.sweeping import preview

    seen = preview(config, retry=retry_failed)
    standing = _standing(seen.record, config)
    listed = list(islice(config.space, rows))
    if as_json:
        combinations = [{"values": values, "status": standing(values)} for values in listed]
        _print_json({"plan": _counts(seen.plan), "combinations": combinations})
        return
    names = [hparam.name for hparam in config.space.hparams]
    table = [
        [str(n), standing(values), *(plain(values.get(name, "-")) for name in names)]
        for n, values in enumerate(listed, 1)
    ]
    say(aligned(["", "status", *map(plain, names)], table) if table else "")
    if len(config.space) > len(listed):
        say(f"... and {len(config.space) - len(listed):,} more")
    say(str(seen.plan))
    if not config.model.objective:
        say(f"each trained for {config.training.epochs} epochs; the log directory is {config.sweep.logdir}")


def _standing(record: Record | None, config: SweepConfig) -> Callable[[Any], str]:
    from gridsearch.hparams import combination_id

    known = standings(config, record.trials if record else ())
    return lambda values: str(known[i][0].status) if (i := combination_id(values)) in known else "new"


def status(home: Path, watch: bool, as_json: bool) -> None:
    """Print where a sweep stands; with ``watch`` again until nothing runs."""
    while True:
        record = Record.read(home)
        _print_status(record, as_json)
        if not watch or not record.held:
            return
        time.sleep(2.0)


def _print_status(record: Record, as_json: bool) -> None:
    plan = plan_of(config_of(record), record)
    running = [s for s in record.sessions if s.status is Status.RUNNING]
    failed = [trial for trial in record.trials if trial.failure is not None]
    ranked = record.ranked()[:1]
    if as_json:
        _print_json({"plan": _counts(plan), "running": [s.name for s in running], "best": _as_rows(ranked)[:1],
                     "failed": _as_rows(failed)})  # fmt: skip
        return
    say(str(plan))
    for session in running:
        since, values = duration(time.time() - session.began), values_in_words(session.session.trial.values)
        say(f"{'running ' if record.held else 'cut off '} {session.name}  {since}  {values}")
    for trial in ranked:
        say(f"best     {trial.trial.name}  {record.objective.metric} {trial.mean(record.objective.metric):.4f}  "
            f"{values_in_words(trial.trial.values)}")  # fmt: skip
    for trial in failed[:MOST_FAILED]:
        if trial.failure is not None:
            outcome = trial.failure.outcome
            say(f"failed   {trial.failure.name}  {outcome.kind}: {plain(outcome.message)}")
    if running and not record.held:
        say("no runner is at work: `gridsearch sweep` goes on with what was cut off")
    if len(failed) > MOST_FAILED:
        say(f"... and {len(failed) - MOST_FAILED} more failed")


def best(home: Path, top: int, as_json: bool) -> None:
    """Print the best trials."""
    record = Record.read(home)
    if as_json:
        _print_json(_as_rows(record.ranked()[:top]))
    else:
        say(leaderboard(record, top))


def export(home: Path, kind: str, history: bool) -> None:
    """Print the record as CSV or JSON."""
    from gridsearch import export as tables

    record = Record.read(home)
    rows = tables.history(record) if history else tables.sessions(record)
    say(tables.as_csv(rows) if kind == "csv" else tables.as_json(rows), nl=False)


def check(home: Path, patience: float, as_json: bool) -> int:
    """Compare the dashboard with the record; 1 if they differ."""
    from gridsearch.check import check as compare

    verdict = compare(home, patience=patience)
    if as_json:
        _print_json({**asdict(verdict), "ok": verdict.ok})
    else:
        for difference in verdict.differences:
            say(plain(difference))
        word = "agrees" if verdict.ok else "DIFFERS"
        say(f"{word}: {verdict.agreeing} of {verdict.rows} trials are shown as recorded")
    return 0 if verdict.ok else 1


def rerun(home: Path, name: str, as_json: bool) -> int:
    """Train a recorded session again and compare; 1 if it came out otherwise."""
    from gridsearch.rerun import rerun as train_again

    again = train_again(home, name)
    if as_json:
        _print_json({**asdict(again), "agrees": again.agrees})
        return 0 if again.agrees else 1
    names = [name for name in again.recorded if name != "seconds"]
    rows = [[metric, plain(again.recorded[metric]), plain(again.found.get(metric, "-"))] for metric in names]
    say(aligned([again.session, "recorded", "again"], rows))
    say("agrees exactly" if again.agrees else f"does not agree{': ' + again.problem if again.problem else ''}")
    return 0 if again.agrees else 1


def tensorboard(home: Path, arguments: Sequence[str]) -> None:
    """Become TensorBoard."""
    from gridsearch.tensorboard import serve

    Record.read(home)  # a wrong directory is told now, not by an empty page
    serve(home, arguments)


@contextmanager
def _bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar for pictures on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def draw_sample(out: Path, train: int, validation: int, seed: int, as_json: bool) -> None:
    """Draw the built-in sample."""
    from gridsearch.datasets.sample import draw_sample as draw

    with _bar("drawing") as on_progress:
        summary = draw(out, train=train, validation=validation, seed=seed, on_progress=on_progress)
    if as_json:
        _print_json(asdict(summary))
    else:
        verb = f"drew {summary.drawn} pictures" if summary.drawn else "nothing to do: the sample is there"
        say(f"{verb}: {summary.train} for training, {summary.validation} for validation, in {out}")


def prepare(
    source: Path | None,
    out: Path,
    validation: float,
    limit: int | None,
    seed: int,
    url: str | None,
    sha256: str | None,
    as_json: bool,
) -> None:
    """Fill the data folder from an archive or folder, downloaded first if need be."""
    from gridsearch.datasets.prepare import prepare as fill

    archive = _downloaded(url, source or out / "archive" / Path(url).name, sha256) if url else source
    assert archive is not None  # cli has seen to it that there is a source or a url
    with _bar("pictures") as on_progress:
        summary = fill(archive, out, validation=validation, limit=limit, seed=seed, on_progress=on_progress)
    if as_json:
        _print_json(asdict(summary))
        return
    verb = f"wrote {summary.written} pictures" if summary.written else "nothing to do: these pictures are there"
    say(f"{verb}, in {out}")
    header = ["", *map(plain, summary.classes)]
    rows = [
        [part, *(str(getattr(summary, part)[name]) for name in summary.classes)] for part in ("train", "validation")
    ]
    say(aligned(header, rows))
    if summary.converted:
        say(f"{summary.converted} converted to RGB JPEG")
    for broken in summary.broken[:5]:
        tell(f"set aside {plain(broken.file)}: {broken.reason}")
    if summary.broken:
        tell(f"{len(summary.broken)} broken pictures set aside, all listed in {out / 'prepare.json'}")


def _downloaded(url: str, target: Path, sha256: str | None) -> Path:
    from gridsearch.datasets.download import download

    with _bar("bytes") as on_progress:
        return download(url, target, sha256=sha256, on_progress=lambda done, total: on_progress(done, total or 0))


def check_data(config: SweepConfig, as_json: bool) -> None:
    """Decode every picture of the sweep's folders."""
    from gridsearch.datasets.inspection import inspect

    with _bar("pictures") as on_progress:
        summary = inspect(config.data.train, config.data.validation, batch_size=config.data.batch_size, deep=True,
                          on_progress=on_progress)  # fmt: skip
    if as_json:
        _print_json(asdict(summary))
        return
    rows = [[part, *(str(counts[name]) for name in summary.classes)]
            for part, counts in (("train", summary.train), ("validation", summary.validation))]  # fmt: skip
    say(aligned(["", *map(plain, summary.classes)], rows))
    say(f"all {summary.train_total + summary.validation_total} pictures can be trained on")
