"""Refuse to mix results that cannot be compared: of another recipe, or of another goal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gridsearch.errors import LogdirError
from gridsearch.hparams.domain import HParam

__all__ = ["FINGERPRINT", "refuse_other_goal", "refuse_other_recipe", "same_pictures"]

FINGERPRINT = "data.fingerprint"
"""The recipe's key that says which pictures they were; with the folders behind it where they are swept."""


def refuse_other_recipe(
    recorded: Mapping[str, Any], wanted: Mapping[str, Any], hparams: Sequence[HParam], logdir: Path
) -> None:
    """Refuse to mix the results of two recipes.

    Fingerprints that only one of them has are not compared: of folders swept by an HParam the other may have fewer, and
    before pictures were looked at there are none.

    Raises:
        LogdirError: with every key that differs, what is recorded and what is wanted.
    """
    defaults = {hparam.name: hparam.default for hparam in hparams}
    differing = []
    for key in sorted({*recorded, *wanted}):
        was, now = recorded.get(key), wanted.get(key)
        name = key.partition(".")[2]
        if key.startswith(FINGERPRINT) and (was is None or now is None):
            continue
        if key not in wanted and name in defaults:  # it has become an HParam: its default says what it was
            if defaults[name] != was:
                differing.append(f"{key}: recorded {was!r}, swept now: declare default = {json.dumps(was)}")
        elif key.startswith(FINGERPRINT):
            if not same_pictures(was, now):
                differing.append(f"{key}: recorded {was!r}, now {now!r}: other pictures than those recorded")
        elif was != now or _differs_as_shift(name, was, now):
            differing.append(f"{key}: recorded {was!r}, now {now!r}")
    if differing:
        lines = "\n  ".join(differing)
        cure = "Change it back, or name another directory with --logdir: results of two recipes cannot be compared."
        raise LogdirError(f"was trained with another recipe:\n  {lines}", where=str(logdir), cure=cure)


def same_pictures(recorded: object, now: object) -> bool:
    """Tell whether two fingerprints of pictures are the same, as far as the older one tells.

    Records made before version 2 of the fingerprint hold names and sizes only, which is the last part of a fingerprint
    of today's (``v2:CONTENT:NAMES``).
    """
    return recorded == now or (":" not in str(recorded) and str(now).endswith(f":{recorded}"))


def _differs_as_shift(name: str, was: object, now: object) -> bool:
    """Tell whether a shift is whole in one recipe and fractional in the other: 5 draws whole pixels, 5.0 does not."""
    return name.endswith("_shift_range") and {type(was), type(now)} == {int, float} and was != 0


def refuse_other_goal(recorded: bool, wanted: bool, logdir: Path) -> None:
    """Refuse a goal that is not the recorded one.

    Raises:
        LogdirError: more was better and is no longer, or the other way round.
    """
    if recorded != wanted:
        was, now = ("max" if maximize else "min" for maximize in (recorded, wanted))
        cure = "Name another directory with --logdir: best epochs and models were chosen for the goal recorded here."
        raise LogdirError(f"sweep.goal: recorded {was!r}, now {now!r}", where=str(logdir), cure=cure)
