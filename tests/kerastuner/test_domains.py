"""What a build_model(hp) declares becomes HParams, and as many combinations as there are."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import pytest

keras_tuner = pytest.importorskip("keras_tuner")

from gridsearch.config.sweep_config import SweepConfig  # noqa: E402
from gridsearch.errors import SweepFileError  # noqa: E402
from gridsearch.hparams.domain import Discrete, IntInterval, RealInterval  # noqa: E402
from gridsearch.hparams.grid import space_of  # noqa: E402
from gridsearch.kerastuner.discovery import declare_grids  # noqa: E402
from gridsearch.kerastuner.domains import grids_from_space  # noqa: E402
from gridsearch.training.hyperparameters import Hyperparameters  # noqa: E402


def domains(declare: Any) -> dict[str, Any]:
    hp = Hyperparameters()
    declare(hp)
    (grid,) = grids_from_space(hp.space)
    return {hparam.name: hparam.domain for hparam in grid}


def test_each_kind_of_hyperparameter_is_a_domain() -> None:
    def build(hp: Any) -> None:
        hp.Choice("optimizer", ["adam", "sgd"])
        hp.Boolean("bias")
        hp.Fixed("layers", 3)
        hp.Int("units", 32, 128, step=32)
        hp.Int("depth", 1, 4)
        hp.Int("batch", 2, 32, step=2, sampling="log")
        hp.Int("width", 1, 10_000, sampling="log")
        hp.Float("dropout", 0.0, 1.0, step=0.1)
        hp.Float("rate", 1e-4, 1e-1, sampling="log")
        hp.Float("decades", 1e-4, 1e-1, step=10, sampling="log")
        hp.Float("one", 0.5, 0.5)

    found = domains(build)
    assert found == {
        "optimizer": Discrete(["adam", "sgd"]),
        "bias": Discrete([False, True]),
        "layers": Discrete([3]),
        "units": Discrete([32, 64, 96, 128]),
        "depth": IntInterval(1, 4, points=4),
        "batch": Discrete([2, 4, 8, 16, 32]),
        "width": IntInterval(1, 10_000, log=True),
        "dropout": Discrete([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        "rate": RealInterval(1e-4, 1e-1, log=True),
        "decades": Discrete([0.0001, 0.001, 0.01, 0.1]),
        "one": Discrete([0.5]),
    }


def conditional(hp: Any) -> None:
    """3 of an mlp's, times 2 activations; 2 of a cnn's with 2 filters or 4 with 3 kernels; 2 rates with all of them."""
    kind = hp.Choice("kind", ["mlp", "cnn", "linear"])
    hp.Float("rate", 1e-4, 1e-2, sampling="log")
    with hp.conditional_scope("kind", ["mlp"]):
        if kind == "mlp":
            hp.Int("units", 32, 96, step=32)
            hp.Choice("activation", ["relu", "tanh"])
    with hp.conditional_scope("kind", ["cnn"]):
        if kind == "cnn":
            deep = hp.Boolean("deep")
            with hp.conditional_scope("deep", [True]):
                if deep:
                    hp.Int("kernel", 3, 7, step=2)


def test_conditional_scopes_are_grids_with_the_right_number_of_combinations() -> None:
    grids = declare_grids(conditional)
    space = space_of(grids)
    by_hand = 2 * (3 * 2) + 2 * (1 + 3) + 2 * 1
    assert len(space) == by_hand == 22
    assert {tuple(sorted(values)) for values in space} == {
        ("activation", "kind", "rate", "units"),
        ("deep", "kind", "rate"),
        ("deep", "kernel", "kind", "rate"),
        ("kind", "rate"),
    }
    assert sum(prod(len(h.domain.values) for h in grid) for grid in grids) == 22


def test_a_name_that_means_two_things_is_refused() -> None:
    def build(hp: Any) -> None:
        hp.Int("units", 1, 4)
        hp.Int("units", 10, 40)

    with pytest.raises(ValueError, match=r"'units' is declared twice, as .*max_value: 4.* and as .*max_value: 40"):
        declare_grids(build)
    with pytest.raises(ValueError, match=r"names that begin with 'tuner/'"):
        declare_grids(lambda hp: hp.Fixed("tuner/epochs", 3))


SWEEP = """
[model]
build = "{build}"
[data]
train = "{data}/train"
validation = "{data}/validation"
image_size = 8
batch_size = 4
[training]
epochs = 1
[sweep]
logdir = "{logdir}"
workers = 1
trials = 2
"""

MODEL = """
import keras

def build_model(hp):
    model = keras.Sequential([
        keras.layers.Input((8, 8, 3)),
        keras.layers.Flatten(),
        keras.layers.Dense(hp.Int("units", 4, 12, step=4), activation="relu"),
        keras.layers.Dense(2, activation="softmax"),
    ])
    optimizer = hp.Choice("optimizer", ["adam", "sgd"])
    with hp.conditional_scope("optimizer", ["sgd"]):
        rate = hp.Float("rate", 1e-3, 1e-1, step=10, sampling="log")
    optimizer = keras.optimizers.SGD(rate) if rate else optimizer
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def clashing(hp):
    hp.Int("units", 1, 2)
    hp.Float("units", 0.0, 1.0)
"""


@pytest.mark.slow
def test_a_build_model_of_kerastuners_is_swept_as_it_is(pictures: Path, logdir: Path, tmp_path: Path) -> None:
    from gridsearch.runner.sweep import sweep
    from gridsearch.trials import Status

    (tmp_path / "theirs.py").write_text(MODEL)
    file = tmp_path / "sweep.toml"
    file.write_text(SWEEP.format(build="theirs:build_model", data=pictures, logdir=logdir))
    config = SweepConfig.load(file)
    assert len(config.space) == 3 + 3 * 3
    record = sweep(config).record
    assert [trial.status for trial in record.trials] == [Status.COMPLETED] * 2, record.sessions[0].outcome.message
    assert record.trials[0].trial.values == {"units": 4, "optimizer": "adam"}
    file.write_text(SWEEP.format(build="theirs:clashing", data=pictures, logdir=logdir))
    with pytest.raises(
        SweepFileError, match=r"model\.build = 'theirs:clashing': ValueError: 'units' is declared twice"
    ):
        SweepConfig.load(file)
