"""Importance against Optuna's evaluator of the same meaning, correlation against numpy's, refusals in words."""

from __future__ import annotations

import csv
import json
import math
import random
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from records import made, record_of, recorded, value

from gridsearch.errors import UserError
from gridsearch.hparams.domain import Discrete, HParam, IntInterval, RealInterval
from gridsearch.record.reader import Record
from gridsearch.report.analysis.correlation import correlation
from gridsearch.report.analysis.importance import importance
from gridsearch.report.analysis.table import tabulate

A = HParam("a", RealInterval(0.0, 1.0, points=5))
B = HParam("b", RealInterval(1e-4, 1e-1, points=4, log=True))
C = HParam("c", Discrete(["red", "green", "blue"]))
D = HParam("d", IntInterval(1, 4, points=4))
E = HParam("e", Discrete([False, True]))

RESPONSES: dict[str, Callable[[Mapping[str, Any]], float]] = {
    "one alone": lambda v: float(v["a"]),
    "two, one stronger": lambda v: 3 * v["a"] + math.log10(v["b"]) / 3,
    "a category": lambda v: {"red": 0.0, "green": 2.0, "blue": -1.0}[v["c"]] + 0.5 * v["a"],
    "a flag": lambda v: 2.0 * v["e"] + 0.3 * v["d"],
    "a product": lambda v: v["a"] * v["d"],
    "a bowl": lambda v: -((v["a"] - 0.5) ** 2) - 0.02 * (v["d"] - 2) ** 2,
    "a step": lambda v: float(v["b"] > 1e-3) + 0.2 * v["a"],
    "a category that decides for another": lambda v: v["a"] if v["c"] == "red" else 0.2 * v["d"],
    "the logarithm": lambda v: math.log10(v["b"]) + 0.4 * v["e"],
    "everything": lambda v: v["a"] + 0.6 * v["d"] + 2.5 * (v["c"] == "blue") + 0.2 * v["e"] - 20 * v["b"],
}


def optunas(record: Record, metric: str) -> dict[str, float]:
    import optuna
    from optuna.importance import MeanDecreaseImpurityImportanceEvaluator

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    distributions: dict[str, Any] = {}
    for hparam in record.hparams:
        values = [trial.trial.values[hparam.name] for trial in record.trials]
        if hparam.domain.dtype in (str, bool):
            distributions[hparam.name] = optuna.distributions.CategoricalDistribution(hparam.domain.values)
        else:
            distributions[hparam.name] = optuna.distributions.FloatDistribution(min(values), max(values))
    study = optuna.create_study()
    for trial in record.trials:
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(trial.trial.values), distributions=distributions, value=trial.mean(metric)
            )
        )
    return dict(MeanDecreaseImpurityImportanceEvaluator(seed=0).evaluate(study))


def agrees(record: Record, metric: str) -> None:
    """Same values within 0.05, same ranking of all that is more than the forest's own chance."""
    ours, theirs = importance(tabulate(record, metric)).shares, optunas(record, metric)
    assert ours == pytest.approx(theirs, abs=0.05)
    assert sum(ours.values()) == pytest.approx(1.0)
    matter = [name for name in ours if max(ours[name], theirs[name]) > 0.005]
    assert matter == [name for name in theirs if name in matter]


@pytest.mark.parametrize("structure", RESPONSES)
@pytest.mark.filterwarnings("ignore")  # Optuna's own
def test_importance_is_that_of_optunas_evaluator(structure: str) -> None:
    chance = random.Random(structure)
    response = RESPONSES[structure]
    agrees(recorded([A, B, C, D, E], lambda v, r: response(v) + chance.gauss(0, 0.02)), "accuracy")


@pytest.mark.parametrize("metric", ["accuracy", "best_accuracy", "loss"])
@pytest.mark.parametrize("pictures", ["drawn", "photographs"])
@pytest.mark.filterwarnings("ignore")
def test_importance_in_a_real_sweep_is_that_of_optunas_evaluator(pictures: str, metric: str) -> None:
    agrees(cats_vs_dogs(pictures), metric)


def cats_vs_dogs(pictures: str) -> Record:
    """The 36 trials of the default sweep, as exported from real runs."""
    hparams = [
        HParam("num_units", Discrete([256, 512])),
        HParam("dropout", RealInterval(0.1, 0.2)),
        HParam("optimizer", Discrete(["adam", "sgd", "rmsprop"])),
        HParam("learning_rate", Discrete([0.001, 0.0005, 0.0001])),
    ]
    here = Path(__file__).parent
    with (here / "cats_vs_dogs.csv").open(newline="") as file:
        drawn = list(csv.DictReader(file))
    photographed = json.loads((here.parents[1] / "fixtures" / "recorded36.json").read_text(encoding="utf-8"))[
        "sessions"
    ]
    trials = [
        made(
            int(row["trial"].removeprefix("run-")),
            {h.name: value(str(row[h.name])) for h in hparams},
            [{name: float(row[name]) for name in ("accuracy", "best_accuracy", "loss", "best_epoch", "seconds")}],
        )
        for row in {"drawn": drawn, "photographs": photographed}[pictures]
    ]
    assert len(trials) == 36
    return record_of(hparams, trials)


