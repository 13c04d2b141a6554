"""Write from the record what a writer has missed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from gridsearch.cli.commands.answer import Answer
from gridsearch.errors import HIDDEN, UserError, hide_passwords
from gridsearch.record.reader import Record

__all__ = ["mlflow", "wandb"]


def wandb(logdir: Path, project: str | None, entity: str | None) -> Answer:
    """Complete the offline runs of a sweep."""
    given = {"project": project, "entity": entity}
    folder = logdir / "wandb"
    upload = f"wandb sync {shlex.quote(str(folder))}/offline-run-*"
    options = {key: value for key, value in given.items() if value}
    return _backfill(
        "wandb",
        logdir,
        {**options, "mode": "offline"},
        lambda uri: f"upload them:  {upload}" if any(folder.glob("offline-run-*")) else "",
    )


def mlflow(logdir: Path, tracking_uri: str | None) -> Answer:
    """Complete the runs of a sweep in MLflow's store.

    Raises:
        UserError: the store's address had a password, which is not recorded, and is not given again.
    """
    recorded = Record.read(logdir).tables.get("writers", {}).get("mlflow", {}).get("tracking_uri") or ""
    if not tracking_uri and HIDDEN in recorded:
        tracking_uri = os.environ.get("MLFLOW_TRACKING_URI")
        if not tracking_uri:
            cure = "Give the whole address again with --tracking-uri, or set MLFLOW_TRACKING_URI."
            problem = f"the record keeps no password of the address {recorded!r}"
            raise UserError(problem, where="writers.mlflow.tracking_uri", cure=cure)

    def look(uri: str) -> str:
        uri = hide_passwords(uri)
        if uri.startswith(("http://", "https://")):
            return f"look at them:  {uri}"
        return (
            f"look at them:  mlflow ui --backend-store-uri {shlex.quote(uri)}"
            "  (of MLflow as a whole: pip install mlflow)"
        )

    return _backfill("mlflow", logdir, {"tracking_uri": tracking_uri} if tracking_uri else {}, look)


def _backfill(name: str, logdir: Path, options: dict[str, str], then: Callable[[str], str]) -> Answer:
    from gridsearch.writers.backfill import backfill

    found = backfill(name, logdir, **options)
    lines = [f"{found.runs} runs: {found.written} written, {found.runs - found.written} complete already"]
    if hint := then(found.uri):
        lines.append(hint)
    return Answer({"runs": found.runs, "written": found.written}, "\n".join(lines))
