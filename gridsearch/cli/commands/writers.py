"""Commands that tell outside writers, from the record, what they have missed."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path

from gridsearch.cli.commands.common import print_json, say

__all__ = ["mlflow", "wandb"]


def wandb(logdir: Path, project: str | None, entity: str | None, as_json: bool) -> None:
    """Complete the offline runs of a sweep."""
    given = {"project": project, "entity": entity}
    folder = logdir / "wandb"
    upload = f"wandb sync {shlex.quote(str(folder))}/offline-run-*"
    options = {key: value for key, value in given.items() if value}
    _retell(
        "wandb",
        logdir,
        {**options, "mode": "offline"},
        lambda uri: f"upload them:  {upload}" if any(folder.glob("offline-run-*")) else "",
        as_json,
    )


def mlflow(logdir: Path, tracking_uri: str | None, as_json: bool) -> None:
    """Complete the runs of a sweep in MLflow's store."""

    def look(uri: str) -> str:
        if uri.startswith(("http://", "https://")):
            return f"look at them:  {uri}"
        return (
            f"look at them:  mlflow ui --backend-store-uri {shlex.quote(uri)}"
            "  (of MLflow as a whole: pip install mlflow)"
        )

    _retell("mlflow", logdir, {"tracking_uri": tracking_uri} if tracking_uri else {}, look, as_json)


def _retell(name: str, logdir: Path, options: dict[str, str], then: Callable[[str], str], as_json: bool) -> None:
    from gridsearch.writers.backfill import backfill

    retold = backfill(name, logdir, **options)
    if as_json:
        print_json({"runs": retold.runs, "written": retold.written})
        return
    say(f"{retold.runs} runs: {retold.written} written, {retold.runs - retold.written} complete as they were")
    if hint := then(retold.uri):
        say(hint)
