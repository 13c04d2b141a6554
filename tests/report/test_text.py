"""Tables and words: one line a row, columns that align, nothing that could steer a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from laws import tables_of_cells
from records import made, record_of

from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import Discrete, HParam
from gridsearch.record.reader import Record
from gridsearch.report.text import (
    align_columns,
    describe_kept_model,
    format_apart,
    format_duration,
    format_leaderboard,
    format_metric,
    format_value,
    format_values,
)
from gridsearch.trials import FailureKind, Objective, Outcome, Session, SessionRecord, Status, Trial, TrialRecord


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("adam", "adam"),
        ("two\nlines", r"two\nlines"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("Größe\t", r"Größe\t"),
        ("back\\slash", "back\\slash"),
        ("\u202eright to left", r"\u202eright to left"),
        ("\udcff", r"\udcff"),
        ("", ""),
        (0.1, "0.1"),
        (1e-05, "1e-05"),
        (16, "16"),
        (True, "True"),
        (None, "None"),
    ],
)
def test_a_value_is_one_line_of_printable_text(value: object, text: str) -> None:
    assert format_value(value) == text


@given(st.text())
def test_any_text_becomes_printable_and_printable_text_stays(text: str) -> None:
    assert format_value(text).isprintable()
    if text.isprintable():
        assert format_value(text) == text


def test_values_in_words() -> None:
    assert format_values({"num_units": 256, "dropout": 0.1, "a\nb": "c\td"}) == r"num_units=256 dropout=0.1 a\nb=c\td"
    assert format_values({}) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (42.4, "42 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (3599, "59 min 59 s"),
        (3599.7, "1 h 00 min"),
        (7645, "2 h 07 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert format_duration(seconds) == words


def test_columns_are_as_wide_as_their_widest_cell_with_numbers_to_the_right() -> None:
    rows = [["run-0001", "0.5", "adam", "1e+20"], ["run-2", "-", "rmsprop", "3"], ["x", "12.25±0.1", "", "-1e-05"]]
    assert align_columns(["trial", "accuracy", "optimizer", "rate"], rows) == "\n".join(
        [
            "trial      accuracy  optimizer    rate",
            "run-0001        0.5  adam        1e+20",
            "run-2             -  rmsprop         3",
            "x         12.25±0.1             -1e-05",
        ]
    )


def test_a_table_without_rows_is_its_header() -> None:
    assert align_columns(["trial", "accuracy"], []) == "trial  accuracy"


@given(tables_of_cells)
def test_every_cell_stands_in_its_column(table: list[list[str]]) -> None:
    header, *rows = table
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    lines = align_columns(header, rows).split("\n")
    assert len(lines) == len(table)
    for line, row in zip(lines, table, strict=True):
        at = 0
        for cell, width in zip(row, widths, strict=True):
            assert line[at : at + width].strip() == cell
            assert line[at + width : at + width + 2].strip() == ""
            at += width + 2
        assert line == line.rstrip()
        assert len(line) <= at


# The leaderboard


def trial(number: int, values: Combination, *outcomes: Outcome) -> TrialRecord:
    planned = Trial(number, values)
    return TrialRecord(
        planned,
        tuple(SessionRecord(Session(planned, r, 1, r), o, 0.0, 1.0, delivered=True) for r, o in enumerate(outcomes)),
    )


def record(*trials: TrialRecord, objective: Objective | None = None) -> Record:
    return Record(Path("logdir"), (), objective or Objective(), {}, {}, Path(), False, trials)


def result(accuracy: float, status: Status = Status.COMPLETED, **metrics: float) -> Outcome:
    return Outcome(status, metrics={"accuracy": accuracy, "best_epoch": 2.0, "seconds": 61.25, **metrics})


FAILED = Outcome.failed(FailureKind.EXCEPTION, "it failed")


def test_the_leaderboard_begins_with_the_best_and_leaves_out_what_has_no_result() -> None:
    trials = [
        trial(1, {"units": 16, "optimizer": "adam"}, result(0.5)),
        trial(2, {"units": 32, "optimizer": "sgd"}, FAILED),
        trial(3, {"units": 64, "optimizer": "s\ngd"}, result(0.75, Status.STOPPED, loss=0.125)),
        trial(4, {"units": 128}, result(0.5)),
    ]
    assert format_leaderboard(record(*trials)) == "\n".join(
        [
            "trial               accuracy    loss  best_epoch  seconds  units  optimizer",
            r"run-0003 (stopped)    0.7500  0.1250           2     61.2     64  s\ngd",
            "run-0001              0.5000       -           2     61.2     16  adam",
            "run-0004              0.5000       -           2     61.2    128  -",
        ]
    )
    assert format_leaderboard(record(*trials), top=1).count("\n") == 1


def test_the_least_loss_comes_first_when_less_is_better() -> None:
    trials = [trial(n, {"x": n}, Outcome(Status.COMPLETED, metrics={"loss": n / 4})) for n in (3, 1, 2)]
    table = format_leaderboard(record(*trials, objective=Objective("loss", maximize=False)))
    assert [line.split()[0] for line in table.splitlines()[1:]] == ["run-0001", "run-0002", "run-0003"]


def test_repeats_are_shown_as_mean_and_deviation() -> None:
    trials = [trial(1, {"x": 1}, result(0.25), result(0.75), FAILED), trial(2, {"x": 2}, result(0.25))]
    header, first, second = format_leaderboard(record(*trials)).splitlines()
    assert header.split() == ["trial", "n", "accuracy", "best_epoch", "seconds", "x"]
    assert first.split() == ["run-0001", "(failed)", "2", "0.5000±0.3536", "2±0", "61.2±0.0", "1"]
    assert second.split() == ["run-0002", "1", "0.2500", "2", "61.2", "2"]


def test_a_metric_keeps_its_digits_wherever_they_are() -> None:
    shown = {0.0: "0.0000", 0.91254: "0.9125", -12.5: "-12.5000", 3.14159e-5: "3.142e-05", 12345678.0: "12345678"}
    assert {value: format_metric(value) for value in shown} == shown
    assert format_metric(12345.6789) == "12345.6789"
    assert format_metric(None) == "no value"
    small = format_leaderboard(record(trial(1, {"x": 1}, result(3e-5), result(5e-5))))
    assert "4e-05±1.414e-05" in small


def test_a_leaderboard_of_nothing_says_so() -> None:
    assert format_leaderboard(record(trial(1, {"x": 1}, FAILED))) == "no trial has a result yet"


def test_values_that_lie_close_have_as_many_digits_as_tell_them_apart() -> None:
    assert format_apart([0.5, 0.25, 0.5]) == {0.5: "0.5000", 0.25: "0.2500"}
    assert format_apart([0.912345678, 0.912345699]) == {0.912345678: "0.91234568", 0.912345699: "0.9123457"}


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=6))
def test_unequal_metrics_never_look_the_same(values: list[float]) -> None:
    assert len(set(format_apart(values).values())) == len(set(values))


def test_a_kept_model_is_said_to_be_that_of_its_last_epoch(tmp_path: Path) -> None:
    """`best_accuracy` stands beside it in the table, and is not what that model comes to."""
    metrics = [{"accuracy": 0.5, "best_accuracy": 0.75, "best_epoch": 2.0}, {"accuracy": 0.25, "best_accuracy": 0.25}]
    trials = [made(n, Combination({"x": n}), [each]) for n, each in enumerate(metrics, 1)]
    record = record_of([HParam("x", Discrete([1, 2]))], trials, logdir=tmp_path)
    assert describe_kept_model(record) == ""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "run-0002.keras").touch()
    assert describe_kept_model(record) == "models/run-0002.keras is the model after the last epoch: accuracy 0.2500"
    assert describe_kept_model(record, top=1) == ""
    (tmp_path / "models" / "run-0001.keras").touch()
    assert describe_kept_model(record) == (
        "models/run-0001.keras is the model after the last epoch: accuracy 0.5000 "
        "(best_accuracy 0.7500 was in epoch 2, whose model was not kept)"
    )
