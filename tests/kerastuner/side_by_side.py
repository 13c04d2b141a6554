"""KerasTuner itself and the Tuner here on the same scripts: scores, order and best values must be equal.

    python tests/kerastuner/side_by_side.py FOLDER [--seed N] [--only NAME...] [--killed]

With ``--killed`` each search is also killed at a random moment and started again: its trials must be those of the
search that was not. Each search is a process of its own; what differs is printed, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
from keras_tuner import oracles

UNITS = [2, 4, 8]


def data() -> dict[str, Any]:
    """Pictures of two classes, bright and dark."""
    x = np.random.default_rng(0).random((48, 6)).astype("float32")
    return {"x": x, "y": (x.mean(1) > 0.5).astype("int32"), "validation_split": 0.25, "verbose": 0}


def network(hp: Any, *units: int, rate: float = 0.01, optimizer: type = keras.optimizers.Adam) -> keras.Model:
    """A network whose weights are those of its hyperparameters, whoever builds it and whenever."""
    keras.utils.set_random_seed(sum(map(ord, repr(sorted((k, v) for k, v in hp.values.items() if "tuner/" not in k)))))
    dense = [keras.layers.Dense(n, activation="relu") for n in units]
    model = keras.Sequential([keras.layers.Input((6,)), *dense, keras.layers.Dense(2, activation="softmax")])
    loss = "sparse_categorical_crossentropy"
    model.compile(optimizer(rate), loss, metrics=["accuracy"], run_eagerly=True)
    return model


def tutorial(hp: Any) -> keras.Model:
    """Two hyperparameters, as every tutorial has them."""
    return network(hp, hp.Choice("units", UNITS), rate=hp.Float("rate", 1e-3, 1e-1, sampling="log"))


def without_moments(hp: Any) -> keras.Model:
    """The same with an optimizer that has nothing to resume: KerasTuner's Hyperband forgets it between rungs."""
    rate = hp.Float("rate", 1e-3, 1e-1, sampling="log")
    return network(hp, hp.Choice("units", UNITS), rate=rate, optimizer=keras.optimizers.SGD)


def hyperband(tuner: type) -> type:
    """KerasTuner's own tuner for its oracle; the one here takes any oracle."""
    if tuner is not keras_tuner.Tuner:
        return tuner

    class Hyperband(keras_tuner.Hyperband):  # type: ignore[misc]
        def __init__(self, **kwargs: Any) -> None:
            keras_tuner.Tuner.__init__(self, **kwargs)

    return Hyperband


def layers(hp: Any) -> keras.Model:
    """As many units as layers, and nobody knows how many."""
    return network(hp, *(hp.Int(f"units_{n}", 2, 4, step=2) for n in range(hp.Int("layers", 1, 2))))


