"""What W&B's own tools say of the runs in a log directory."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

WANDB = str(Path(sys.executable).parent / "wandb")
CORE = str(Path(importlib.util.find_spec("wandb").origin or "").parent / "bin" / "wandb-core")  # type: ignore[union-attr]
"""The program behind `wandb leet`."""


def directories(logdir: Path) -> list[Path]:
    """One for each time that an offline run was written."""
    return sorted((logdir / "wandb").glob("offline-run-*"))


def summaries(logdir: Path) -> list[dict[str, Any]]:
    """`wandb leet inspect --summary --json` of each run, ordered by its name."""
    return sorted((summary(each) for each in directories(logdir)), key=lambda run: str(run["name"]))


def summary(directory: Path, *, by_its_users_command: bool = False) -> dict[str, Any]:
    """`wandb leet inspect --summary --json` of a run; the command itself takes a second to import wandb."""
    options = ["leet", "inspect", "--summary", "--json"]
    if by_its_users_command:
        said = _said(WANDB, *options, str(directory))
    else:
        said = _said(CORE, *options, "--no-observability", *_located(directory))
    found: dict[str, Any] = json.loads(said)
    return found


def records(directory: Path) -> list[dict[str, Any]]:
    """Everything that was written of a run, in order, as `wandb leet inspect --json` shows it."""
    said = _said(CORE, "leet", "inspect", "--json", "--no-observability", *_located(directory))
    return [json.loads(line) for line in said.splitlines()]


def history(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a run logged, without what W&B adds of its own."""
    rows = [record["history"]["item"] for record in records if record["type"] == "history"]
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows]


def to_be_synced(logdir: Path) -> list[str]:
    """The ids of the runs that `wandb sync` would upload, as often as it would."""
    done = subprocess.run(
        [WANDB, "sync", "--dry-run"], cwd=logdir, capture_output=True, text=True, check=True, timeout=60
    )
    said = done.stdout + done.stderr
    ids = re.findall(r"/run-(\S+)\.wandb$", said, re.M)
    count = re.search(r"Would sync (\d+) run", said)
    assert len(ids) == (int(count.group(1)) if count else 0), said
    return sorted(ids)


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def _located(directory: Path) -> list[str]:
    (file,) = directory.glob("*.wandb")
    return ["--run-file", str(file), str(directory.parent)]
