"""List what Keras, its backends and NumPy keep for each process, for ``system.process_state``.

Nothing is imported here: a library that no trial has loaded has no state. One that a trial loads inside its function
is compared with what the library has when it is fresh, as far as that can be known.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import ModuleType
from typing import Any

from gridsearch.system.process_state import UNKNOWN, Setting
from gridsearch.training.keras_json import read_keras_json

__all__ = ["describe_libraries", "library_settings"]

Read = Callable[[Any], Any]
Write = Callable[[Any, Any], None]


def library_settings() -> list[Setting]:
    """Return the settings of Keras, TensorFlow, JAX, PyTorch and NumPy, for one ``ProcessState``."""
    return [*_keras_settings(), *_tensorflow_settings(), *_other_settings()]


def describe_libraries() -> str:
    """Return what the settings are, as text: a step that was traced under others computes something else."""
    described = []
    for setting in library_settings():
        try:
            value = setting.read()
        except AttributeError:
            continue
        if value is not UNKNOWN:
            described.append(f"{setting.name}={value!r}")
    return " ".join(described)


def _setting(module: str, name: str, read: Read, write: Write, fresh: Callable[[], Any] = lambda: UNKNOWN) -> Setting:
    """Return a setting of a module; ``fresh()`` is its value as long as the module is not loaded."""

    def now() -> Any:
        loaded = sys.modules.get(module)
        return fresh() if loaded is None else read(loaded)

    def set_to(value: Any) -> None:
        write(sys.modules[module], value)

    return Setting(f"{module} {name}", now, set_to)


def _keras_settings() -> list[Setting]:
    def switch(name: str, stem: str, fresh: bool) -> Setting:
        return _setting(
            "keras",
            name,
            lambda keras: getattr(keras.config, f"is_{stem}_enabled")(),
            lambda keras, on: getattr(keras.config, f"{'enable' if on else 'disable'}_{stem}")(),
            lambda: fresh,
        )

    return [
        *(
            _setting("keras", name, partial(_get, name), partial(_set, name), partial(read_keras_json, name))
            for name in ("floatx", "epsilon", "image_data_format")
        ),
        _setting(
            "keras",
            "dtype_policy",
            lambda keras: keras.config.dtype_policy().get_config(),
            lambda keras, value: keras.config.set_dtype_policy(keras.dtype_policies.get(value["name"])),
        ),
        _setting("keras", "max_epochs", partial(_get, "max_epochs"), partial(_set, "max_epochs")),
        _setting(
            "keras", "max_steps_per_epoch", partial(_get, "max_steps_per_epoch"), partial(_set, "max_steps_per_epoch")
        ),
        switch("interactive logging", "interactive_logging", True),
        switch("traceback filtering", "traceback_filtering", True),
        _setting(
            "keras",
            "distribution",
            lambda keras: keras.distribution.distribution(),
            lambda keras, value: keras.distribution.set_distribution(value),
            lambda: None,
        ),
    ]


def _get(name: str, keras: ModuleType) -> Any:
    return getattr(keras.config, name)()


def _set(name: str, keras: ModuleType, value: Any) -> None:
    getattr(keras.config, f"set_{name}")(value)


def _tensorflow_settings() -> list[Setting]:
    return [
        _setting(
            "tensorflow",
            "run_functions_eagerly",
            lambda tf: tf.config.functions_run_eagerly(),
            lambda tf, value: tf.config.run_functions_eagerly(value),
            lambda: False,
        ),
        _setting("tensorflow", "eager execution", lambda tf: tf.executing_eagerly(), _refuse, lambda: True),
        _setting(
            "tensorflow",
            "soft device placement",
            lambda tf: tf.config.get_soft_device_placement(),
            lambda tf, value: tf.config.set_soft_device_placement(value),
        ),
        _setting(
            "tensorflow",
            "TensorFloat-32",
            lambda tf: tf.config.experimental.tensor_float_32_execution_enabled(),
            lambda tf, value: tf.config.experimental.enable_tensor_float_32_execution(value),
        ),
        _setting(
            "tensorflow",
            "XLA",
            lambda tf: tf.config.optimizer.get_jit(),
            lambda tf, value: tf.config.optimizer.set_jit(value or False),
            str,
        ),
        _setting("tensorflow", "threads", _read_tf_threads, _write_tf_threads, lambda: (0, 0)),
        _setting("tensorflow", "visible devices", _read_visible, _write_visible),
        _setting("tensorflow", "GPU memory", _read_gpu_memory, _refuse),
    ]


def _refuse(module: Any, value: Any) -> None:
    raise RuntimeError("this cannot be taken back")


def _read_tf_threads(tf: Any) -> tuple[int, int]:
    threading = tf.config.threading
    return threading.get_inter_op_parallelism_threads(), threading.get_intra_op_parallelism_threads()


def _write_tf_threads(tf: Any, value: tuple[int, int]) -> None:
    tf.config.threading.set_inter_op_parallelism_threads(value[0])
    tf.config.threading.set_intra_op_parallelism_threads(value[1])


def _read_visible(tf: Any) -> list[str]:
    return [device.name for device in tf.config.get_visible_devices()]


def _write_visible(tf: Any, value: list[str]) -> None:
    tf.config.set_visible_devices([device for device in tf.config.list_physical_devices() if device.name in value])


def _read_gpu_memory(tf: Any) -> list[Any]:
    """Return each GPU's memory growth and its logical devices."""
    config = tf.config
    return [
        (config.experimental.get_memory_growth(gpu), config.get_logical_device_configuration(gpu))
        for gpu in config.list_physical_devices("GPU")
    ]


def _other_settings() -> list[Setting]:
    return [
        _setting("jax", "config", lambda jax: dict(jax.config.values), _write_jax),
        _setting(
            "torch",
            "default dtype",
            lambda torch: torch.get_default_dtype(),
            lambda torch, value: torch.set_default_dtype(value),
        ),
        _setting(
            "torch",
            "threads",
            lambda torch: torch.get_num_threads(),
            lambda torch, value: torch.set_num_threads(value),
        ),
        _setting(
            "torch",
            "gradients",
            lambda torch: torch.is_grad_enabled(),
            lambda torch, value: torch.set_grad_enabled(value),
            lambda: True,
        ),
        _setting(
            "torch",
            "deterministic algorithms",
            lambda torch: torch.are_deterministic_algorithms_enabled(),
            lambda torch, value: torch.use_deterministic_algorithms(value),
            lambda: False,
        ),
        _setting("numpy", "errors", lambda numpy: numpy.geterr(), lambda numpy, value: numpy.seterr(**value)),
        _setting(
            "numpy",
            "print options",
            lambda numpy: numpy.get_printoptions(),
            lambda numpy, value: numpy.set_printoptions(**{k: v for k, v in value.items() if k != "override_repr"}),
        ),
    ]


def _write_jax(jax: Any, value: dict[str, Any]) -> None:
    for name, before in value.items():
        if jax.config.values.get(name) != before:
            jax.config.update(name, before)
