"""The sweep file: what it says is what is trained, and whatever is wrong with it is told with its key."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from laws import combinations, discretes, hparam_lists, intervals, one_type_each, rules, texts
from pydantic import ValidationError

from gridsearch.config.sweep_config import CATS_VS_DOGS, HOUSEKEEPING, NETWORK, SweepConfig
from gridsearch.errors import SweepFileError
from gridsearch.hparams.domain import Discrete, HParam, RealInterval
from gridsearch.hparams.grid import GridUnion
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.hparams.tables import hparam_table, parse_grids
from gridsearch.trials import FailureKind, Objective

ROOT = Path(__file__).parents[2]
RATE = "[hparams]\nlearning_rate = { discrete = [0.001, 0.0001] }\n"
OWN = '[model]\nobjective = "module:train"\n'
"""An objective of the user's own, to which HParams may be called anything."""

Load = Callable[..., SweepConfig]
Refuse = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """A config from the text of a sweep file, and overrides."""

    def loaded(text: str, *overrides: str) -> SweepConfig:
        file = tmp_path / "sweep.toml"
        file.write_text(text, encoding="utf-8")
        return SweepConfig.load(file, overrides)

    return loaded


@pytest.fixture
def refused(load: Load) -> Refuse:
    """The lines of the refusal, without the file that each of them begins with."""

    def lines(text: str, *overrides: str) -> list[str]:
        with pytest.raises(SweepFileError) as refusal:
            load(text, *overrides)
        assert refusal.value.exit_status == 2
        told = str(refusal.value).splitlines()
        place = f"{refusal.value.where}: "
        assert all(line.startswith((place, "  ")) for line in told)
        return [line.removeprefix(place) for line in told]

    return lines


