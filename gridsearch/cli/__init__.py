"""Declare the command line; the work behind a command is imported when it runs.

Progress goes to stderr, results to stdout. Exit status: 0 done, 1 some trials failed, 2 the user can mend it,
130 interrupted and ready to resume.

options.py    what commands share, and the one place that renders their answers
data.py       the commands below ``gridsearch data``
commands/     what each command does: it returns an Answer and prints nothing
progress.py   how a sweep shows itself while it runs
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from gridsearch import __version__
from gridsearch.cli.data import data
from gridsearch.cli.options import (
    PATH,
    default_logdir,
    json_option,
    load_config,
    logdir_argument,
    retry_option,
    show,
    sweep_options,
)
from gridsearch.errors import GridsearchError, hide_passwords

__all__ = ["cli", "main"]


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="""Train a Keras classifier with every combination of hyperparameters, and see them all in TensorBoard.

    \b
    gridsearch data sample     a small set of drawn cats and dogs to begin with
    gridsearch plan            what would be trained
    gridsearch sweep           train it; the same command resumes
    gridsearch tensorboard     look at it
    """,
)
@click.version_option(__version__)
def cli() -> None:
    """Declare the group of all commands; its help is above."""


cli.add_command(data)


@cli.command(short_help="Train every combination that has no result yet.")
@sweep_options
@retry_option
@click.option("--workers", type=click.IntRange(1), help="Trials at a time; default: one per GPU or processor.")
@click.option("--threads", type=click.IntRange(1), help="Threads of each worker; default: the processors shared out.")
@click.option("--gpus", type=click.IntRange(0), help="GPUs to use; default: all.")
@click.option("--fail-fast", is_flag=True, help="Stop after the first failed trial.")
@click.option("--keep-going", is_flag=True, help="Go on although the first trials all fail in the same way.")
@click.option("--max-failures", type=click.IntRange(1), metavar="N", help="Stop after N failed trials.")
@json_option
def sweep(
    sweep_file: Path | None,
    overrides: tuple[str, ...],
    logdir: Path | None,
    retry_failed: bool,
    workers: int | None,
    threads: int | None,
    gpus: int | None,
    fail_fast: bool,
    max_failures: int | None,
    keep_going: bool,
    as_json: bool,
) -> None:
    """Train every combination that has no result yet.

    Without SWEEP.toml, sweep.toml of the working directory is taken. Finished trials are never trained again; a sweep
    that was interrupted or extended goes on from where it stands.
    """
    from gridsearch.cli.commands import sweeps as commands
    from gridsearch.runner.runner import Limits

    placement = {"workers": workers, "threads": threads, "gpus": gpus}
    extra = tuple(f"sweep.{key}={number}" for key, number in placement.items() if number is not None)
    limits = Limits(retry_failed, 1 if fail_fast else max_failures, keep_going)
    show(commands.sweep(load_config(sweep_file, overrides + extra, logdir), limits), as_json=as_json)


@cli.command(short_help="Say what `sweep` would do.")
@sweep_options
@retry_option
@click.option("--rows", type=click.IntRange(0), default=40, show_default=True, help="Combinations to list at most.")
@json_option
def plan(
    sweep_file: Path | None,
    overrides: tuple[str, ...],
    logdir: Path | None,
    retry_failed: bool,
    rows: int,
    as_json: bool,
) -> None:
    """Say what `sweep` would do: how many combinations, how many are done, and which."""
    from gridsearch.cli.commands import sweeps as commands

    config = load_config(sweep_file, overrides, logdir)
    show(commands.plan(config, rows, retry_failed=retry_failed), as_json=as_json)


@cli.command(short_help="Say where a sweep stands, also while it runs.")
@logdir_argument
@click.option("--watch", is_flag=True, help="Show it again every two seconds until nothing is running.")
@json_option
def status(logdir: Path, watch: bool, as_json: bool) -> None:
    """Say where a sweep stands, also while it runs."""
    from gridsearch.cli.commands import sweeps as commands

    for answer in commands.watch(logdir) if watch else [commands.status(logdir)]:
        show(answer, as_json=as_json)


@cli.command(short_help="List the best trials.")
@logdir_argument
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, metavar="K", help="How many.")
@json_option
def best(logdir: Path, top: int, as_json: bool) -> None:
    """List the best trials."""
    from gridsearch.cli.commands import sweeps as commands

    show(commands.best(logdir, top), as_json=as_json)


@cli.command(short_help="Say how much each HParam matters.")
@logdir_argument
@click.option("--metric", help="Which metric to explain; default: the sweep's own.")
@json_option
def importance(logdir: Path, metric: str | None, as_json: bool) -> None:
    """Say how much each HParam matters: importance, correlation, analysis of variance."""
    from gridsearch.cli.commands import analysis as commands

    show(commands.importance(logdir, metric), as_json=as_json)


@cli.command(short_help="Write the report: one HTML file that needs no network.")
@logdir_argument
@click.option("--out", type=PATH, help="The file to write; default: report.html in the log directory.")
@click.option("--figures", type=PATH, metavar="DIR", help="Write each figure as PNG and SVG, too.")
@json_option
def report(logdir: Path, out: Path | None, figures: Path | None, as_json: bool) -> None:
    """Write the report: one HTML file that shows why the winner won, and needs no network."""
    from gridsearch.cli.commands import analysis as commands

    show(commands.report(logdir, out, figures), as_json=as_json)


@cli.command(short_help="Print the record as CSV, JSON or Parquet.")
@logdir_argument
@click.option("--format", "kind", type=click.Choice(["csv", "json", "parquet"]), default="csv", show_default=True)
@click.option("--history", is_flag=True, help="A row for each epoch instead of each session.")
def export(logdir: Path, kind: str, history: bool) -> None:
    """Print the record as a table: values, status and metrics of each session."""
    from gridsearch.cli.commands import sweeps as commands

    show(commands.export(logdir, kind, history=history))


@cli.command(short_help="Compare TensorBoard's dashboard with the record.")
@logdir_argument
@click.option("--patience", type=click.FloatRange(0), default=15.0, show_default=True, metavar="SECONDS",
              help="How long the rows must stand still before a difference counts.")  # fmt: skip
@click.option("--repair", is_flag=True, help="First write again, from the record, what does not read back whole.")
@json_option
def check(logdir: Path, patience: float, repair: bool, as_json: bool) -> None:
    """Start a real TensorBoard and compare every row of its HParams dashboard, and every curve, with the record.

    LOGDIR may be a folder of several sweeps.
    """
    from gridsearch.cli.commands import sweeps as commands

    show(commands.check(logdir, patience, repair=repair), as_json=as_json)


@cli.command(short_help="Train a trial again and compare.")
@click.argument("trial", metavar="TRIAL")
@logdir_argument
@json_option
def rerun(trial: str, logdir: Path, as_json: bool) -> None:
    """Train TRIAL, such as run-0007, again with its seed and say whether its metrics agree; nothing is recorded."""
    from gridsearch.cli.commands import sweeps as commands

    show(commands.rerun(logdir, trial), as_json=as_json)


@cli.command(short_help="Write missing W&B runs from the record.")
@logdir_argument
@click.option("--project", help="W&B project, in place of the sweep file's.")
@click.option("--entity", help="W&B user or team, in place of the sweep file's.")
@json_option
def wandb(logdir: Path, project: str | None, entity: str | None, as_json: bool) -> None:
    """Write what is missing of a sweep's offline W&B runs, from the record; `wandb sync` uploads them."""
    from gridsearch.cli.commands import writers as commands

    show(commands.wandb(logdir, project, entity), as_json=as_json)


