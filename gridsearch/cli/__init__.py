"""The command line: what there is to say, declared here; the work behind it is imported when it is asked for.

Progress goes to stderr, results to stdout. Exit status: 0 done, 1 some trials failed, 2 the user can mend it,
130 interrupted and ready to go on.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridsearch import __version__
from gridsearch.errors import GridsearchError

if TYPE_CHECKING:
    from gridsearch.config.sweep_config import SweepConfig

__all__ = ["cli", "main"]

DEFAULT_LOGDIR = Path("logs/hparam_tuning")

PATH = click.Path(path_type=Path)

as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
retry_option = click.option("--retry-failed", is_flag=True, help="Give failed trials one more attempt.")


def logdir_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Which sweep is looked at: LOGDIR, or ``--logdir`` as of ``sweep``."""

    def chosen(context: click.Context, parameter: click.Parameter, place: Path | None) -> Path:
        named: Path | None = context.meta.get("logdir")
        if place is not None and named is not None:
            raise click.UsageError(f"two log directories: {place} and --logdir {named}")
        return place or named or _logdir()

    def remembered(context: click.Context, parameter: click.Parameter, named: Path | None) -> None:
        context.meta["logdir"] = named

    option = click.option("--logdir", "named", type=PATH, is_eager=True, expose_value=False, callback=remembered,
                          help="The same as LOGDIR.")  # fmt: skip
    return click.argument("logdir", type=PATH, required=False, callback=chosen)(option(command))


def _logdir() -> Path:
    """The log directory that the working directory's sweep file names, or the default."""
    try:
        named = tomllib.loads(Path("sweep.toml").read_text(encoding="utf-8"))["sweep"]["logdir"]
    except (OSError, ValueError, KeyError, TypeError):  # none, or none that can be read: `sweep` will tell
        return DEFAULT_LOGDIR
    return Path(named) if isinstance(named, str) else DEFAULT_LOGDIR


def sweep_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What says which sweep is meant: the file, overrides, the log directory."""
    command = click.option("--logdir", type=PATH, help="Log directory; the same as --set sweep.logdir=DIR.")(command)
    command = click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key, as in data.image_size=64."
    )(command)
    return click.argument("sweep_file", type=PATH, required=False, metavar="[SWEEP.toml]")(command)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    r"""Train a Keras classifier with every combination of hyperparameters, and see them all in TensorBoard.

    \b
    gridsearch data sample     a small set of drawn cats and dogs to begin with
    gridsearch plan            what would be trained
    gridsearch sweep           train it; the same command resumes
    gridsearch tensorboard     look at it
    """


def _config(sweep_file: Path | None, overrides: tuple[str, ...], logdir: Path | None) -> SweepConfig:
    from gridsearch.config.sweep_config import SweepConfig

    return SweepConfig.load(sweep_file, overrides, logdir)


@cli.command()
@sweep_options
@retry_option
@click.option("--workers", type=click.IntRange(1), help="Trials at a time; default: one per GPU or processor.")
@click.option("--threads", type=click.IntRange(1), help="Threads of each worker; default: the processors shared out.")
@click.option("--gpus", type=click.IntRange(0), help="GPUs to use; default: all.")
@click.option("--fail-fast", is_flag=True, help="Stop after the first failed trial.")
@click.option("--max-failures", type=click.IntRange(1), metavar="N", help="Stop after N failed trials.")
@as_json
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
    limits = Limits(retry_failed, 1 if fail_fast else max_failures)
    sys.exit(commands.sweep(_config(sweep_file, overrides + extra, logdir), limits, as_json))


@cli.command()
@sweep_options
@retry_option
@click.option("--rows", type=click.IntRange(0), default=40, show_default=True, help="Combinations to list at most.")
@as_json
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

    commands.plan(_config(sweep_file, overrides, logdir), rows, retry_failed, as_json)


@cli.command()
@logdir_argument
@click.option("--watch", is_flag=True, help="Show it again every two seconds until nothing is running.")
@as_json
def status(logdir: Path, watch: bool, as_json: bool) -> None:
    """Say where a sweep stands, also while it runs."""
    from gridsearch.cli.commands import sweeps as commands

    commands.status(logdir, watch, as_json)


@cli.command()
@logdir_argument
@click.option("--top", type=click.IntRange(1), default=10, show_default=True, metavar="K", help="How many.")
@as_json
def best(logdir: Path, top: int, as_json: bool) -> None:
    """List the best trials."""
    from gridsearch.cli.commands import sweeps as commands

    commands.best(logdir, top, as_json)


@cli.command()
@logdir_argument
@click.option("--metric", help="Which metric to explain; default: the sweep's own.")
@as_json
def importance(logdir: Path, metric: str | None, as_json: bool) -> None:
    """Say how much each HParam matters: importance, correlation, analysis of variance."""
    from gridsearch.cli.commands import analysis as commands

    commands.importance(logdir, metric, as_json)


@cli.command()
@logdir_argument
@click.option("--out", type=PATH, help="The file to write; default: report.html in the log directory.")
@click.option("--figures", type=PATH, metavar="DIR", help="Write each figure as PNG and SVG, too.")
@as_json
def report(logdir: Path, out: Path | None, figures: Path | None, as_json: bool) -> None:
    """Write the report: one HTML file that shows why the winner won, and needs no network."""
    from gridsearch.cli.commands import analysis as commands

    commands.report(logdir, out, figures, as_json)


@cli.command()
@logdir_argument
@click.option("--format", "kind", type=click.Choice(["csv", "json", "parquet"]), default="csv", show_default=True)
@click.option("--history", is_flag=True, help="A row for each epoch instead of each session.")
def export(logdir: Path, kind: str, history: bool) -> None:
    """Print the record as a table: values, status and metrics of each session."""
    from gridsearch.cli.commands import sweeps as commands

    commands.export(logdir, kind, history)


@cli.command()
@logdir_argument
@click.option("--patience", type=click.FloatRange(0), default=15.0, show_default=True, metavar="SECONDS",
              help="How long the rows must stand still before a difference counts.")  # fmt: skip
@as_json
def check(logdir: Path, patience: float, as_json: bool) -> None:
    """Start a real TensorBoard and compare every row of its HParams dashboard with the record."""
    from gridsearch.cli.commands import sweeps as commands

    sys.exit(commands.check(logdir, patience, as_json))


@cli.command()
@click.argument("trial", metavar="TRIAL")
@logdir_argument
@as_json
def rerun(trial: str, logdir: Path, as_json: bool) -> None:
    """Train TRIAL, such as run-0007, again with its seed and say whether its metrics agree; nothing is recorded."""
    from gridsearch.cli.commands import sweeps as commands

    sys.exit(commands.rerun(logdir, trial, as_json))


@cli.command()
@logdir_argument
@click.option("--project", help="W&B project, in place of the sweep file's.")
@click.option("--entity", help="W&B user or team, in place of the sweep file's.")
@as_json
def wandb(logdir: Path, project: str | None, entity: str | None, as_json: bool) -> None:
    """Write what is missing of a sweep's offline W&B runs, from the record; `wandb sync` uploads them."""
    from gridsearch.cli.commands import writers as commands

    commands.wandb(logdir, project, entity, as_json)


