"""Write the record as a table that other programs read: a row for each session, or for each epoch of each session.

Columns are ``trial``, ``session``, ``repeat``, ``attempt``, ``status``, ``kind``, ``seed``, then the HParams, then the
metrics. A metric named like an HParam, or like one of the first, is prefixed by ``metric.``; so is an HParam by
``hparam.``. A history has ``epoch`` (from 1) and Keras's own names for metrics.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from gridsearch.errors import UserError
from gridsearch.record.reader import Record, read_epochs
from gridsearch.trials import SessionRecord

__all__ = ["as_csv", "as_json", "as_parquet", "history", "sessions"]

Row = dict[str, Any]

FIRST = ("trial", "session", "repeat", "attempt", "status", "kind", "seed", "epoch")


def sessions(record: Record) -> list[Row]:
    """Return a row for each session that has ended, with its final metrics."""
    return [_row(session, session.outcome.metrics) for session in record.sessions if session.ended is not None]


def history(record: Record) -> list[Row]:
    """Return a row for each epoch of each session."""
    epochs = read_epochs(record.logdir)
    return [
        _row(session, metrics, epoch + 1)
        for session in record.sessions
        for epoch, metrics in epochs.get(session.name, {}).items()
    ]


def _row(session: SessionRecord, metrics: Mapping[str, float], epoch: int | None = None) -> Row:
    what = session.session
    row: Row = {
        "trial": what.trial.name,
        "session": session.name,
        "repeat": what.repeat,
        "attempt": what.attempt,
        "status": str(session.status),
        "kind": str(session.outcome.kind or ""),
        "seed": what.seed,
    }
    row |= {} if epoch is None else {"epoch": epoch}
    row |= {f"hparam.{name}" if name in FIRST else name: value for name, value in what.trial.values.items()}
    taken = {*FIRST, *what.trial.values}
    row |= {f"metric.{name}" if name in taken else name: value for name, value in metrics.items()}
    return row


def as_csv(rows: Sequence[Row]) -> str:
    """Return rows as CSV with a header of every column that one of them has; what a row lacks is empty."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_json(rows: Sequence[Row]) -> str:
    """Return rows as a JSON array of objects; NaN and infinity, which JSON cannot write, are null."""
    return json.dumps([{name: _finite(value) for name, value in row.items()} for row in rows], indent=1) + "\n"


def as_parquet(rows: Sequence[Row]) -> bytes:
    """Return rows as a Parquet file, a column for each name; what a row lacks is null, NaN stays NaN.

    Raises:
        UserError: pyarrow, which writes it, is not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ModuleNotFoundError:
        cure = "Install it: pip install 'gridsearch[parquet]'; or take --format csv or json."
        raise UserError("pyarrow is not installed", where="--format parquet", cure=cure) from None
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.BytesIO()
    parquet.write_table(pyarrow.table({name: [row.get(name) for row in rows] for name in names}), out)
    return out.getvalue()


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
