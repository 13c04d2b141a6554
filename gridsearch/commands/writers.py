"""Commands that tell outside writers, from the record, what they have missed."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path

from gridsearch.commands.common import print_json, say

__all__ = ["mlflow", "wandb"]


def wandb(home: Path, project: str | None, entity: str | None, as_json: bool) -> None:
    """Complete the offline runs of a sweep."""
    given = {"project": project, "entity": entity}
    folder = home / "wandb"
    upload = f"wandb sync {shlex.quote(str(folder))}/offline-run-*"
    options = {key: value for key, value in given.items() if value is not None}
    _retell("wandb", home, {**options, "mode": "offline"}, f"upload them:  {upload}", as_json)


def mlflow(home: Path, tracking_uri: str | None, as_json: bool) -> None:
    """Complete the runs of a sweep in MLflow's store."""
    options = {} if tracking_uri is None else {"tracking_uri": tracking_uri}
    shown = shlex.quote(tracking_uri or f"sqlite:///{home / 'mlflow.db'}")
    look = f"look at them:  mlflow ui --backend-store-uri {shown}  (of MLflow as a whole: pip install mlflow)"
    _retell("mlflow", home, options, look, as_json)


def _retell(name: str, home: Path, options: dict[str, str], then: str, as_json: bool) -> None:
    from gridsearch.writers.retelling import retell

    retold = retell(name, home, **options)
    if as_json:
        print_json(asdict(retold))
        return
    say(f"{retold.runs} runs: {retold.written} written, {retold.runs - retold.written} complete as they were")
    say(then)
