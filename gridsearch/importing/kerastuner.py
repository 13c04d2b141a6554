"""A project directory of KerasTuner's, read as the JSON that it is: oracle.json, and a trial.json for each trial."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from gridsearch.errors import UserError
from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import HParam
from gridsearch.importing.records import ForeignSweep, ForeignTrial
from gridsearch.kerastuner.domains import OURS, cast_as_declared, grids_from_space
from gridsearch.trials import Status

__all__ = ["ORACLE", "read_project"]

ORACLE = "oracle.json"
STATUSES = {"COMPLETED": Status.COMPLETED, "FAILED": Status.FAILED, "INVALID": Status.FAILED}
"""Of trials that have ended; others are left out."""


def read_project(folder: Path, metric: str | None) -> ForeignSweep:
    """Return the trials of a project.

    Args:
        folder: with an oracle.json.
        metric: the objective, which KerasTuner does not keep; None is val_accuracy.

    Raises:
        UserError: it is no such folder, a file is damaged, or no trial reports the metric.
    """
    state = _json(folder / ORACLE)
    space = _space(state.get("hyperparameters", {}), folder / ORACLE)
    files = sorted(folder.glob("trial_*/trial.json"))
    files_read = [(file, _json(file)) for file in files]
    tracked = {name for _, trial in files_read for name in trial.get("metrics", {}).get("metrics", {})}
    wanted = metric or "val_accuracy"
    if tracked and wanted not in tracked:
        cure = f"Name one with --metric: {', '.join(sorted(tracked))}."
        raise UserError(f"no trial reports {wanted!r}", where=str(folder), cure=cure)
    directions = [t["metrics"]["metrics"][wanted]["direction"] for _, t in files_read if wanted in _tracked(t)]
    grids = grids_from_space(space)
    most, trials = int(state.get("max_epochs", 0)), dict[str, ForeignTrial]()  # Hyperband's
    for file, trial in files_read:
        if trial.get("status") in STATUSES:
            below = trials.pop(_values(trial).get(f"{OURS}trial_id", ""), None)
            trials[trial["trial_id"]] = _read_trial(trial, grids, file, most, below.epochs if below else {})
    maximize = directions[0] == "max" if directions else True
    return ForeignSweep(str(folder), grids, wanted, maximize, list(trials.values()))


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError("there is no such file; is this a project of KerasTuner's?", where=str(file)) from None
    except ValueError as error:  # half written when KerasTuner was killed
        cure = "Remove the trial's folder to import the others."
        raise UserError(f"not valid JSON: {error}", where=str(file), cure=cure) from None
    if not isinstance(found, dict):
        raise UserError("not what KerasTuner writes", where=str(file))
    return found


def _space(hyperparameters: Mapping[str, Any], file: Path) -> list[Any]:
    try:
        return [
            SimpleNamespace(
                **{"kind": hp["class_name"], "step": None, "sampling": "linear", **hp["config"]}
                | {"conditions": [SimpleNamespace(**c["config"]) for c in hp["config"].get("conditions", ())]}
            )
            for hp in hyperparameters["space"]
        ]
    except (KeyError, TypeError) as error:
        raise UserError(f"not a space as KerasTuner 1.4 writes it: {error}", where=str(file)) from None


def _tracked(trial: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = trial.get("metrics", {}).get("metrics", {})
    return found


def _values(trial: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = trial["hyperparameters"]["values"]
    return found


def _read_trial(
    trial: Mapping[str, Any],
    grids: Sequence[Sequence[HParam]],
    file: Path,
    most: int,
    below: Mapping[int, Mapping[str, float]],
) -> ForeignTrial:
    """Return a trial; of Hyperband with the epochs of the rung below, and stopped where it got fewer than most."""
    values, epochs = _values(trial), {epoch: dict(metrics) for epoch, metrics in below.items()}
    for name, history in _tracked(trial).items():
        for seen in history["observations"]:
            epoch = int(values.get(f"{OURS}initial_epoch", 0)) + int(seen["step"])
            epochs.setdefault(epoch, {})[name] = sum(seen["value"]) / len(seen["value"])
    status = STATUSES[trial["status"]]
    if status is Status.COMPLETED and values.get(f"{OURS}epochs", most) < most:
        status = Status.STOPPED
    message = (trial.get("message") or "").strip().splitlines()
    return ForeignTrial(
        Combination(cast_as_declared(values, grids)),
        status,
        epochs,
        message[-1] if message else "",
        file.stat().st_mtime,
    )