def toml(tables: Mapping[str, Any]) -> str:
    """Tables as TOML; below the sections everything stands inline."""
    text = ""
    for section, table in tables.items():
        for one in table if isinstance(table, list) else [table]:
            text += f"[[{_text(section)}]]\n" if isinstance(table, list) else f"[{_text(section)}]\n"
            text += "".join(f"{_text(key)} = {_value(value)}\n" for key, value in one.items())
    return text


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_text(key)} = {_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """TOML's escapes are JSON's, but for pairs of surrogates; and it wants DEL escaped as well."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


# Round trips


fractions = st.floats(0, 1)
positive = st.integers(1, 1000)
sections = st.fixed_dictionaries(
    {},
    optional={
        "data": st.fixed_dictionaries(
            {},
            optional={
                "train": st.sampled_from(["data/train", "/pictures", "Größe/ä b"]),
                "image_size": positive | st.tuples(positive, positive),
                "batch_size": positive,
                "color_mode": st.sampled_from(["rgb", "grayscale"]),
            },
        ),
        "augmentation": st.fixed_dictionaries(
            {},
            optional={
                "rescale": st.sampled_from(["1/255", 0.5]),
                "rotation_range": st.integers(0, 180) | fractions,
                "width_shift_range": fractions | st.tuples(fractions, fractions) | st.lists(fractions, min_size=3),
                "zoom_range": fractions | st.tuples(fractions, fractions),
                "brightness_range": st.tuples(fractions, fractions),
                "horizontal_flip": st.booleans(),
                "preprocessing_function": st.just("package.module:function"),
            },
        ),
        "training": st.fixed_dictionaries(
            {},
            optional={
                "epochs": positive,
                "seed": st.integers(0, 2**31 - 1),
                "repeats": positive,
                "timeout": st.floats(0.1, 1e6),
                "retries": st.dictionaries(st.sampled_from(list(FailureKind)).map(str), st.integers(0, 5)),
            },
        ),
        "sweep": st.fixed_dictionaries(
            {},
            optional={
                "workers": positive,
                "metric": st.sampled_from(["accuracy", "loss", "val_auc"]),
                "goal": st.sampled_from(["max", "min"]),
            },
        ),
    },
)


@st.composite
def sweeps(draw: st.DrawFn) -> dict[str, Any]:
    """A sweep as tables: one grid or several of a user's own network, exclude rules, some settings."""
    own_names = texts.filter(str.strip).map(lambda name: f"own {name}")  # never a setting's name
    grids = draw(st.lists(hparam_lists(own_names), min_size=1, max_size=2).filter(one_type_each))
    tables: dict[str, Any] = dict(draw(sections))
    tables["hparams"] = [{hparam.name: hparam_table(hparam) for hparam in grid} for grid in grids]
    if len(grids) == 1:
        (tables["hparams"],) = tables["hparams"]
    if exclude := draw(st.lists(rules(draw(st.sampled_from(grids))), max_size=2)):
        tables["sweep"] = {**tables.get("sweep", {}), "exclude": exclude}
    return {**tables, "model": {"build": "module:build"}}


def facts(config: SweepConfig) -> dict[str, Any]:
    """Everything that a sweep is."""
    return {
        "hparams": config.hparams,
        "size": len(config.space),
        "ends": [list(config.space[i].items()) for i in (0, -1)] if len(config.space) else [],
        "recipe": config.recipe(),
        "objective": config.objective,
        "sections": (config.data, config.augmentation, config.model, config.training, config.sweep),
    }


@given(sweeps())
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_a_sweep_survives_being_written_as_toml_and_read_again(tables: dict[str, Any]) -> None:
    def validated(tables: Mapping[str, Any]) -> SweepConfig:
        return SweepConfig.validate_tables(tables, where="test", folder=ROOT)

    config = validated(tables)
    again = validated(tomllib.loads(toml(config.tables())))
    assert facts(again) == facts(config)
    assert again.tables() == config.tables()
    assert validated(json.loads(json.dumps(config.tables()))).tables() == config.tables(), "as the record keeps them"


@given(hparam_lists())
def test_an_hparam_is_the_table_that_declares_it(hparams: list[HParam]) -> None:
    tables = {hparam.name: hparam_table(hparam) for hparam in hparams}
    assert parse_grids(tomllib.loads(toml({"hparams": tables}))["hparams"]) == (tuple(hparams),)


@given(discretes() | intervals())
def test_a_false_default_is_kept(domain: Any) -> None:
    hparam = HParam("x", domain, default=domain.dtype(0))
    ((again,),) = parse_grids({"x": hparam_table(hparam)})
    assert (type(again.default), again.default) == (domain.dtype, domain.dtype(0))


def test_a_sweep_file_means_what_it_says(load: Load) -> None:
    config = load("""
        [hparams]
        units = { discrete = [64, 32], default = 16, display_name = "Units", description = "how many" }
        depth = { int_interval = [1, 5], points = 3 }
        rate = { real_interval = [1e-4, 1e-2], points = 3, log = true }
        rates = { discrete = [1, 0.5], dtype = "float" }
        [data]
        image_size = [64, 48]
        color_mode = "grayscale"
        [model]
        build = "my.package:build"
        [training]
        retries = { exception = 2, killed = 0 }
        [sweep]
        exclude = [{ units = 64, depth = [1, 3] }]
    """)
    hparams = {hparam.name: hparam for hparam in config.space.hparams}
    assert [(name, hparam.domain.values) for name, hparam in hparams.items()] == [
        ("units", (64, 32)),
        ("depth", (1, 3, 5)),
        ("rate", (0.0001, 0.001, 0.01)),
        ("rates", (1.0, 0.5)),
    ]
    assert hparams["units"] == HParam("units", Discrete([64, 32]), "Units", "how many", 16)
    assert list(config.space) == combinations(config.hparams[0], [{"units": 64, "depth": [1, 3]}])
    assert config.data.shape == (64, 48, 1)
    kinds = (FailureKind.EXCEPTION, FailureKind.KILLED, FailureKind.STALLED, FailureKind.TIMEOUT)
    assert [config.training.retries_after(kind) for kind in kinds] == [2, 0, 1, 0]


def test_several_tables_of_hparams_are_several_grids(load: Load) -> None:
    config = load("""
        [[hparams]]
        optimizer = { discrete = ["adam"] }
        learning_rate = { discrete = [0.001, 0.01] }
        [[hparams]]
        optimizer = { discrete = ["sgd"] }
        learning_rate = { discrete = [0.01, 0.1] }
        dropout = { discrete = [0.0, 0.5] }
        [sweep]
        exclude = [{ learning_rate = 0.1 }, { optimizer = ["adam", "sgd"], learning_rate = 0.001 }]
    """)
    assert isinstance(config.space, GridUnion)
    assert (
        list(config.space)
        == [
            {"optimizer": "adam", "learning_rate": 0.001},
            {"optimizer": "adam", "learning_rate": 0.01},
            {"optimizer": "sgd", "learning_rate": 0.01, "dropout": 0.0},
            {"optimizer": "sgd", "learning_rate": 0.01, "dropout": 0.5},
        ][1:]
    )


# The default sweep


def test_the_default_sweep_is_the_cats_vs_dogs_sweep() -> None:
    config = SweepConfig.load(ROOT / "sweep.toml")
    assert len(config.space) == 36
    assert [(hparam.name, hparam.domain.values) for hparam in config.space.hparams] == [
        ("num_units", (256, 512)),
        ("dropout", (0.1, 0.2)),
        ("optimizer", ("adam", "sgd", "rmsprop")),
        ("learning_rate", (0.001, 0.0005, 0.0001)),
    ]
    assert config.data.shape == (150, 150, 3)
    assert (config.data.batch_size, config.data.class_mode, config.training.epochs) == (32, "categorical", 5)
    assert config.model.build == CATS_VS_DOGS
    given = config.augmentation.model_dump(exclude_defaults=True)
    assert given == {
        "rescale": 1 / 255,
        "rotation_range": 45.0,
        "width_shift_range": 0.15,
        "height_shift_range": 0.15,
        "horizontal_flip": True,
        "zoom_range": 0.3,
    }
    assert config.objective == Objective("accuracy", maximize=True, with_loss=True)
    assert config.sweep.logdir == Path("logs/hparam_tuning")
    assert config.folder == ROOT


# Settings and recipe


def test_swept_settings_take_the_place_of_the_files(load: Load) -> None:
    config = load(
        "[hparams]\n"
        "learning_rate = { discrete = [0.1] }\nbatch_size = { discrete = [8, 16] }\n"
        "horizontal_flip = { discrete = [true, false] }\nepochs = { int_interval = [1, 3] }\n"
        "rescale = { discrete = ['1/255', '1/127.5'] }\n"
        "[data]\nimage_size = 64\n[augmentation]\nzoom_range = 0.5\n"
    )
    values = {"learning_rate": 0.1, "batch_size": 16, "horizontal_flip": True, "epochs": 3, "rescale": "1/127.5"}
    assert values in config.space
    settings = config.settings_for(values)
    assert (settings.data.batch_size, settings.data.image_size) == (16, 64)
    assert (settings.augmentation.horizontal_flip, settings.augmentation.zoom_range) == (True, 0.5)
    assert settings.augmentation.rescale == 1 / 127.5
    assert (settings.training.epochs, settings.training.seed) == (3, 0)
    assert (settings.model, settings.folder) == (config.model, config.folder)
    assert config.data.batch_size == 32, "the sweep's own settings stay as they are"


def test_an_objectives_hparams_sweep_no_setting(load: Load) -> None:
    config = load("[hparams]\nepochs = { discrete = ['few', 'many'] }\n" + OWN)
    assert config.swept_section("epochs") is None
    assert config.settings_for({"epochs": "few"}).training.epochs == 5
    assert "training.epochs" in config.recipe()


def test_the_recipe_is_what_decides_a_result_besides_the_hparams(load: Load) -> None:
    recipe = SweepConfig.load(ROOT / "sweep.toml").recipe()
    shown = ("data.image_size", "augmentation.zoom_range", "training.epochs", "training.seed", "model.build")
    assert [recipe[key] for key in shown] == [150, 0.3, 5, 0, CATS_VS_DOGS]
    assert recipe["sweep.metric"] == "accuracy"
    keys = {key.split(".")[1] for key in recipe}
    assert not keys & {*HOUSEKEEPING, "train", "validation", "logdir", "workers", "executor", "learning_rate"}
    swept = load("[hparams]\nbatch_size = { discrete = [8] }\nepochs = { discrete = [1] }\n").recipe()
    assert set(recipe) - set(swept) == {"data.batch_size", "training.epochs"}


@pytest.mark.parametrize(
    ("override", "decides"),
    [
        ("training.seed=1", True),
        ("data.image_size=64", True),
        ("augmentation.zca_whitening=true", True),
        ("sweep.metric=loss", True),
        ("model.build=a:b", True),
        ("training.repeats=3", False),
        ("training.timeout=60", False),
        ("training.retries.killed=3", False),
        ("training.keep_models=0", False),
        ("training.stall_after=60", False),
        ("sweep.workers=2", False),
        ("sweep.goal=max", False),
        ("data.train=elsewhere", False),
    ],
)
def test_only_what_decides_a_result_changes_the_recipe(load: Load, override: str, decides: bool) -> None:
    assert (load(RATE).recipe() != load(RATE, override).recipe()) is decides


def test_an_objectives_recipe_knows_no_pictures(load: Load) -> None:
    recipe = load(RATE + OWN).recipe()
    assert recipe["model.objective"] == "module:train"
    assert not [key for key in recipe if key.startswith(("data.", "augmentation."))]


@pytest.mark.parametrize(
    ("sweep", "objective"),
    [
        ("", Objective("accuracy")),
        ("metric = 'val_accuracy'", Objective("accuracy")),
        ("metric = 'loss'", Objective("loss", maximize=False)),
        ("metric = 'val_mean_squared_error'", Objective("mean_squared_error", maximize=False)),
        ("metric = 'auc'", Objective("auc")),
        ("metric = 'auc'\ngoal = 'min'", Objective("auc", maximize=False)),
        ("metric = 'loss'\ngoal = 'max'", Objective("loss")),
    ],
)
def test_a_metric_knows_its_direction(load: Load, sweep: str, objective: Objective) -> None:
    assert load(f"{RATE}[sweep]\n{sweep}").objective == objective


def test_a_sweep_may_be_declared_in_python() -> None:
    config = SweepConfig(
        hparams=[HParam("learning_rate", RealInterval(1e-4, 1e-2))],  # type: ignore[arg-type]
        training={"epochs": 3},  # type: ignore[arg-type]
    )
    assert list(config.space) == [{"learning_rate": 1e-4}, {"learning_rate": 1e-2}]
    assert (config.training.epochs, config.folder) == (3, Path.cwd())


def searched(exclude: list[dict[str, Any]], **domains: Any) -> SweepConfig:
    tables = {
        "hparams": domains,
        "model": {"objective": "objectives:numbers"},
        "sweep": {"strategy": "random", "trials": 20, "exclude": exclude},
    }
    return SweepConfig.validate_tables(tables, where="test", folder=Path())


@pytest.mark.parametrize("finite", [True, False])
def test_a_search_excludes_what_is_within_its_intervals(finite: bool) -> None:
    domains: dict[str, Any] = {"units": {"int_interval": [1, 100]}, "kind": {"discrete": ["a", "b"]}}
    domains |= {} if finite else {"rate": {"real_interval": [0.0, 1.0]}}
    config = searched([{"units": 50, "kind": "a"}], **domains)
    rest = {} if finite else {"rate": 0.5}
    assert {"units": 51, "kind": "a", **rest} in config.search_space
    assert {"units": 50, "kind": "b", **rest} in config.search_space
    assert {"units": 50, "kind": "a", **rest} not in config.search_space
    for rule, problem in [
        ({"units": 101}, "units = 101"),
        ({"units": []}, "units no value"),
        ({"unit": 1}, "'unit', which is not an HParam"),
        ({}, "empty exclude rule"),
        ({"kind": 1}, "is an? int, not a str"),
    ]:
        with pytest.raises(SweepFileError, match=rf"sweep\.exclude.*{problem}"):
            searched([rule], **domains)


def test_a_search_over_several_grids_spans_their_intervals() -> None:
    grids = [
        {"optimizer": {"discrete": ["sgd"]}, "rate": {"real_interval": [0.01, 0.1]}, "width": {"discrete": [1, 64]}},
        {"optimizer": {"discrete": ["adam"]}, "rate": {"real_interval": [1e-4, 1e-3]}, "width": {"discrete": [2]}},
    ]
    tables = {"hparams": grids, "model": {"objective": "objectives:numbers"}}
    tables["sweep"] = {"strategy": "random", "trials": 9}
    config = SweepConfig.validate_tables(tables, where="test", folder=Path())
    domains = {hparam.name: hparam.domain for hparam in config.search_space.hparams}
    assert domains["rate"] == RealInterval(1e-4, 0.1)
    assert domains["width"] == Discrete([1, 64, 2])
    assert domains["optimizer"] == Discrete(["sgd", "adam"])
    assert {"optimizer": "sgd", "rate": 0.005, "width": 1} not in config.search_space


def test_a_search_may_have_more_combinations_than_can_be_counted() -> None:
    config = searched([], **{f"width{n}": {"int_interval": [16, 2048]} for n in range(6)})
    assert config.most_trials == 20
    search_space = config.search_space
    assert isinstance(search_space, SearchSpace)
    assert search_space.size is None
    (values,) = islice(search_space.sample(0), 1)
    assert values in search_space


def test_an_hparam_declared_twice_in_python_is_refused_as_such_whatever_is_excluded() -> None:
    twice = [HParam("dropout", Discrete([0.1])), HParam("dropout", Discrete([0.2]))]
    tables = {"hparams": twice, "sweep": {"exclude": [{"dropout": 0.1}]}}
    with pytest.raises(SweepFileError, match="hparams: HParam 'dropout' is declared twice"):
        SweepConfig.validate_tables(tables, where="here", folder=ROOT)


def test_a_sweep_is_frozen(load: Load) -> None:
    config = load(RATE)
    with pytest.raises(ValidationError):
        config.training = config.training  # type: ignore[misc]
    with pytest.raises(ValidationError):
        config.training.epochs = 7  # type: ignore[misc]


# --set


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("training.epochs=7", "training", "epochs", 7),
        ("training.epochs = 7", "training", "epochs", 7),
        ("data.image_size=[64, 48]", "data", "image_size", (64, 48)),
        ("augmentation.horizontal_flip=true", "augmentation", "horizontal_flip", True),
        ("augmentation.rescale=1/255", "augmentation", "rescale", 1 / 255),
        ("augmentation.cval=0.5", "augmentation", "cval", 0.5),
        ("model.build=my.module:build", "model", "build", "my.module:build"),
        ('model.build="my.module:build"', "model", "build", "my.module:build"),
        ("sweep.logdir=/tmp/a=b", "sweep", "logdir", Path("/tmp/a=b")),
        ("training.retries.killed=3", "training", "retries", {FailureKind.KILLED: 3}),
        ("training.retries={killed = 3}", "training", "retries", {FailureKind.KILLED: 3}),
        ("sweep.exclude=[{learning_rate = 0.001}]", "sweep", "exclude", ({"learning_rate": 0.001},)),
        ("training={epochs = 9}", "training", "epochs", 9),
    ],
)
def test_any_key_can_be_set(load: Load, override: str, section: str, key: str, value: object) -> None:
    network = "[model]\nbuild = 'module:build'\n"
    found = getattr(getattr(load(RATE + network, override), section), key)
    assert found == value
    assert type(found) is type(value)


