"""Ask a kept model about pictures: they are read, resized and rescaled as validation pictures were in training."""

from __future__ import annotations

import importlib
import json
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from PIL import Image

from gridsearch.config.entry_points import load_entry_point
from gridsearch.config.sections import Settings
from gridsearch.datasets.listing import list_classes
from gridsearch.errors import DataError, LogdirError
from gridsearch.training.keras_internals import ImageDataGenerator
from gridsearch.training.keras_json import use_keras_defaults

__all__ = ["Trust", "class_names", "predict"]

HARMLESS = "keras.applications."
"""Modules of Keras itself, whose functions a log directory may name: none but ``preprocess_input`` fits."""

LACKING = "Could not locate"
"""How Keras's error begins where a class or function is not registered."""

AT_ONCE = 32
"""Pictures in memory at a time."""

SCALING = ("rescale", "samplewise_center", "samplewise_std_normalization")
"""What is done to every picture by itself, in training and here."""

FITTED = ("featurewise_center", "featurewise_std_normalization", "zca_whitening")
"""What needs statistics of the training pictures, which are not kept with the model."""


def class_names(folder: Path) -> list[str]:
    """Return the classes of a data folder in the order in which Keras numbers them: its sorted subfolders."""
    return list_classes(folder)


@dataclass(frozen=True)
class Trust:
    """Whether modules that the log directory names may be imported, and who is notified before one is."""

    granted: bool = False
    notify: Callable[[str], None] = lambda line: None


def predict(
    model_file: Path, settings: Settings, pictures: Sequence[Path], trust: Trust | None = None
) -> Iterator[np.ndarray]:
    """Yield the probabilities of every picture's classes, in order.

    Args:
        model_file: a ``.keras`` file that a sweep has kept.
        settings: those of its trial.
        pictures: files that Pillow can read.
        trust: whether the modules that the settings name may be imported where the model cannot be used without.

    Yields:
        float32 of shape (classes,), one for each picture.

    Raises:
        LogdirError: the model cannot be loaded, or not without code that is not trusted; or its pictures were
            normalised by statistics that are not kept.
        DataError: a picture cannot be read.
    """
    use_keras_defaults()
    trust = trust or Trust()
    scale = _make_scaling(model_file, settings, trust)
    model = _load(model_file, settings, trust)
    probabilities = _make_probabilities(model_file)
    for first in range(0, len(pictures), AT_ONCE):
        batch = np.stack([scale(_read(file, settings)) for file in pictures[first : first + AT_ONCE]])
        yield from keras.ops.convert_to_numpy(probabilities(keras.ops.convert_to_tensor(model.predict_on_batch(batch))))


def _load(file: Path, settings: Settings, trust: Trust) -> keras.Model:
    """Return the model; import the module that built it only if Keras misses one of its layers or functions."""
    try:
        return keras.saving.load_model(file, compile=False)
    except Exception as error:  # Keras raises whatever a layer's own code does
        if LACKING not in str(error):
            raise _cannot_load(file, error) from error
    load_function(settings.model.build, file, settings, trust)  # registers layers of the user's own
    try:
        return keras.saving.load_model(file, compile=False)
    except Exception as error:
        raise _cannot_load(file, error) from error


def _cannot_load(file: Path, error: Exception) -> LogdirError:
    """Return the error of a model that Keras refuses."""
    cure = "Layers and functions of your own must be registered: keras.saving.register_keras_serializable."
    problem = f"cannot be loaded: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return LogdirError(problem, where=str(file), cure=cure)


def _make_probabilities(file: Path) -> Callable[[Any], Any]:
    """Return what makes probabilities of a model's outputs: what its loss did, where they are logits."""
    with zipfile.ZipFile(file) as parts:
        compiled = json.loads(parts.read("config.json")).get("compile_config") or {}
    loss = compiled.get("loss")
    if not isinstance(loss, dict) or not (loss.get("config") or {}).get("from_logits"):
        return lambda outputs: outputs
    made: Callable[[Any], Any] = keras.ops.sigmoid if loss["class_name"].startswith("Binary") else keras.ops.softmax
    return made


def load_function(name: str, file: Path, settings: Settings, trust: Trust) -> Callable[..., Any]:
    """Return one of the user's own, without which the model cannot be used.

    Raises:
        LogdirError: its module is not trusted, or cannot be imported.
    """
    module, _, attribute = name.partition(":")
    if module.startswith(HARMLESS):
        function = getattr(sys.modules.get(module) or _import_installed(module), attribute, None)
        if callable(function):
            return function  # type: ignore[no-any-return]  # callable() is all that can be known of it
    where = f"{module!r} of {settings.folder}, the working directory or the installed packages"
    if not trust.granted:
        problem = f"the model cannot be used without {name}, a function that its log directory names"
        cure = f"If you trust who made the log directory, add --trust: it imports {where}."
        raise LogdirError(problem, where=str(file), cure=cure)
    trust.notify(f"importing {where}")
    try:
        return load_entry_point(name, settings.folder)
    except Exception as error:  # their modules raise whatever they raise
        problem = f"{name} cannot be imported, which the model was trained with: {type(error).__name__}: {error}"
        cure = f"It is looked for in {settings.folder}, the working directory and the installed packages."
        raise LogdirError(problem, where=str(file), cure=cure) from error


def _import_installed(module: str) -> Any:
    """Return a module of an installed package, not of the log directory's folder; None if there is none."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def _make_scaling(file: Path, settings: Settings, trust: Trust) -> Callable[[np.ndarray], np.ndarray]:
    """Return what validation pictures go through, by the stock class itself."""
    common = settings.augmentation.model_dump()
    fitted = [name for name in FITTED if common[name]]
    if fitted:
        problem = f"augmentation.{fitted[0]} took statistics from the training pictures, which are not kept"
        raise LogdirError(problem, where=str(file), cure="Predict with a model that was trained without it.")
    function = common["preprocessing_function"]
    loaded = load_function(function, file, settings, trust) if function else None
    generator = ImageDataGenerator(**{name: common[name] for name in SCALING}, preprocessing_function=loaded)
    return lambda picture: np.asarray(generator.standardize(picture))


def _read(file: Path, settings: Settings) -> np.ndarray:
    """Return a picture as training saw it: float32 of shape (height, width, channels), 0 to 255."""
    data = settings.data
    try:
        picture = keras.utils.load_img(
            file, color_mode=data.color_mode, target_size=data.shape[:2], interpolation=data.interpolation
        )
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow raises all of them
        reason = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise DataError(f"cannot be read as a picture: {reason}", where=str(file)) from None
    return np.array(keras.utils.img_to_array(picture, dtype="float32"))
