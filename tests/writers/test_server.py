"""The TensorBoard that is questioned is a light one."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest
from sweeps import configured

from gridsearch.runner.sweep import sweep
from gridsearch.writers.tensorboard.server import Dashboard


@pytest.mark.slow
def test_a_questioned_tensorboard_loads_no_tensorflow(logdir: Path) -> None:
    """Probe of ``tensorboard.compat``: by ``notf`` it knows that it was built without TensorFlow."""
    sweep(configured(logdir, {"x": {"discrete": [0.25]}}))
    with Dashboard(logdir):
        servers = psutil.Process().children(recursive=True)
        mapped = {Path(each.path).name for server in servers for each in server.memory_maps()}
    assert any("python" in name for name in mapped)
    moved = [name for name in mapped if "tensorflow" in name]
    assert not moved, "tensorboard.compat chooses TensorFlow's stub by another name now: see QUESTIONED in server.py"