def test_the_last_override_wins_and_the_rest_of_the_file_stays(load: Load) -> None:
    text = RATE + "[training]\nepochs = 3\nseed = 4\n"
    config = load(text, "training.epochs=7", "training.epochs=8", "hparams.dropout={discrete=[0.5]}")
    assert (config.training.epochs, config.training.seed) == (8, 4)
    assert [hparam.name for hparam in config.space.hparams] == ["learning_rate", "dropout"]


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epochs", "--set: 'training.epochs' is not key=value"),
        ("=3", "--set: '=3' is not key=value"),
        ("training.=3", "--set: 'training.=3' is not key=value"),
        ("training.epochs.more=3", "--set training.epochs.more=3: 'epochs' is not a table"),
        ("training.epochs=many", "training.epochs = 'many': input should be a valid integer"),
        ("training.epochs=1\nseed=2", "training.epochs = '1\\nseed=2': input should be a valid integer"),
        ("training.epoch=3", "training.epoch: unknown key; did you mean 'epochs'?"),
        ("trainig.epochs=3", "trainig: unknown key; did you mean 'training'?"),
        ("data=5", "data = 5: input should be a valid dictionary"),
        ("hparams.learning_rate=0.1", "hparams.learning_rate: 0.1: write a domain"),
    ],
)
def test_an_override_that_cannot_be_is_refused(load: Load, override: str, words: str) -> None:
    with pytest.raises(SweepFileError) as refusal:
        load(RATE + "[training]\nepochs = 5\n", override)
    assert words in str(refusal.value)


