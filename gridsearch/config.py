"""The sweep file: TOML and ``--set`` overrides in, one frozen and validated ``SweepConfig`` out.

    sweep.toml ──tomllib──► tables ──--set──► tables ──pydantic──► SweepConfig ──settings_for(values)──► Settings
                                                                       │
                                                                       └─recipe()──► what decides a result

Everything wrong in a file is told at once, each with file, key, bad value and cure. What is validated here is trusted
everywhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from gridsearch.errors import SweepFileError
from gridsearch.grid import Space, space_of
from gridsearch.hparams import Combination, HParam, Value
from gridsearch.sweepfile import (
    At,
    apply_override,
    as_table,
    closest,
    declared_grids,
    each_of,
    explained,
    read_tables,
    without_none,
)
from gridsearch.trials import FailureKind, Objective

__all__ = ["Augmentation", "Data", "Model", "Settings", "Sweep", "SweepConfig", "Training"]

DEFAULT_FILE = "sweep.toml"
CATS_VS_DOGS = "gridsearch.training.models:cats_vs_dogs"

Positive = Annotated[int, Field(gt=0, strict=True)]
NotNegative = Annotated[int, Field(ge=0, strict=True)]
Seed = Annotated[int, Field(ge=0, lt=2**31, strict=True)]
Flag = Annotated[bool, Field(strict=True)]


def _number(value: object) -> object:
    """A number, or a fraction as text: ``"1/255"``, which TOML cannot write."""
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
Range = Real | Annotated[tuple[Real, ...], Field(min_length=1)]


def _entry_point(value: object) -> object:
    if isinstance(value, str) and not all(part.isidentifier() for part in value.replace(":", ".", 1).split(".")):
        raise ValueError("write it as module:function")
    if isinstance(value, str) and value.count(":") != 1:
        raise ValueError("write it as module:function")
    return value


EntryPoint = Annotated[str, BeforeValidator(_entry_point)]


class _Section(BaseModel):
    """A table of the sweep file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, arbitrary_types_allowed=True)


class Data(_Section):
    """The pictures: a folder per class below ``train`` and ``validation``."""

    train: Path = Path("data/train")
    validation: Path = Path("data/validation")
    image_size: Positive | tuple[Positive, Positive] = 150
    """Pixels: the side of a square, or height and width."""
    batch_size: Positive = 32
    color_mode: Literal["rgb", "grayscale"] = "rgb"
    class_mode: Literal["categorical"] = "categorical"
    interpolation: Literal["nearest", "bilinear", "bicubic", "hamming", "box", "lanczos"] = "nearest"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of one picture."""
        height, width = (self.image_size,) * 2 if isinstance(self.image_size, int) else self.image_size
        return height, width, 3 if self.color_mode == "rgb" else 1


class Augmentation(_Section):
    """``ImageDataGenerator``'s own arguments, with its names, meanings and defaults."""

    rescale: Real | None = None
    rotation_range: FromZero = 0.0
    width_shift_range: Range = 0.0
    height_shift_range: Range = 0.0
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


class Model(_Section):
    """What is trained: a Keras model that ``build`` returns, or anything at all that ``objective`` does."""

    build: EntryPoint = CATS_VS_DOGS
    """``build(values, shape, classes)`` returns a Keras model, compiled or not."""
    objective: EntryPoint | None = None
    """``train(values, report)`` returns its metrics; pictures and Keras stay out of it."""


class Training(_Section):
    """How each combination is trained."""

    epochs: Positive = 5
    steps_per_epoch: Positive | None = None
    """Batches an epoch; None is one pass over the training pictures."""
    validation_steps: Positive | None = None
    """Batches of validation; None is one pass over the validation pictures."""
    precision: Literal["auto", "float32", "mixed_bfloat16"] = "auto"
    seed: Seed = 0
    repeats: Positive = 1
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

    def retries_after(self, kind: FailureKind) -> int:
        """How many further attempts a session that failed in this way gets."""
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


