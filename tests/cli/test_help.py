"""Every help text as its snapshot has it. ``python tests/cli/test_help.py`` renews them; then read the change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from gridsearch.cli import cli

SNAPSHOTS = Path(__file__).parent / "snapshots"
WIDTH = 80


def commands(command: click.Command = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command, of the groups too."""
    yield path
    if isinstance(command, click.Group):
        for name, below in sorted(command.commands.items()):
            yield from commands(below, (*path, name))


def help_of(path: tuple[str, ...]) -> str:
    """Return a command's help text, 80 characters wide."""
    ran = CliRunner().invoke(cli, [*path, "--help"], prog_name="gridsearch", terminal_width=WIDTH)
    assert ran.exit_code == 0, ran.output
    return ran.output


def snapshot(path: tuple[str, ...]) -> Path:
    """Return where a command's help text is kept."""
    return SNAPSHOTS / f"{'-'.join(('gridsearch', *path))}.txt"


@pytest.mark.parametrize("path", list(commands()), ids=lambda path: " ".join(path) or "gridsearch")
def test_a_help_text_is_as_it_was_read(path: tuple[str, ...]) -> None:
    assert help_of(path) == snapshot(path).read_text(encoding="utf-8")


def test_no_snapshot_is_of_a_command_that_is_gone() -> None:
    assert {file.name for file in SNAPSHOTS.iterdir()} == {snapshot(path).name for path in commands()}


@pytest.mark.parametrize("path", list(commands()), ids=lambda path: " ".join(path) or "gridsearch")
def test_a_help_text_is_whole(path: tuple[str, ...]) -> None:
    """No summary is cut off, and no control sequence of click's is printed."""
    text = help_of(path)
    assert "\\b" not in text
    summaries = text.partition("Commands:")[2]
    assert not [line for line in summaries.splitlines() if line.endswith("...")]


if __name__ == "__main__":
    for each in commands():
        snapshot(each).write_text(help_of(each), encoding="utf-8")
