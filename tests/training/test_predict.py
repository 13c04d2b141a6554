"""A kept model asked about pictures: it says what it said in validation, and refuses in words."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import pytest
from PIL import Image
from sweeps import TESTS

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.record.reader import Record
from gridsearch.runner.sweep import sweep
from gridsearch.training.predict import predict as ask

pytestmark = pytest.mark.slow


def predict(logdir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gridsearch", "predict", "--logdir", str(logdir), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": ""})


@pytest.fixture
def record(pictures: Path, logdir: Path) -> Record:
    tables = {
        "hparams": {"image_size": {"discrete": [8, 10]}, "learning_rate": {"discrete": [0.03]}},
        "data": {"train": str(pictures / "train"), "validation": str(pictures / "validation"), "batch_size": 5},
        "augmentation": {"rescale": "1/255", "samplewise_center": True, "rotation_range": 90},
        "training": {"epochs": 12, "keep_models": 1},
        "model": {"build": "networks:tiny"},
        "sweep": {"logdir": str(logdir), "workers": 1},
    }
    return sweep(SweepConfig.validate_tables(tables, where="test", folder=TESTS)).record


def test_predictions_come_to_the_validation_accuracy_without_the_training_data(
    record: Record, pictures: Path, logdir: Path
) -> None:
    best, other = record.ranked()
    files = sorted((pictures / "validation").rglob("*.png"))
    shutil.rmtree(pictures / "train")
    done = predict(logdir, best.trial.name, "--json", *map(str, files))
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    right = [answer["class"] == Path(answer["picture"]).parent.name for answer in answers]
    assert sum(right) / len(right) == pytest.approx(best.mean("accuracy"))
    for answer in answers:
        assert list(answer["probabilities"]) == ["cat", "dog"]
        assert sum(answer["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)
        assert answer["probability"] == max(answer["probabilities"].values())
    done = predict(logdir, best.trial.name, str(files[0]))
    assert done.stderr == "", "TensorFlow's greetings are not for the user"
    told = done.stdout.splitlines()
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *done.args], capture_output=True, text=True, timeout=120
    )
    assert (closed.returncode, closed.stdout) == (0, done.stdout)
    assert told[0].split() == ["picture", "class", "probability"]
    assert told[1].split()[1:] == [answers[0]["class"], f"{answers[0]['probability']:.4f}"]
    # what cannot be asked
    Image.effect_noise((400, 400), 50).save(logdir / "damaged.png")
    damaged = (logdir / "damaged.png").read_bytes()
    second = damaged.index(b"IDAT", damaged.index(b"IDAT") + 4)
    (logdir / "damaged.png").write_bytes(damaged[:second] + b"\0\1\2\3" + damaged[second + 4 :])  # to Pillow bad syntax
    for arguments, words in (
        (
            (other.trial.name, str(files[0])),
            f"the model of {other.trial.name} was not kept; kept are {best.trial.name}",
        ),
        (("run-0099", str(files[0])), "there is no trial 'run-0099'"),
        ((best.trial.name, "no.png"), "no.png: there is no such picture"),
        ((best.trial.name, __file__), "cannot be read as a picture"),
        ((best.trial.name, str(logdir / "damaged.png")), "damaged.png: cannot be read as a picture"),
    ):
        refused = predict(logdir, *arguments)
        assert (refused.returncode, refused.stdout) == (2, ""), arguments
        assert words in refused.stderr
        assert "Traceback" not in refused.stderr
    (logdir / "models" / f"{best.trial.name}.keras").write_bytes(b"no model")
    broken = predict(logdir, best.trial.name, str(files[0]))
    assert broken.returncode == 2
    assert "cannot be loaded" in broken.stderr


# Keras on its way through numpy 2, for which it does not yet pass on what numpy asks.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("categorical_crossentropy", [1.0, -1.0]),  # which says that these are probabilities
        (keras.losses.CategoricalCrossentropy(from_logits=True), [0.880797, 0.119203]),
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), [0.880797, 0.119203]),
        (keras.losses.BinaryCrossentropy(from_logits=True), [0.731059, 0.268941]),
        (None, [1.0, -1.0]),
    ],
)
def test_logits_are_told_as_probabilities(loss: Any, expected: list[float], tmp_path: Path) -> None:
    layers = keras.layers
    head = layers.Dense(2, kernel_initializer="zeros")
    model = keras.Sequential([layers.Input((4, 4, 3)), layers.Flatten(), head])
    if loss is not None:
        model.compile("sgd", loss)
    head.bias.assign([1.0, -1.0])
    model.save(tmp_path / "model.keras")
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")
    tables = {"hparams": {"width": {"discrete": [1]}}, "model": {"build": "networks:tiny"}, "data": {"image_size": 4}}
    settings = SweepConfig.validate_tables(tables, where="test", folder=TESTS).settings_for({"width": 1})
    (answer,) = ask(tmp_path / "model.keras", settings, [tmp_path / "picture.png"])
    assert answer == pytest.approx(expected, abs=1e-5)


def test_a_function_of_the_users_that_has_gone_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gridsearch.errors import LogdirError
    from gridsearch.training.predict import Trust, load_function

    config = SweepConfig.validate_tables({"hparams": {"width": {"discrete": [1]}}, "model": {"build": "networks:tiny"}},
                                         where="test", folder=tmp_path)  # fmt: skip
    settings = config.settings_for({"width": 1})
    with pytest.raises(LogdirError, match=r"(?s)mine:prepared cannot be imported.*no module 'mine'.*looked for in"):
        load_function("mine:prepared", Path("model.keras"), settings, Trust(granted=True))
    (tmp_path / "cwd").mkdir()
    (tmp_path / "cwd" / "mine.py").write_text("def prepared(picture):\n    return picture\n")
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    assert load_function("mine:prepared", Path("model.keras"), settings, Trust(granted=True))(7) == 7


RECEIVED = """
import keras
from pathlib import Path
Path(__file__).with_name("imported").touch()
@keras.saving.register_keras_serializable("received")
class Own(keras.layers.Layer):
    def call(self, pictures):
        return pictures
