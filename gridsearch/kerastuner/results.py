"""Read what ``run_trial`` or ``HyperModel.fit`` returns as KerasTuner scores it.

number                   the objective
dictionary               metrics, the objective among them
History                  the metrics of its best epoch
list of any of these     a repeat each; the score is their mean
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras_tuner

from gridsearch.kerastuner.recording import Recording
from gridsearch.strategies.kerastuner_internals import score_result

__all__ = ["add_objective", "check_histories", "flatten_results", "summarise_result"]


def flatten_results(results: Any) -> list[Any]:
    """Return every repeat's result, in order."""
    if not isinstance(results, list):
        return [results]
    return [one for item in results for one in flatten_results(item)]


def check_histories(results: Any, objective: Any) -> None:
    """Refuse a ``History`` without the objective; KerasTuner would fail trial after trial.

    Raises:
        FatalValueError: it names what training reports.
    """
    for history in flatten_results(results):
        names = dict.fromkeys(getattr(history, "history", None) or {})
        if names and not objective.has_value(names):
            wanted = getattr(objective, "name_to_direction", {objective.name: ""})
            raise keras_tuner.errors.FatalValueError(
                f"the objective {', '.join(sorted(set(wanted) - set(names)))!r} is not among what training "
                f"reports: {', '.join(sorted(names))}"
            )


def add_objective(logs: Mapping[str, Any], objective: Any) -> dict[str, Any]:
    """Return the logs, with the sum that several objectives come to."""
    missing = objective.name not in logs and hasattr(objective, "name_to_direction")
    sums = {objective.name: objective.get_value(logs)} if missing and objective.has_value(logs) else {}
    return {**logs, **sums}


def summarise_result(recording: Recording, result: Any, objective: Any) -> dict[str, float]:
    """Return the final metrics of the session that runs, the best value as KerasTuner scores it.

    Args:
        recording: of the session; a ``History`` that it has not seen an epoch of is recorded now.
        result: one repeat's.
        objective: the oracle's.
    """
    metrics, step = score_result(result, objective)
    history = getattr(result, "history", None)
    if history is not None and not recording.reported:
        for number, logs in enumerate(_by_epoch(history)):
            recording.epoch(number, add_objective(logs, objective))
    epoch = None if history is None else step + 1
    return recording.summary({} if history is not None else metrics, scored=(metrics[objective.name], epoch))


def _by_epoch(history: Mapping[str, Sequence[float]]) -> Iterator[dict[str, float]]:
    columns: Iterable[tuple[float, ...]] = zip(*history.values(), strict=True)
    return (dict(zip(history, values, strict=True)) for values in columns)
