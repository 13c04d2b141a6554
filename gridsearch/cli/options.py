"""Options and arguments that commands share, and the one place that renders what a command returns."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gridsearch.errors import UserError

if TYPE_CHECKING:
    from gridsearch.cli.commands.answer import Answer
    from gridsearch.config.sweep_config import SweepConfig

__all__ = ["PATH", "default_logdir", "json_option", "load_config", "logdir_argument", "retry_option", "show",
           "sweep_options"]  # fmt: skip

DEFAULT_LOGDIR = Path("logs/hparam_tuning")

PATH = click.Path(path_type=Path)

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
retry_option = click.option("--retry-failed", is_flag=True, help="Give failed trials one more attempt.")


def show(answer: Answer, *, as_json: bool = False) -> None:
    """Print a command's answer, and leave with its exit status unless that is 0.

    Results go to stdout, notes to stderr; whether anyone reads the notes does not matter.

    Raises:
        UserError: the result cannot be written, to a full disk for example.
    """
    text = json.dumps(answer.data, indent=2, default=str) if as_json else answer.text
    try:
        if text:
            click.echo(text, nl=isinstance(text, str) and not text.endswith("\n"))
    except BrokenPipeError:
        raise
    except OSError as error:
        _discard_stdout()
        cure = "Send it elsewhere and run the same command again; nothing else is lost."
        raise UserError(f"the result cannot be written: {error.strerror}", where="stdout", cure=cure) from None
    for note in answer.notes:
        with suppress(OSError):
            click.echo(note, err=True)
    if answer.status:
        sys.exit(answer.status)


def _discard_stdout() -> None:
    """Send what the interpreter still wants to flush to the null device."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.close(null)


def logdir_argument(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare which sweep is looked at: LOGDIR, or ``--logdir`` as of ``sweep``."""

    def choose(context: click.Context, parameter: click.Parameter, place: Path | None) -> Path:
        named: Path | None = context.meta.get("logdir")
        if place is not None and named is not None:
            raise click.UsageError(f"two log directories: {place} and --logdir {named}")
        return place or named or default_logdir()

    def remember(context: click.Context, parameter: click.Parameter, named: Path | None) -> None:
        context.meta["logdir"] = named

    option = click.option("--logdir", "named", type=PATH, is_eager=True, expose_value=False, callback=remember,
                          help="The same as LOGDIR.")  # fmt: skip
    return click.argument("logdir", type=PATH, required=False, callback=choose)(option(command))


def default_logdir() -> Path:
    """Return the log directory that the working directory's sweep file names, or the default."""
    try:
        named = tomllib.loads(Path("sweep.toml").read_text(encoding="utf-8"))["sweep"]["logdir"]
    except (OSError, ValueError, KeyError, TypeError):  # none, or none that can be read: `sweep` says why
        return DEFAULT_LOGDIR
    return Path(named) if isinstance(named, str) else DEFAULT_LOGDIR


def sweep_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare which sweep is meant: the file, overrides, the log directory."""
    command = click.option("--logdir", type=PATH, help="Log directory; the same as --set sweep.logdir=DIR.")(command)
    command = click.option(
        "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key, as in data.image_size=64."
    )(command)
    return click.argument("sweep_file", type=PATH, required=False, metavar="[SWEEP.toml]")(command)


def load_config(sweep_file: Path | None, overrides: tuple[str, ...], logdir: Path | None) -> SweepConfig:
    """Read the sweep file with its overrides.

    Raises:
        SweepFileError: everything that is wrong with it.
    """
    from gridsearch.config.sweep_config import SweepConfig

    return SweepConfig.load(sweep_file, overrides, logdir)
