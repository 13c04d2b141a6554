"""Keep a trial's state after each epoch, to resume from it (``training.checkpoint = "epoch"``).

    LOGDIR/checkpoints/run-0007/epoch-00003/    weights and optimizer, as BackupAndRestore keeps them
                             history.json     the metrics of the epochs so far
                             random.json      where the layers' random numbers are, which it does not keep
                             digests.json     the SHA-256 of each of these files
                             damaged-epoch-00003/    a checkpoint that could not be read

Each is written beside the last one and renamed when it is whole and on disk: whenever the process is killed, or the
machine fails, one that fits together is left. What a disk has damaged since is not trained on: a weight with a flipped
bit loads like any other.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import keras

from gridsearch.system.files import is_full, remove
from gridsearch.training.keras_internals import list_seed_states

__all__ = ["Checkpoints"]

History = dict[int, dict[str, float]]

DIGESTS = "digests.json"


class Checkpoints:
    """The checkpoints of one trial and repeat.

    Args:
        folder: theirs alone; made when the first is written.
        model: compiled and built.

    Attributes:
        damaged: says which checkpoint was set aside and why; "" if none was.
    """

    def __init__(self, folder: Path, model: keras.Model) -> None:
        self._folder, self._model = folder, model
        self.damaged = ""

    def restore(self) -> History:
        """Put the model where the last whole checkpoint has it, and return the epochs behind it, by number from 0.

        Set a damaged one aside, with a line on stderr; the model is then as it was. Empty if there is no checkpoint.

        Raises:
            OSError: the disk is full.
        """
        if self._folder.exists() and not self._folder.is_dir():
            self._set_aside(self._folder, "a folder was expected")
        for folder in reversed(self._whole()):
            before = [keras.ops.convert_to_numpy(variable) for variable in self._variables()]
            try:
                return self._restored(folder)
            except Exception as error:
                if is_full(error):
                    raise
                for variable, value in zip(self._variables(), before, strict=True):
                    variable.assign(value)
                self._set_aside(folder, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        return {}

    def _restored(self, folder: Path) -> History:
        if (folder / DIGESTS).exists():  # older versions wrote none
            found, written = _digests(folder), json.loads((folder / DIGESTS).read_text(encoding="utf-8"))
            if differing := sorted(name for name in {*found, *written} if found.get(name) != written.get(name)):
                raise ValueError(f"{', '.join(differing)} has changed since it was written")
        if not any(folder.glob("*.weights.h5")):  # without them BackupAndRestore leaves the model as it is
            raise ValueError("it has no weights")
        random = json.loads((folder / "random.json").read_text(encoding="utf-8"))
        history = json.loads((folder / "history.json").read_text(encoding="utf-8"))
        epochs = {int(epoch): {str(name): float(value) for name, value in of.items()} for epoch, of in history.items()}
        if sorted(epochs) != list(range(len(epochs))) or not epochs:
            raise ValueError(f"history.json has the epochs {sorted(epochs)}")
        backup = keras.callbacks.BackupAndRestore(str(folder))
        backup.set_model(self._model)
        backup.on_train_begin()
        for state, value in zip(self._random_states(), random, strict=True):
            state.assign(value)
        return epochs

    def _set_aside(self, damaged: Path, problem: str) -> None:
        aside = damaged.with_name(f"damaged-{damaged.name}")
        remove(aside)
        damaged.rename(aside)
        self.damaged = (
            f"the checkpoint {damaged} is damaged ({problem}): set aside as {aside.name}, training starts anew"
        )
        print(self.damaged, file=sys.stderr)

    def save(self, history: Mapping[int, Mapping[str, float]]) -> None:
        """Keep the model as it is after the last of these epochs; the checkpoint before goes."""
        last, before = max(history), self._whole()
        part = self._folder / "part"
        remove(part)
        backup = keras.callbacks.BackupAndRestore(str(part))
        backup.set_model(self._model)
        backup.on_epoch_end(last)
        (part / "history.json").write_text(json.dumps(history), encoding="utf-8")
        random = [keras.ops.convert_to_numpy(state).tolist() for state in self._random_states()]
        (part / "random.json").write_text(json.dumps(random), encoding="utf-8")
        (part / DIGESTS).write_text(json.dumps(_digests(part)), encoding="utf-8")
        for file in part.rglob("*"):
            _on_disk(file)
        part.rename(self._folder / f"epoch-{last + 1:05d}")
        _on_disk(self._folder)
        for old in before:
            remove(old)

    def _variables(self) -> list[keras.Variable]:
        return [*self._model.variables, *self._model.optimizer.variables, *self._random_states()]

    def _random_states(self) -> list[keras.Variable]:
        return list_seed_states(self._model)

    def _whole(self) -> list[Path]:
        return sorted(self._folder.glob("epoch-*"))


def _digests(folder: Path) -> dict[str, str]:
    """Return the digest of each file in a checkpoint, by its name, but for the file that holds them."""
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != DIGESTS)
    digests = {}
    for file in files:
        with file.open("rb") as opened:
            digests[str(file.relative_to(folder))] = hashlib.file_digest(opened, "sha256").hexdigest()
    return digests


def _on_disk(path: Path) -> None:
    """Wait until a file, or what a folder lists, would outlive the machine's power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
