"""Errors that name the key they are about, gathered and told together."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

__all__ = ["KeyedError", "KeyedErrors", "collect_errors", "find_closest", "suggest_key"]

T = TypeVar("T")
U = TypeVar("U")


class KeyedError(ValueError):
    """An error below a key that pydantic does not see, such as a domain inside [hparams]."""

    def __init__(self, key: str, error: Exception) -> None:
        self.key = key
        super().__init__(str(error))


class KeyedErrors(ValueError):
    """Errors below several keys, told at once."""

    def __init__(self, errors: Sequence[KeyedError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(f"{error.key}: {error}" for error in errors))


def collect_errors(items: Iterable[T], make: Callable[[T], U]) -> tuple[U, ...]:
    """``make`` of every item; what is wrong with any of them is raised together at the end.

    Raises:
        Several: an ``KeyedError`` for each key that something was wrong with.
    """
    made: list[U] = []
    wrong: list[KeyedError] = []
    for item in items:
        try:
            made.append(make(item))
        except KeyedError as error:
            wrong.append(error)
        except KeyedErrors as error:
            wrong += error.errors
    if wrong:
        raise KeyedErrors(wrong)
    return tuple(made)


def find_closest(key: str, known: Iterable[str]) -> str | None:
    """The known key that is most like this one, if any is."""
    return next(iter(difflib.get_close_matches(key, sorted(known), n=1, cutoff=0.5)), None)


def suggest_key(key: str, known: Iterable[str]) -> str:
    """Return the end of a message about an unknown key: the one it may have meant, or all that there are."""
    close = find_closest(key, known)
    return f"; did you mean {close!r}?" if close else f"; the keys here are {', '.join(sorted(known))}"