@cli.command()
@logdir_argument
@click.option("--tracking-uri", help="MLflow server or store, in place of the sweep file's.")
@as_json
def mlflow(logdir: Path, tracking_uri: str | None, as_json: bool) -> None:
    """Write what is missing of a sweep's MLflow runs, from the record."""
    from gridsearch.cli.commands import writers as commands

    commands.mlflow(logdir, tracking_uri, as_json)


@cli.command()
@click.argument("trial", metavar="TRIAL")
@click.argument("pictures", nargs=-1, required=True, type=PATH, metavar="PICTURE...")
@click.option("--logdir", type=PATH, help="The sweep's log directory.")
@as_json
def predict(trial: str, pictures: tuple[Path, ...], logdir: Path | None, as_json: bool) -> None:
    """Ask the kept model of TRIAL, such as run-0007, what each PICTURE shows."""
    from gridsearch.cli.commands import predict as commands

    commands.predict(logdir or _logdir(), trial, pictures, as_json)


@cli.command("import")
@click.argument("source")
@click.option("--sweep", "sweep_file", type=PATH, metavar="SWEEP.toml", help="The sweep that the trials count for.")
@click.option("--logdir", type=PATH, help="Log directory; default: the sweep's.")
@click.option("--metric", help="The objective's name: val_accuracy of KerasTuner's, objective of Optuna's.")
@click.option("--study", help="Name of the Optuna study, where there are several.")
@as_json
def import_source(
    source: str, sweep_file: Path | None, logdir: Path | None, metric: str | None, study: str | None, as_json: bool
) -> None:
    """Record what was trained elsewhere: SOURCE is a KerasTuner project directory, or an Optuna storage or file."""
    from gridsearch.cli.commands import importing as commands

    config = _config(sweep_file, (), logdir) if sweep_file else None
    commands.import_source(source, config, logdir, metric, study, as_json)


