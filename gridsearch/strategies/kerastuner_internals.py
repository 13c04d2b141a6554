"""What KerasTuner 1.4.8 keeps private and this package needs, in one place.

Each function names what it uses upstream and why nothing public serves. ``tests/strategies/test_internals.py`` fails
with a sentence when a new version moves one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from keras_tuner.engine import trial as oracle_trials
from keras_tuner.src.engine import tuner_utils

__all__ = [
    "OVERRIDDEN",
    "add_trial",
    "count_failures_from_now",
    "count_no_failures",
    "keep_no_files",
    "next_trial_number",
    "reseed",
    "score_result",
    "times_run",
]

OVERRIDDEN = {
    "HyperParameters._retrieve": "returns the value of a hyperparameter: the place to see which were asked for",
    "Tuner._build_hypermodel": "builds the model of a trial: the place to load the rung below",
    "Tuner._build_and_fit_model": "trains one execution of a trial: the place where a repeat begins",
    "Tuner._run_and_update_trial": "runs a trial and scores what it returns: the place to see what that was",
    "Tuner._configure_tensorboard_dir": "gives each trial's TensorBoard callback a directory, and HParams of its own",
    "Tuner._get_checkpoint_fname": "says where a trial's weights are kept",
    "Tuner._get_build_config_fname": "says where the shapes are kept with which a model was built",
}
"""Private methods that subclasses here override or call, each with what it does upstream."""


def add_trial(oracle: Any, hyperparameters: Any, values: Mapping[str, Any], name: str, status: str) -> Any:
    """Return a trial that an oracle takes for one of its own, so that it learns from it.

    Upstream: ``keras_tuner.engine.trial.Trial`` and ``Oracle.trials``. ``create_trial`` would choose the values itself.
    """
    hyperparameters.values = dict(values)
    oracle.trials[name] = oracle_trials.Trial(hyperparameters, trial_id=name, status=status)
    return oracle.trials[name]


def keep_no_files(oracle: Any) -> None:
    """Have an oracle write no files: its state is made anew from the record.

    Upstream: ``Oracle.save`` and ``Oracle._save_trial``, which ``create_trial`` and ``end_trial`` call.
    """
    oracle.save = oracle._save_trial = lambda *trial: None


def reseed(oracle: Any, seed: int) -> None:
    """Give an oracle that has proposed nothing yet another seed, as if it had been made with it.

    Upstream: ``Oracle.seed``, ``Oracle._seed_state``, and of the Gaussian process ``_random_state`` and ``_make_gpr``.
    """
    oracle.seed = oracle._seed_state = seed
    if hasattr(oracle, "_make_gpr"):
        oracle._random_state, oracle.gpr = np.random.RandomState(seed), oracle._make_gpr()


def next_trial_number(oracle: Any) -> int:
    """Return the number of the trial that ``create_trial`` answers with next: one that is retried, or a new one.

    Upstream: ``Oracle._retry_queue``, of which ``create_trial`` takes the last.
    """
    queue = oracle._retry_queue
    return int(queue[-1]) if queue else len(oracle.trials)


def times_run(oracle: Any) -> dict[int, int]:
    """Return how often each trial has ended so far, retries counted.

    Upstream: ``Oracle._run_times``, by which ``end_trial`` decides whether a trial is retried.
    """
    return {int(trial_id): times for trial_id, times in oracle._run_times.items()}


def count_no_failures(oracle: Any) -> None:
    """Let any number of trials fail in a row.

    Upstream: ``Oracle._check_consecutive_failures``, which ``end_trial`` calls; it counts failures of earlier runs.
    """
    oracle._check_consecutive_failures = lambda: None


def count_failures_from_now(oracle: Any) -> None:
    """Limit failures in a row among the trials that end from here on.

    Upstream: ``Oracle._check_consecutive_failures`` goes through ``Oracle.end_order``.
    """
    before = len(oracle.end_order)

    def check() -> None:
        ended, oracle.end_order = oracle.end_order, oracle.end_order[before:]
        try:
            type(oracle)._check_consecutive_failures(oracle)
        finally:
            oracle.end_order = ended

    oracle._check_consecutive_failures = check


def score_result(result: Any, objective: Any) -> tuple[dict[str, float], int]:
    """Return the metrics that KerasTuner takes from one result of a training, and the step that they are of.

    Upstream: ``keras_tuner.src.engine.tuner_utils.convert_to_metrics_dict`` and ``get_best_step``.

    Args:
        result: a number, a dictionary or a ``History``.
        objective: the oracle's.
    """
    metrics = tuner_utils.convert_to_metrics_dict(result, objective)
    step = tuner_utils.get_best_step(result, objective)
    return {str(name): float(value) for name, value in metrics.items()}, int(step)