def test_correlation_is_pearsons() -> None:
    record = recorded([A, B, C], lambda v, r: v["a"] ** 2 + 5 * v["b"] + (v["c"] == "red"))
    found = correlation(tabulate(record, "accuracy"))
    y = [trial.mean("accuracy") for trial in record.trials]
    for name in ("a", "b"):
        x = [trial.trial.values[name] for trial in record.trials]
        assert found[name] == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)
    red = [float(trial.trial.values["c"] == "red") for trial in record.trials]
    levels = found["c"]
    assert isinstance(levels, Mapping)
    assert list(levels) == ["red", "green", "blue"]
    assert levels["red"] == pytest.approx(np.corrcoef(red, y)[0, 1], abs=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1.0, 1e200])
def test_correlation_at_any_scale(scale: float) -> None:
    record = recorded([HParam("x", Discrete([scale * n for n in (1.0, 2.0, 3.0, 4.0)]))], lambda v, r: v["x"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert correlation(tabulate(record, "accuracy")) == {"x": pytest.approx(1.0)}


def test_what_does_not_vary_is_of_no_importance() -> None:
    fixed = HParam("fixed", Discrete(["always"]))
    table = tabulate(recorded([A, fixed], lambda v, r: v["a"]), "accuracy")
    assert importance(table).shares == {"a": pytest.approx(1.0), "fixed": 0.0}
    assert correlation(table)["fixed"] == {"always": None}
    single = HParam("single", Discrete([0.1]))  # six of which have another mean
    table = tabulate(recorded([HParam("x", Discrete([1, 2, 3, 4, 5, 6])), single], lambda v, r: v["x"]), "accuracy")
    assert correlation(table) == {"x": pytest.approx(1.0), "single": None}


def test_what_some_trials_lack_is_left_out_unless_it_has_a_default() -> None:
    late = HParam("late", Discrete(["x", "y"]))
    trials = [made(n, {"a": n / 10} | ({"late": "xy"[n % 2]} if n > 2 else {}), [{"accuracy": n}]) for n in range(1, 7)]
    table = tabulate(record_of([A, late], trials), "accuracy")
    assert (table.left_out, importance(table).left_out) == (("late",), ("late",))
    defaulted = HParam("late", late.domain, default="x")
    assert tabulate(record_of([A, defaulted], trials), "accuracy").left_out == ()


@pytest.mark.parametrize(
    ("record", "metric", "words"),
    [
        (recorded([A], lambda v, r: 0.5), "accuracy", "it is 0.5 in every one of them"),
        (recorded([D], lambda v, r: v["d"]), "recall", "There are accuracy, seconds."),
        (recorded([HParam("d", Discrete([1, 2, 3]))], lambda v, r: v["d"]), "accuracy", "too few"),
        (record_of([D], []), "accuracy", "Run `gridsearch sweep` first"),
        (record_of([D], [made(n, {"d": 1}, [{"accuracy": n}]) for n in range(9)]), "accuracy", "no HParam has two"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_words(record: Record, metric: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        importance(tabulate(record, metric))


def test_many_numbers_are_gathered_in_ranges_of_equally_many_trials() -> None:
    x = HParam("x", RealInterval(0.0, 99.0, points=100))
    labels, index = tabulate(recorded([x], lambda v, r: v["x"]), "accuracy").columns[0].levels
    assert (len(labels), labels[0]) == (8, "0 to 12.38")
    assert {index.count(i) for i in range(8)} <= {12, 13}
    assert list(index) == sorted(index)


def test_values_beyond_float32_are_explained_like_their_ranks() -> None:
    """scikit-learn's trees keep features in float32, where 1e300 is infinite and 1e-300 is 0."""
    huge = [-1e300, 0.0, 1e-300, 2e-300, 5.0, 1e299, 1e300]
    ranks = {value: rank for rank, value in enumerate(huge)}
    beyond = recorded([HParam("x", Discrete(huge)), D], lambda v, r: ranks[v["x"]] ** 2 + v["d"])
    ranked = recorded([HParam("x", Discrete(list(map(float, range(7))))), D], lambda v, r: v["x"] ** 2 + v["d"])
    assert importance(tabulate(beyond, "accuracy")).shares == importance(tabulate(ranked, "accuracy")).shares
    assert -1.0 <= correlation(tabulate(beyond, "accuracy"))["x"] <= 1.0  # type: ignore[operator]
