"""The record as a table: what was recorded, whatever it is called."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

from sweeps import configured

from gridsearch.record.reader import Record
from gridsearch.report.export import as_csv, as_json, as_parquet, history, sessions
from gridsearch.runner.sweep import sweep


def swept(logdir: Path) -> Record:
    hparams = {"behaviour": {"discrete": ["fine", "diverges"]}, "trial": {"discrete": ['a,b\n"c"']}}
    hparams |= {"accuracy": {"discrete": [7]}}
    return sweep(configured(logdir, hparams, "objectives:behaving")).record


def test_a_row_for_each_session_with_its_values_and_metrics(logdir: Path) -> None:
    fine, diverged = csv.DictReader(io.StringIO(as_csv(sessions(swept(logdir)))))
    assert (fine["trial"], fine["status"], fine["behaviour"], fine["best_accuracy"]) == (
        "run-0001",
        "completed",
        "fine",
        "0.75",
    )
    assert (fine["hparam.trial"], fine["accuracy"], fine["metric.accuracy"]) == ('a,b\n"c"', "7", "0.5")
    assert (diverged["kind"], diverged["metric.accuracy"]) == ("diverged", "")


def test_a_row_for_each_epoch(logdir: Path) -> None:
    rows = json.loads(as_json(history(swept(logdir))))
    assert [(row["session"], row["epoch"], row["metric.accuracy"]) for row in rows] == [
        ("run-0001", 1, 0.25),
        ("run-0001", 2, 0.75),
        ("run-0002", 1, 0.1),
    ]
    assert rows[2]["loss"] is None, "it was NaN"


def test_a_table_of_nothing_has_no_rows() -> None:
    assert as_csv([]).strip() == ""
    assert json.loads(as_json([])) == []


def test_parquet_holds_what_csv_holds(logdir: Path) -> None:
    import pyarrow.parquet

    rows = sessions(swept(logdir))
    read = pyarrow.parquet.read_table(io.BytesIO(as_parquet(rows))).to_pylist()
    columns = dict.fromkeys(name for row in rows for name in row)
    assert read == [{name: row.get(name) for name in columns} for row in rows]


def test_a_history_in_parquet_keeps_what_is_not_a_number(logdir: Path) -> None:
    import pyarrow.parquet

    rows = pyarrow.parquet.read_table(io.BytesIO(as_parquet(history(swept(logdir))))).to_pylist()
    assert [row["epoch"] for row in rows] == [1, 2, 1]
    assert math.isnan(rows[2]["loss"])
    assert rows[0]["loss"] is None
