"""Passwords in addresses: used where they are needed, and in no message, record or report."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from gridsearch.errors import DataError, hide_passwords

SWEEP = """
[hparams]
x = { discrete = [0.25, 0.5] }
[model]
objective = "leaking:train"
[sweep]
executor = "inline"
writers = ["lines"]
[writers.lines]
url = "http://me:s3cret@host/lines?token=s3cret"
[writers.mlflow]
tracking_uri = "http://me:s3cret@127.0.0.1:9"
"""
LEAKING = """
def train(values, report):
    print("see postgresql://me:s3cret@host/db")
    if values["x"] == 0.5:
        raise RuntimeError("cannot connect to postgresql://me:s3cret@host/db")
    return {"accuracy": values["x"]}
"""


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("http://me:secret@host/x", "http://***@host/x"),
        (
            "to 'postgresql+psycopg2://me:p@ss@host:5432/db' failed",
            "to 'postgresql+psycopg2://***@host:5432/db' failed",
        ),
        ("https://ghp_1234@github.com/x", "https://***@github.com/x"),
        ("http://h/x?a=1&token=abc&b=2", "http://h/x?a=1&token=***&b=2"),
        ("http://h/x?X-Amz-Signature=abc#top", "http://h/x?X-Amz-Signature=***#top"),
        ("mail me@host, sqlite:///logs/me@work/x.db, http://host/@me", None),
        ("no address at all", None),
    ],
)
def test_what_stands_before_the_host_and_tokens_are_hidden(text: str, hidden: str | None) -> None:
    assert hide_passwords(text) == (hidden or text)
    assert str(DataError(text, where=text, cure=text)).count("secret") == 0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a working directory with a sweep whose settings and failures hold passwords, and a writer of its own."""
    (tmp_path / "leaking.py").write_text(LEAKING)
    (tmp_path / "sweep.toml").write_text(SWEEP)
    (tmp_path / "lines.py").write_text(
        "class Lines:\n"
        "    def __init__(self, info): self.info = info\n"
        "    def begin(self, session):\n"
        "        (self.info.logdir / 'given.txt').write_text(self.info.options['url'])\n"
        "        raise OSError(f\"no answer from {self.info.options['url']}\")\n"
        "    def epoch(self, epoch): ...\n"
        "    def end(self, session): ...\n"
    )
    metadata = tmp_path / "lines-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: lines\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[gridsearch.writers]\nlines = lines:Lines\n")
    return tmp_path


def gridsearch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "gridsearch", *arguments]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, env=environment)


def test_a_writer_gets_the_password_and_nobody_else_sees_it(folder: Path) -> None:
    done = gridsearch(folder, "sweep", "--set", "sweep.detail=summary", "--set", "writers.lines.more=ftp://a:s3cret@b/")
    logdir = folder / "logs" / "hparam_tuning"
    assert (logdir / "given.txt").read_text() == "http://me:s3cret@host/lines?token=s3cret"
    assert "s3cret" not in done.stdout + done.stderr
    assert "lines is switched off, the sweep goes on without it: OSError: no answer from http://***@host" in done.stderr
    with closing(sqlite3.connect(logdir / "sweep.db")) as database:
        assert "s3cret" not in "\n".join(database.iterdump())
    assert "s3cret" not in (logdir / "report.html").read_text()
    assert "postgresql://***@host/db" in (logdir / "report.html").read_text()
    for command in ("status", "best", "export", "plan", "status --json"):
        said = gridsearch(folder, *command.split())
        assert "s3cret" not in said.stdout + said.stderr


def test_mlflow_is_not_asked_with_a_hidden_password(folder: Path) -> None:
    pytest.importorskip("mlflow")
    gridsearch(folder, "sweep")
    done = gridsearch(folder, "mlflow")
    assert done.returncode == 2
    assert "the record keeps no password of the address 'http://***@127.0.0.1:9'" in done.stderr
    assert "--tracking-uri" in done.stderr
    given = gridsearch(folder, "mlflow", "--tracking-uri", f"sqlite:///{folder}/mlflow.db")
    assert given.returncode == 0, given.stderr
