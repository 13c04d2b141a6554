"""The HParams dashboard in a real browser: as many rows as trials, every view drawn, no row missing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect, sync_playwright
from sweeps import configured

from gridsearch.runner.sweep import sweep
from gridsearch.writers.tensorboard.server import Dashboard

pytestmark = pytest.mark.slow

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"]  # fmt: skip
MILLISECONDS = 60_000


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield browser.new_page(viewport={"width": 1600, "height": 1000})
        browser.close()


def test_every_trial_is_a_row_and_a_line(page: Page, logdir: Path) -> None:
    """18 combinations, one of them failing, as a person would look at them."""
    hparams = {"x": {"real_interval": [0.1, 0.9], "points": 9}, "side": {"discrete": ["left", "right"]}}
    record = sweep(configured(logdir, hparams, "objectives:numbers")).record
    assert len(record.trials) == 18
    with Dashboard(logdir) as dashboard:
        page.goto(f"{dashboard.url}/#hparams")
        table = page.locator("tf-hparams-table-view vaadin-grid")
        expect(table).to_be_visible(timeout=MILLISECONDS)
        expect(table.get_by_text(f"run-0018 {record.group}", exact=True)).to_be_attached(timeout=MILLISECONDS)
        names = table.locator("vaadin-grid-cell-content").all_inner_texts()
        rows = {name.strip() for name in names if name.strip().startswith("run-")}
        assert rows == {f"{trial.trial.name} {record.group}" for trial in record.trials}
        page.locator("paper-tab[view-id=parallel-coords-view]").click()
        lines = page.locator("tf-hparams-parallel-coords-plot svg g.foreground path")
        expect(lines).to_have_count(18, timeout=MILLISECONDS)
        page.locator("paper-tab[view-id=scatter-plot-matrix-view]").click()
        expect(page.locator("tf-hparams-scatter-plot-matrix-plot svg circle").first).to_be_attached(
            timeout=MILLISECONDS
        )
