"""Bring a fresh oracle to where the record stands: ask it again, and answer from the record.

    create_trial ──► values, space and metrics of the record ──► update_trial ──► end_trial

The space grows as it did when the trials were trained, since an oracle's next proposal depends on it.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any

import keras_tuner

from gridsearch.strategies.kerastuner_internals import (
    count_failures_from_now,
    count_no_failures,
    next_trial_number,
    times_run,
)
from gridsearch.trials import OracleEntry, SessionRecord, Status

__all__ = ["declare_since", "replay"]


def replay(oracle: Any, tuner_id: str, sessions: Iterable[SessionRecord], names: MutableMapping[int, str]) -> None:
    """Tell an oracle what the record knows and it does not; the limit of failures in a row counts from here on.

    Args:
        oracle: fresh, or one that has heard of the first trials already.
        tuner_id: who asks it.
        sessions: of the record.
        names: gains the session of each of the oracle's trials.
    """
    heard: dict[int, list[tuple[SessionRecord, OracleEntry]]] = {}
    for session in sorted(sessions, key=lambda one: one.began):
        for entry in session.oracle if session.status is not Status.RUNNING else ():
            heard.setdefault(entry.number, []).append((session, entry))
    verbose, oracle.verbose = oracle.verbose, 0
    # An interrupted search in this process leaves a trial that has ended and still counts as running.
    oracle.ongoing_trials = {who: t for who, t in oracle.ongoing_trials.items() if t.trial_id not in oracle.end_order}
    count_no_failures(oracle)
    try:
        known = {int(trial_id) for trial_id in oracle.end_order}
        for number in known & heard.keys():
            names.setdefault(number, heard.pop(number)[-1][0].name)
        for number, times in times_run(oracle).items():  # of a trial that waits to be retried, this is not news
            heard[number] = heard.get(number, [])[times:]
        while heard.get(number := next_trial_number(oracle)):
            session, entry = heard[number].pop(0)
            trial = oracle.create_trial(tuner_id)
            if trial.status != "RUNNING":
                break
            names[number] = session.name
            _answer(oracle, trial, entry, session.outcome.message)
    finally:
        oracle.verbose = verbose
        count_failures_from_now(oracle)


def _answer(oracle: Any, trial: Any, entry: OracleEntry, message: str) -> None:
    if entry.declared:
        restored = keras_tuner.HyperParameters.from_config({"space": list(entry.declared), "values": {}})
        trial.hyperparameters.merge(restored.space, overwrite=False)
    trial.hyperparameters.values = dict(entry.values)
    if entry.metrics:
        oracle.update_trial(trial.trial_id, dict(entry.metrics), step=entry.step)
    trial.status = entry.status or ("COMPLETED" if entry.metrics else "FAILED")
    trial.message = message or None
    oracle.end_trial(trial)


def declare_since(hyperparameters: Any, known: Iterable[Any]) -> tuple[dict[str, Any], ...]:
    """Return what a trial has declared that is not among the known hyperparameters, as KerasTuner serializes it."""
    before = [(hp.name, hp.conditions) for hp in known]
    configs = hyperparameters.get_config()["space"]
    pairs = zip(hyperparameters.space, configs, strict=True)
    return tuple(config for hp, config in pairs if (hp.name, hp.conditions) not in before)
