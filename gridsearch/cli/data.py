"""The commands below ``gridsearch data``: fill the data folder, check it, look after decoded pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gridsearch.cli.options import PATH, json_option, load_config, show, sweep_options

__all__ = ["data"]


@click.group(short_help="Fill the data folder with pictures, and check them.")
def data() -> None:
    """Fill the data folder with pictures, and check them."""


out_option = click.option("--out", type=PATH, default=Path("data"), show_default=True, help="The data folder.")
seed_option = click.option("--seed", type=click.IntRange(0), default=0, show_default=True)


def layout_options(command: Callable[..., None]) -> Callable[..., None]:
    """Declare the options that say how to read a layout which can be read in two ways."""
    what = "Take every folder for a class, only those with pictures in them, or the beginning of each picture's name."
    command = click.option("--classes-from", type=click.Choice(["folders", "parents", "names"]), help=what)(command)
    command = click.option("--ignore", metavar="FOLDER", multiple=True, help="Leave a folder of SOURCE out.")(command)
    for split in ("test", "validation", "train"):
        what = f"The folder of SOURCE with the {split} pictures."
        command = click.option(f"--{split}-from", metavar="FOLDER", multiple=True, help=what)(command)
    return command


@data.command(short_help="Draw the built-in sample: cats and dogs.")
@out_option
@click.option("--train", type=int, default=160, show_default=True, help="Training pictures over both classes.")
@click.option("--validation", type=int, default=80, show_default=True, help="Validation pictures over both classes.")
@seed_option
@json_option
def sample(out: Path, train: int, validation: int, seed: int, as_json: bool) -> None:
    """Draw the built-in sample: cats and dogs, the same for the same seed."""
    from gridsearch.cli.commands import data as commands

    show(commands.draw_sample(out, train, validation, seed), as_json=as_json)


@data.command(
    short_help="Turn an archive or a folder of pictures into a data folder.",
    help="""Turn SOURCE, an archive or folder of pictures, into data/train and data/validation.

    \b
    The layouts known are these; options that end in -from say how another one is meant.
      a folder for each class      PetImages/Cat/0.jpg
      names that say the class     train/cat.0.jpg of Dogs vs. Cats, also in a zip in a zip
      split folders of these       train/ and val/, training_set/ and test_set/, seg_train/ and seg_test/
    """,
)
@click.argument("source", type=PATH, required=False)
@out_option
@click.option("--validation", type=float, default=0.2, show_default=True, help="Share of each class for validation.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Take only N pictures, balanced over the classes.")
@seed_option
@layout_options
@click.option("--url", help="Download the archive from here; SOURCE, if given, is where it is kept.")
@click.option("--sha256", help="What the archive's SHA-256 must be.")
@json_option
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
    """Turn SOURCE into a data folder; its help is above."""
    from gridsearch.cli.commands import data as commands

    if source is None and url is None:
        raise click.UsageError("name a SOURCE, or a --url to download it from")
    show(commands.prepare(source, out, validation, limit, seed, choice, url, sha256), as_json=as_json)


@data.command("check", short_help="Decode every picture, and say which cannot be used.")
@sweep_options
@json_option
def check_data(sweep_file: Path | None, overrides: tuple[str, ...], logdir: Path | None, as_json: bool) -> None:
    """Decode every picture that the sweep file names, and say which cannot be trained on."""
    from gridsearch.cli.commands import data as commands

    show(commands.check_data(load_config(sweep_file, overrides, logdir)), as_json=as_json)


@data.command("cache", short_help="List or delete the stores of decoded pictures.")
@click.option("--limit", type=click.FloatRange(0), metavar="GB", help="Delete the least recently used beyond this.")
@click.option("--clear", is_flag=True, help="Delete them all; the same as --limit 0.")
@json_option
def cache(limit: float | None, clear: bool, as_json: bool) -> None:
    """List the stores of decoded pictures that sweeps share, or make them fewer.

    A sweep decodes its pictures once and keeps them below $GRIDSEARCH_CACHE (default: gridsearch in the user's cache
    folder). What is deleted is decoded again when a sweep needs it.
    """
    from gridsearch.cli.commands import data as commands

    show(commands.cache(0.0 if clear else limit), as_json=as_json)
