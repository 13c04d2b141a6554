"""Share what several commands need: trials and plans as JSON has them, lines and bars on stderr."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from functools import cache
from typing import Any

import click

from gridsearch.errors import hide_passwords
from gridsearch.runner.plan import Plan
from gridsearch.trials import TrialRecord

__all__ = ["as_rows", "counts", "note", "progress_bar"]


def note(line: str) -> None:
    """Print a line for people on stderr while a command works; whether they read it does not matter."""
    with suppress(OSError):
        click.echo(hide_passwords(line), err=True)


def as_rows(trials: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Return trials with their sessions, as JSON has them."""
    return [
        {
            "trial": trial.trial.name,
            "status": trial.status,
            "values": dict(trial.trial.values),
            "metrics": {name: trial.mean(name) for s in trial.results[:1] for name in s.outcome.metrics},
            "sessions": [
                {"name": s.name, "status": s.status, "kind": s.outcome.kind, "message": s.outcome.message,
                 "seed": s.session.seed, "metrics": s.outcome.metrics,
                 "facts": {**s.outcome.provenance, "epochs": s.outcome.epochs}}
                for s in trial.sessions
            ],
        }
        for trial in trials
    ]  # fmt: skip


def counts(plan: Plan) -> dict[str, int]:
    """Return a plan's numbers, as JSON has them."""
    return {**asdict(plan), "new": plan.new, "left": plan.left}


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal from the first time there is progress, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with ExitStack() as shown:

        @cache
        def update() -> Callable[[int, int], None]:
            from rich.console import Console
            from rich.progress import Progress

            progress = shown.enter_context(Progress(console=Console(stderr=True)))
            task = progress.add_task(label, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield lambda done, total: update()(done, total)
