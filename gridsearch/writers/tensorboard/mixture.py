"""Say what TensorBoard cannot show of several sweeps at once."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path

from gridsearch.record.reader import Record
from gridsearch.writers.tensorboard.events import row_name

__all__ = ["describe_mixture"]


def describe_mixture(logdir: Path, records: Mapping[str, Record]) -> list[str]:
    """Return what is not to be seen, a sentence each; [] of one sweep.

    Args:
        logdir: the folder that TensorBoard is started on.
        records: by their paths below it.
    """
    if len(records) < 2:
        return []
    lines, folder = [], shlex.quote(str(logdir))
    owners: dict[str, list[str]] = {}
    for sweep, record in records.items():
        for trial in record.trials:
            if trial.sessions:
                owners.setdefault(row_name(trial.trial, record.group), []).append(sweep)
    sharing = list(dict.fromkeys(", ".join(sweeps) for sweeps in owners.values() if len(sweeps) > 1))
    lines += [
        f"{sweeps} have rows of the same names, and TensorBoard shows the mean of them; "
        f"`gridsearch check {folder} --repair` gives each sweep its own"
        for sweeps in sharing
    ]
    declared = {(tuple(sorted(h.name for h in record.hparams)), record.columns) for record in records.values()}
    if len(declared) > 1:
        lines.append(
            f"TensorBoard declares the HParams and metrics of only one of these {len(records)} sweeps: columns that "
            "others have besides are in none of its tables; each sweep by itself has them all, as in "
            f"`gridsearch tensorboard {shlex.quote(str(logdir / next(iter(records))))}`"
        )
    return lines