# Bad files


BAD_HPARAMS = {
    "{ discrete = [] }": "a discrete domain needs at least one value",
    "{ discrete = [0.1, 0.1] }": "named twice: 0.1",
    "{ discrete = [1, 2.5] }": "ints and floats are mixed in [1, 2.5]",
    "{ discrete = [0.1, 'a'] }": "'a' is a str, not a float",
    "{ discrete = [true, 1] }": "1 is an int, not a bool",
    "{ discrete = [nan] }": "nan is not a finite number",
    "{ discrete = [-inf] }": "-inf is not a finite number",
    "{ discrete = [[0.1]] }": "[0.1] is a list",
    "{ discrete = [1979-05-27] }": "is a date",
    "{ discrete = 0.1 }": "discrete = 0.1: write it in brackets",
    "{ discrete = 'sgd' }": "discrete = 'sgd': write it in brackets",
    "{ discrete = [9007199254740993] }": "beyond 2**53",
    "{ discrete = [0.1], dtype = 'real' }": "dtype = 'real': one of bool, int, float, str",
    "{ discrete = [0.1], dtype = ['int'] }": "dtype = ['int']: one of bool, int, float, str",
    "{ discrete = [0.1], dtype = 'int' }": "0.1 is a float, not an int",
    "{ discrete = [0.1], points = 3 }": "unknown key 'points'",
    "{ discrete = [0.1], descripton = 'x' }": "unknown key 'descripton'; did you mean 'description'?",
    "{ discrete = [0.1], description = 5 }": "description = 5",
    "{ discrete = [0.1], display_name = false }": "display_name = False",
    "{ discrete = [0.1], default = 'a' }": "'a' is a str, not a float",
    "{ real_interval = [0.2, 0.1] }": "the minimum 0.2 is above the maximum 0.1",
    "{ real_interval = [0.1, nan] }": "nan is not a finite number",
    "{ real_interval = [0.1] }": "two numbers, minimum and maximum",
    "{ real_interval = [0.1, 0.2, 0.3] }": "two numbers, minimum and maximum",
    "{ real_interval = ['a', 'b'] }": "'a' is a str, not a float",
    "{ real_interval = [0.1, 0.2], points = 1 }": "points=1",
    "{ real_interval = [0.1, 0.2], points = '3' }": "points='3'",
    "{ real_interval = [0.1, 0.2], log = 'yes' }": "log='yes'",
    "{ real_interval = [0, 1], log = true }": "a log scale cannot start at 0.0",
    "{ real_interval = [0.1, 0.2], dtype = 'float' }": "unknown key 'dtype'",
    "{ int_interval = [2, 1] }": "the minimum 2 is above the maximum 1",
    "{ int_interval = [0.5, 1] }": "0.5 is a float, not an int",
    "{ int_interval = [false, true] }": "False is a bool, not an int",
    "{ discrete = [0.1], real_interval = [0.1, 0.2] }": "give one of discrete = [...]",
    "{ discret = [0.1] }": "give one of discrete = [...]",
    "{ }": "give one of discrete = [...]",
    "0.1": "0.1: write a domain, as in { discrete = [...] }",
    "[0.1, 0.2]": "[0.1, 0.2]: write a domain",
}


