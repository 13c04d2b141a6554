"""What the documents say of the sweep file is what the program takes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gridsearch.config.sections import DEFAULT_RETRIES, Augmentation, Data, Model, Section, Sweep, Training
from gridsearch.hparams.tables import INTERVALS
from gridsearch.trials import FailureKind

ROOT = Path(__file__).parents[1]
SECTIONS = {"data": Data, "augmentation": Augmentation, "model": Model, "training": Training, "sweep": Sweep}
NAME = re.compile(r"`([^`]+)`")


def part(section: str) -> str:
    """What docs/sweepfile.md says of a section."""
    return (ROOT / "docs" / "sweepfile.md").read_text(encoding="utf-8").split(f"## `[{section}]`")[1].split("\n## ")[0]


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_described_with_its_default_and_no_other(section: str) -> None:
    kind: type[Section] = SECTIONS[section]
    if kind is Augmentation:  # whose defaults are ImageDataGenerator's
        names = NAME.findall(part(section).split("\n\n")[-1])
        assert len(names) == len(set(names))
        assert set(names) == set(kind.model_fields)
        return
    documented: dict[str, Any] = {}
    for row in part(section).splitlines():
        if row.startswith("| `"):
            keys, values = (NAME.findall(cell) for cell in row.split("|")[1:3])
            defaults = [tomllib.loads(f"x = {value}")["x"] for value in values] or [None] * len(keys)
            documented |= dict(zip(keys, defaults, strict=True))
    assert documented == {name: _as_toml(field.default) for name, field in kind.model_fields.items()}


def _as_toml(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else list(value) if isinstance(value, tuple) else value


def test_domains_and_kinds_of_failure_are_named() -> None:
    assert all(f"`{kind} = [" in part("hparams") for kind in ("discrete", *INTERVALS))
    retries = next(row for row in part("training").splitlines() if row.startswith("| `retries`"))
    said = {name for name in NAME.findall(retries)[1:] if name.isidentifier()}
    assert said == {str(kind) for kind in FailureKind}
    for kind, attempts in DEFAULT_RETRIES.items():
        assert re.search(rf"`{kind}`[^0-9]* {attempts}\b", retries)


def test_the_readme_s_first_sweep_file_is_taken() -> None:
    from gridsearch.config.sweep_config import SweepConfig

    (tables, *_) = re.findall(r"```toml\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    config = SweepConfig.validate_tables(tomllib.loads(tables), where="README.md", folder=ROOT)
    assert len(config.space) == 36
