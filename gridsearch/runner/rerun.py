"""Train a recorded session again, with the same values, seed and recipe, and compare what it comes to."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gridsearch.errors import UserError
from gridsearch.executors.placement import Place, choose_places
from gridsearch.executors.processes import ProcessExecutor
from gridsearch.record.reader import Record
from gridsearch.record.recipe import refuse_other_recipe
from gridsearch.runner.pictures import complete_recipe, find_fingerprint
from gridsearch.runner.plan import load_config
from gridsearch.training.task import Task
from gridsearch.trials import Ended, Epoch, Outcome, SessionRecord, Status, Verdict

__all__ = ["Rerun", "rerun"]

LOOK_EVERY = 0.25

TRAINED_ELSEWHERE = {
    "gridsearch.kerastuner:trained_by_script": (
        "its trials were trained by a script, with gridsearch.kerastuner.Tuner",
        "Run that script with another logdir: only it has the model and the data.",
    ),
    "gridsearch.importing:trained_elsewhere": (
        "its trials were imported, and what trained them is not known here",
        "Import them with --sweep SWEEP.toml, which says how they are trained.",
    ),
}
"""Objectives that no worker can train, with what to do instead."""


@dataclass(frozen=True)
class Rerun:
    """What was recorded of a session, and what it came to this time."""

    session: str
    recorded: Mapping[str, float]
    found: Mapping[str, float] = field(default_factory=dict)
    problem: str = ""
    """Why it has no metrics this time."""

    @property
    def agrees(self) -> bool:
        """Whether every metric but the time it took is the same, to the last bit."""
        names = set(self.recorded) - {"seconds"}
        return not self.problem and all(self.found.get(name) == self.recorded[name] for name in names)


def rerun(logdir: Path, name: str) -> Rerun:
    """Train a session again in a fresh worker, outside the log directory; nothing is recorded.

    Args:
        logdir: the log directory.
        name: a session's, or a trial's for its first session with a result.

    Raises:
        UserError: there is no such session, it has no result to compare with, or a script or another program trained
            it.
        LogdirError: pictures or settings are no longer those it was trained with.
    """
    record = Record.read(logdir)
    session = _find(record, name)
    config = load_config(record)
    if config.model.objective in TRAINED_ELSEWHERE:
        problem, cure = TRAINED_ELSEWHERE[config.model.objective]
        raise UserError(problem, where=str(logdir), cure=cure)
    recipe = complete_recipe(config)
    refuse_other_recipe(record.recipe, recipe, config.space.hparams, logdir)
    values = config.search_space.with_defaults(session.session.trial.values)
    settings = config.settings_for(values)
    with tempfile.TemporaryDirectory(prefix="gridsearch-rerun-") as elsewhere:
        task = Task(
            session=session.session,
            values=values,
            settings=settings,
            objective=config.objective,
            logdir=Path(elsewhere),
            detail="summary",
            keep_above=None,
            judged=session.status is Status.STOPPED,
            fingerprint=find_fingerprint(recipe, settings.data),
        )
        threads = session.outcome.provenance.get("threads") or config.sweep.threads or 1  # they decide the last digit
        outcome = _train(task, choose_places(1, threads, config.sweep.gpus)[0], session.outcome.epochs)
    return Rerun(session.name, dict(session.outcome.metrics), dict(outcome.metrics), outcome.message)


def _find(record: Record, name: str) -> SessionRecord:
    trials = [trial for trial in record.trials if name in (trial.trial.name, *(s.name for s in trial.sessions))]
    if not trials:
        cure = f"`gridsearch best {record.logdir}` lists those there are."
        raise UserError(f"there is no trial {name!r}", where=str(record.logdir), cure=cure)
    results = trials[0].results
    wanted = next(
        (s for s in results if s.name == name), results[0] if results and name == trials[0].trial.name else None
    )
    if wanted is None:
        cure = "`gridsearch sweep --retry-failed` tries failed trials again."
        raise UserError(f"{name} has no result to compare with", where=str(record.logdir), cure=cure)
    return wanted


def _train(task: Task, place: Place, epochs: int) -> Outcome:
    """Train a session; one that is judged is stopped after so many epochs, as it was."""
    executor = ProcessExecutor([place])
    try:
        executor.submit(task)
        while True:
            for message in executor.collect(LOOK_EVERY):
                if isinstance(message, Epoch) and message.asks:
                    verdict = Verdict.GO_ON if message.epoch + 1 < epochs else Verdict.STOP
                    executor.answer(message.session, message.epoch, verdict)
                if isinstance(message, Ended):
                    return message.outcome
    finally:
        executor.close()