@pytest.mark.parametrize("declared", BAD_HPARAMS)
def test_a_bad_hparam_is_told_with_its_name(refused: Refuse, declared: str) -> None:
    (line,) = refused(f"[hparams]\nlearning_rate = {declared}\n")
    assert line.startswith("hparams.learning_rate: ")
    assert BAD_HPARAMS[declared] in line


BAD_NAMES = {
    "''": ("hparams.: ", "an HParam needs a name"),
    f"'{'n' * 1000}'": (f"hparams.{'n' * 60}...: ", "has 1000 characters, 255 at most"),
    '"a\\u001bb\\nc"': (r"'hparams.a\x1bb\nc': ", "neither the built-in network nor a setting takes"),
}


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_told_in_one_short_line(refused: Refuse, name: str) -> None:
    key, words = BAD_NAMES[name]
    (line,) = refused(f"[hparams]\n{name} = {{ discrete = [1] }}\n")
    assert line.startswith(key)
    assert words in line
    assert len(line) < 300


BAD_NETWORK_VALUES = {
    "num_units": ["0", "-1", "true", "1.5", "'many'"],
    "dropout": ["1.0", "-0.1", "1", "true", "'some'"],
    "optimizer": ["''", "' '", "1", "true"],
    "learning_rate": ["0.0", "-0.1", "0", "false", "'fast'"],
}


@pytest.mark.parametrize(
    ("name", "value"), [(n, value) for n, values in BAD_NETWORK_VALUES.items() for value in values]
)
def test_a_value_that_the_built_in_network_cannot_take_is_refused(
    load: Load, refused: Refuse, name: str, value: str
) -> None:
    text = f"[hparams]\n{name} = {{ discrete = [{value}] }}\n"
    (line,) = refused(text)
    assert line.startswith(f"hparams.{name}: ")
    assert line.endswith(f" is not {NETWORK[name][1]}")
    assert len(load(text + "[model]\nbuild = 'my:network'\n").space) == 1, "another network may take it"
    assert len(load(text + OWN).space) == 1, "so may an objective"


@pytest.mark.parametrize(
    "declared",
    [
        "num_units = { int_interval = [1, 4096] }",
        "dropout = { discrete = [0] }",
        "dropout = { real_interval = [0.0, 0.99] }",
        "optimizer = { discrete = ['adamw'] }",
        "learning_rate = { discrete = [1] }",
        "learning_rate = { real_interval = [1e-9, 10.0], log = true, points = 5 }",
    ],
)
def test_values_that_the_built_in_network_takes(load: Load, declared: str) -> None:
    assert len(load(f"[hparams]\n{declared}\n").space) > 0


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("num_unit", "did you mean 'num_units'?"),
        ("lerning_rate", "did you mean 'learning_rate'?"),
        ("batchsize", "did you mean 'batch_size'?"),
        ("rotation", "did you mean 'rotation_range'?"),
        ("xyzzy", "the network takes num_units, dropout, optimizer, learning_rate"),
    ],
)
def test_an_hparam_that_nothing_takes_is_refused_with_the_nearest_name(
    load: Load, refused: Refuse, name: str, cure: str
) -> None:
    text = f"[hparams]\n{name} = {{ discrete = [1] }}\n"
    (line,) = refused(text)
    assert line.startswith(f"hparams.{name}: neither the built-in network nor a setting takes")
    assert line.endswith(cure)
    assert len(load(text + "[model]\nbuild = 'my:network'\n").space) == 1
    assert len(load(text + OWN).space) == 1


