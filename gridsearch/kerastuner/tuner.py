"""``keras_tuner.Tuner`` with a record: every trial in sweep.db, in TensorBoard's HParams and with the chosen writers.

    search(x, y, ...)   bring the oracle to where the record stands ──► KerasTuner's own loop
    on_trial_begin      recorded as running
    on_epoch_end        an epoch in the record, curves in TensorBoard
    on_trial_end        recorded with its metrics, then the oracle hears of it

KerasTuner's own state files are not read again: a fresh oracle is asked again, and answered from the record.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras_tuner

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import GridsearchError, StrategyError, UserError
from gridsearch.hparams.combination import Combination
from gridsearch.kerastuner.arguments import describe_arguments
from gridsearch.kerastuner.domains import OURS, cast_as_declared, grids_from_space
from gridsearch.kerastuner.errors import like_upstream
from gridsearch.kerastuner.recording import Recording, other_oracle
from gridsearch.kerastuner.replay import declare_since, replay
from gridsearch.kerastuner.results import add_objective, check_histories, flatten_results, summarise_result
from gridsearch.kerastuner.tables import sweep_tables
from gridsearch.record.database import DATABASE
from gridsearch.record.reader import Record, read_property
from gridsearch.strategies.kerastuner_internals import count_failures_from_now, keep_no_files, reseed
from gridsearch.trials import FailureKind, OracleEntry, Outcome, SessionRecord, Status, is_finite
from gridsearch.writers import Writer

__all__ = ["Tuner"]

WORKERS = ("KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT")
"""What KerasTuner's distributed search is set up with."""


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
        _refuse_workers()
        directory, project = kwargs.pop("directory", None), kwargs.pop("project_name", None)
        at = Path(directory or ".") / (project or "untitled_project")
        self.logdir = Path(logdir) if logdir else at if directory or project else Path("logs/hparam_tuning")
        if overwrite and (self.logdir / DATABASE).exists():
            shutil.rmtree(self.logdir)
        self._writers, self._recording = tuple(writers), None
        self._names: dict[int, str] = {}
        """The session of each of the oracle's trials."""
        self._searching, self._recipe = False, dict[str, Any]()
        self._results: Any = None
        """What ``run_trial`` has returned."""
        self._executed: list[Any] = []
        """What the executions of the trial that runs have returned."""
        if isinstance(oracle, keras_tuner.Oracle):  # KerasTuner refuses what is none
            keep_no_files(oracle)
        super().__init__(oracle, hypermodel, directory=directory or str(self.logdir), project_name=project, **kwargs)
        self._declared = oracle.get_space()
        """Every hyperparameter that a trial has asked for, also where the oracle does not tune new ones."""
        self._check_names()
        if (self.logdir / DATABASE).exists():
            self.reload()

    _recording: Recording | None

    @property
    def project_dir(self) -> str:
        """The directory of KerasTuner's checkpoints, below the log directory."""
        folder = self.logdir / "keras_tuner"
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def _check_names(self) -> None:
        from gridsearch.training.hyperparameters import Hyperparameters

        try:
            if self.hypermodel is not None:
                self.hypermodel.build(Hyperparameters())
            grids_from_space(self.oracle.get_space().space)
        except KeyError:  # it reads what the oracle was given, which KerasTuner has built it with
            return
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
        self._recipe = describe_arguments(fit_args, fit_kwargs, self._recorded_recipe())
        count_failures_from_now(self.oracle)
        self._searching = True
        try:
            if self._declared.space:
                self._open()
            super().search(*fit_args, **fit_kwargs)
            if self._recording is not None:
                self._recording.finalize()
        except GridsearchError:
            raise
        except keras_tuner.errors.FatalError as error:
            self._fail(error)
            raise like_upstream(UserError(" ".join(str(error).split()), where=str(self.logdir)), error) from error
        except Exception as error:
            self._fail(error)
            said = f"the oracle has failed, but {self.logdir} has every trial: {type(error).__name__}: {error}"
            raise like_upstream(StrategyError(said), error) from error
        finally:
            self._searching = False
            if self._recording is not None:
                self._recording.close()
                self._recording = None

    def _fail(self, error: Exception) -> None:
        if self._recording is not None:
            self._recording.fail(FailureKind.EXCEPTION, str(error))

    def _recorded_recipe(self) -> Mapping[str, Any]:
        return read_property(self.logdir, "recipe") or {}

    def _open(self) -> Recording:
        """Open the record, and bring the oracle to where it stands."""
        self._recording = recording = Recording(self._config(), self._recipe, self._writers)
        recording.refuse_other_oracle(type(self.oracle).__name__)
        seed = recording.seed(self.oracle.seed)
        if self.oracle.seed != seed and not self.oracle.trials:
            reseed(self.oracle, seed)
        self._recall(recording.sessions())
        return recording

    def _config(self) -> SweepConfig:
        return SweepConfig.validate_tables(self.sweep_tables(), where="Tuner", folder=Path.cwd())

    def _recall(self, sessions: Sequence[SessionRecord]) -> None:
        replay(self.oracle, self.tuner_id, sessions, self._names)
        for trial in self.oracle.trials.values():
            self._declared.merge(trial.hyperparameters.space, overwrite=False)

    def save(self) -> None:
        """Do nothing: the record has it already."""

    def reload(self) -> None:
        """Read the record: the oracle, its trials, space and scores stand where the search was when it ended.

        Raises:
            NothingRecorded: there is no record.
            UserError: another oracle was searched with.
        """
        record = Record.read(self.logdir)
        kind, seed = (read_property(self.logdir, key) for key in ("oracle", "oracle_seed"))
        if kind not in (None, type(self.oracle).__name__):
            raise other_oracle(self.logdir, kind, type(self.oracle).__name__)
        if seed is not None and self.oracle.seed != seed and not self.oracle.trials:
            reseed(self.oracle, seed)
        self._recall(record.sessions)

    def sweep_tables(self) -> dict[str, Any]:
        """Return the search as a sweep file would have it, for whoever reads the record."""
        return sweep_tables(self.oracle, self._declared.space, self.logdir)

    # A trial.

    def on_trial_begin(self, trial: Any) -> None:
        """Record that a trial runs; its first session waits for a record if nothing has been declared so far."""
        super().on_trial_begin(trial)
        self._results, self._executed = None, []
        if self._recording is not None:
            self._names[int(trial.trial_id)] = self._recording.begin(self._combination(trial))

    def _combination(self, trial: Any) -> Combination:
        grids = grids_from_space(self._declared.space)
        return Combination(cast_as_declared(trial.hyperparameters.values, grids))

    def _settle(self, trial: Any) -> Recording | None:
        """Record the values as they stand, and what a trial is the first to ask for; return the record.

        Raises:
            ValueError: names of hyperparameters clash.
        """
        before = len(self._declared.space)
        self._declared.merge(trial.hyperparameters.space, overwrite=False)
        if self._recording is None:
            if not self._declared.space or not self._searching:
                return None
            self._names[int(trial.trial_id)] = self._open().begin(self._combination(trial))
        elif len(self._declared.space) > before:
            self._recording.extend(self._config())
        assert self._recording is not None
        if self._recording.running:
            self._names[int(trial.trial_id)] = self._recording.settle(self._combination(trial))
        return self._recording

    def on_epoch_end(self, trial: Any, model: Any, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Record an epoch."""
        super().on_epoch_end(trial, model, epoch, logs=logs)
        recording = self._settle(trial)
        if recording is not None:
            recording.epoch(epoch, add_objective(logs or {}, self.oracle.objective))

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
        if not callable(getattr(getattr(model, "optimizer", None), "apply_gradients", None)):
            return model
        from gridsearch.training.lean import release_on_free

        return release_on_free(model)

    def _build_and_fit_model(self, trial: Any, *args: Any, **kwargs: Any) -> Any:
        if self._recording is not None and self._executed:
            self._recording.begin_next_execution(self._end_all_but_last(self._recording, self._executed[-1]))
        result = super()._build_and_fit_model(trial, *args, **kwargs)
        check_histories(result, self.oracle.objective)
        self._settle(trial)
        self._executed.append(result)
        return result

    def _end_all_but_last(self, recording: Recording, result: Any) -> dict[str, float]:
        """Record all repeats that an execution has returned but the last; return the final metrics of that one."""
        *others, last = flatten_results(result)
        for other in others:
            recording.begin_next_execution(summarise_result(recording, other, self.oracle.objective))
        return summarise_result(recording, last, self.oracle.objective)

    def _configure_tensorboard_dir(self, callbacks: Any, trial: Any, execution: int = 0) -> None:
        """Give a TensorBoard callback a directory for each trial; HParams are the record's, or rows would double."""
        for callback in callbacks:
            if type(callback).__name__ == "TensorBoard":
                chosen, ours = Path(callback.log_dir), self.logdir.resolve()
                if ours in (chosen.resolve(), *chosen.resolve().parents):  # its curves would be drawn twice
                    chosen = ours.parent / f"{ours.name}-callbacks"
                callback.log_dir = str(chosen / str(trial.trial_id) / f"execution{execution}")

    def _run_and_update_trial(self, trial: Any, *fit_args: Any, **fit_kwargs: Any) -> None:
        """Run a trial as KerasTuner does, and look at what ``run_trial``, whoever wrote it, returns."""
        run_trial = self.run_trial

        def watched(*args: Any, **kwargs: Any) -> Any:
            self._results = run_trial(*args, **kwargs)
            check_histories(self._results, self.oracle.objective)
            return self._results

        self.run_trial = watched  # type: ignore[method-assign]
        try:
            super()._run_and_update_trial(trial, *fit_args, **fit_kwargs)
        finally:
            del self.run_trial

    def on_trial_end(self, trial: Any) -> None:
        """Record what came of the trial, then let the oracle hear of it."""
        recording = self._settle(trial)
        if recording is not None:
            self._record_end(recording, trial)
        elif self._searching and trial.status == "COMPLETED":
            cure = "Give the tuner a hypermodel that asks for some, or declare them with the oracle's hyperparameters=."
            raise UserError("no hyperparameter has been declared", where="Tuner", cure=cure)
        super().on_trial_end(trial)

    def _record_end(self, recording: Recording, trial: Any) -> None:
        tracker, number = self.oracle.get_trial(trial.trial_id).metrics, int(trial.trial_id)
        metrics = {name: float(tracker.get_best_value(name)) for name in tracker.metrics}
        values, name = dict(trial.hyperparameters.values), self.oracle.objective.name
        declared = declare_since(trial.hyperparameters, self.oracle.get_space().space)
        completed = trial.status == "COMPLETED"
        if completed and not is_finite(metrics.get(name, math.inf)):
            trial.status = "INVALID"  # as KerasTuner has it for NaN; infinity cannot be shown either
        if trial.status != "COMPLETED":
            failed = OracleEntry(number, values, {}, 0, trial.status, declared)
            kind = FailureKind.DIVERGED if completed else FailureKind.EXCEPTION
            last = (trial.message or f"{name} is {metrics.get(name)}").strip().splitlines()[-1]
            recording.fail(kind, last, failed)
            return
        step = int(tracker.get_best_step(name) or 0)
        entry = OracleEntry(number, values, metrics, step, trial.status, declared)
        final = self._summarise(recording, metrics)
        more = values.get(f"{OURS}epochs", 0) < getattr(self.oracle, "max_epochs", 0)
        recording.end(Outcome(Status.STOPPED if more else Status.COMPLETED, metrics=final, paused=more), entry)

    def _summarise(self, recording: Recording, metrics: Mapping[str, float]) -> dict[str, float]:
        """Return the final metrics of the trial's last session; its earlier repeats end now, if they have not."""
        if self._results is None:  # run_trial has reported to the oracle by itself
            return recording.summary(
                {} if recording.reported else metrics, scored=(metrics[self.oracle.objective.name], None)
            )
        executed = isinstance(self._results, list) and len(self._results) == len(self._executed)
        return self._end_all_but_last(recording, self._results[-1] if executed else self._results)

    # Models.

    def get_trial_dir(self, trial_id: str) -> str:
        """Return where KerasTuner keeps a trial's weights: by its number, however many there are to be."""
        folder = Path(self.project_dir) / f"trial_{int(trial_id):04d}"
        folder.mkdir(parents=True, exist_ok=True)
        return str(folder)

    def save_model(self, trial_id: str, model: Any, step: int = 0) -> None:
        """Keep a trial's model; ``get_best_models`` returns it as it is."""
        self._settle(self.oracle.get_trial(trial_id))
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


def _refuse_workers() -> None:
    """Refuse to be one of KerasTuner's workers or their chief.

    Raises:
        UserError: the environment says so.
    """
    named = [name for name in WORKERS if os.environ.get(name)]
    if named:
        cure = f"Unset {', '.join(named)}: one process searches. `gridsearch sweep` trains with several workers."
        raise UserError("KerasTuner's chief and workers are not supported: one process holds the record",
                        where=named[0], cure=cure)  # fmt: skip
