"""A checkpoint that a disk or a person has damaged is set aside, and the model is as if there had been none."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from networks import tiny

from gridsearch.training.checkpoints import Checkpoints
from gridsearch.training.models import compile_with

# Keras makes arrays of TensorFlow's variables in a way that NumPy 2 does not like.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning")

HISTORY = {0: {"loss": 2.0, "val_accuracy": 0.5}, 1: {"loss": 1.0, "val_accuracy": 0.75}}


def model_of(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = tiny({"width": 4}, (8, 8, 3), 2)
    compile_with(model, {})
    model.optimizer.build(model.trainable_variables)
    return model


def weights_of(model: keras.Model) -> list[np.ndarray]:
    return [keras.ops.convert_to_numpy(variable) for variable in [*model.variables, *model.optimizer.variables]]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """The folder of a checkpoint of seed 1 after two epochs."""
    Checkpoints(tmp_path / "run-0001", model_of(1)).save(HISTORY)
    return tmp_path / "run-0001" / "epoch-00002"


def truncate(checkpoint: Path) -> None:
    weights = checkpoint / "latest.weights.h5"
    weights.write_bytes(weights.read_bytes()[:100])


def flip_a_weight(checkpoint: Path) -> None:
    weights = checkpoint / "latest.weights.h5"
    content = bytearray(weights.read_bytes())
    kernel = keras.ops.convert_to_numpy(model_of(1).variables[0]).tobytes()
    content[bytes(content).index(kernel) + 3] ^= 0x40
    weights.write_bytes(content)


def without_digests(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    def damages(checkpoint: Path) -> None:
        (checkpoint / "digests.json").unlink()
        damage(checkpoint)

    return damages


def become_a_file(checkpoint: Path) -> None:
    shutil.rmtree(checkpoint)
    checkpoint.write_bytes(b"")


def swap_history(text: str) -> Callable[[Path], None]:
    return without_digests(lambda checkpoint: (checkpoint / "history.json").write_text(text) and None)


DAMAGES: dict[str, Callable[[Path], None]] = {
    "truncated": truncate,
    "empty weights": lambda checkpoint: (checkpoint / "latest.weights.h5").write_bytes(b"") and None,
    "a flipped bit": flip_a_weight,
    "no weights": lambda checkpoint: (checkpoint / "latest.weights.h5").unlink(),
    "no history": lambda checkpoint: (checkpoint / "history.json").unlink(),
    "empty folder": lambda checkpoint: [file.unlink() for file in checkpoint.iterdir()] and None,
    "a file": become_a_file,
    "old, truncated": without_digests(truncate),
    "old, no weights": without_digests(lambda checkpoint: (checkpoint / "latest.weights.h5").unlink()),
    "old, half a history": swap_history('{"0": {"loss": 1.0'),
    "old, other history": swap_history('["loss"]'),
    "old, a hole in its history": swap_history(json.dumps({1: {"loss": 1.0}})),
    "old, fewer random states": without_digests(
        lambda checkpoint: (checkpoint / "random.json").write_text("[]") and None
    ),
    "digests of another type": lambda checkpoint: (checkpoint / "digests.json").write_text("7") and None,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_set_aside_and_leaves_no_trace_in_the_model(
    written: Path, damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    damage(written)
    model = model_of(2)
    before, checkpoints = weights_of(model), Checkpoints(written.parent, model)
    assert checkpoints.restore() == {}
    assert same(weights_of(model), before)
    said = capsys.readouterr().err
    assert f"the checkpoint {written} is damaged" in said
    assert "training starts anew" in said
    assert said.strip() == checkpoints.damaged
    assert (written.parent / "damaged-epoch-00002").exists()

    checkpoints.save({0: {"loss": 3.0}})
    again = Checkpoints(written.parent, model_of(3))
    assert again.restore() == {0: {"loss": 3.0}}
    assert again.damaged == ""


def test_a_whole_checkpoint_is_restored_and_so_is_one_of_an_older_version(written: Path) -> None:
    for _ in range(2):
        model = model_of(2)
        assert Checkpoints(written.parent, model).restore() == HISTORY
        assert same(weights_of(model)[:2], weights_of(model_of(1))[:2])
        (written / "digests.json").unlink(missing_ok=True)


def test_the_checkpoint_before_a_damaged_one_is_used(written: Path) -> None:
    shutil.copytree(written, written.with_name("epoch-00003"))
    truncate(written.with_name("epoch-00003"))
    assert Checkpoints(written.parent, model_of(2)).restore() == HISTORY


def test_a_file_in_the_place_of_all_checkpoints_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / "run-0001").write_bytes(b"")
    checkpoints = Checkpoints(tmp_path / "run-0001", model_of(1))
    assert checkpoints.restore() == {}
    checkpoints.save(HISTORY)
    assert Checkpoints(tmp_path / "run-0001", model_of(2)).restore() == HISTORY
