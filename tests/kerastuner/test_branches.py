"""A space that depends on its own values is found wholly, or refused with the names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

keras_tuner = pytest.importorskip("keras_tuner")

from gridsearch.config.sweep_config import SweepConfig  # noqa: E402
from gridsearch.errors import SweepFileError  # noqa: E402
from gridsearch.hparams.grid import space_of  # noqa: E402
from gridsearch.kerastuner.discovery import declare_grids  # noqa: E402
from gridsearch.training.hp_builders import find_hp_builder, takes_hp  # noqa: E402


def test_as_many_units_as_layers() -> None:
    def build(hp: Any) -> None:
        for layer in range(hp.Int("layers", 1, 3)):
            hp.Choice(f"units_{layer}", [4, 8])
        hp.Choice("rate", [0.1, 0.01])

    grids = declare_grids(build)
    assert [[h.name for h in grid] for grid in grids] == [
        ["layers", "units_0", "rate"],
        ["layers", "units_0", "rate", "units_1"],
        ["layers", "units_0", "rate", "units_1", "units_2"],
    ]
    assert len(space_of(grids)) == 2 * 2 + 4 * 2 + 8 * 2


def test_a_branch_within_a_branch_and_one_of_a_scope() -> None:
    def build(hp: Any) -> None:
        if hp.Boolean("deep") and hp.Choice("kind", ["a", "b"]) == "b":
            hp.Choice("width", [1, 2, 3])
        hp.Choice("optimizer", ["adam", "sgd"])
        with hp.conditional_scope("optimizer", ["sgd"]):
            hp.Choice("momentum", [0.0, 0.9])

    names = {frozenset(values) for values in space_of(declare_grids(build))}
    shallow, a = {"deep", "optimizer"}, {"deep", "kind", "optimizer"}
    wanted = [shallow, a, a | {"width"}]
    assert names == {frozenset(one | more) for one in wanted for more in (set(), {"momentum"})}
    found = list(space_of(declare_grids(build)))
    assert len(found) == len({tuple(sorted(values.items())) for values in found}) == (1 + 1 + 3) * (1 + 2)


def test_a_combination_that_cannot_be_built_is_a_trials_business() -> None:
    def build(hp: Any) -> None:
        if hp.Int("layers", 1, 3) == 2:
            raise ValueError("an even number of layers")
        hp.Boolean("bias")

    assert len(space_of(declare_grids(build))) == 3 * 2


def test_what_cannot_be_found_wholly_is_refused_with_the_names() -> None:
    def by_a_large_one(hp: Any) -> None:
        if hp.Int("units", 1, 500) > 250:
            hp.Float("dropout", 0.0, 0.5)

    def other_values(hp: Any) -> None:
        hp.Int("width", 1, hp.Choice("most", [4, 8]))

    with pytest.raises(
        ValueError, match="whether 'dropout' is asked for depends on 'units', which has too many values"
    ):
        declare_grids(by_a_large_one)
    with pytest.raises(ValueError, match="what 'width' can be depends on 'most'"):
        declare_grids(other_values)


@pytest.mark.parametrize("opens", [lambda a, b: a or b, lambda a, b: a != b, lambda a, b: a and b])
@pytest.mark.parametrize("others", [0, 4])
def test_a_branch_of_several_values_at_once_is_refused_with_its_name(opens: Any, others: int) -> None:
    def build(hp: Any) -> None:
        for number in range(others):
            hp.Choice(f"other_{number}", [1, 2, 3])
        if opens(hp.Boolean("a"), hp.Boolean("b")):
            hp.Choice("width", [1, 2, 3])

    with pytest.raises(ValueError, match=r"'width' is asked for depends on several values at once.*a = .*b = "):
        declare_grids(build)


MODELS = """
import keras, keras_tuner

def network(width):
    return keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(width),
                             keras.layers.Dense(2, activation="softmax")])

def other_name(parameters):
    return network(parameters.Choice("width", [2, 4]))

def with_more(hp, depth=1, **kwargs):
    return network(hp.Choice("width", [2, 4]))

class Net(keras_tuner.HyperModel):
    def build(self, hp):
        return network(hp.Choice("width", [2, 4]))

    def bound(self, hp):
        return self.build(hp)

class Fits(Net):
    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch", [2, 4]), **kwargs)

net = Net()
method = net.bound
fits = Fits()
"""


def test_whatever_builds_a_model_from_hp_works_as_build(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(MODELS)
    for name in ("other_name", "with_more", "Net", "net", "method"):
        (tmp_path / "sweep.toml").write_text(f'[model]\nbuild = "models:{name}"\n')
        config = SweepConfig.load(tmp_path / "sweep.toml")
        assert [h.name for h in config.space.hparams] == ["width"], name
    (tmp_path / "sweep.toml").write_text('[model]\nbuild = "models:fits"\n')
    with pytest.raises(SweepFileError, match=r"Fits has a fit\(\) of its own, which a sweep does not call"):
        SweepConfig.load(tmp_path / "sweep.toml")


def test_a_function_of_values_is_not_taken_for_one_of_hp() -> None:
    def build(values: Any) -> Any:
        return values["width"]

    def own(values: Any, shape: Any, classes: Any) -> Any:
        return values.Choice

    def annotated(given: keras_tuner.HyperParameters) -> Any:
        return make(given)

    def make(hp: Any) -> Any:
        return hp

    assert find_hp_builder(build) is None
    assert not takes_hp(own)
    assert takes_hp(annotated)
    assert find_hp_builder(make) is make


ASKING = """
import sys
import keras
from gridsearch.hparams.combination import Combination
from gridsearch.training.models import build_model

def build(hp):
    widths = [hp.Choice(f"width_{n}", [2, 4]) for n in range(hp.Int("layers", 1, 2))]
    return keras.Sequential([keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), *map(keras.layers.Dense, widths)])

build_model(build, Combination({"layers": 2, "width_0": 4}), (8, 8, 3), 2, ())
"""


def test_a_model_that_asks_for_what_is_no_hparam_says_so_in_the_trials_log(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ASKING], capture_output=True, text=True, check=True)
    assert "the model asks for what is no HParam of the sweep, and gets its default: width_1 = 2" in done.stderr


def test_hparams_of_a_sweep_file_come_from_every_branch(tmp_path: Path) -> None:
    (tmp_path / "models.py").write_text(
        'def build_model(hp):\n    for n in range(hp.Int("layers", 1, 2)):\n        hp.Choice(f"units_{n}", [4, 8])\n'
    )
    command = [sys.executable, "-m", "gridsearch.kerastuner.discovery", "models:build_model", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    grids = json.loads(done.stdout.splitlines()[-1])["grids"]
    assert [list(grid) for grid in grids] == [["layers", "units_0"], ["layers", "units_0", "units_1"]]
