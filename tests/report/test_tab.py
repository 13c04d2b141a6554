"""The tab inside a real TensorBoard: next to HPARAMS, refreshing while a sweep runs; and what it does not serve."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import browsing
import pytest
from browsing import MILLISECONDS
from hostile import HOSTILE
from playwright.sync_api import Browser, Page, expect
from sweeps import TESTS, configured

from gridsearch.record.reader import Record
from gridsearch.report.tab import SweepPlugin, sweeps_below
from gridsearch.runner.sweep import sweep
from gridsearch.trials import Status
from gridsearch.writers.tensorboard.server import Dashboard

NUMBERS = {"x": {"real_interval": [0.1, 0.9], "points": 6}, "side": {"discrete": ["left", "right"]}}

GROWING = """
[hparams]
behaviour = {discrete = ["fine", "waits", "random"]}
[model]
objective = "objectives:behaving"
[sweep]
executor = "inline"
"""


@pytest.fixture
def browser(chromium: str) -> Iterator[Browser]:
    with browsing.browser(chromium) as opened_browser:
        yield opened_browser


def visited(browser: Browser, url: str) -> tuple[Page, list[str]]:
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    complaints: list[str] = []
    page.on(
        "console", lambda message: complaints.append(message.text) if "/data/plugin/" in str(message.location) else None
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{url}/#gridsearch")
    return page, complaints


@pytest.mark.slow
def test_the_tab_refreshes_while_a_sweep_runs(browser: Browser, tmp_path: Path) -> None:
    """Two sweeps below one directory: one that has ended and tries to break the page, one that begins now."""
    sweep(configured(tmp_path / "hostile", HOSTILE, "objectives:scored"))
    with Dashboard(tmp_path) as dashboard:
        page, complaints = visited(browser, dashboard.url)
        expect(page.get_by_role("tab", name="hparams")).to_be_visible(timeout=MILLISECONDS)
        expect(page.get_by_role("tab", name="Sweep", selected=True)).to_be_visible(timeout=MILLISECONDS)
        frame = page.frame_locator("iframe")
        expect(frame.locator("h1")).to_have_text("hostile", timeout=MILLISECONDS)
        assert frame.locator(".parallel .axis").count() == len(HOSTILE) + 1
        (tmp_path / "sweep.toml").write_text(GROWING)
        (tmp_path / "objectives.py").write_text((TESTS / "objectives.py").read_text())
        command = [sys.executable, "-m", "gridsearch", "sweep", "sweep.toml", "--logdir", "growing"]
        running = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "GO_ON": "go_on"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            expect(frame.locator("#sweep option")).to_have_count(2, timeout=MILLISECONDS)
            frame.locator("#sweep").select_option("growing")
            expect(frame.locator("h1")).to_have_text("growing", timeout=MILLISECONDS)
            expect(frame.locator(".counts")).to_contain_text("2 trials: 1 completed, 1 running", timeout=MILLISECONDS)
            frame.locator("#query").fill("run")
            (tmp_path / "go_on").touch()
            expect(frame.locator(".counts")).to_contain_text("3 trials: 3 completed", timeout=MILLISECONDS)
        finally:
            running.kill()
            running.wait()
        assert frame.locator("#query").input_value() == "run", "what the user had typed is still there"
        assert frame.locator("table.board tbody tr").count() == 3
        page.evaluate("document.body.classList.add('dark-mode')")
        expect(frame.locator("body.dark")).to_have_css("background-color", "rgb(21, 24, 28)", timeout=MILLISECONDS)
        attacked = [each.evaluate("typeof window.attacked") for each in page.frames]
        assert (set(attacked), complaints) == ({"undefined"}, [])


def asked(url: str) -> tuple[int, Any]:
    loopback = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with loopback.open(url, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, None


@pytest.mark.slow
def test_nothing_outside_the_log_directory_is_served(tmp_path: Path) -> None:
    """A sweep beside the log directory, one linked into it, a log that links to a secret: none can be had."""
    sweep(configured(tmp_path / "outside", NUMBERS))
    logdir = tmp_path / "logs"
    sweep(configured(logdir / "inside", HOSTILE, "objectives:scored"))
    (logdir / "linked").symlink_to(tmp_path / "outside")
    (logdir / "borrowed").mkdir()
    (logdir / "borrowed" / "sweep.db").symlink_to(tmp_path / "outside" / "sweep.db")
    secret = tmp_path / "secret"
    secret.write_text("SECRET")
    failed = next(s for s in Record.read(logdir / "inside").sessions if s.status is Status.FAILED)
    log = logdir / "inside" / failed.name / "log.txt"
    log.unlink()
    log.symlink_to(secret)
    with Dashboard(logdir) as dashboard:
        plugin = f"{dashboard.url}/data/plugin/gridsearch"
        assert asked(f"{plugin}/sweeps") == (200, ["inside"])
        for name in ("../outside", "linked", "borrowed", str(tmp_path / "outside"), "inside/../../outside", ".", ""):
            status, _ = asked(f"{plugin}/facts?sweep={urllib.parse.quote(name)}")
            assert status == 404, name
        status, answer = asked(f"{plugin}/facts?sweep=inside")
        assert (status, len(answer["facts"]["trials"]["name"])) == (200, 64)
        assert "SECRET" not in json.dumps(answer)
        for path in ("/../../../secret", "/%2e%2e/%2e%2e/secret", "/page.py", "/index.js/..%2fpage.py"):
            assert asked(plugin + path)[0] == 404
        version = answer["version"]
        _, again = asked(f"{plugin}/facts?sweep=inside&version={version}")
        assert again == {"version": version, "sweep": "inside", "running": False}, "nothing new, nothing sent"


def test_sweeps_are_found_below_the_log_directory(tmp_path: Path) -> None:
    for logdir in ("a", "b/c", "b/c/run-0001", ".hidden", "1/2/3/4/5"):
        (tmp_path / logdir).mkdir(parents=True)
        (tmp_path / logdir / "sweep.db").touch()
    assert sweeps_below(tmp_path) == {"a": tmp_path / "a", "b/c": tmp_path / "b" / "c"}
    (tmp_path / "sweep.db").touch()
    assert sweeps_below(tmp_path) == {".": tmp_path}
    assert sweeps_below(tmp_path / "not there") == {}


@pytest.mark.parametrize("logdir", ["", "gs://bucket/logs", "not there"])
def test_without_a_sweep_there_is_no_tab(logdir: str) -> None:
    assert not SweepPlugin(SimpleNamespace(logdir=logdir)).is_active()


def test_a_home_directory_may_be_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    sweep(configured(tmp_path / "logs", NUMBERS))
    assert SweepPlugin(SimpleNamespace(logdir="~/logs")).is_active()


def test_a_damaged_record_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "sweep.db").write_bytes(b"this is no database" * 100)
    plugin, said = SweepPlugin(SimpleNamespace(logdir=str(tmp_path))), []
    body = plugin.get_plugin_apps()["/facts"]({"QUERY_STRING": "sweep=."}, lambda *answer: said.append(answer))
    assert "the record is damaged" in json.loads(b"".join(body))["problem"]
    assert said[0][0] == "200 OK"


def test_the_record_is_not_written(tmp_path: Path) -> None:
    sweep(configured(tmp_path, NUMBERS))
    before = (tmp_path / "sweep.db").read_bytes(), sorted(os.listdir(tmp_path))
    (tmp_path / "sweep.db").chmod(0o444)
    plugin = SweepPlugin(SimpleNamespace(logdir=str(tmp_path)))
    body = plugin.get_plugin_apps()["/facts"]({"QUERY_STRING": "sweep=."}, lambda *answer: None)
    assert len(json.loads(b"".join(body))["facts"]["trials"]["name"]) == 12
    assert (tmp_path / "sweep.db").read_bytes() == before[0]
    assert sorted(os.listdir(tmp_path)) == before[1]


LOOK = """
import sys, types
from tensorboard.plugins import base_plugin
before = set(sys.modules)
from gridsearch.report.tab import SweepPlugin
plugin = SweepPlugin(types.SimpleNamespace(logdir=sys.argv[1]))
plugin.is_active(), plugin.frontend_metadata(), plugin.get_plugin_apps()
print(sorted({name.partition(".")[0] for name in set(sys.modules) - before} - {"gridsearch"}))
"""


def test_tensorboard_starts_without_anything_heavy_of_ours(tmp_path: Path) -> None:
    (tmp_path / "sweep.db").touch()
    done = subprocess.run([sys.executable, "-c", LOOK, str(tmp_path)], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout.replace("'", '"')))
    assert not {"tensorflow", "keras", "numpy", "scipy", "sklearn", "pydantic", "sqlite3", "matplotlib"} & loaded