class FitAsks(keras_tuner.HyperModel):
    """Asks for what it trains with when it trains."""

    def build(self, hp: Any) -> keras.Model:
        """One hyperparameter."""
        return network(hp, hp.Choice("units", UNITS[:2]))

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Two more."""
        batch, epochs = hp.Choice("batch_size", [12, 36]), hp.Int("epochs", 1, 2)
        return model.fit(*args, batch_size=batch, epochs=epochs, **kwargs)


class Conditional(keras_tuner.HyperModel):
    """Scopes in build and in fit; a number is the result."""

    def build(self, hp: Any) -> keras.Model:
        """A scope for each kind."""
        kind = hp.Boolean("deep")
        with hp.conditional_scope("deep", [True]):
            depth = hp.Choice("depth", [1, 2]) if kind else 0
        return network(hp, *[2] * depth)

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> float:
        """A scope more."""
        slow = hp.Boolean("slow")
        with hp.conditional_scope("slow", [True]):
            more = hp.Choice("more", [1, 2]) if slow else 0
        return float(len(model.layers) * 10 + more + 0.25 * slow)


class Returns(keras_tuner.HyperModel):
    """Returns what it was made with, of a number."""

    def __init__(self, wrap: Callable[[float], Any]) -> None:
        super().__init__()
        self.wrap = wrap

    def build(self, hp: Any) -> keras.Model:
        """One hyperparameter."""
        return network(hp, hp.Int("units", 1, 12))

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """The further from 5, the worse."""
        return self.wrap(float((hp.get("units") - 5) ** 2))


def costs(value: float) -> list[dict[str, float]]:
    """Two repeats, of which only the first has another metric."""
    return [{"cost": value, "size": 1.0}, {"cost": value / 2}]


def history(*values: float) -> keras.callbacks.History:
    """What a training with these losses returns."""
    made = keras.callbacks.History()
    made.history = {"loss": [value + 1 for value in values], "val_loss": list(values)}
    return made


class Failing(Returns):
    """Fails for some values, and once for others."""

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        """Three of twelve fail."""
        if hp.get("units") % 4 == 0:
            raise ValueError("no such network")
        return super().fit(hp, model, *args, **kwargs)


def black_box(tuner: type) -> type:
    """A tuner without a model: everything is asked for in ``run_trial``."""

    class BlackBox(tuner):  # type: ignore[misc]  # whichever it is
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> float:
            """A parabola, and a step that only some see."""
            hp = trial.hyperparameters
            x = hp.Int("x", -3, 3)
            time.sleep(0.05)
            return float(x * x + (hp.Choice("bonus", [0, 1, 2]) if x > 0 else 0))

    return BlackBox


def several(tuner: type) -> type:
    """A tuner that returns a list of histories."""

    class Several(tuner):  # type: ignore[misc]
        def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
            """Two repeats."""
            x = trial.hyperparameters.Choice("x", [3, 1, 4, 5, 9])
            time.sleep(0.05)
            return [history(x, x / 2, x * 3), history(x / 4, x)]

    return Several


def _random(objective: Any, most: int, **more: Any) -> Any:
    return oracles.RandomSearchOracle(objective=objective, max_trials=most, seed=7, **more)


def _loss(name: str = "val_loss") -> Any:
    return keras_tuner.Objective(name, "min")


Script = tuple[Callable[[type], type], Callable[[], Any], Callable[[], Any], dict[str, Any], bool]

SCRIPTS: dict[str, Script] = {
    # name: how the tuner's class is made, the oracle, the model, what search and tuner take, whether it trains
    "tutorial": (lambda t: t, lambda: _random("val_accuracy", 4), lambda: tutorial, {"epochs": 2}, True),
    "executions": (lambda t: t, lambda: _random(_loss(), 3), lambda: tutorial, {"executions_per_trial": 2}, True),
    "fit asks": (lambda t: t, lambda: _random("val_loss", 5), FitAsks, {}, True),
    "layers": (lambda t: t, lambda: _random("val_accuracy", 5), lambda: layers, {"epochs": 2}, True),
    "grid of layers": (lambda t: t, lambda: oracles.GridSearchOracle("val_loss"), lambda: layers, {}, True),
    "hyperband": (hyperband, lambda: oracles.HyperbandOracle(_loss(), max_epochs=4, factor=2, seed=3),
                  lambda: without_moments, {}, True),
    "bayesian": (lambda t: t, lambda: oracles.BayesianOptimizationOracle("val_loss", 6, num_initial_points=3, seed=3),
                 lambda: layers, {}, True),
    "several objectives": (lambda t: t, lambda: _random(["val_accuracy", "val_loss"], 3), lambda: tutorial,
                           {"epochs": 2}, True),
    "conditional": (lambda t: t, oracles.GridSearchOracle, Conditional, {}, False),
    "dictionaries": (lambda t: t, lambda: _random(_loss("cost"), 6), lambda: Returns(costs), {}, False),
    "failures": (lambda t: t, lambda: _random(None, 8, max_retries_per_trial=1), lambda: Failing(float), {}, False),
    "black box": (black_box, oracles.GridSearchOracle, lambda: None, {}, False),
    "histories": (several, lambda: _random(_loss(), 5), lambda: None, {}, False),
}  # fmt: skip


def search(name: str, ours: bool, folder: Path) -> dict[str, Any]:
    """Search as a script would; return its trials in order, and what won."""
    make, oracle, model, options, trains = SCRIPTS[name]
    from gridsearch.kerastuner import Tuner

    kwargs = {key: options[key] for key in ("executions_per_trial",) if key in options}
    tuner = make(Tuner if ours else keras_tuner.Tuner)(
        oracle=oracle(), hypermodel=model(), directory=str(folder), project_name="search", **kwargs
    )
    tuner.search(
        **(data() if trains else {"verbose": 0}), **({"epochs": options["epochs"]} if "epochs" in options else {})
    )
    trials = [
        {"values": {k: v for k, v in t.hyperparameters.values.items() if k != "tuner/trial_id"}, "status": t.status,
         "score": t.score, "step": t.best_step}
        for t in tuner.oracle.trials.values()
    ]  # fmt: skip
    found = {
        "trials": trials,
        "best": [hp.values for hp in tuner.get_best_hyperparameters(3)],
        "space": sorted(hp.name for hp in tuner.oracle.get_space().space),
    }
    if trains:
        found["weights"] = [float(np.abs(w).sum()) for w in tuner.get_best_models()[0].get_weights()]
    if ours:
        found |= _recorded(folder / "search")
    return found


def _recorded(logdir: Path) -> dict[str, Any]:
    from gridsearch.record.reader import Record

    record = Record.read(logdir)
    winner = record.ranked()[0]
    return {
        "recorded": sorted(json.dumps(dict(t.trial.values), sort_keys=True) for t in record.trials),
        "winner": dict(winner.trial.values),
        "columns": sorted(h.name for h in record.hparams),
        "won": winner.mean(record.objective.ranking),
    }


def compare(name: str, folder: Path, rng: random.Random | None) -> list[str]:
    """Return what differs between KerasTuner and this Tuner on a script, and what a kill has changed."""
    theirs, _ = _run(name, ours=False, folder=folder / "theirs")
    ours, seconds = _run(name, ours=True, folder=folder / "ours")
    problems = [
        f"{name}: {key}: {theirs[key]!r}, here {ours[key]!r}" for key in theirs if not _same(theirs[key], ours[key])
    ]
    best = {k: v for k, v in theirs["best"][0].items() if not k.startswith("tuner/")}
    if not _same(ours["winner"], best):
        problems.append(f"{name}: the record's winner: {best!r}, here {ours['winner']!r}")
    if ours["columns"] != theirs["space"]:
        problems.append(f"{name}: the record's columns: {theirs['space']}, here {ours['columns']}")
    if rng is not None:
        after = rng.uniform(0.0, seconds)
        _run(name, ours=True, folder=folder / "killed", after=after)
        resumed, _ = _run(name, ours=True, folder=folder / "killed")
        for key in ("trials", "recorded", "best", "weights"):
            if key in ours and not _same(ours[key], resumed[key]):
                problems.append(f"{name}: killed after {after:.2f} s: {key}: {ours[key]!r}, resumed {resumed[key]!r}")
    return problems


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, float) and isinstance(other, float | int):
        return bool(np.isclose(one, other, rtol=1e-5, atol=1e-7))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)


def _run(name: str, *, ours: bool, folder: Path, after: float | None = None) -> tuple[dict[str, Any], float]:
    """Run a search in a child of this process, which has imported TensorFlow and not begun it.

    Args:
        name: the script.
        ours: whether with the Tuner here.
        folder: where.
        after: seconds after which it is killed; None is never.
    """
    folder.mkdir(parents=True, exist_ok=True)
    answer, began = folder / "answer.json", time.monotonic()
    answer.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        with (folder / "log.txt").open("a") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        try:
            answer.write_text(json.dumps(search(name, ours, folder), default=float))
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    seconds = time.monotonic() - began
    if after is not None:
        return {}, seconds
    if not answer.exists():
        raise RuntimeError(f"{name} has failed: {folder / 'log.txt'}")
    return json.loads(answer.read_text()), seconds


def main() -> int:
    """Compare all scripts, or those named; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", default=list(SCRIPTS))
    parser.add_argument("--killed", action="store_true")
    options = parser.parse_args()
    rng, problems = random.Random(options.seed), list[str]()
    for name in options.only:
        folder = options.folder / name.replace(" ", "_")
        shutil.rmtree(folder, ignore_errors=True)
        found = compare(name, folder, rng if options.killed else None)
        print(f"{name:20} {'equal' if not found else 'DIFFERS'}", flush=True)
        problems += found
    print("\n".join(problems))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
