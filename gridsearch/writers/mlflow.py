"""Write to MLflow: a parent run for the sweep, and nested in it a run for each session.

    experiment gridsearch
      └─ hparam_tuning-3f2a9c1d       params: the recipe
           └─ run-0007                params: the HParam values
                                      metrics: ``epoch/val_accuracy`` and the like by epoch, counted from 1, and the
                                      final ones as TensorBoard's table names them
                                      tags: ``gridsearch.status`` and other columns of `gridsearch export`
                                      artifact: ``model/run-0007.keras``, if it is the best

Without a server the runs are in ``LOGDIR/mlflow.db`` and ``LOGDIR/mlartifacts``. This module finds a run by its tags
and never makes it twice. MLflow stores a metric once if value, step and time are the same.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read on import

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

from gridsearch.config.sections import Mlflow
from gridsearch.record.reader import Record
from gridsearch.system.files import replace_when_whole
from gridsearch.trials import Epoch, FailureKind, SessionRecord
from gridsearch.writers import SweepInfo

__all__ = ["MlflowWriter", "accepted_name"]

SWEEP, SESSION, EPOCHS, BEST = "gridsearch.sweep", "gridsearch.session", "gridsearch.epochs", "gridsearch.best"

MOST_PARAMS = 100
MOST_CHARACTERS = 6000
"""MLflow's limits: parameters in one call, and characters of a parameter's value."""


class MlflowWriter:
    """Writes every session to MLflow; a ``Writer``.

    Args:
        info: of the sweep; its options are those of ``gridsearch.config.sections.Mlflow``.
    """

    def __init__(self, info: SweepInfo) -> None:
        self._sweep, self._options = info, Mlflow.model_validate(info.options)
        self._logdir = info.logdir.resolve()
        elsewhere = self._options.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        self.uri = elsewhere or _local_store(self._logdir / "mlflow.db")
        self._parent = ""
        self._runs: dict[str, str] = {}
        self._epochs: dict[str, set[int]] = {}

    @cached_property
    def _client(self) -> MlflowClient:
        """The client, connected when there is something to write: a server may hang."""
        return MlflowClient(self.uri)

    @cached_property
    def _experiment(self) -> str:
        name = self._options.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or "gridsearch"
        local = (self._logdir / "mlartifacts").as_uri() if self.uri.startswith("sqlite:") else None
        found = self._client.get_experiment_by_name(name)
        return str(found.experiment_id if found else self._client.create_experiment(name, local))

    def begin(self, session: SessionRecord) -> None:
        """Open the session's run; make it if there is none."""
        self._parent = self._parent or self._begin_sweep(session)
        tags = {"mlflow.parentRunId": self._parent, **self._tags(session)}
        run = self._find(**{SESSION: session.name}) or self._create(session.name, tags, session.began)
        self._client.update_run(run, status="RUNNING")
        self._client.log_batch(run, params=_params(session.session.trial.values))
        self._runs[session.name], self._epochs[session.name] = run, set()

    def epoch(self, epoch: Epoch) -> None:
        """Log an epoch's metrics."""
        self._epochs[epoch.session].add(epoch.epoch)
        metrics = {f"epoch/{name}": value for name, value in epoch.metrics.items()}
        self._log(self._runs[epoch.session], metrics, epoch.time, epoch.epoch + 1)

    def end(self, session: SessionRecord) -> None:
        """Log the final metrics and end the run: ``FINISHED``, ``FAILED`` or, if interrupted, ``KILLED``."""
        run, epochs = self._runs.pop(session.name), self._epochs.pop(session.name)
        ended = session.ended or session.began
        last = session.outcome.epochs
        self._log(run, session.outcome.metrics, ended, last)
        tags = {**self._tags(session), EPOCHS: str(len(epochs)), "gridsearch.message": session.outcome.message}
        self._client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])
        interrupted = session.outcome.kind is FailureKind.INTERRUPTED
        status = "FINISHED" if session.status.has_result else "KILLED" if interrupted else "FAILED"
        self._client.set_terminated(run, status, _milliseconds(ended))

    def close(self) -> None:
        """Log the model with the best session's run, and end the sweep's run."""
        if self._parent:
            record = Record.read(self._sweep.logdir)
            self._keep_best(record)
            ends = [session.ended for session in record.sessions if session.ended is not None]
            self._client.set_terminated(self._parent, end_time=_milliseconds(max(ends)) if ends else None)

    def key(self, session: SessionRecord) -> str:
        """Return the session's name: MLflow's table has a row for each session, like `gridsearch export`."""
        return session.name

    def has(self, session: SessionRecord, epochs: int) -> bool:
        """Return whether a run has the session's end after so many epochs."""
        return bool(self._find(**{**self._tags(session), EPOCHS: str(epochs)}))

    def _begin_sweep(self, session: SessionRecord) -> str:
        run = self._find(**{SWEEP: self._sweep.identity, SESSION: ""})
        if not run:
            run = self._create(self._sweep.name, {SWEEP: self._sweep.identity, SESSION: ""}, session.began)
            recipe = _params(self._sweep.recipe)
            for first in range(0, len(recipe), MOST_PARAMS):
                self._client.log_batch(run, params=recipe[first : first + MOST_PARAMS])
        self._client.update_run(run, status="RUNNING")
        return run

    def _tags(self, session: SessionRecord) -> dict[str, str]:
        what = session.session
        about = {
            "trial": what.trial.name,
            "session": session.name,
            "repeat": what.repeat,
            "attempt": what.attempt,
            "seed": what.seed,
            "status": session.status,
            "kind": session.outcome.kind or "",
        }
        return {SWEEP: self._sweep.identity, **{f"gridsearch.{key}": str(value) for key, value in about.items()}}

    def _find(self, **tags: str) -> str:
        """Return the id of the run with these tags, or an empty string."""
        wanted = {SWEEP: self._sweep.identity, **tags}
        filters = " and ".join(f"tags.`{key}` = '{value}'" for key, value in wanted.items())
        found = self._client.search_runs([self._experiment], filters, max_results=1)
        return str(found[0].info.run_id) if found else ""

    def _create(self, name: str, tags: Mapping[str, str], began: float) -> str:
        run = self._client.create_run(self._experiment, _milliseconds(began), dict(tags), run_name=name)
        return str(run.info.run_id)

    def _log(self, run: str, metrics: Mapping[str, float], at: float, step: int) -> None:
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        if finite:
            logged = [Metric(accepted_name(name), value, _milliseconds(at), step) for name, value in finite.items()]
            self._client.log_batch(run, metrics=logged)

    def _keep_best(self, record: Record) -> None:
        sessions = [session for trial in record.ranked() for session in trial.results]
        files = [(s.name, self._sweep.logdir / "models" / f"{s.name}.keras") for s in sessions]
        best, model = next(((name, file) for name, file in files if file.is_file()), ("", None))
        run = best and self._find(**{SESSION: best})
        if run and model:
            if not self._client.list_artifacts(run, "model"):
                self._client.log_artifact(run, str(model), "model")
            self._client.set_tag(self._parent, BEST, best)


def _local_store(file: Path) -> str:
    """Return the URI of MLflow's store in a file; make the file whole or not at all.

    MLflow cannot open a store whose maker was killed while it made the tables.
    """
    if not file.exists():
        with replace_when_whole(file) as part:
            MlflowClient(f"sqlite:///{part}").search_experiments(max_results=1)
    return f"sqlite:///{file}"


def _params(values: Mapping[str, Any]) -> list[Param]:
    return [Param(accepted_name(name), str(value)[:MOST_CHARACTERS]) for name, value in values.items()]


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def accepted_name(name: str) -> str:
    """Convert the name of a metric or parameter to one that MLflow accepts.

    MLflow accepts letters, digits, ``_ - . : /`` and space, as a relative path of at most 250 characters. Any other
    character is replaced by its bytes in hexadecimal.
    """
    accepted = "".join(c if re.match(r"[\w./: -]", c, re.ASCII) else _in_hexadecimal(c) for c in name)
    parts = [part if part.strip(".") else part.replace(".", "-2E") or "-" for part in accepted.split("/")]
    return "/".join(parts)[:250]


def _in_hexadecimal(character: str) -> str:
    return "".join(f"-{byte:02X}" for byte in character.encode("utf-8", "replace"))
