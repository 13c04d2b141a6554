"""Logistic regression by gradient descent, in numpy: the objective of logistic.toml."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

STEPS, EPOCHS = 20, 10


def train(values: Mapping[str, float], report: Callable[[int, Mapping[str, float]], None]) -> dict[str, float]:
    """Fit 20 weights to 300 noisy points; accuracy and loss are those of 1,000 others."""
    draw = np.random.default_rng(0)
    truth = draw.normal(size=20)
    x, other_x = draw.normal(size=(300, 20)), draw.normal(size=(1000, 20))
    y, other_y = (p @ truth + draw.normal(scale=1.5, size=len(p)) > 0 for p in (x, other_x))
    weights = np.zeros(20)
    for epoch in range(EPOCHS):
        for _ in range(STEPS):
            slope = x.T @ (probability(x, weights) - y) / len(x) + values["l2"] * weights
            weights -= values["learning_rate"] * slope
        guess = probability(other_x, weights).clip(1e-9, 1 - 1e-9)
        metrics = {
            "accuracy": float(np.mean((guess > 0.5) == other_y)),
            "loss": float(-np.mean(np.where(other_y, np.log(guess), np.log(1 - guess)))),
        }
        report(epoch, metrics)
    return metrics


def probability(x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of the positive class, by the logistic function."""
    return 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