class Sweep(_Section):
    """Which combinations, where, and who is told."""

    strategy: Literal["grid"] = "grid"
    executor: Literal["processes", "inline"] = "processes"
    workers: Positive | None = None
    """Trials at a time; None is one per processor, as far as memory allows."""
    threads: Positive = 1
    """Threads of arithmetic per worker: many workers of one thread beat one worker of many."""
    logdir: Path = Path("logs/hparam_tuning")
    metric: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_not_ours)] = "accuracy"
    goal: Literal["max", "min"] | None = None
    """Whether more or less is better; None is "min" for a loss or an error, "max" for anything else."""
    detail: Literal["summary", "epoch", "full"] = "epoch"
    """What TensorBoard gets of each session: final metrics; also every epoch; also Keras's graph and histograms."""
    exclude: tuple[dict[str, Any], ...] = ()
    """Rules; a combination that matches one is not trained."""


class Settings(_Section):
    """What one trial is trained with: the sweep's settings with the combination's values in their place."""

    data: Data
    augmentation: Augmentation
    model: Model
    training: Training
    folder: Path
    """Where ``[model]`` modules are imported from: the sweep file's folder."""


SECTIONS: dict[str, type[_Section]] = {"data": Data, "augmentation": Augmentation, "training": Training}
"""Where a setting may be swept by an HParam of its name."""


def _is_number(value: Value) -> bool:
    return type(value) in (int, float)


NETWORK: dict[str, tuple[Callable[[Any], bool], str]] = {
    "num_units": (lambda value: type(value) is int and value > 0, "an int above 0"),
    "dropout": (lambda value: _is_number(value) and 0 <= value < 1, "a number from 0 to below 1"),
    "optimizer": (lambda value: isinstance(value, str) and value.strip() != "", "the name of an optimizer"),
    "learning_rate": (lambda value: _is_number(value) and value > 0, "a number above 0"),
}
"""What the built-in network takes from a combination: which values, and the same in words."""