@pytest.mark.parametrize(
    ("declared", "key", "words"),
    [
        ("batch_size = { discrete = [32, 0] }", "batch_size", "0 cannot be data.batch_size: "),
        ("epochs = { real_interval = [1.0, 5.0] }", "epochs", "1.0 cannot be training.epochs: "),
        ("zoom_range = { discrete = [-0.5] }", "zoom_range", "-0.5 cannot be augmentation.zoom_range: "),
        ("fill_mode = { discrete = ['nearest', 'near'] }", "fill_mode", "'near' cannot be augmentation.fill_mode: "),
        ("horizontal_flip = { discrete = [0, 1] }", "horizontal_flip", "0 cannot be augmentation.horizontal_flip: "),
        ("rescale = { discrete = ['1/255', 'x'] }", "rescale", "'x' cannot be augmentation.rescale: 'x' is not a num"),
        ("seed = { discrete = [-1] }", "seed", "-1 cannot be training.seed: "),
        *[
            (f"{name} = {{ discrete = [1] }}", name, f"training.{name} does not decide a result")
            for name in sorted(HOUSEKEEPING)
        ],
    ],
)
def test_an_hparam_named_like_a_setting_has_only_values_that_the_setting_takes(
    refused: Refuse, declared: str, key: str, words: str
) -> None:
    (line,) = refused(f"[hparams]\n{declared}\n")
    assert line.startswith(f"hparams.{key}: {words}")


def test_hparams_of_every_grid_are_checked(refused: Refuse) -> None:
    lines = refused("[[hparams]]\nepochs = { discrete = [0] }\n[[hparams]]\nepochs = { discrete = [3] }\n")
    assert [line[:44] for line in lines] == ["hparams.epochs: 0 cannot be training.epochs:"]


BAD_SETTINGS = {
    "data": {
        "train = 5": "data.train = 5: input is not a valid path",
        "image_size = 'big'": "data.image_size = 'big': input should be a valid integer",
        "image_size = 0": "data.image_size = 0: input should be greater than 0",
        "image_size = true": "data.image_size = True: input should be a valid integer",
        "image_size = [1, 2, 3]": "data.image_size: input should be a valid integer",
        "batch_size = 1.5": "data.batch_size = 1.5: input should be a valid integer",
        "batch_size = '32'": "data.batch_size = '32': input should be a valid integer",
        "color_mode = 'cmyk'": "data.color_mode = 'cmyk': input should be 'rgb' or 'grayscale'",
        "class_mode = 'binary'": "data.class_mode: 'binary' is not known here, only 'categorical': labels are one-hot",
        "class_mode = 'raw'": "data.class_mode = 'raw': input should be 'categorical'",
        "imagesize = 3": "data.imagesize: unknown key; did you mean 'image_size'?",
        "'image.size' = 3": "data.image.size: unknown key; did you mean 'image_size'?",
        "int = 3": "data.int: unknown key",
        "xyzzy = 3": "data.xyzzy: unknown key; the keys here are batch_size, class_mode, color_mode",
    },
    "augmentation": {
        "rescale = '1/0'": "augmentation.rescale: '1/0' is not a number, nor a fraction",
        "rescale = '255'": "augmentation.rescale: '255' is not a number, nor a fraction",
        "rescale = true": "augmentation.rescale: True is not a number",
        "rotation_range = nan": "augmentation.rotation_range = nan: input should be",
        "rotation_range = -1": "augmentation.rotation_range = -1: input should be greater than or equal to 0",
        "width_shift_range = 'far'": "augmentation.width_shift_range: 'far' is not a number",
        "height_shift_range = []": "augmentation.height_shift_range: ",
        "zoom_range = [0.1, 0.2, 0.3]": "augmentation.zoom_range: ",
        "brightness_range = 0.5": "augmentation.brightness_range = 0.5: input should be a valid tuple",
        "fill_mode = 'near'": "augmentation.fill_mode = 'near': input should be 'constant', 'nearest'",
        "horizontal_flip = 1": "augmentation.horizontal_flip = 1: input should be a valid boolean",
        "zca_epsilon = 0": "augmentation.zca_epsilon = 0: input should be greater than 0",
        "preprocessing_function = 'grey'": "augmentation.preprocessing_function: write it as module:function",
        "rotation = 45": "augmentation.rotation: unknown key; did you mean 'rotation_range'?",
    },
    "model": {
        "build = 5": "model.build = 5: input should be a valid string",
        "build = 'module'": "model.build: write it as module:function",
        "build = 'my module:build'": "model.build: write it as module:function",
        "build = 'a:b:c'": "model.build: write it as module:function",
        "objective = 'train()'": "model.objective: write it as module:function",
        "biuld = 'a:b'": "model.biuld: unknown key; did you mean 'build'?",
    },
    "training": {
        "epochs = 0": "training.epochs = 0: input should be greater than 0",
        "epochs = true": "training.epochs = True: input should be a valid integer",
        "steps_per_epoch = 0": "training.steps_per_epoch = 0: ",
        "precision = 'half'": "training.precision = 'half': input should be 'auto', 'float32' or 'mixed_bfloat16'",
        "seed = -1": "training.seed = -1: input should be greater than or equal to 0",
        "seed = 4294967296": "training.seed = 4294967296: input should be less than 2147483648",
        "repeats = 0": "training.repeats = 0: ",
        "timeout = inf": "training.timeout = inf: input should be a finite number",
        "timeout = 0": "training.timeout = 0: input should be greater than 0",
        "retries = 3": "training.retries = 3: input should be a valid dictionary",
        "retries = { crash = 1 }": "training.retries.crash = 'crash': input should be 'exception', 'diverged'",
        "retries = { killed = -1 }": "training.retries.killed = -1: input should be greater than or equal to 0",
        "epoch = 3": "training.epoch: unknown key; did you mean 'epochs'?",
    },
    "sweep": {
        "strategy = 'gird'": "sweep.strategy: 'gird' is none of grid, random",
        "executor = 'threads'": "sweep.executor = 'threads': input should be",
        "workers = 'all'": "sweep.workers = 'all': input should be a valid integer",
        "workers = 0": "sweep.workers = 0: ",
        "logdir = 5": "sweep.logdir = 5: input is not a valid path",
        "metric = ''": "sweep.metric: string should have at least 1 character",
        "metric = 5": "sweep.metric = 5: input should be a valid string",
        "goal = 'up'": "sweep.goal = 'up': input should be 'max' or 'min'",
        "detail = 'all'": "sweep.detail = 'all': input should be 'summary', 'epoch' or 'full'",
        "exclude = 'all'": "sweep.exclude = 'all': input should be a valid tuple",
        "exclude = { learning_rate = 0.1 }": "sweep.exclude: input should be a valid tuple",
        "exclude = [3]": "sweep.exclude.0 = 3: input should be a valid dictionary",
        "exclude = [{}]": "sweep.exclude: an empty exclude rule would exclude everything",
        "exclude = [{ rate = 0.001 }]": "sweep.exclude: exclude rule {'rate': 0.001} names 'rate', which is not an HP",
        "exclude = [{ learning_rate = 0.5 }]": "sweep.exclude: exclude rule names learning_rate = 0.5, which the grid",
        "exclude = [{ learning_rate = [] }]": "sweep.exclude: exclude rule gives learning_rate no value",
        "exclude = [{ learning_rate = '0.001' }]": "sweep.exclude: '0.001' is a str, not a float",
        "exclude = [{ learning_rate = nan }]": "sweep.exclude: nan is not a finite number",
        "strategi = 'grid'": "sweep.strategi: unknown key; did you mean 'strategy'?",
    },
}


