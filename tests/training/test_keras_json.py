"""A sweep under a keras.json that another project, or another Keras, has left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gridsearch.errors import UserError
from gridsearch.training.keras_json import DEFAULTS, check_keras_json

SWEEP = """
[hparams]
dropout = {{ discrete = [0.1] }}
[data]
train = "{data}/train"
validation = "{data}/validation"
image_size = 40
batch_size = 5
[training]
epochs = 1
[sweep]
logdir = "{logs}"
executor = "inline"
"""


@pytest.fixture
def keras_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Keras folder of the test's own."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.slow
def test_a_sweep_trains_under_a_foreign_keras_json_and_says_what_is_not_used(pictures: Path, tmp_path: Path) -> None:
    foreign = {"image_data_format": "channels_first", "floatx": "float64", "epsilon": 0.001, "backend": "tensorflow"}
    (tmp_path / "keras.json").write_text(json.dumps(foreign))
    (tmp_path / "sweep.toml").write_text(SWEEP.format(data=pictures, logs=tmp_path / "logs"))
    command = [sys.executable, "-m", "gridsearch", "sweep", str(tmp_path / "sweep.toml")]
    done = subprocess.run(
        command, env={**os.environ, "KERAS_HOME": str(tmp_path)}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    for key in ("image_data_format", "floatx", "epsilon"):
        assert f"keras.json: {key} = {json.dumps(foreign[key])} is not used" in done.stderr


def test_keras_s_own_file_needs_no_line(keras_home: Path) -> None:
    assert check_keras_json() == []
    (keras_home / "keras.json").write_text(json.dumps(DEFAULTS | {"backend": "tensorflow"}))
    assert check_keras_json() == []
    (keras_home / "keras.json").write_text("{ not json")
    assert check_keras_json() == []


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"backend": "theano"}, "backend = 'theano' is none of tensorflow, jax, torch"),
        ({"floatx": "bfloat16"}, "floatx = 'bfloat16' is none of float16"),
        ({"image_data_format": "tf"}, "image_data_format = 'tf' is none of channels_last"),
        ({"epsilon": 1}, "epsilon = 1 is no float"),
        ([], "where Keras expects a table"),
    ],
)
def test_what_keras_cannot_be_imported_with_is_refused_with_the_file(
    keras_home: Path, content: object, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    (keras_home / "keras.json").write_text(json.dumps(content))
    with pytest.raises(UserError) as error:
        check_keras_json()
    assert told in error.value.problem
    assert error.value.where.endswith("keras.json")


def test_a_backend_of_the_environment_goes_first(keras_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    (keras_home / "keras.json").write_text(json.dumps({"backend": "theano"}))
    assert check_keras_json() == []