class SweepConfig(_Section):
    """A whole sweep, validated.

    Built from a file by ``load``, or in Python with the same sections::

        SweepConfig(hparams=[HParam("learning_rate", Discrete([0.001, 0.0001]))], training={"epochs": 3})
    """

    hparams: Annotated[tuple[tuple[HParam, ...], ...], BeforeValidator(declared_grids)]
    data: Data = Data()
    augmentation: Augmentation = Augmentation()
    model: Model = Model()
    training: Training = Training()
    sweep: Sweep = Sweep()
    folder: Path = Field(default_factory=Path.cwd, exclude=True)
    """Where ``[model]`` modules are found: the sweep file's folder. Paths are relative to the working directory."""

    @model_validator(mode="after")
    def _holds_together(self, info: ValidationInfo) -> Self:
        if self.model.objective:
            for section in ("data", "augmentation"):
                if section in self.model_fields_set and getattr(self, section).model_fields_set:
                    raise At(section, ValueError("not allowed with model.objective, which does without pictures"))
        self._check_space()
        each_of((hparam for grid in self.hparams for hparam in grid), self._check_swept)
        return self

    def _check_space(self) -> None:
        key = "hparams"
        try:
            space_of(self.hparams)
            key = "sweep.exclude"
            _ = self.space
        except (ValueError, TypeError) as error:
            raise At(key, error) from error

    def _check_swept(self, hparam: HParam) -> None:
        """Somebody must take an HParam, and every value of it: a setting of that name, or else the model."""
        name, section = hparam.name, self.swept_section(hparam.name)
        try:
            if name in HOUSEKEEPING:
                raise ValueError(f"training.{name} does not decide a result, so it cannot be swept")
            if section:
                self._check_setting(section, hparam)
            elif self.model.build == CATS_VS_DOGS and not self.model.objective:
                self._check_network(hparam)
        except ValueError as error:
            raise At(f"hparams.{name}", error) from None

    def _check_setting(self, section: str, hparam: HParam) -> None:
        for value in hparam.domain.values:
            try:
                self._with(section, {hparam.name: value})
            except ValidationError as error:
                problem = error.errors()[0]["msg"].removeprefix("Value error, ")
                raise ValueError(f"{value!r} cannot be {section}.{hparam.name}: {problem}") from None

    @staticmethod
    def _check_network(hparam: HParam) -> None:
        if hparam.name not in NETWORK:
            settings = {name for kind in SECTIONS.values() for name in kind.model_fields} - HOUSEKEEPING
            close = closest(hparam.name, settings | set(NETWORK))
            cure = f"did you mean {close!r}?" if close else f"the network takes {', '.join(NETWORK)}"
            raise ValueError(f"neither the built-in network nor a setting takes a value of this name; {cure}")
        takes, words = NETWORK[hparam.name]
        for value in hparam.domain.values:
            if not takes(value):
                raise ValueError(f"{value!r} is not {words}")

    def swept_section(self, name: str) -> str | None:
        """The section whose setting an HParam of this name sweeps, or None if it is the model's own."""
        if self.model.objective:
            return None
        return next((section for section, kind in SECTIONS.items() if name in kind.model_fields), None)

    def _with(self, section: str, values: Combination) -> Any:
        current: _Section = getattr(self, section)
        return type(current).model_validate({**current.model_dump(exclude_unset=True), **values})

    @cached_property
    def space(self) -> Space:
        """Every combination to be trained, in order."""
        return space_of(self.hparams, self.sweep.exclude)

    @property
    def stall_after(self) -> float | None:
        """Seconds of silence after which a trial is given up; an objective may be silent unless it was set."""
        silent = self.model.objective and "stall_after" not in self.training.model_fields_set
        return None if silent else self.training.stall_after

    @property
    def objective(self) -> Objective:
        """The metric and its direction."""
        metric = self.sweep.metric.removeprefix("val_")
        smaller = any(word in metric.lower() for word in ("loss", "error", "mse", "mae"))
        maximize = self.sweep.goal != "min" if self.sweep.goal else not smaller
        return Objective(metric, maximize, with_loss=not self.model.objective)

    def settings_for(self, values: Combination) -> Settings:
        """The settings of one trial: HParams named like a setting take its place."""
        sections: dict[str, _Section] = {name: getattr(self, name) for name in SECTIONS}
        for section in sections:
            swept = {name: value for name, value in values.items() if self.swept_section(name) == section}
            sections[section] = self._with(section, swept) if swept else sections[section]
        return Settings(**sections, model=self.model, folder=self.folder)  # type: ignore[arg-type]

    def recipe(self) -> dict[str, Any]:
        """Everything besides HParam values that decides a result, flat: ``{"data.image_size": 150, ...}``.

        Where the pictures lie is not part of it (what they are is, see ``datasets``), nor is what an HParam sweeps.
        """
        swept = {(self.swept_section(hparam.name), hparam.name) for hparam in self.space.hparams}
        used = {"model", "training"} | (set() if self.model.objective else {"data", "augmentation"})
        tables = self.model_dump(mode="json", include=used)
        left_out = HOUSEKEEPING | {"train", "validation"}
        recipe = {
            f"{section}.{key}": value
            for section, table in tables.items()
            for key, value in table.items()
            if key not in left_out and (section, key) not in swept
        }
        return recipe | {"sweep.metric": self.objective.metric}

    def tables(self) -> dict[str, Any]:
        """The sweep as tables that a sweep file could hold, with only what was set."""
        tables: dict[str, Any] = self.model_dump(mode="json", exclude={"hparams", "folder"}, exclude_unset=True)
        grids = [{hparam.name: as_table(hparam) for hparam in grid} for grid in self.hparams]
        return {"hparams": grids[0] if len(grids) == 1 else grids} | {k: without_none(v) for k, v in tables.items()}

    @classmethod
    def load(cls, path: Path | None = None, overrides: Iterable[str] = (), logdir: Path | None = None) -> SweepConfig:
        """Read a sweep file.

        Args:
            path: the file; ``sweep.toml`` in the working directory when not given.
            overrides: ``key=value`` with a dotted key and a TOML value; a bare word is a string.
            logdir: in place of the file's ``sweep.logdir``.

        Raises:
            SweepFileError: everything that is wrong with it, each with key, value and cure.
        """
        file = path or Path(DEFAULT_FILE)
        tables = read_tables(file)
        for override in overrides:
            apply_override(tables, override)
        if logdir is not None:
            apply_override(tables, f"sweep.logdir={json.dumps(str(logdir), ensure_ascii=False)}")
        return cls.validate_tables(tables, where=str(file), folder=file.resolve().parent)

    @classmethod
    def validate_tables(cls, tables: Mapping[str, Any], *, where: str, folder: Path) -> SweepConfig:
        """``SweepConfig`` of tables as ``tomllib`` reads them; errors are told as the file's.

        Raises:
            SweepFileError: see ``load``.
        """
        if "folder" in tables:  # a field, but not a key of the file
            raise SweepFileError("folder: unknown key; it is where the sweep file lies", where=where)
        try:
            return cls.model_validate({**tables, "folder": folder})
        except ValidationError as error:
            raise explained(error, where, cls) from None
