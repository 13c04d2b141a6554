"""What W&B's own tools say of the runs in a log directory."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

WANDB = str(Path(sys.executable).parent / "wandb")


def directories(home: Path) -> list[Path]:
    """One for each time that an offline run was written."""
    return sorted((home / "wandb").glob("offline-run-*"))


def summaries(home: Path) -> list[dict[str, Any]]:
    """`wandb leet inspect --summary --json` of each run, ordered by its name."""
    said = [json.loads(_said("leet", "inspect", "--summary", "--json", str(each))) for each in directories(home)]
    return sorted(said, key=lambda run: str(run["name"]))


def records(directory: Path) -> list[dict[str, Any]]:
    """Everything that was written of a run, in order, as `wandb leet inspect --json` shows it."""
    return [json.loads(line) for line in _said("leet", "inspect", "--json", str(directory)).splitlines()]


def history(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a run logged, without what W&B adds of its own."""
    rows = [record["history"]["item"] for record in records if record["type"] == "history"]
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in rows]


def to_be_synced(home: Path) -> list[str]:
    """The ids of the runs that `wandb sync` would upload, as often as it would."""
    done = subprocess.run(
        [WANDB, "sync", "--dry-run"], cwd=home, capture_output=True, text=True, check=True, timeout=60
    )
    said = done.stdout + done.stderr
    ids = re.findall(r"/run-(\S+)\.wandb$", said, re.M)
    count = re.search(r"Would sync (\d+) run", said)
    assert len(ids) == (int(count.group(1)) if count else 0), said
    return sorted(ids)


def _said(*arguments: str) -> str:
    return subprocess.run([WANDB, *arguments], capture_output=True, text=True, check=True, timeout=60).stdout
