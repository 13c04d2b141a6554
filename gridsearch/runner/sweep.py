"""Put a sweep together: check its data, open its record, choose strategy, executor and writers, run the runner."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

from gridsearch.config.entry_points import refuse_missing_functions
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import Interrupted, NothingRecorded, UserError
from gridsearch.executors import Executor, SupportsAnswers
from gridsearch.executors.inline import InlineExecutor
from gridsearch.record.journal import Journal
from gridsearch.record.reader import Record, read_objective
from gridsearch.record.recipe import refuse_other_goal, refuse_other_recipe
from gridsearch.runner.dashboard import open_dashboard
from gridsearch.runner.pictures import check_keras_json, complete_recipe, decode_pictures
from gridsearch.runner.plan import Plan, make_plan
from gridsearch.runner.runner import Limits, Runner
from gridsearch.strategies import Strategy, SupportsVerdicts
from gridsearch.strategies.factory import choose_strategy
from gridsearch.system.files import explain_os_errors
from gridsearch.system.signals import StopRequest
from gridsearch.writers import Writer, describe_sweep
from gridsearch.writers.factory import backfill_command, refuse_unknown
from gridsearch.writers.isolated import IsolatedWriter

__all__ = ["Preview", "SweepResult", "preview", "sweep"]


@dataclass(frozen=True)
class Preview:
    """What a sweep would do: its plan, and the record if there is one."""

    config: SweepConfig
    plan: Plan
    record: Record | None


@dataclass(frozen=True)
class SweepResult:
    """A sweep after it ended: the record, and how the plan stands."""

    record: Record
    plan: Plan


def preview(config: SweepConfig, *, retry: bool = False) -> Preview:
    """Return where a sweep stands, or would with failed trials tried again (``retry``); write nothing.

    Raises:
        SweepFileError: it names a function that is not there.
        LogdirError: there is a record that cannot be read, or is of another recipe or goal.
    """
    with _naming_file(config):
        config, _ = _prepare(config)
        logdir = config.sweep.logdir
        try:
            record = Record.read(logdir)
        except NothingRecorded:
            record = None
        if record is not None and record.trained:
            refuse_other_recipe(record.recipe, config.recipe(), config.space.hparams, logdir)
            refuse_other_goal(record.objective.maximize, config.objective.maximize, logdir)
        return Preview(config, make_plan(config, record, retry=retry), record)


def _prepare(config: SweepConfig) -> tuple[SweepConfig, Strategy]:
    """Return the sweep with its recorded goal, and its strategy; refuse what cannot be run, before anything is trained.

    Raises:
        UserError: a strategy, sampler, pruner, option, writer or function that is not there; a damaged record.
    """
    config = config.with_recorded_goal(read_objective(config.sweep.logdir))
    strategy = choose_strategy(config)
    refuse_unknown(config.sweep.writers)
    refuse_missing_functions(config)
    return config, strategy


HOW_TO_GO_ON = (
    "  Mend it, then `gridsearch sweep --retry-failed` tries these again and trains the rest; "
    "`--keep-going` trains the rest as it is."
)

SECTION = re.compile(r"(data|augmentation|model|training|sweep|writers|hparams)\.")


@contextmanager
def _naming_file(config: SweepConfig) -> Iterator[None]:
    """Put the sweep file's name before a key that an error names.

    Raises:
        UserError: the same, with the file.
    """
    try:
        yield
    except UserError as error:
        if config.file and SECTION.match(error.where):
            where = f"{config.file}: {error.where}"
            raise type(error)(error.problem, where=where, cure=error.cure) from error.__cause__
        raise


def sweep(
    config: SweepConfig,
    *,
    limits: Limits | None = None,
    writers: Sequence[Writer] = (),
    displays: Callable[[Plan, Record, int], Sequence[Writer]] = lambda plan, record, slots: (),
    provenance: Mapping[str, Any] | None = None,
    warn: Callable[[str], None] = lambda line: None,
    on_decoded: Callable[[int, int], None] = lambda done, total: None,
) -> SweepResult:
    """Run a sweep, or what is left of it.

    Args:
        config: what to train.
        limits: when to give up, what to try again.
        writers: notified besides TensorBoard's.
        displays: makes progress displays, notified likewise, from plan, record and number of slots.
        provenance: kept with every session.
        warn: says a line to the user.
        on_decoded: called with the pictures decoded and their total, while stores are built before the first trial.

    Returns:
        The record at the end. Failed trials are in it; they do not raise.

    Raises:
        DataError: the pictures cannot be trained on.
        UserError: the user's keras.json has a value that Keras cannot be imported with.
        SweepFileError: it names a function that is not there, or a writer that cannot be had.
        LogdirError: the log directory is in use, of another recipe, damaged or not writable.
        Interrupted: Ctrl-C or SIGTERM; what was running is closed, and the same call goes on.
    """
    with _naming_file(config):
        return _sweep(config, limits or Limits(), writers, displays, provenance or {}, warn, on_decoded)


def _sweep(
    config: SweepConfig,
    limits: Limits,
    writers: Sequence[Writer],
    displays: Callable[[Plan, Record, int], Sequence[Writer]],
    provenance: Mapping[str, Any],
    warn: Callable[[str], None],
    on_decoded: Callable[[int, int], None],
) -> SweepResult:
    config, strategy = _prepare(config)
    check_keras_json(config, warn)
    recipe = complete_recipe(config, warn)
    logdir = config.sweep.logdir
    with explain_os_errors(logdir), Journal(logdir, warn) as journal, StopRequest() as stop, ExitStack() as held:
        journal.declare(config, recipe)
        before = journal.record()
        dashboard = held.enter_context(open_dashboard(journal, config, warn))
        plan = make_plan(config, before, retry=limits.retry_failed)
        if plan.left:
            try:
                with stop.interrupts():
                    decode_pictures(config, warn, on_decoded)
            except KeyboardInterrupt:
                raise Interrupted("interrupted: the same command goes on from here") from None
        with (
            _isolated_writers(config, before, warn) as isolated,
            closing(make_executor(config, stop, plan, before, warn)) as executor,
        ):
            if isinstance(strategy, SupportsVerdicts) and not isinstance(executor, SupportsAnswers):
                cure = "Take another executor, or leave out sweep.pruner."
                raise UserError("this executor cannot stop trials early", where="sweep.executor", cure=cure)
            stop.at_once = executor.close
            runner = Runner(
                config,
                journal,
                strategy,
                executor,
                [dashboard.events, *writers],
                stop,
                displays=[*displays(plan, before, executor.slots), *isolated],
                limits=limits,
                provenance={"host": socket.gethostname(), **provenance},
                warn=warn,
            )
            runner.run()
        record = journal.record()
    plan = make_plan(config, record)
    if runner.problem and plan.left:
        warn(f"{runner.problem}\n{HOW_TO_GO_ON}")
    return SweepResult(record, plan.close() if runner.exhausted and config.sweep.strategy != "grid" else plan)


@contextmanager
def _isolated_writers(config: SweepConfig, record: Record, warn: Callable[[str], None]) -> Iterator[Sequence[Writer]]:
    """Yield the writers that ``sweep.writers`` names; each starts its process when there is something to write."""
    tables = config.tables().get("writers", {})  # the record's own have no passwords
    with ExitStack() as opened:
        yield [
            opened.enter_context(closing(IsolatedWriter(name, info, warn, backfill_command(name, record.logdir))))
            for name in dict.fromkeys(config.sweep.writers)
            for info in [describe_sweep(record, name, **tables.get(name, {}))]
        ]


def make_executor(
    config: SweepConfig,
    stop: StopRequest,
    plan: Plan,
    before: Record | None = None,
    warn: Callable[[str], None] = lambda line: None,
) -> Executor:
    """Return the executor that the sweep names, with as many slots as there is work for.

    Args:
        config: the sweep.
        stop: asks it to stop.
        plan: how much there is to do.
        before: the record of earlier runs.
        warn: called with a line if they had another number of threads.
    """
    if config.sweep.executor == "inline":
        return InlineExecutor(stop.interrupts)
    from gridsearch.executors.placement import choose_places
    from gridsearch.executors.processes import ProcessExecutor

    settings = config.sweep
    found = choose_places(settings.workers, settings.threads, settings.gpus)
    # How many of those at a rung will go on, nobody knows beforehand.
    wanted = len(found) if config.pauses_trials else max(1, plan.left * config.training.repeats)
    if before is not None and plan.left:
        _warn_of_other_threads(before, found[0].threads, warn)
    return ProcessExecutor(found[:wanted])


def _warn_of_other_threads(before: Record, threads: int, warn: Callable[[str], None]) -> None:
    """Say that earlier trials were trained with another number of threads, which decides the last digits."""
    recorded = {session.outcome.provenance.get("threads") for trial in before.trials for session in trial.results}
    others = sorted(each for each in recorded if type(each) is int and each != threads)
    if others:
        were = " or ".join(map(str, others))
        warn(
            f"earlier trials were trained with {were} threads, these are with {threads}: the last digits of results "
            f"may differ for that alone; `--threads {others[0]}` trains them alike"
        )