@pytest.mark.parametrize(
    ("section", "line"), [(section, line) for section, bad in BAD_SETTINGS.items() for line in bad]
)
def test_a_bad_setting_is_told_with_its_text(refused: Refuse, section: str, line: str) -> None:
    first, *rest = refused(f"{RATE}[{section}]\n{line}\n")
    assert first.startswith(BAD_SETTINGS[section][line])
    key = first.split(":")[0].split(" = ")[0]
    assert all(other.split(":")[0].split(" = ")[0] == key for other in rest), (
        "further lines tell other ways to write it"
    )


@pytest.mark.parametrize("section", ["data", "augmentation", "model", "training", "sweep"])
def test_a_section_that_is_no_table_is_refused(refused: Refuse, section: str) -> None:
    (line,) = refused(f"{section} = 5\n{RATE}")
    assert line.startswith(f"{section} = 5: input should be a valid dictionary")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "hparams: missing: declare at least one HParam"),
        ("[hparams]\n", "hparams: declare at least one HParam"),
        ("hparams = []\n", "hparams: declare at least one HParam"),
        ("hparams = 3\n", "hparams: declare at least one HParam"),
        ("hparams = 'x'\n", "hparams: declare at least one HParam"),
        ("hparams = [{}]\n", "hparams: declare at least one HParam"),
        ("hparams = [3]\n", "hparams: 3 is not a table of HParams"),
        ("hparams = [['x']]\n", "hparams: 'x' is not an HParam"),
        ("hparams = [[]]\n", "hparams: a grid needs at least one HParam"),
        (f"{RATE}[trainig]\nepochs = 3\n", "trainig: unknown key; did you mean 'training'?"),
        (f"{RATE}['train.ing']\nepochs = 3\n", "train.ing: unknown key; did you mean 'training'?"),
        (f"{RATE}[xyzzy]\n", "xyzzy: unknown key; the keys here are augmentation, data, hparams, model, sweep, train"),
        (f"folder = '/tmp'\n{RATE}", "folder: unknown key"),
        (f"{RATE}{OWN}[data]\nimage_size = 64\n", "data: not allowed with model.objective"),
        (f"{RATE}{OWN}[augmentation]\nzoom_range = 0.5\n", "augmentation: not allowed with model.objective"),
        (
            "[hparams]\n" + "".join(f"x{n} = {{ int_interval = [0, 99], points = 100 }}\n" for n in range(10)) + OWN,
            "hparams: more than 2**63 combinations",
        ),
    ],
)
def test_a_bad_file_is_told_with_its_section(refused: Refuse, text: str, line: str) -> None:
    (told,) = refused(text)
    assert told.startswith(line)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[hparams\n", "not valid TOML: Expected ']'"),
        (b"x = \n", "not valid TOML: Invalid value"),
        (b"[model]\nbuild = a:b\n", "not valid TOML"),
        (RATE.encode() + b"learning_rate = { discrete = [0.1] }\n", "not valid TOML: Cannot overwrite a value"),
        (RATE.encode() * 2, "not valid TOML: Cannot declare ('hparams',) twice"),
        (b"x = '\xff'\n", "not valid TOML: 'utf-8' codec"),
        (b"x = " + b"1" * 5000, "not valid TOML: Exceeds the limit"),
        (b"x = " + b"[" * 5000, "not valid TOML"),
    ],
)
def test_what_is_not_toml_is_told_with_a_cure(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "sweep.toml"
    file.write_bytes(content)
    with pytest.raises(SweepFileError) as refusal:
        SweepConfig.load(file)
    assert str(refusal.value).startswith(f"{file}: {words}")
    assert "toml.io" in refusal.value.cure


def test_a_file_that_is_not_there_or_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(SweepFileError, match="there is no such sweep file"):
        SweepConfig.load(tmp_path / "other.toml")
    with pytest.raises(SweepFileError, match="cannot be read: Is a directory"):
        SweepConfig.load(tmp_path)


def test_without_a_name_the_sweep_file_of_the_working_directory_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sweep.toml").write_text(RATE)
    monkeypatch.chdir(tmp_path)
    config = SweepConfig.load()
    assert (len(config.space), config.folder) == (2, tmp_path)


def test_everything_that_is_wrong_is_told_at_once(refused: Refuse) -> None:
    lines = refused("""
        [hparams]
        learning_rate = { discrete = [] }
        dropout = { real_interval = [0.2, 0.1] }
        num_units = { discrete = [256] }
        [data]
        imagesize = 64
        [training]
        epochs = "many"
        seed = -1
        [swep]
    """)
    assert [line.split(":")[0] for line in lines] == [
        "hparams.learning_rate",
        "hparams.dropout",
        "data.imagesize",
        "training.epochs = 'many'",
        "training.seed = -1",
        "swep",
    ]


def test_all_hparams_that_nothing_can_take_are_told_at_once(refused: Refuse) -> None:
    lines = refused(
        "[hparams]\nbatch_size = { discrete = [0] }\nunits = { discrete = [1] }\nrepeats = { discrete = [2] }\n"
        "learning_rate = { discrete = [0.1] }\ndropout = { discrete = [1.5] }\n"
    )
    assert [line.split(":")[0] for line in lines] == [
        "hparams.batch_size",
        "hparams.units",
        "hparams.repeats",
        "hparams.dropout",
    ]


def test_bad_hparams_of_several_grids_are_told_at_once(refused: Refuse) -> None:
    lines = refused("[[hparams]]\ndropout = 1\n[[hparams]]\nnum_units = { discrete = [] }\n")
    assert [line.split(":")[0] for line in lines] == ["hparams.dropout", "hparams.num_units"]


def test_each_writer_may_have_a_table_and_none_of_it_is_of_the_recipe(tmp_path: Path) -> None:
    told = {"writers": {"wandb": {"mode": "offline", "tags": ["a"]}, "lines": {"greeting": "hello"}}}
    tables = {"hparams": {"x": {"discrete": [1]}}, "model": {"objective": "m:f"}}
    plain, config = (SweepConfig.validate_tables({**tables, **more}, where="f", folder=tmp_path) for more in ({}, told))
    assert config.writers.wandb.mode == "offline"
    assert config.tables()["writers"] == told["writers"]
    assert config.recipe() == plain.recipe()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"wandb": {"projct": "cats"}}, "writers.wandb.projct: unknown key; did you mean 'project'?"),
        (
            {"wandb": {"mode": "onlin"}},
            "writers.wandb.mode = 'onlin': input should be 'online', 'offline' or 'disabled'",
        ),
        ({"mlflow": {"experiment": ""}}, "writers.mlflow.experiment"),
        ({"lines": "hello"}, "writers.lines = 'hello': input should be a valid dictionary"),
    ],
)
def test_a_mistake_in_a_writers_table_is_told(tmp_path: Path, table: dict[str, object], words: str) -> None:
    tables = {"hparams": {"x": {"discrete": [1]}}, "model": {"objective": "m:f"}, "writers": table}
    with pytest.raises(SweepFileError) as refusal:
        SweepConfig.validate_tables(tables, where="f", folder=tmp_path)
    assert words in str(refusal.value)


