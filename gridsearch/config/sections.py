"""Validate the sections of a sweep file: pictures, augmentation, model, training, sweep; and what one trial gets.

Every table of the file is a frozen class here; what they must be together is ``config``'s business.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from gridsearch.system.hardware import native_bfloat16
from gridsearch.trials import FailureKind

__all__ = [
    "CATS_VS_DOGS",
    "DEFAULT_RETRIES",
    "HOUSEKEEPING",
    "Augmentation",
    "Data",
    "Mlflow",
    "Model",
    "Section",
    "Settings",
    "Sweep",
    "Training",
    "Wandb",
    "Writers",
]

CATS_VS_DOGS = "gridsearch.training.models:cats_vs_dogs"

Positive = Annotated[int, Field(gt=0, strict=True)]
# Bounds far beyond any sensible use: what is larger is a slip of the pen that would fill the memory with a list.
Pixels = Annotated[int, Field(gt=0, le=10_000, strict=True)]
Batch = Annotated[int, Field(gt=0, le=1_000_000, strict=True)]
Epochs = Annotated[int, Field(gt=0, le=1_000_000, strict=True)]
Repeats = Annotated[int, Field(gt=0, le=1_000, strict=True)]
Places = Annotated[int, Field(gt=0, le=4_096, strict=True)]
NotNegative = Annotated[int, Field(ge=0, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Flag = Annotated[bool, Field(strict=True)]


def _number(value: object) -> object:
    """Return a number, or a fraction as text: ``"1/255"``, which TOML cannot write."""
    if isinstance(value, str) and value.count("/") == 1:
        above, below = value.split("/")
        try:
            return float(above) / float(below)
        except (ValueError, ZeroDivisionError):
            pass
    if isinstance(value, bool | str):
        raise ValueError(f"{value!r} is not a number, nor a fraction as in '1/255'")
    return value


Real = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
FromZero = Annotated[Real, Field(ge=0)]
WholeOrReal = Annotated[
    Annotated[float, Field(allow_inf_nan=False)] | Annotated[int, Field(strict=True)], BeforeValidator(_number)
]
Shift = WholeOrReal | Annotated[tuple[Real, ...], Field(min_length=1)]
"""An int shifts by whole pixels and a float does not, so 5 must not become 5.0."""


def _entry_point(value: object) -> object:
    if isinstance(value, str) and not all(part.isidentifier() for part in value.replace(":", ".", 1).split(".")):
        raise ValueError("write it as module:function")
    if isinstance(value, str) and value.count(":") != 1:
        raise ValueError("write it as module:function")
    return value


EntryPoint = Annotated[str, BeforeValidator(_entry_point)]


def _class_mode(value: object) -> object:
    if value in ("binary", "sparse", "input", "none"):
        raise ValueError(
            f"{value!r} is not known here, only 'categorical': labels are one-hot, and a loss that takes class numbers "
            "(sparse_categorical_crossentropy) gets numbers; give the model's last layer a unit for each class"
        )
    return value


class Section(BaseModel):
    """A table of the sweep file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, arbitrary_types_allowed=True)


