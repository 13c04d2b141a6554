"""Write to Weights & Biases: a run for each session, live or from the record, under the same id.

    project
      └─ group  hparam_tuning-3f2a9c1d            the sweep
           └─ run  run-0007, id 3f2a9c1d04b2-run-0007
                config    the HParam values; ``recipe``, the same for all
                history   Keras's own names (``val_accuracy``, ...) by ``epoch``, counted from 1
                summary   the final metrics as TensorBoard's table names them; others as last reported; how it ended

Runs are in ``LOGDIR/wandb``. The attempt that replaces an interrupted session continues its run, under its id. W&B
writes to disk only after some seconds, so its files alone prove nothing: a run counts as complete only if this module
finished and then marked it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read on import; its crash reports go to a third party

import wandb

from gridsearch.config.sections import Wandb
from gridsearch.record.reader import Record
from gridsearch.trials import Epoch, FailureKind, SessionRecord
from gridsearch.writers import SweepInfo

__all__ = ["WandbWriter"]

MARK = "gridsearch.json"
"""The file in a run's directory that says what was written there. It is written last."""

INTERRUPTIONS = (FailureKind.INTERRUPTED, FailureKind.LOST)

SECONDS_TO_BEGIN = 30.0
SECONDS_TO_FINISH = 30.0
"""How long wandb itself retries a request that its server refuses: less than the runner waits for this process."""


class WandbWriter:
    """Writes every session to W&B; a ``Writer``.

    Args:
        info: of the sweep; its options are those of ``gridsearch.config.sections.Wandb``.
    """

    def __init__(self, info: SweepInfo) -> None:
        self._sweep, self._options = info, Wandb.model_validate(info.options)
        self._project = self._options.project or os.environ.get("WANDB_PROJECT") or "gridsearch"
        self._folder = info.logdir.resolve() / "wandb"
        self._runs: dict[str, tuple[Any, set[int]]] = {}
        self._marks: dict[Path, dict[str, Any]] = {}

    def begin(self, session: SessionRecord) -> None:
        """Open the session's run; remove what an earlier process left of it."""
        identity = self.key(session)
        for left_behind in self._directories(identity):
            shutil.rmtree(left_behind, ignore_errors=True)
        run = wandb.init(
            entity=self._options.entity,
            project=self._project,
            dir=self._sweep.logdir.resolve(),
            id=identity,
            name=session.name,
            group=self._sweep.name,
            job_type="trial",
            tags=list(self._options.tags),
            config=self._config(session),
            mode=self._options.mode,
            reinit="create_new",  # several sessions at a time
            settings=_settings(),
        )
        run.define_metric("epoch")
        run.define_metric("*", step_metric="epoch")
        for column in self._sweep.objective.columns:  # a training's own accuracy must not pass for the final one
            run.define_metric(column, step_metric="epoch", summary="none")
        self._runs[session.name] = run, set()

    def epoch(self, epoch: Epoch) -> None:
        """Log an epoch's metrics."""
        run, epochs = self._runs[epoch.session]
        epochs.add(epoch.epoch)
        run.log({**epoch.metrics, "epoch": epoch.epoch + 1, "_timestamp": epoch.time})

    def end(self, session: SessionRecord) -> None:
        """Write the summary and finish the run: state ``finished`` or ``failed``."""
        (run, epochs), what, outcome = self._runs.pop(session.name), session.session, session.outcome
        failure = {"failure": f"{outcome.kind}: {outcome.message}"} if outcome.kind else {}
        about = {"trial": what.trial.name, "repeat": what.repeat, "attempt": what.attempt, "seed": what.seed}
        run.summary.update({**outcome.metrics, "status": str(session.status), **failure, "session": about})
        run.finish(exit_code=0 if session.status.has_result else 1)
        directory = Path(run.dir).parent
        if directory.is_dir():  # a disabled run has none
            self._marks[directory] = self._mark(directory, session, len(epochs))
            (directory / MARK).write_text(json.dumps(self._marks[directory]), encoding="utf-8")

    def close(self) -> None:
        """End W&B's service process; runs that are still open are marked by W&B as crashed."""
        wandb.teardown(exit_code=1 if self._runs else 0)
        for directory, mark in self._marks.items():  # the service has written the last of its files only now
            with suppress(OSError):
                (directory / MARK).write_text(json.dumps({**mark, "bytes": _bytes(directory)}), encoding="utf-8")

    def has(self, session: SessionRecord, epochs: int) -> bool:
        """Return whether there is a complete run of exactly this session."""
        return any(self._marked(directory, session, epochs) for directory in self._directories(self.key(session)))

    def key(self, session: SessionRecord) -> str:
        """Return the id of a session's run: the sweep's identity, and the first session that it continues."""
        first = session
        if session.session.attempt > 1:
            trials = Record.read(self._sweep.logdir).trials
            trial = next(t for t in trials if t.trial.number == session.session.trial.number)
            earlier = [
                s
                for s in trial.sessions
                if s.session.repeat == session.session.repeat and s.session.attempt < session.session.attempt
            ]
            while earlier and earlier[-1].outcome.kind in INTERRUPTIONS:
                first = earlier.pop()
        return f"{self._sweep.identity[:12]}-{first.name}"

    def _config(self, session: SessionRecord) -> dict[str, Any]:
        values = session.session.trial.values  # nothing else may vary, or W&B's panels would offer it as an explanation
        return {"gridsearch.recipe" if "recipe" in values else "recipe": dict(self._sweep.recipe), **values}

    def _mark(self, directory: Path, session: SessionRecord, epochs: int) -> dict[str, Any]:
        to = {"project": self._project, "entity": self._options.entity, "tags": list(self._options.tags)}
        about = {"session": session.name, "status": str(session.status), "epochs": epochs}
        return {**about, "bytes": _bytes(directory), **to}

    def _marked(self, directory: Path, session: SessionRecord, epochs: int) -> bool:
        with suppress(OSError, ValueError, KeyError, TypeError):
            found = json.loads((directory / MARK).read_text(encoding="utf-8"))
            now = self._mark(directory, session, epochs)
            # A file may have grown: W&B's service writes the last of it when torn down, and we may be killed then.
            return bool(now["bytes"] >= found["bytes"] and {**found, "bytes": now["bytes"]} == now)
        return False

    def _directories(self, identity: str) -> list[Path]:
        """List W&B's directories of the run of this id: one for each time that it was begun."""
        named = re.compile(rf"(offline-)?run-\d+_\d+-{re.escape(identity)}")
        found = self._folder.iterdir() if self._folder.is_dir() else ()
        return [directory for directory in found if named.fullmatch(directory.name)]


def _bytes(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.glob("*.wandb"))


def _settings() -> wandb.Settings:
    """Return settings with which W&B logs no output, machine or source code: this process does not train."""
    return wandb.Settings(
        silent=True,
        console="off",
        symlink=False,
        disable_git=True,
        disable_code=True,
        disable_job_creation=True,
        x_disable_meta=True,
        x_disable_stats=True,
        init_timeout=SECONDS_TO_BEGIN,
        finish_timeout=SECONDS_TO_FINISH,
        finish_timeout_raises=True,
    )
