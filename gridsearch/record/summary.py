"""Sum up what a session reported as the metrics that the dashboard shows of it."""

from __future__ import annotations

from collections.abc import Mapping

from gridsearch.trials import Objective, find_validated, is_finite

__all__ = ["summarise"]

SETTINGS = ("learning_rate",)
"""What Keras logs with every epoch beside metrics: a curve, and no result."""


def summarise(
    objective: Objective, epochs: Mapping[int, Mapping[str, float]], final: Mapping[str, float], seconds: float
) -> dict[str, float]:
    """Return the final metrics of a session, by the dashboard's names.

    Args:
        objective: the sweep's metric.
        epochs: what was reported, by epoch from 0.
        final: what the training returned; what it left out is taken from the last epoch.
        seconds: wall time of the session.

    Returns:
        ``<metric>`` (last), ``best_<metric>``, ``loss`` (last, validation's where there is one), ``best_epoch``
        (counted from 1, 0 where no epoch was reported) and ``seconds``, then every other metric (last, validation's
        where there is one). Of what the training returned, nothing gives way: a training's own metric beside a
        validation's is ``train_<name>``, one with a name of the columns above ``returned_<name>``. What was not
        reported, or is NaN or infinite, is left out.
    """
    ending = epochs[max(epochs)] if epochs else {}

    def last(name: str) -> float | None:
        returned = find_validated(final, name)
        return find_validated(ending, name) if returned is None else returned

    found: dict[str, float | None] = {objective.metric: last(objective.metric)}
    best, best_epoch = last(objective.metric), max(epochs, default=-1) + 1
    best = best if best is not None and is_finite(best) else None  # infinity would beat every number
    for epoch in sorted(epochs, reverse=True):
        value = objective.of(epochs[epoch])
        if value is not None and is_finite(value) and (best is None or not objective.better(best, value)):
            best, best_epoch = value, epoch + 1  # of equal epochs, the earliest
    found |= {f"best_{objective.metric}": best, "loss": last("loss")}
    found |= {"best_epoch": best_epoch, "seconds": round(seconds, 3)}
    derived = {f"best_{objective.metric}", "best_epoch", "seconds"}
    for name in (*final, *ending):
        plain = name.removeprefix("val_")
        if plain in derived and name in final:
            found[f"returned_{name}"] = float(final[name])
        elif plain not in found and not (name in ending and name in SETTINGS):
            found[plain] = last(plain)
    returned = {name: value for name, value in final.items() if f"val_{name}" in final and name not in ending}
    found |= {f"train_{name}": float(value) for name, value in returned.items()}
    return {name: float(value) for name, value in found.items() if value is not None and is_finite(value)}
