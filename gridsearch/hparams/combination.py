"""One value for each hyperparameter, as a value that carries its identity.

>>> Combination({"units": 64, "rate": 0.1}).id == Combination({"rate": 0.1, "units": 64}).id
True
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from gridsearch.hparams.domain import Value

__all__ = ["Combination", "combination_id"]


class Combination(Mapping[str, Value]):
    """Map each HParam's name to one value; immutable, equal to any mapping of the same values.

    Args:
        values: cast by their domains.
        id: the identity, where it is known already (a record keeps it); computed when it is first asked for otherwise.
    """

    __slots__ = ("_id", "_values")

    def __init__(self, values: Mapping[str, Value], *, id: str = "") -> None:  # noqa: A002 - the field's own word
        self._values, self._id = dict(values), id

    @classmethod
    def of(cls, values: Mapping[str, Value]) -> Combination:
        """Return a combination as it is, and any other mapping as a combination."""
        return values if isinstance(values, cls) else cls(values)

    @property
    def id(self) -> str:
        """20 hex digits of SHA-256 over canonical JSON, hashed once.

        Names are sorted, so the order of declaration does not count; the grid's size and the order of values are not
        part of it. JSON keeps types apart (``1``, ``1.0``, ``true`` and ``"1"`` are four texts).

        Raises:
            ValueError: a value is NaN or infinite, which no domain lets pass.
        """
        if not self._id:
            self._id = digest_values(self._values)
        return self._id

    def __getitem__(self, name: str) -> Value:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Combination):
            return self._values == other._values
        return self._values == dict(other) if isinstance(other, Mapping) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return repr(self._values)


def combination_id(values: Mapping[str, Value]) -> str:
    """Return the identity of a combination's values, see ``Combination.id``."""
    return Combination.of(values).id


def digest_values(values: dict[str, Value]) -> str:
    """Return 20 hex digits of SHA-256 over the canonical JSON of values."""
    text = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:20]