WITHOUT_PICTURES = {"hparams": {"x": {"discrete": [1]}}, "model": {"objective": "quick:train"}}


@pytest.mark.parametrize(
    ("metric", "maximize"),
    [
        ("maestro", True),
        ("lossless_share", True),
        ("terror", True),
        ("msecond_rate", True),
        ("mae", False),
        ("val_mae", False),
        ("out_loss", False),
        ("meanSquaredError", False),
        ("root-mean.squared/error2", False),
        ("RMSE", False),
        ("categorical_crossentropy", False),
        ("f1_score", True),
    ],
)
def test_the_goal_is_guessed_by_whole_words(metric: str, maximize: bool, tmp_path: Path) -> None:
    tables = {**WITHOUT_PICTURES, "sweep": {"metric": metric}}
    config = SweepConfig.validate_tables(tables, where="sweep.toml", folder=tmp_path)
    assert config.objective.maximize is maximize


def test_a_recorded_goal_holds_where_the_file_sets_none(tmp_path: Path) -> None:
    """A record whose goal was guessed by an older rule is resumed by it; one that is set is compared as ever."""
    tables: dict[str, Any] = {**WITHOUT_PICTURES, "sweep": {"metric": "maestro"}}
    guessed = SweepConfig.validate_tables(tables, where="sweep.toml", folder=tmp_path)
    recorded = Objective("maestro", maximize=False)
    assert not guessed.with_recorded_goal(recorded).objective.maximize
    assert guessed.with_recorded_goal(None) is guessed
    tables["sweep"]["goal"] = "max"
    set_by_hand = SweepConfig.validate_tables(tables, where="sweep.toml", folder=tmp_path)
    assert set_by_hand.with_recorded_goal(recorded).objective.maximize
