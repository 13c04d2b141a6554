"""Make the Optuna study of this golden record: two trials completed, one pruned, one failed."""

from __future__ import annotations

import optuna


def objective(trial: optuna.Trial) -> float:
    """Report three values on the way to one that depends on the parameters."""
    layers = trial.suggest_int("layers", 1, 4)
    rate = trial.suggest_float("rate", 1e-4, 1e-1, log=True)
    kind = trial.suggest_categorical("kind", ["relu", "tanh"])
    if trial.number == 1:
        raise ValueError("no memory left")
    value = layers / 8 + rate + (0.25 if kind == "relu" else 0.0)
    for step in range(3):
        trial.report(value * (step + 1) / 3, step)
        if trial.number == 2 and step == 1:
            raise optuna.TrialPruned
    return value


study = optuna.create_study(
    study_name="golden",
    storage="sqlite:///study.db",
    direction="maximize",
    sampler=optuna.samplers.RandomSampler(seed=0),
)
study.optimize(objective, n_trials=4, catch=(ValueError,))
