"""What a golden record says, as plain values: compared with ``records/expected.json``, see ``records/README.md``."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gridsearch.record.migrations import rename_recorded
from gridsearch.record.reader import Record, read_epochs
from gridsearch.runner.plan import load_config, make_plan
from gridsearch.trials import SessionRecord

RECORDS = Path(__file__).parent / "records"


def golden_records() -> list[str]:
    """Return the names of the golden records, of every schema version."""
    return sorted(folder.name for folder in RECORDS.iterdir() if (folder / "logs" / "sweep.db").is_file())


def expected() -> dict[str, Any]:
    """Return what the version that made each golden record said of it, with today's names of functions."""
    found: dict[str, Any] = rename_recorded(json.loads((RECORDS / "expected.json").read_text()))
    return found


def copied(name: str, folder: Path) -> Path:
    """Copy a golden record with the files that made it, so that nothing writes into the original.

    Args:
        name: of the record.
        folder: to copy into.

    Returns:
        The log directory of the copy.
    """
    shutil.copytree(RECORDS / name, folder / name)
    return folder / name / "logs"


def described(logdir: Path) -> dict[str, Any]:
    """Describe a record by everything that another version must read alike, in values that JSON holds."""
    record, epochs = Record.read(logdir), read_epochs(logdir)
    trials = [
        {
            "name": trial.trial.name,
            "id": trial.trial.id,
            "values": dict(trial.trial.values),
            "status": str(trial.status),
            "mean": trial.mean(record.objective.metric),
            "deviation": trial.deviation(record.objective.metric),
            "sessions": [_session(session, epochs.get(session.name, {})) for session in trial.sessions],
        }
        for trial in record.trials
    ]
    return {
        "identity": record.identity,
        "metric": record.objective.metric,
        "maximize": record.objective.maximize,
        "hparams": [hparam.name for hparam in record.hparams],
        "recipe": dict(record.recipe),
        "tables": dict(record.tables),
        "plan": str(make_plan(load_config(record), record)),
        "count": len(record.trials),
        "trials": trials,
        "ranked": [trial.trial.name for trial in record.ranked()],
        "paused": [session.name for session in record.sessions if session.paused],
        "seconds": {session.name: session.seconds for session in record.sessions},
    }


def _session(session: SessionRecord, epochs: Mapping[int, Mapping[str, float]]) -> dict[str, Any]:
    outcome = session.outcome
    return {
        "name": session.name,
        "repeat": session.session.repeat,
        "attempt": session.session.attempt,
        "seed": session.session.seed,
        "status": str(session.status),
        "kind": outcome.kind and str(outcome.kind),
        "message": outcome.message,
        "charged": outcome.charged,
        "metrics": dict(outcome.metrics),
        "began": session.began,
        "ended": session.ended,
        "told": session.delivered,
        "epochs": {str(epoch): dict(metrics) for epoch, metrics in epochs.items()},
    }
