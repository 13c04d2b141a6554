"""Keep a trial's state after each epoch, to resume from it (``training.checkpoint = "epoch"``).

    LOGDIR/checkpoints/run-0007/epoch-00003/    weights and optimizer, as BackupAndRestore keeps them
                             history.json     the metrics of the epochs so far
                             random.json      where the layers' random numbers are, which it does not keep

Each is written beside the last one and renamed when it is whole and on disk: whenever the process is killed, or the
machine fails, one that fits together is left.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import keras

from gridsearch.training.keras_internals import list_seed_states

__all__ = ["Checkpoints"]

History = dict[int, dict[str, float]]


class Checkpoints:
    """The checkpoints of one trial and repeat.

    Args:
        folder: theirs alone; made when the first is written.
        model: compiled and built.
    """

    def __init__(self, folder: Path, model: keras.Model) -> None:
        self._folder, self._model = folder, model

    def restore(self) -> History:
        """Put the model where the last checkpoint has it, and return the epochs behind it, by number from 0.

        Empty if there is no checkpoint.
        """
        whole = self._whole()
        if not whole:
            return {}
        backup = keras.callbacks.BackupAndRestore(str(whole[-1]))
        backup.set_model(self._model)
        backup.on_train_begin()
        random = json.loads((whole[-1] / "random.json").read_text(encoding="utf-8"))
        for state, value in zip(self._random_states(), random, strict=True):
            state.assign(value)
        history = json.loads((whole[-1] / "history.json").read_text(encoding="utf-8"))
        return {int(epoch): metrics for epoch, metrics in history.items()}

    def save(self, history: Mapping[int, Mapping[str, float]]) -> None:
        """Keep the model as it is after the last of these epochs; the checkpoint before goes."""
        last, before = max(history), self._whole()
        part = self._folder / "part"
        shutil.rmtree(part, ignore_errors=True)
        backup = keras.callbacks.BackupAndRestore(str(part))
        backup.set_model(self._model)
        backup.on_epoch_end(last)
        (part / "history.json").write_text(json.dumps(history), encoding="utf-8")
        random = [keras.ops.convert_to_numpy(state).tolist() for state in self._random_states()]
        (part / "random.json").write_text(json.dumps(random), encoding="utf-8")
        for file in part.rglob("*"):
            _on_disk(file)
        part.rename(self._folder / f"epoch-{last + 1:05d}")
        _on_disk(self._folder)
        for old in before:
            shutil.rmtree(old)

    def _random_states(self) -> list[keras.Variable]:
        return list_seed_states(self._model)

    def _whole(self) -> list[Path]:
        return sorted(self._folder.glob("epoch-*"))


def _on_disk(path: Path) -> None:
    """Wait until a file, or what a folder lists, would outlive the machine's power."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
