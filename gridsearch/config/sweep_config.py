"""Turn a sweep file and ``--set`` overrides into one frozen, validated ``SweepConfig``.

    sweep.toml ──tomllib──► tables ──--set──► tables ──pydantic──► SweepConfig ──settings_for(values)──► Settings
                                                                       │
                                                                       └─recipe()──► what decides a result

Everything wrong in a file is reported at once, each with file, key, bad value and cure. What is validated here is
trusted everywhere else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from gridsearch.config.kerastuner_hparams import add_declared_hparams
from gridsearch.config.search_checks import check_search, count_bracket_trials, pauses_trials
from gridsearch.config.sections import (
    CATS_VS_DOGS,
    HOUSEKEEPING,
    Augmentation,
    Data,
    Model,
    Section,
    Settings,
    Sweep,
    Training,
    Writers,
)
from gridsearch.config.toml import apply_override, drop_none, explain_errors, read_tables
from gridsearch.errors import SweepFileError
from gridsearch.hparams.combination import Combination
from gridsearch.hparams.domain import HParam, Value
from gridsearch.hparams.grid import Space, space_of
from gridsearch.hparams.key_errors import KeyedError, collect_errors, find_closest
from gridsearch.hparams.search_space import SearchSpace
from gridsearch.hparams.tables import hparam_table, parse_grids
from gridsearch.trials import Objective

__all__ = ["SweepConfig"]

DEFAULT_FILE = "sweep.toml"

SECTIONS: dict[str, type[Section]] = {"data": Data, "augmentation": Augmentation, "training": Training}
"""Where a setting may be swept by an HParam of its name."""


RANKED_BY_BEST = ("gridsearch.kerastuner:trained_by_script", "gridsearch.importing:trained_elsewhere")
"""Objectives of trials that were trained elsewhere, where the best epoch may have chosen the winner."""


def _is_number(value: Value) -> bool:
    return type(value) in (int, float)


SMALLER_IS_BETTER = frozenset(
    [
        "loss",
        "error",
        "errors",
        "mse",
        "mae",
        "msle",
        "mape",
        "rmse",
        "rmsle",
        "nll",
        "logloss",
        "crossentropy",
        "perplexity",
        "hinge",
        "divergence",
    ]
)
"""Words in a metric's name that say that less of it is better."""

WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""The words of a name such as ``val_meanSquaredError2``."""


def _names_an_error(metric: str) -> bool:
    return any(word.lower() in SMALLER_IS_BETTER for word in WORDS.findall(metric))


NETWORK: dict[str, tuple[Callable[[Any], bool], str]] = {
    "num_units": (lambda value: type(value) is int and value > 0, "an int above 0"),
    "dropout": (lambda value: _is_number(value) and 0 <= value < 1, "a number from 0 to below 1"),
    "optimizer": (lambda value: isinstance(value, str) and value.strip() != "", "the name of an optimizer"),
    "learning_rate": (lambda value: _is_number(value) and value > 0, "a number above 0"),
}
"""What the built-in network takes from a combination: which values, and the same in words."""


class SweepConfig(Section):
    """A whole sweep, validated.

    Built from a file by ``load``, or in Python with the same sections::

        SweepConfig(hparams=[HParam("learning_rate", Discrete([0.001, 0.0001]))], training={"epochs": 3})
    """

    hparams: Annotated[tuple[tuple[HParam, ...], ...], BeforeValidator(parse_grids)]
    data: Data = Data()
    augmentation: Augmentation = Augmentation()
    model: Model = Model()
    training: Training = Training()
    sweep: Sweep = Sweep()
    writers: Writers = Writers()
    folder: Path = Field(default_factory=Path.cwd, exclude=True)
    """Where ``[model]`` modules are found: the sweep file's folder. Paths are relative to the working directory."""

    _file: str = PrivateAttr("")

    @property
    def file(self) -> str:
        """The sweep file that it was read from, for messages; empty for one made in Python."""
        return self._file

    @model_validator(mode="after")
    def _holds_together(self, info: ValidationInfo) -> Self:
        if self.model.objective:
            for section in ("data", "augmentation"):
                if section in self.model_fields_set and getattr(self, section).model_fields_set:
                    raise KeyedError(
                        section, ValueError("not allowed with model.objective, which does without pictures")
                    )
        if self.sweep.select == "best" and self.model.objective not in RANKED_BY_BEST:
            problem = "'best' is for trials of KerasTuner's tuners; leave it out: trials are ranked by their last epoch"
            raise KeyedError("sweep.select", ValueError(problem))
        self._check_space()
        check_search(self.sweep, self.training, self.space, self.most_trials)
        collect_errors((hparam for grid in self.hparams for hparam in grid), self._check_swept)
        return self

    def _check_space(self) -> None:
        key = "hparams"
        try:
            space_of(self.hparams)
            key = "sweep.exclude"
            _ = self.search_space
        except (ValueError, TypeError) as error:
            raise KeyedError(key, error) from error

    def _check_swept(self, hparam: HParam) -> None:
        """Refuse an HParam with a value that neither a setting of its name nor the model takes."""
        name, section = hparam.name, self.swept_section(hparam.name)
        try:
            if name in HOUSEKEEPING:
                raise ValueError(f"training.{name} does not decide a result, so it cannot be swept")
            if section:
                self._check_setting(section, hparam)
            elif self.model.build == CATS_VS_DOGS and not self.model.objective:
                self._check_network(hparam)
        except ValueError as error:
            raise KeyedError(f"hparams.{name}", error) from None

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
            close = find_closest(hparam.name, settings | set(NETWORK))
            cure = f"did you mean {close!r}?" if close else f"the network takes {', '.join(NETWORK)}"
            raise ValueError(f"neither the built-in network nor a setting takes a value of this name; {cure}")
        takes, words = NETWORK[hparam.name]
        for value in hparam.domain.values:
            if not takes(value):
                raise ValueError(f"{value!r} is not {words}")

    def swept_section(self, name: str) -> str | None:
        """Return the section whose setting an HParam of this name sweeps, or None if it is the model's own."""
        if self.model.objective:
            return None
        return next((section for section, kind in SECTIONS.items() if name in kind.model_fields), None)

    def _with(self, section: str, values: Mapping[str, Value]) -> Any:
        current: Section = getattr(self, section)
        return type(current).model_validate({**current.model_dump(exclude_unset=True), **values})

    @cached_property
    def space(self) -> Space:
        """Every combination of a grid, in order; of a search, those of its lists, points and endpoints."""
        return space_of(self.hparams, self.sweep.exclude if self.sweep.strategy == "grid" else ())

    @cached_property
    def search_space(self) -> Space | SearchSpace:
        """Every combination that may be trained: those of the grid, or of the space that a search goes through."""
        return self.space if self.sweep.strategy == "grid" else SearchSpace(self.hparams, self.sweep.exclude)

    @property
    def most_trials(self) -> int | None:
        """How many trials there will be at most, as far as that is known beforehand."""
        search_space = self.search_space
        size = search_space.size if isinstance(search_space, SearchSpace) else len(search_space)
        limits = [
            limit
            for limit in (size, self.sweep.trials, count_bracket_trials(self.sweep, self.training))
            if limit is not None
        ]
        return min(limits, default=None)

    @property
    def pauses_trials(self) -> bool:
        """Whether trials are paused at rungs, each with a checkpoint to resume from."""
        return pauses_trials(self.sweep)

    @property
    def stall_after(self) -> float | None:
        """Seconds of silence after which a trial is given up; an objective may be silent unless it was set."""
        silent = self.model.objective and "stall_after" not in self.training.model_fields_set
        return None if silent else self.training.stall_after

    @property
    def objective(self) -> Objective:
        """The metric and its direction; where ``sweep.goal`` is not set, words in the metric's name decide."""
        metric = self.sweep.metric.removeprefix("val_")
        maximize = self.sweep.goal != "min" if self.sweep.goal else not _names_an_error(metric)
        return Objective(metric, maximize, with_loss=not self.model.objective, select=self.sweep.select)

    def with_recorded_goal(self, recorded: Objective | None) -> SweepConfig:
        """Return the sweep with the goal that its record has, where the file does not set one.

        Args:
            recorded: of the record; None if there is none.
        """
        if recorded is None or self.sweep.goal or recorded.maximize == self.objective.maximize:
            return self
        goal = "max" if recorded.maximize else "min"
        return self.model_copy(update={"sweep": self.sweep.model_copy(update={"goal": goal})})

    def settings_for(self, values: Combination) -> Settings:
        """Return the settings of one trial: HParams named like a setting take its place."""
        sections: dict[str, Section] = {name: getattr(self, name) for name in SECTIONS}
        for section in sections:
            swept = {name: value for name, value in values.items() if self.swept_section(name) == section}
            sections[section] = self._with(section, swept) if swept else sections[section]
        if not self.model.objective:
            training: Training = sections["training"]  # type: ignore[assignment]  # the section of that name is
            sections["training"] = training.resolve(with_gpus=self.sweep.gpus != 0)
        return Settings(**sections, model=self.model, folder=self.folder)  # type: ignore[arg-type]

    def recipe(self) -> dict[str, Any]:
        """Return everything besides HParam values that decides a result, flat: ``{"data.image_size": 150, ...}``.

        Where the pictures lie is not part of it (what they are is, see ``datasets``), nor is what an HParam sweeps.
        """
        swept = {(self.swept_section(hparam.name), hparam.name) for hparam in self.space.hparams}
        used = {"model", "training"} | (set() if self.model.objective else {"data", "augmentation"})
        tables = self.model_dump(mode="json", include=used)
        if not self.model.objective:
            tables["training"] = self.training.resolve(with_gpus=self.sweep.gpus != 0).model_dump(mode="json")
        left_out = HOUSEKEEPING | {"train", "validation"}
        recipe = {
            f"{section}.{key}": value
            for section, table in tables.items()
            for key, value in table.items()
            if key not in left_out and (section, key) not in swept
        }
        return recipe | {"sweep.metric": self.objective.metric}

    def tables(self) -> dict[str, Any]:
        """Return the sweep as tables that a sweep file could hold, with only what was set."""
        tables: dict[str, Any] = self.model_dump(mode="json", exclude={"hparams", "folder"}, exclude_unset=True)
        grids = [{hparam.name: hparam_table(hparam) for hparam in grid} for grid in self.hparams]
        return {"hparams": grids[0] if len(grids) == 1 else grids} | {k: drop_none(v) for k, v in tables.items()}

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
        folder = file.resolve().parent
        return cls.validate_tables(add_declared_hparams(tables, str(file), folder), where=str(file), folder=folder)

    @classmethod
    def validate_tables(cls, tables: Mapping[str, Any], *, where: str, folder: Path) -> SweepConfig:
        """Return the ``SweepConfig`` of tables as ``tomllib`` reads them; errors name the file.

        Raises:
            SweepFileError: see ``load``.
        """
        if "folder" in tables:  # a field, but not a key of the file
            raise SweepFileError("folder: unknown key; it is where the sweep file lies", where=where)
        try:
            config = cls.model_validate({**tables, "folder": folder})
        except ValidationError as error:
            raise explain_errors(error, where, cls) from None
        config._file = where
        return config