class Data(Section):
    """The pictures: a folder per class below ``train`` and ``validation``."""

    train: Path = Path("data/train")
    validation: Path = Path("data/validation")
    image_size: Pixels | tuple[Pixels, Pixels] = 150
    """Pixels: the side of a square, or height and width."""
    batch_size: Batch = 32
    color_mode: Literal["rgb", "grayscale"] = "rgb"
    class_mode: Annotated[Literal["categorical"], BeforeValidator(_class_mode)] = "categorical"
    interpolation: Literal["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"] = "nearest"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one picture."""
        height, width = (self.image_size,) * 2 if isinstance(self.image_size, int) else self.image_size
        return height, width, 3 if self.color_mode == "rgb" else 1


class Augmentation(Section):
    """``ImageDataGenerator``'s own arguments, with its names, meanings and defaults."""

    rescale: Real | None = None
    rotation_range: FromZero = 0.0
    width_shift_range: Shift = 0.0
    height_shift_range: Shift = 0.0
    brightness_range: tuple[FromZero, FromZero] | None = None
    shear_range: FromZero = 0.0
    zoom_range: FromZero | tuple[FromZero, FromZero] = 0.0
    channel_shift_range: FromZero = 0.0
    fill_mode: Literal["constant", "nearest", "reflect", "wrap"] = "nearest"
    cval: Real = 0.0
    horizontal_flip: Flag = False
    vertical_flip: Flag = False
    featurewise_center: Flag = False
    featurewise_std_normalization: Flag = False
    samplewise_center: Flag = False
    samplewise_std_normalization: Flag = False
    zca_whitening: Flag = False
    zca_epsilon: Annotated[Real, Field(gt=0)] = 1e-6
    preprocessing_function: EntryPoint | None = None

    @property
    def beyond_fast(self) -> str | None:
        """The argument that only the stock engine can do; None if the fast engine can do them all."""
        if self.preprocessing_function:
            return "preprocessing_function"
        if self.zca_whitening:
            return "zca_whitening"
        if self.fill_mode == "wrap":
            return "fill_mode = 'wrap'"
        return None if 0 <= self.cval <= 255 else f"cval = {self.cval}"


class Model(Section):
    """What is trained: a Keras model that ``build`` returns, or anything at all that ``objective`` does."""

    build: EntryPoint = CATS_VS_DOGS
    """``build(values, shape, classes)`` returns a Keras model, compiled or not."""
    objective: EntryPoint | None = None
    """``train(values, report)`` returns its metrics; pictures and Keras stay out of it."""


class Training(Section):
    """How each combination is trained."""

    epochs: Epochs = 5
    steps_per_epoch: Positive | None = None
    """Batches an epoch; None is one pass over the training pictures."""
    validation_steps: Positive | None = None
    """Batches of validation; None is one pass over the validation pictures."""
    engine: Literal["fast", "keras"] = "fast"
    """Who augments: OpenCV on pictures decoded once for all trials, or the stock class."""
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    seed: Seed = 0
    repeats: Repeats = 1
    """Sessions of each combination, each with a seed of its own."""
    timeout: Annotated[Real, Field(gt=0)] | None = None
    """Seconds a session may take."""
    stall_after: Annotated[Real, Field(gt=0)] | None = 600.0
    """Seconds without a sign of life (an epoch, a batch, a report) after which a session is given up."""
    retries: dict[FailureKind, NotNegative] = {}
    """Further attempts after a failure, by kind; what is not named keeps its default."""
    checkpoint: Literal["none", "epoch"] = "none"
    """Whether an interrupted trial goes on from its last finished epoch; costs disk for model and optimizer."""
    keep_models: NotNegative = 1
    """How many of the best models stay on disk."""

    def resolve(self, *, with_gpus: bool = True) -> Training:
        """Return the section with a precision in place of "auto": bfloat16 where what trains is made for it.

        That it trains as well is measured, see benchmarks/RESULTS.md.
        """
        if self.precision != "auto":
            return self
        native = native_bfloat16(with_gpus=with_gpus)
        return self.model_copy(update={"precision": "mixed_bfloat16" if native else "float32"})

    def retries_after(self, kind: FailureKind) -> int:
        """Return how many further attempts a session that failed in this way gets."""
        return self.retries.get(kind, DEFAULT_RETRIES.get(kind, 0))


DEFAULT_RETRIES = {
    FailureKind.KILLED: 1,
    FailureKind.STALLED: 1,
    FailureKind.LOST: 1,
    FailureKind.INTERRUPTED: 10,  # only those charged: the runner died with the trial, which may be the trial's doing
}

HOUSEKEEPING = frozenset({"repeats", "timeout", "stall_after", "retries", "checkpoint", "keep_models"})
"""Settings of [training] that do not decide a result, hence neither recipe nor HParam."""


def _not_ours(metric: str) -> str:
    name = metric.removeprefix("val_")
    if name in ("seconds", "best_epoch") or name.startswith("best_"):
        raise ValueError("every trial is recorded with a number of this name already; give yours another")
    return metric