@cli.command(short_help="Write missing MLflow runs from the record.")
@logdir_argument
@click.option("--tracking-uri", help="MLflow server or store, in place of the sweep file's.")
@json_option
def mlflow(logdir: Path, tracking_uri: str | None, as_json: bool) -> None:
    """Write what is missing of a sweep's MLflow runs, from the record."""
    from gridsearch.cli.commands import writers as commands

    show(commands.mlflow(logdir, tracking_uri), as_json=as_json)


@cli.command(short_help="Ask a kept model what pictures show.")
@click.argument("trial", metavar="TRIAL")
@click.argument("pictures", nargs=-1, required=True, type=PATH, metavar="PICTURE...")
@click.option("--logdir", type=PATH, help="The sweep's log directory.")
@click.option("--trust", is_flag=True, help="Import the modules that the log directory names, if the model needs them.")
@json_option
def predict(trial: str, pictures: tuple[Path, ...], logdir: Path | None, trust: bool, as_json: bool) -> None:
    """Ask the kept model of TRIAL, such as run-0007, what each PICTURE shows."""
    from gridsearch.cli.commands import predict as commands

    show(commands.predict(logdir or default_logdir(), trial, pictures, trust=trust), as_json=as_json)


@cli.command("import", short_help="Record what KerasTuner or Optuna trained.")
@click.argument("source")
@click.option("--sweep", "sweep_file", type=PATH, metavar="SWEEP.toml", help="The sweep that the trials count for.")
@click.option("--logdir", type=PATH, help="Log directory; default: the sweep's.")
@click.option("--metric", help="The objective's name: val_accuracy of KerasTuner's, objective of Optuna's.")
@click.option("--study", help="Name of the Optuna study, where there are several.")
@json_option
def import_source(
    source: str, sweep_file: Path | None, logdir: Path | None, metric: str | None, study: str | None, as_json: bool
) -> None:
    """Record what was trained elsewhere: SOURCE is a KerasTuner project directory, or an Optuna storage or file."""
    from gridsearch.cli.commands import importing as commands

    config = load_config(sweep_file, (), logdir) if sweep_file else None
    show(commands.import_source(source, config, logdir, metric, study), as_json=as_json)