@cli.command(context_settings={"ignore_unknown_options": True})
@click.option("--logdir", type=PATH, help="The same as LOGDIR.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[LOGDIR] [TENSORBOARD OPTIONS]...")
def tensorboard(logdir: Path | None, arguments: tuple[str, ...]) -> None:
    """Start TensorBoard with room for every trial's files; options it knows are passed on, as in --port 6007."""
    from gridsearch.cli.commands import sweeps as commands

    if logdir is None and arguments and not arguments[0].startswith("-"):
        logdir, arguments = Path(arguments[0]), arguments[1:]
    commands.tensorboard(logdir or _logdir(), arguments)


@cli.group()
def data() -> None:
    """Fill the data folder with pictures, and check them."""


out_option = click.option("--out", type=PATH, default=Path("data"), show_default=True, help="The data folder.")
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)


def layout_options(command: Callable[..., None]) -> Callable[..., None]:
    """Declare the options that say how to read a layout which can be read in two ways."""
    told = "Take every folder for a class, only those with pictures in them, or the beginning of each picture's name."
    command = click.option("--classes-from", type=click.Choice(["folders", "parents", "names"]), help=told)(command)
    command = click.option("--ignore", metavar="FOLDER", multiple=True, help="Leave a folder of SOURCE out.")(command)
    for split in ("test", "validation", "train"):
        told = f"The folder of SOURCE with the {split} pictures."
        command = click.option(f"--{split}-from", metavar="FOLDER", multiple=True, help=told)(command)
    return command


@data.command()
@out_option
@click.option("--train", type=int, default=160, show_default=True, help="Training pictures over both classes.")
@click.option("--validation", type=int, default=80, show_default=True, help="Validation pictures over both classes.")
@seed_option
@as_json
def sample(out: Path, train: int, validation: int, seed: int, as_json: bool) -> None:
    """Draw the built-in sample: cats and dogs, the same for the same seed."""
    from gridsearch.cli.commands import data as commands

    commands.draw_sample(out, train, validation, seed, as_json)


@data.command()
@click.argument("source", type=PATH, required=False)
@out_option
@click.option("--validation", type=float, default=0.2, show_default=True, help="Share of each class for validation.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Take only N pictures, balanced over the classes.")
@seed_option
@layout_options
@click.option("--url", help="Download the archive from here; SOURCE, if given, is where it is kept.")
@click.option("--sha256", help="What the archive's SHA-256 must be.")
@as_json
def prepare(
    source: Path | None,
    out: Path,
    validation: float,
    limit: int | None,
    seed: int,
    url: str | None,
    sha256: str | None,
    as_json: bool,
    **choice: Any,
) -> None:
    r"""Turn SOURCE, an archive or folder of pictures, into data/train and data/validation.

    \b
    The layouts known are these; options that end in -from say how another one is meant.
      a folder for each class      PetImages/Cat/0.jpg
      names that say the class     train/cat.0.jpg of Dogs vs. Cats, also in a zip in a zip
      split folders of these       train/ and val/, training_set/ and test_set/, seg_train/ and seg_test/
    """
    from gridsearch.cli.commands import data as commands

    if source is None and url is None:
        raise click.UsageError("name a SOURCE, or a --url to download it from")
    commands.prepare(source, out, validation, limit, seed, choice, url, sha256, as_json)


@data.command("check")
@sweep_options
@as_json
def check_data(sweep_file: Path | None, overrides: tuple[str, ...], logdir: Path | None, as_json: bool) -> None:
    """Decode every picture that the sweep file names, and say which cannot be trained on."""
    from gridsearch.cli.commands import data as commands

    commands.check_data(_config(sweep_file, overrides, logdir), as_json)


@data.command("cache")
@click.option("--limit", type=click.FloatRange(0), metavar="GB", help="Delete the least recently used beyond this.")
@click.option("--clear", is_flag=True, help="Delete them all; the same as --limit 0.")
@as_json
def cache(limit: float | None, clear: bool, as_json: bool) -> None:
    """List the stores of decoded pictures that sweeps share, or make them fewer.

    A sweep decodes its pictures once and keeps them below $GRIDSEARCH_CACHE (default: gridsearch in the user's cache
    folder). What is deleted is decoded again when a sweep wants it.
    """
    from gridsearch.cli.commands import data as commands

    commands.cache(0.0 if clear else limit, as_json)


def main() -> None:
    """Run the command line and leave with its exit status; what the user can mend is told without a traceback."""
    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except GridsearchError as error:
        click.echo(f"gridsearch: {error}", err=True)
        sys.exit(error.exit_status)
    except (click.Abort, KeyboardInterrupt):
        click.echo("gridsearch: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has left; what the interpreter still wants to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


if __name__ == "__main__":
    main()
