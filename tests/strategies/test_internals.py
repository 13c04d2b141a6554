"""What KerasTuner and Optuna keep private is still where the internals modules look; each test says what has moved."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

keras_tuner = pytest.importorskip("keras_tuner")
optuna = pytest.importorskip("optuna")

from gridsearch.strategies import kerastuner_internals, optuna_internals  # noqa: E402

MOVED = "has moved or changed in this version: find it upstream and mend gridsearch/strategies/"


def bayesian(seed: int = 1) -> keras_tuner.Oracle:
    space = keras_tuner.HyperParameters()
    space.Float("rate", 0.0, 1.0)
    return keras_tuner.oracles.BayesianOptimizationOracle(
        objective=keras_tuner.Objective("score", "max"), seed=seed, hyperparameters=space, num_initial_points=1
    )


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_oracle_learns_from_a_trial_that_was_added() -> None:
    oracle = bayesian()
    added = kerastuner_internals.add_trial(oracle, oracle.hyperparameters.copy(), {"rate": 0.25}, "0", "COMPLETED")
    added.score = 1.0
    proposed = oracle.populate_space("1")
    assert proposed["status"] == "RUNNING", f"Oracle.trials {MOVED}kerastuner_internals.py"
    assert "rate" in proposed["values"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_oracle_writes_no_files(tmp_path) -> None:
    oracle = bayesian()
    for name in ("save", "_save_trial"):
        assert callable(getattr(oracle, name, None)), f"Oracle.{name} {MOVED}kerastuner_internals.py"
    oracle._set_project_dir(tmp_path, "project")
    kerastuner_internals.keep_no_files(oracle)
    trial = oracle.create_trial("tuner")
    trial.status = "FAILED"
    oracle.end_trial(trial)
    assert [file for file in tmp_path.rglob("*") if file.is_file()] == [], f"its files: {MOVED}kerastuner_internals.py"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_oracle_that_is_reseeded_draws_as_one_of_that_seed_does() -> None:
    reseeded, made = bayesian(1), bayesian(7)
    kerastuner_internals.reseed(reseeded, 7)
    for oracle in (reseeded, made):
        kerastuner_internals.keep_no_files(oracle)
    values = [[oracle.create_trial("tuner").hyperparameters.values for _ in range(2)] for oracle in (reseeded, made)]
    assert values[0] == values[1], f"Oracle._seed_state {MOVED}kerastuner_internals.py"


def test_every_branch_of_a_model_is_visited() -> None:
    def build(hp: keras_tuner.HyperParameters) -> None:
        kind = hp.Choice("kind", ["flat", "deep"])
        with hp.conditional_scope("kind", ["deep"]):
            if kind == "deep":
                hp.Int("layers", 1, 3)

    tuner = SimpleNamespace(oracle=keras_tuner.Oracle(), hypermodel=SimpleNamespace(build=build))
    kerastuner_internals.visit_all_branches(tuner)
    names = {hp.name for hp in tuner.oracle.get_space().space}
    assert names == {"kind", "layers"}, f"BaseTuner._activate_all_conditions {MOVED}kerastuner_internals.py"


@pytest.mark.parametrize("name", kerastuner_internals.OVERRIDDEN)
def test_what_subclasses_override_is_there(name: str) -> None:
    kind, method = name.split(".")
    assert callable(getattr(getattr(keras_tuner, kind), method, None)), f"{name} {MOVED}kerastuner_internals.py"


def test_a_sampler_proposes_from_any_distribution() -> None:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)).ask()
    distributions = {
        "number": optuna.distributions.IntDistribution(1, 3),
        "rate": optuna.distributions.FloatDistribution(0.5, 0.6),
        "kind": optuna.distributions.CategoricalDistribution(["only"]),
    }
    found = {name: optuna_internals.suggest(trial, name, each) for name, each in distributions.items()}
    assert found["number"] in (1, 2, 3), f"optuna.Trial._suggest {MOVED}optuna_internals.py"
    assert (0.5 <= found["rate"] <= 0.6, found["kind"]) == (True, "only")