@cli.command(
    context_settings={"ignore_unknown_options": True}, short_help="Start TensorBoard with room for every trial."
)
@click.option("--logdir", type=PATH, help="The same as LOGDIR.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[LOGDIR] [TENSORBOARD OPTIONS]...")
def tensorboard(logdir: Path | None, arguments: tuple[str, ...]) -> None:
    """Start TensorBoard with room for every trial's files; options it knows are passed on, as in --port 6007."""
    from gridsearch.cli.commands import sweeps as commands

    if logdir is None and arguments and not arguments[0].startswith("-"):
        logdir, arguments = Path(arguments[0]), arguments[1:]
    commands.tensorboard(logdir or default_logdir(), arguments)


def main() -> None:
    """Run the command line and leave with its exit status; what the user can mend is said without a traceback."""
    _open_standard_streams()
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        _leave(error.exit_code)
    except GridsearchError as error:
        _say(f"gridsearch: {error}")
        _leave(error.exit_status)
    except (click.Abort, KeyboardInterrupt) as error:
        if isinstance(error.__cause__, EOFError):  # click takes it for a closed prompt, and there is none here
            raise error.__cause__ from None
        _say("gridsearch: interrupted")
        _leave(130)
    except BrokenPipeError:
        # Whoever read our output has left; what the interpreter still wants to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _leave(1)


def _open_standard_streams() -> None:
    """Give a closed stdin, stdout or stderr the null device, as after ``2>&-`` or from a daemon without a terminal.

    The next file that is opened, ``sweep.db`` perhaps, would get its number otherwise, and warnings would go into it.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
            os.set_inheritable(number, True)


def _say(line: str) -> None:
    """Print a line on stderr, if anyone can hear it."""
    try:
        click.echo(hide_passwords(line), err=True)
    except (OSError, ValueError):  # closed
        return


def _leave(status: int) -> None:
    """Exit with this status, whatever signals still arrive while the interpreter finishes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    sys.exit(status)


if __name__ == "__main__":
    main()
