"""The pictures of a sweep: inspected and fingerprinted before it begins, decoded before its first trial."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gridsearch.config.sections import Data
from gridsearch.config.sweep_config import SweepConfig
from gridsearch.hparams.combination import Combination
from gridsearch.record.recipe import FINGERPRINT

if TYPE_CHECKING:
    from gridsearch.datasets.inspection import DataSummary

__all__ = ["check_keras_json", "complete_recipe", "decode_pictures", "find_fingerprint", "inspect_pictures"]

DECODING = ("train", "validation", "image_size", "color_mode", "interpolation")
"""Settings that make another store of decoded pictures."""


def decode_pictures(config: SweepConfig, warn: Callable[[str], None], on_decoded: Callable[[int, int], None]) -> None:
    """Build the stores of decoded pictures that trials will ask for, so that none waits for another to build one."""
    beyond = config.augmentation.beyond_fast
    if config.model.objective or config.training.engine != "fast":
        return
    if beyond:
        warn(f"pictures by the stock engine, not the fast one, because of {beyond}")
        return
    from gridsearch.training.cache import Decoding, Unstorable, open_pictures

    swept = [h for h in config.space.hparams if h.name in DECODING]
    for values in itertools.product(*(h.domain.values for h in swept)):
        data = config.settings_for(Combination(dict(zip((h.name for h in swept), values, strict=True)))).data
        try:
            for folder in (data.train, data.validation):
                open_pictures(folder, Decoding.of(data), warn=warn, on_progress=on_decoded)
        except Unstorable as error:
            warn(f"pictures by the stock engine, not the fast one, because of {error}")


def check_keras_json(config: SweepConfig, warn: Callable[[str], None]) -> None:
    """Say what of the user's ``keras.json`` sweeps do not use; refuse what Keras cannot be imported with."""
    if not config.model.objective:
        from gridsearch.training.keras_json import check_keras_json as check

        for line in check():
            warn(line)


def complete_recipe(config: SweepConfig, warn: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Return the sweep's recipe with a fingerprint of its pictures, which are checked on the way.

    Args:
        config: the sweep.
        warn: called with a line about files in the data folders that are not used.

    Raises:
        DataError: pictures are missing, broken or in the wrong place.
    """
    found = inspect_pictures(config)
    for note in dict.fromkeys(note for summary in found.values() for note in summary.notes):
        warn(note)
    return config.recipe() | {
        FINGERPRINT + (f" of {train} and {validation}" if len(found) > 1 else ""): summary.fingerprint
        for (train, validation), summary in found.items()
    }


def find_fingerprint(recipe: Mapping[str, Any], data: Data) -> str:
    """Return what a recipe has of the pictures that a trial reads; "" if it has nothing."""
    of_these_folders = f"{FINGERPRINT} of {data.train} and {data.validation}"
    return str(recipe.get(of_these_folders, recipe.get(FINGERPRINT, "")))


def inspect_pictures(
    config: SweepConfig, *, deep: bool = False, on_progress: Callable[[int, int], None] | None = None
) -> dict[tuple[Path, Path], DataSummary]:
    """Return what is in the folders that trials train on and are validated on, by the two; {} without pictures.

    Args:
        config: the sweep.
        deep: whether to decode every picture.
        on_progress: called with the pictures done and their total, for each two folders.

    Raises:
        DataError: pictures are missing, broken or in the wrong place.
    """
    if config.model.objective:
        return {}
    from gridsearch.datasets.inspection import inspect

    swept = {h.name: h.domain.values for h in config.space.hparams}
    largest = max(int(size) for size in swept.get("batch_size", (config.data.batch_size,)))
    modes = [str(mode) for mode in swept.get("color_mode", (config.data.color_mode,))]
    return {
        (train, validation): inspect(
            train, validation, batch_size=largest, color_modes=modes, deep=deep, on_progress=on_progress
        )
        for train, validation in _folders(config)
    }


def _folders(config: SweepConfig) -> list[tuple[Path, Path]]:
    """Return every pair of folders that a trial may train on; more than one where an HParam sweeps them."""
    swept = {h.name: h.domain.values for h in config.space.hparams if h.name in ("train", "validation")}
    trains = [Path(str(value)) for value in swept.get("train", (config.data.train,))]
    validations = [Path(str(value)) for value in swept.get("validation", (config.data.validation,))]
    return [(train, validation) for train in trains for validation in validations]
