"""Ask a kept model about pictures."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from gridsearch.cli.commands.answer import Answer
from gridsearch.cli.commands.common import note
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import DataError, LogdirError, UserError
from gridsearch.record.reader import Record
from gridsearch.report.text import align_columns, format_value
from gridsearch.runner.plan import load_config
from gridsearch.trials import SessionRecord

__all__ = ["predict"]

GREETING = re.compile(rb"[IW]\d{4} |WARNING: All log messages before absl|.*failed call to cuInit")
"""TensorFlow's lines about itself, and that there is no GPU."""


def predict(logdir: Path, name: str, pictures: Sequence[Path], *, trust: bool) -> Answer:
    """Return the class that a trial's model gives each picture, and its probability."""
    record = Record.read(logdir)
    config = load_config(record)
    if config.model.objective:
        problem = "this sweep trained no network on pictures, but an objective of its own"
        raise UserError(problem, where=str(logdir), cure="Name the log directory of a sweep on pictures with --logdir.")
    missing = [file for file in pictures if not file.is_file()]
    if missing:
        raise DataError("there is no such picture", where=str(missing[0]))
    session, model = _find_model(record, name)
    settings = config.settings_for(config.search_space.with_defaults(session.session.trial.values))
    with _without_greetings():
        from gridsearch.training.predict import Trust
        from gridsearch.training.predict import predict as ask

        classes = _classes(session, config)
        answers = [list(map(float, each)) for each in ask(model, settings, pictures, Trust(trust, note))]
    rows = [dict(zip(classes, answer, strict=True)) for answer in answers]
    best = [max(row, key=lambda name: row[name]) for row in rows]
    data = [
        {"picture": str(file), "class": name, "probability": row[name], "probabilities": row}
        for file, name, row in zip(pictures, best, rows, strict=True)
    ]
    table = [
        [format_value(str(f)), format_value(n), f"{row[n]:.4f}"] for f, n, row in zip(pictures, best, rows, strict=True)
    ]
    return Answer(data, align_columns(["picture", "class", "probability"], table))


@contextmanager
def _without_greetings() -> Iterator[None]:
    """Keep from stderr, on which C++ writes too, what TensorFlow says of itself; the rest is passed on at the end."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # which is not asked before its logging has begun
    if sys.stderr is None:  # the user has closed it
        yield
        return
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(original, 2)
            os.close(original)
            said.seek(0)
            os.write(2, b"".join(line for line in said if not GREETING.match(line)))


def _find_model(record: Record, name: str) -> tuple[SessionRecord, Path]:
    """Return the session of this name whose model was kept; of a trial's, the best.

    Raises:
        UserError: there is no such trial.
        LogdirError: its model was not kept.
    """
    named = [s for s in record.sessions if name in (s.name, s.session.trial.name)]
    kept = {s.name: file for s in record.sessions if (file := record.logdir / "models" / f"{s.name}.keras").is_file()}
    have = f"kept are {', '.join(kept)}" if kept else "none was kept"
    if not named:
        raise UserError(f"there is no trial {name!r}; of models, {have}", where=str(record.logdir))
    found = [session for session in named if session.name in kept]
    if not found:
        cure = "training.keep_models says how many of the best stay."
        raise LogdirError(f"the model of {name} was not kept; {have}", where=str(record.logdir), cure=cure)
    metric, sign = record.objective.ranking, -1.0 if record.objective.maximize else 1.0
    best = min(found, key=lambda s: sign * s.outcome.metrics.get(metric, float("inf") * sign))
    return best, kept[best.name]


def _classes(session: SessionRecord, config: SweepConfig) -> list[str]:
    """Return the names of the model's classes: as recorded, or, of an older record, from its data folder."""
    recorded = session.outcome.provenance.get("classes")
    if isinstance(recorded, list):
        return [str(name) for name in recorded]
    from gridsearch.training.predict import class_names

    try:
        return class_names(config.data.train)
    except OSError as error:
        cure = "The record of this session is older than class names in it; put the folder back for this."
        raise DataError(f"the names of the classes are needed: {error.strerror}", where=str(config.data.train),
                        cure=cure) from None  # fmt: skip