def build(values, shape, classes):
    return None
def prepare(picture):
    return picture
"""


def save_model(file: Path, *, own: bool) -> None:
    """Save a model of Keras's layers, or with one that only the module `received` knows."""

    class Own(keras.layers.Layer):
        def call(self, pictures: Any) -> Any:
            return pictures

    if own:
        keras.saving.register_keras_serializable("received")(Own)
    between = [Own()] if own else []
    layers = [keras.layers.Input((4, 4, 3)), *between, keras.layers.Flatten(), keras.layers.Dense(2)]
    keras.Sequential(layers).save(file)
    keras.saving.get_custom_objects().pop("received>Own", None)


# Keras on its way through numpy 2, for which it does not yet pass on what numpy asks.
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning")
@pytest.mark.parametrize("needs", ["nothing", "a layer", "preprocessing"])
def test_code_that_a_received_log_directory_names_is_imported_only_if_it_is_needed_and_trusted(
    tmp_path: Path, needs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gridsearch.errors import LogdirError
    from gridsearch.training.predict import Trust

    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "received.py").write_text(RECEIVED)
    save_model(tmp_path / "model.keras", own=needs == "a layer")
    Image.new("RGB", (4, 4)).save(tmp_path / "picture.png")
    tables: dict[str, Any] = {
        "hparams": {"width": {"discrete": [1]}},
        "model": {"build": "received:build"},
        "data": {"image_size": 4},
        "augmentation": {"preprocessing_function": "received:prepare"} if needs == "preprocessing" else {},
    }
    settings = SweepConfig.validate_tables(tables, where="test", folder=tmp_path).settings_for({"width": 1})
    arguments = (tmp_path / "model.keras", settings, [tmp_path / "picture.png"])
    try:
        if needs == "nothing":
            assert len(list(ask(*arguments))) == 1
            assert not (tmp_path / "imported").exists()
            return
        with pytest.raises(LogdirError, match=rf"cannot be used without received:.*\n.*add --trust.*of {tmp_path}"):
            list(ask(*arguments))
        assert not (tmp_path / "imported").exists()
        notices: list[str] = []
        assert len(list(ask(*arguments, Trust(granted=True, notify=notices.append)))) == 1
        assert (tmp_path / "imported").exists()
        assert notices == [f"importing 'received' of {tmp_path}, the working directory or the installed packages"]
    finally:
        sys.modules.pop("received", None)
        keras.saving.get_custom_objects().pop("received>Own", None)


def test_keras_own_preprocessing_needs_no_trust(tmp_path: Path) -> None:
    from gridsearch.training.predict import Trust, load_function

    (tmp_path / "keras").mkdir()
    (tmp_path / "keras" / "__init__.py").write_text("raise AssertionError('imported')")
    tables = {"hparams": {"width": {"discrete": [1]}}, "model": {"build": "networks:tiny"}}
    settings = SweepConfig.validate_tables(tables, where="test", folder=tmp_path).settings_for({"width": 1})
    function = load_function("keras.applications.resnet50:preprocess_input", Path("model.keras"), settings, Trust())
    assert function is keras.applications.resnet50.preprocess_input
