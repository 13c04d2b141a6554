"""Train with Keras's own defaults, whatever ``keras.json`` in the user's Keras folder says.

The recipe of a sweep does not know that file, so a sweep that depended on it could not be repeated elsewhere; pictures
of a ``channels_first`` layout would fail every trial besides. Values that Keras refuses to be imported with are
refused before the first trial.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from gridsearch.errors import UserError

__all__ = ["check_keras_json", "use_keras_defaults"]

DEFAULTS = {"image_data_format": "channels_last", "floatx": "float32", "epsilon": 1e-7}
"""Keras's own values, of ``keras.src.backend.config``."""

_ALLOWED = {
    "image_data_format": ("channels_last", "channels_first"),
    "floatx": ("float16", "float32", "float64"),
    "backend": ("tensorflow", "jax", "torch", "numpy", "openvino"),
}


def check_keras_json() -> list[str]:
    """Return a sentence for each value of ``keras.json`` that sweeps do not use.

    Raises:
        UserError: a value that Keras cannot be imported with.
    """
    path = _keras_folder() / "keras.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []  # Keras itself does without a file that cannot be read
    cure = "Change it there, or remove the file: Keras writes a new one."
    if not isinstance(found, dict):
        raise UserError(f"{found!r} where Keras expects a table", where=str(path), cure=cure)
    for key, allowed in _ALLOWED.items():
        value = found.get(key, allowed[0])
        if value not in allowed and not (key == "backend" and os.environ.get("KERAS_BACKEND")):
            raise UserError(f"{key} = {value!r} is none of {', '.join(allowed)}", where=str(path), cure=cure)
    if not isinstance(found.get("epsilon", 1e-7), float):
        raise UserError(f"epsilon = {found['epsilon']!r} is no float", where=str(path), cure=cure)
    return [
        f"{path}: {key} = {json.dumps(found[key])} is not used: sweeps train with {json.dumps(default)}"
        for key, default in DEFAULTS.items()
        if found.get(key, default) != default
    ]


def use_keras_defaults() -> None:
    """Set the layout of pictures, the type of numbers and the epsilon of this process to Keras's own defaults."""
    import keras

    settings: dict[str, Any] = DEFAULTS
    keras.config.set_image_data_format(settings["image_data_format"])
    keras.config.set_floatx(settings["floatx"])
    keras.config.set_epsilon(settings["epsilon"])


def _keras_folder() -> Path:
    """Return the folder of ``keras.json``, as ``keras.src.backend.config`` finds it."""
    if "KERAS_HOME" in os.environ:
        return Path(os.environ["KERAS_HOME"]).expanduser()
    user = Path("~").expanduser()
    return (user if os.access(user, os.W_OK) else Path("/tmp")) / ".keras"