STRATEGIES = ("grid", "random", "bayesian", "hyperband", "tpe", "gp", "cmaes")
PRUNERS = ("median", "halving")
OF_OPTUNA = "optuna:"
"""What a strategy or pruner begins with that is a class of Optuna's, as in ``optuna:QMCSampler``."""


def _one_of(known: tuple[str, ...]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in known and not (name.startswith(OF_OPTUNA) and name.removeprefix(OF_OPTUNA).isidentifier()):
            raise ValueError(f"{name!r} is none of {', '.join(known)}; nor optuna:CLASS, a class of Optuna's")
        return name

    return AfterValidator(check)


class Sweep(Section):
    """Which combinations, where they are trained, and which writers are notified."""

    strategy: Annotated[str, _one_of(STRATEGIES)] = "grid"
    options: dict[str, Any] = {}
    """Further arguments of the strategy: of KerasTuner's oracle or Optuna's sampler, by their own names."""
    trials: Positive | None = None
    """At most so many, those of earlier runs among them; None is as many as there are."""
    search_seed: Seed | None = None
    """What a strategy draws with; None is the training's seed."""
    pruner: Annotated[str, _one_of(PRUNERS)] | None = None
    """What stops hopeless trials early, whichever strategy proposed them."""
    pruner_options: dict[str, Any] = {}
    executor: Literal["processes", "inline"] = "processes"
    """``inline`` trains in the sweep's own process, one trial at a time, where a debugger can follow. Nothing can end a
    trial there: it has no ``timeout`` and no ``stall_after``, and workers, threads and gpus are as they are."""
    workers: Places | None = None
    """Trials at a time; None is one per GPU, or without GPUs one per processor, as far as memory allows."""
    threads: Places | None = None
    """Threads of arithmetic per worker; None shares the processors out. Many workers of one beat one of many."""
    gpus: NotNegative | None = None
    """GPUs to train on; None is all there are."""
    logdir: Path = Path("logs/hparam_tuning")
    metric: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_not_ours)] = "accuracy"
    goal: Literal["max", "min"] | None = None
    """Whether more or less is better; None is "min" for a loss or an error, "max" for anything else."""
    detail: Literal["summary", "epoch", "full"] = "epoch"
    """What TensorBoard gets of each session: final metrics; also every epoch; also Keras's graph and histograms."""
    exclude: tuple[dict[str, Any], ...] = ()
    """Rules; a combination that matches one is not trained."""
    writers: tuple[str, ...] = ()
    """Writers besides TensorBoard's: names of the entry points ``gridsearch.writers``, see ``[writers.NAME]``."""


class Settings(Section):
    """What one trial is trained with: the sweep's settings with the combination's values in their place."""

    data: Data
    augmentation: Augmentation
    model: Model
    training: Training
    folder: Path
    """Where ``[model]`` modules are imported from: the sweep file's folder."""


Name = Annotated[str, Field(min_length=1, max_length=128)]


class Wandb(Section):
    """``[writers.wandb]``: where Weights & Biases keeps the sweep's runs."""

    project: Name | None = None
    """None is what ``WANDB_PROJECT`` says, else ``gridsearch``."""
    entity: Name | None = None
    """A user or team; None is the default of whoever is logged in."""
    mode: Literal["online", "offline", "disabled"] | None = None
    """None is what ``WANDB_MODE`` says, else online. Offline runs are uploaded by ``wandb sync``."""
    tags: tuple[Annotated[str, Field(min_length=1, max_length=64)], ...] = ()


class Mlflow(Section):
    """``[writers.mlflow]``: where MLflow keeps the sweep's runs."""

    tracking_uri: Annotated[str, Field(min_length=1, max_length=2000)] | None = None
    """A server or store; None is what ``MLFLOW_TRACKING_URI`` says, else ``mlflow.db`` in the log directory."""
    experiment: Name | None = None
    """None is what ``MLFLOW_EXPERIMENT_NAME`` says, else ``gridsearch``."""


class Writers(Section):
    """``[writers]``: a table for each writer that wants one; those of other packages look at theirs themselves."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, dict[str, Any]] = Field(init=False)

    wandb: Wandb = Wandb()
    mlflow: Mlflow = Mlflow()
