"""``keras_tuner.Tuner`` with a record: every trial in sweep.db, in TensorBoard's HParams and with the chosen writers.

    search(x, y, ...)   bring the oracle to where the record stands ──► KerasTuner's own loop
    on_trial_begin      recorded as running
    on_epoch_end        an epoch in the record, curves in TensorBoard
    on_trial_end        recorded with its metrics, then the oracle hears of it

KerasTuner's own state files are not read again: a fresh oracle is asked again, and answered from the record.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import GridsearchError, StrategyError, UserError
from gridsearch.hparams.combination import Combination
from gridsearch.hparams.tables import hparam_table
from gridsearch.kerastuner.domains import OURS, cast_as_declared, grids_from_space
from gridsearch.kerastuner.recording import Recording
from gridsearch.record.database import DATABASE
from gridsearch.strategies.kerastuner_internals import keep_no_files, reseed
from gridsearch.trials import FailureKind, OracleEntry, Outcome, Status, is_finite
from gridsearch.writers import Writer

__all__ = ["Tuner"]

NOT_DECIDING = frozenset({"callbacks", "verbose"})
"""Arguments of ``search`` that do not decide a result."""


class Tuner(keras_tuner.Tuner):  # type: ignore[misc]  # KerasTuner is not typed
    """A tuner for any oracle that loses nothing when it is killed: the same script goes on.

    ``run_trial`` may be overridden as in any tuner of KerasTuner's; what it returns, or hands to the oracle, is
    recorded. A model that it saves with ``save_model`` is what ``get_best_models`` returns.

    Args:
        oracle: any of KerasTuner's, or an own; fresh.
        hypermodel: ``build_model(hp)``, or a ``keras_tuner.HyperModel``.
        logdir: the log directory: sweep.db, TensorBoard's event files, and KerasTuner's checkpoints.
        writers: besides TensorBoard's: writers, or the names of installed ones, ``wandb`` and ``mlflow``.
        overwrite: remove a record that is there, and begin anew.
        kwargs: what ``keras_tuner.Tuner`` takes; ``directory`` and ``project_name`` make a log directory, too.

    Raises:
        UserError: names of hyperparameters clash.
    """

    def __init__(
        self,
        oracle: Any,
        hypermodel: Any = None,
        *,
        logdir: str | Path | None = None,
        writers: Sequence[Writer | str] = (),
        overwrite: bool = False,
        **kwargs: Any,
    ) -> None:
        directory, project = kwargs.pop("directory", None), kwargs.pop("project_name", None)
        at = Path(directory or ".") / (project or "untitled_project")
        self.logdir = Path(logdir) if logdir else at if directory or project else Path("logs/hparam_tuning")
        if overwrite and (self.logdir / DATABASE).exists():
            shutil.rmtree(self.logdir)
        self._writers, self._recording = tuple(writers), None
        self._names: dict[int, str] = {}
        """The session of each of the oracle's trials."""
        keep_no_files(oracle)
        super().__init__(oracle, hypermodel, directory=str(self.logdir), project_name="keras_tuner", **kwargs)
        self._check_names()

    _recording: Recording | None

    def _check_names(self) -> None:
        from gridsearch.training.hyperparameters import Hyperparameters

        try:
            if self.hypermodel is not None:
                self.hypermodel.build(Hyperparameters())
            grids_from_space(self.oracle.get_space().space)
        except ValueError as error:
            raise UserError(f"the hyperparameters cannot be told apart: {error}", where="build_model") from error

    # The search.

    def search(self, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Search, or resume the search that was cut off.

        Args:
            fit_args: what ``run_trial`` takes: training data, usually.
            fit_kwargs: likewise; ``epochs``, ``batch_size``, ``validation_split``, ...

        Raises:
            LogdirError: the log directory is in use, or was searched with other data or settings.
            UserError: the objective is not among what training reports.
            StrategyError: the oracle has failed; what was finished is recorded.
        """
        if not self.oracle.get_space().space:
            cure = "Give the tuner a hypermodel, or declare them with the oracle's hyperparameters=."
            raise UserError("no hyperparameter has been declared before the search", where="Tuner", cure=cure)
        config = SweepConfig.validate_tables(self.sweep_tables(), where="Tuner", folder=Path.cwd())
        self._recording = Recording(config, _recipe(fit_args, fit_kwargs), self._writers)
        try:
            self._take_over(self._recording)
            super().search(*fit_args, **fit_kwargs)
            self._recording.finalize()
        except GridsearchError:
            raise
        except keras_tuner.errors.FatalError as error:
            self._recording.fail(FailureKind.EXCEPTION, str(error))
            raise UserError(" ".join(str(error).split()), where=str(self.logdir)) from error
        except Exception as error:
            self._recording.fail(FailureKind.EXCEPTION, str(error))
            said = f"{type(error).__name__}: {error}"
            raise StrategyError(f"the oracle has failed, but {self.logdir} has every trial: {said}") from error
        finally:
            self._recording.close()
            self._recording = None

    def sweep_tables(self) -> dict[str, Any]:
        """Return the search as a sweep file would have it, for whoever reads the record."""
        grids = [{h.name: hparam_table(h) for h in grid} for grid in grids_from_space(self.oracle.get_space().space)]
        objective, training = self.oracle.objective, {}
        sweep: dict[str, Any] = {"strategy": "random", "trials": self.oracle.max_trials or _most_trials(self.oracle)}
        if isinstance(self.oracle, keras_tuner.oracles.HyperbandOracle) and not self.oracle.max_trials:
            numbers = {"factor": self.oracle.factor, "hyperband_iterations": self.oracle.hyperband_iterations}
            options = {name: int(number) for name, number in numbers.items() if math.isfinite(number)}
            sweep, training = {"strategy": "hyperband", "options": options}, {"epochs": self.oracle.max_epochs}
        return {
            "hparams": grids[0] if len(grids) == 1 else grids,
            "model": {"objective": "gridsearch.kerastuner:trained_by_script"},
            "training": training,
            "sweep": {**sweep, "logdir": str(self.logdir), "metric": objective.name, "goal": objective.direction},
        }

    def _take_over(self, recording: Recording) -> None:
        """Ask the oracle again, and answer from the record, until it comes to what the record does not know."""
        _reseed(self.oracle, recording.seed(self.oracle.seed))
        known, verbose, self.oracle.verbose = recording.oracle_entries(), self.oracle.verbose, 0
        try:
            while (number := len(self.oracle.trials)) in known:
                (session, entry), trial = known[number], self.oracle.create_trial(self.tuner_id)
                if trial.status != "RUNNING":
                    break
                self._names[number] = session
                trial.hyperparameters.values = dict(entry.values)
                if entry.metrics:
                    self.oracle.update_trial(trial.trial_id, dict(entry.metrics), step=entry.step)
                trial.status = "COMPLETED" if entry.metrics else "FAILED"
                self.oracle.end_trial(trial)
        finally:
            self.oracle.verbose = verbose

    def save(self) -> None:
        """Do nothing: the record has it already."""

    def reload(self) -> None:
        """Do nothing: ``search`` reads the record."""

    # A trial.

    def on_trial_begin(self, trial: Any) -> None:
        """Record that a trial runs."""
        super().on_trial_begin(trial)
        if self._recording is not None:
            self._names[int(trial.trial_id)] = self._recording.begin(self._combination(trial))

    def _combination(self, trial: Any) -> Combination:
        grids = grids_from_space(self.oracle.get_space().space)
        return Combination(cast_as_declared(trial.hyperparameters.values, grids))

    def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record an epoch."""
        super().on_epoch_end(trial, model, epoch, logs=logs)
        if self._recording is not None:
            self._recording.epoch(epoch, self._with_objective(logs or {}))

    def _with_objective(self, logs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the logs, with the sum that several objectives come to."""
        objective = self.oracle.objective
        missing = objective.name not in logs and hasattr(objective, "name_to_direction")
        sums = {objective.name: objective.get_value(logs)} if missing and objective.has_value(logs) else {}
        return {**logs, **sums}

    def run_trial(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        """Build and fit the model; with Hyperband's oracle for as many epochs as it gives, from where it stood."""
        values = trial.hyperparameters.values
        if f"{OURS}epochs" in values:
            kwargs |= {"epochs": values[f"{OURS}epochs"], "initial_epoch": values[f"{OURS}initial_epoch"]}
        return super().run_trial(trial, *args, **kwargs)

    def _build_hypermodel(self, hp: Any) -> Any:
        model, before = super()._build_hypermodel(hp), hp.values.get(f"{OURS}trial_id")
        if before is not None:
            if not model.built:
                model.build_from_config(json.loads(Path(self._get_build_config_fname(before)).read_text("utf-8")))
            if getattr(model, "optimizer", None) is not None:
                model.optimizer.build(model.trainable_variables)  # its moments are in the checkpoint, too
            model.load_weights(self._get_checkpoint_fname(before))
        if getattr(model, "optimizer", None) is None:
            return model
        from gridsearch.training.lean import release_on_free

        return release_on_free(model)

    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        if self._recording is not None:
            self._recording.begin_next_execution()
        return super()._build_and_fit_model(trial, *args, **kwargs)

    def _run_and_update_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Run a trial as KerasTuner does, and look at what ``run_trial``, whoever wrote it, returns."""
        run_trial = self.run_trial

        def watched(*args: Any, **kwargs: Any) -> Any:
            results = run_trial(*args, **kwargs)
            self._check_results(results)
            return results

        self.run_trial = watched  # type: ignore[method-assign]
        try:
            super()._run_and_update_trial(trial, *fit_args, **fit_kwargs)
        finally:
            del self.run_trial

    def _check_results(self, results: Any) -> None:
        histories = [r for r in (results if isinstance(results, list) else [results]) if hasattr(r, "history")]
        objective = self.oracle.objective
        for history in histories:
            names = dict.fromkeys(history.history)
            if names and not objective.has_value(names):
                wanted = getattr(objective, "name_to_direction", {objective.name: ""})
                raise keras_tuner.errors.FatalValueError(
                    f"the objective {', '.join(sorted(set(wanted) - set(names)))!r} is not among what training "
                    f"reports: {', '.join(sorted(names))}"
                )
        if self._recording is not None and histories and not self._recording.reported:
            for epoch, logs in enumerate(_by_epoch(histories[-1].history)):
                self._recording.epoch(epoch, self._with_objective(logs))

    def on_trial_end(self, trial: Any) -> None:
        """Record what came of the trial, then let the oracle hear of it."""
        if self._recording is not None:
            self._record_end(self._recording, trial)
        super().on_trial_end(trial)

    def _record_end(self, recording: Recording, trial: Any) -> None:
        tracker, number = self.oracle.get_trial(trial.trial_id).metrics, int(trial.trial_id)
        metrics = {name: float(tracker.get_best_value(name)) for name in tracker.metrics}
        values, name = dict(trial.hyperparameters.values), self.oracle.objective.name
        failed = OracleEntry(number, values, {}, 0)
        if trial.status != "COMPLETED" or name not in metrics:
            last = (trial.message or "no objective was reported").strip().splitlines()[-1]
            recording.fail(FailureKind.EXCEPTION, last, failed)
        elif not is_finite(metrics[name]) or recording.diverged():
            trial.status = "FAILED"
            recording.fail(FailureKind.DIVERGED, recording.diverged() or f"{name} is {metrics[name]}", failed)
        else:
            entry = OracleEntry(number, values, metrics, int(tracker.get_best_step(name) or 0))
            more = values.get(f"{OURS}epochs", 0) < getattr(self.oracle, "max_epochs", 0)
            final = recording.summary({} if recording.reported else metrics)
            status = Status.STOPPED if more else Status.COMPLETED
            recording.end(Outcome(status, metrics=final, paused=more), entry)

    # Models.

    def get_trial_dir(self, trial_id: str) -> str:
        """Return where KerasTuner keeps a trial's weights: by its number, however many there are to be."""
        folder = Path(self.project_dir) / f"trial_{int(trial_id):04d}"
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def save_model(self, trial_id: str, model: Any, step: int = 0) -> None:
        """Keep a trial's model; ``get_best_models`` returns it as it is."""
        file = self._model_file(trial_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        model.save(file)

    def load_model(self, trial: Any) -> Any:
        """Return a trial's model: what ``save_model`` kept, or the weights of its best epoch."""
        file = self._model_file(trial.trial_id)
        if file.exists():
            from gridsearch.training.models import load_model

            return load_model(file)
        with warnings.catch_warnings():  # nobody goes on training it
            warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
            return super().load_model(trial)

    def _model_file(self, trial_id: str) -> Path:
        return self.logdir / "models" / f"{self._names[int(trial_id)]}.keras"


def _reseed(oracle: Any, seed: int) -> None:
    """Let an oracle that has not been asked yet draw as one of this seed does."""
    if oracle.seed != seed and not oracle.trials:
        reseed(oracle, seed)


def _most_trials(oracle: Any) -> int:
    """Return how many trials an oracle without a limit makes at most; 1 if nobody knows, and more as they come."""
    grid = isinstance(oracle, keras_tuner.oracles.GridSearchOracle)
    return math.prod(len(list(hp.values)) for hp in oracle.get_space().space) if grid else 1


def _by_epoch(history: Mapping[str, Sequence[float]]) -> Iterable[dict[str, float]]:
    return (dict(zip(history, values, strict=True)) for values in zip(*history.values(), strict=True))


def _recipe(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a search is given, by name: numbers as they are, arrays by their digest."""
    named = {str(n): value for n, value in enumerate(args)} | dict(kwargs)
    return {f"search.{name}": digest(value) for name, value in named.items() if name not in NOT_DECIDING}


def digest(value: Any) -> Any:
    """Return a value that a record can hold in place of an argument of ``search``: itself, or a digest of it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [digest(item) for item in value]
    if isinstance(value, dict):
        return {str(key): digest(item) for key, item in value.items()}
    if hasattr(value, "__array__"):
        array = np.ascontiguousarray(value)
        content = repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()  # not its addresses
        return f"{array.shape} {array.dtype} {hashlib.sha256(content).hexdigest()[:20]}"
    return type(value).__name__
