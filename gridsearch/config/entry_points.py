"""Find the user's functions that a sweep file names, before anything is trained.

Their modules are parsed and not imported, which may take as long as TensorFlow takes to import. What cannot be seen in
this way (a module without source, a name that is made while the module runs) has the benefit of the doubt.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from gridsearch.config.sweep_config import SweepConfig
from gridsearch.errors import SweepFileError
from gridsearch.hparams.key_errors import find_closest

__all__ = ["UserCodeError", "load_entry_point", "refuse_missing_functions"]

MAKES_NAMES = {"*", "__getattr__", "exec", "globals", "locals", "setattr", "vars"}
"""With one of these in it, a module may have names that its source does not show."""


def refuse_missing_functions(config: SweepConfig) -> None:
    """Refuse a sweep that names functions which are not there.

    Raises:
        SweepFileError: there is no such module, it cannot be parsed, or nothing in it has the name.
    """
    model, preprocessing = config.model, config.augmentation.preprocessing_function
    named = {"model.objective": model.objective} if model.objective else {"model.build": model.build}
    for key, name in {**named, "augmentation.preprocessing_function": preprocessing}.items():
        if name:
            _refuse_missing(name, config.folder, key)


def _refuse_missing(name: str, folder: Path, where: str) -> None:
    module, function = name.split(":")
    if module in sys.modules:
        return
    source = _source(module, folder)
    if source is None:
        problem = f"there is no module {module!r} in {folder} or among installed packages"
        raise SweepFileError(problem, where=where)
    try:
        names = set(_names(ast.parse(source.read_bytes()))) if source.suffix == ".py" else MAKES_NAMES
    except OSError:
        return
    except (SyntaxError, ValueError) as error:
        raise SweepFileError(f"{source} is not Python: {error}", where=where) from None
    if function not in names and not names & MAKES_NAMES:
        close = find_closest(function, names)
        cure = f"Did you mean {module}:{close}?" if close else ""
        raise SweepFileError(f"module {module!r} has no function {function!r}", where=where, cure=cure)


def _source(module: str, folder: Path) -> Path | None:
    """Return the module's file; of an installed package only its folder, since finding more would import it."""
    first, *rest = module.split(".")
    for base in (folder, Path.cwd()):
        for file in (base / f"{'/'.join([first, *rest])}.py", base.joinpath(first, *rest, "__init__.py")):
            if file.is_file():
                return file
    try:
        found = find_spec(first)
    except ValueError:  # imported by hand, without a specification
        return folder
    if found is None:
        return None
    return Path(found.origin) if found.origin and not rest else folder


def _names(tree: ast.AST) -> Iterator[str]:
    """Yield every name that is bound or called upon anywhere in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.split(".")[0]
        elif isinstance(node, ast.Name) and (isinstance(node.ctx, ast.Store) or node.id in MAKES_NAMES):
            yield node.id


class UserCodeError(Exception):
    """The user's own module or function cannot be used as named."""


def load_entry_point(name: str, folder: Path) -> Callable[..., Any]:
    """Return the function that ``module:function`` names, of ``folder``, the working directory or an installed package.

    Raises:
        UserCodeError: there is no such module or function.
    """
    module_name, function_name = name.split(":")
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))  # and it stays: the user's functions may import more when they are called
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())  # as workers have it
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not f"{module_name}.".startswith(f"{error.name}."):
            raise  # the module is there, and itself imports something that is not
        raise UserCodeError(f"there is no module {module_name!r} in {folder} or among installed packages") from None
    function: Any = getattr(module, function_name, None)
    if not callable(function) and not callable(getattr(function, "build", None)):  # which a HyperModel has
        raise UserCodeError(f"module {module_name!r} has no function {function_name!r}")
    return function  # type: ignore[no-any-return]  # callable() is all that can be known of a user's function
