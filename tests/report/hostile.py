"""A sweep that tries to break the page it is shown on: names and values with markup, quotes, line ends, emoji."""

from __future__ import annotations

from typing import Any

SCRIPT = "<script>window.attacked = 1</script>"

HOSTILE: dict[str, Any] = {
    SCRIPT: {"discrete": [SCRIPT, "</script><img src=x onerror='window.attacked = 1'>"]},
    "\"quoted\" 'both' ways `${window.attacked = 1}`": {"discrete": ['"', "'"]},
    "several\nlines\tand\r\ntabs": {"discrete": ["one\ntwo", "\u2028\u2029"]},
    "\N{PILE OF POO}\N{FAMILY}\u200d\N{GIRL} emoji": {"discrete": ["\N{CAT FACE}", "\N{DOG FACE}"]},
    "x" * 200: {"discrete": ["long " * 40, "w" * 200]},
    "<!-- javascript:alert(1) -->": {"real_interval": [1e-4, 1e-1], "points": 2, "log": True},
    "__proto__": {"discrete": ["constructor"]},
}

TWELVE: dict[str, Any] = {
    "learning_rate": {"real_interval": [1e-4, 1e-1], "points": 4, "log": True},
    "convolution_filters_first": {"discrete": [16, 32, 64]},
    "dense_layer_width": {"discrete": [256, 512]},
    "dropout": {"real_interval": [0.1, 0.5], "points": 3},
    "optimizer": {"discrete": ["adam", "sgd", "rmsprop"]},
    "rotation_range_degrees": {"discrete": [0, 45]},
    "horizontal_flip": {"discrete": [True]},
    "label_smoothing": {"discrete": [0.0]},
    "weight_decay_coefficient": {"discrete": [1e-5]},
    "batch_size": {"discrete": [32]},
    "activation_function": {"discrete": ["rectified linear unit"]},
    "zoom": {"discrete": [0.1]},
}
