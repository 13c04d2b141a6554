"""The report of a large sweep: 2,000 quick trials with 8 HParams; writing it, its size, opening it in Chromium."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

OBJECTIVE = """
import random
def train(values, report):
    random.seed(repr(sorted(values.items())))
    score = values["a"] * 0.1 + (values["e"] == "adam") * 0.2 + random.gauss(0.3, 0.05)
    for epoch in range(10):
        report(epoch, {"accuracy": score * (epoch + 1) / 10, "loss": 1 / (epoch + 1), "val_loss": 1.1 / (epoch + 1)})
    return {"accuracy": score}
"""
SWEEP = """
[hparams]
a = { real_interval = [0.0, 1.0], points = 5 }
b = { real_interval = [0.0001, 1.0], points = 5, log = true }
c = { discrete = [1, 2, 3, 4, 5] }
d = { discrete = [16, 32] }
e = { discrete = ["adam", "sgd"] }
f = { discrete = [true, false] }
g = { discrete = ["relu", "gelu"] }
h = { discrete = [0.5] }
[model]
objective = "quick:train"
[sweep]
workers = 2
detail = "summary"
"""
TIMES = 5


def main() -> None:
    """Run the sweep, then write and open its report several times."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "quick.py").write_text(OBJECTIVE)
        (folder / "sweep.toml").write_text(SWEEP)
        gridsearch = [sys.executable, "-m", "gridsearch"]
        subprocess.run([*gridsearch, "sweep"], cwd=folder, check=True, capture_output=True)
        file = folder / "logs" / "hparam_tuning" / "report.html"
        times = [_timed([*gridsearch, "report", str(file.parent)]) for _ in range(TIMES)]
        print(f"gridsearch report, 2,000 trials   median {median(times):.2f} s, {max(times):.2f} s at most")
        print(f"size of report.html               {file.stat().st_size / 1e6:.2f} MB")
        opened = _opened(file)
        if opened:
            shown, answered = opened
            print(f"opened, every figure drawn        median {median(shown):.2f} s, {max(shown):.2f} s at most")
            print(f"a filter answered                 median {median(answered):.2f} s, {max(answered):.2f} s at most")


def _timed(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _opened(file: Path) -> tuple[list[float], list[float]] | None:
    """Seconds until the page is drawn, and until it has answered a filter; None without a Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium here to open it in")
        return None
    shown, answered = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for _ in range(TIMES):
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            began = time.perf_counter()
            page.goto(file.as_uri())
            page.wait_for_selector("html[data-ready]")
            page.evaluate("() => new Promise(requestAnimationFrame)")  # the first frame is on the screen
            shown.append(time.perf_counter() - began)
            began = time.perf_counter()
            page.locator("#query").fill("e=adam a>0.3")
            page.wait_for_function("document.querySelector('.count').textContent.includes(' of 2,000')")
            page.evaluate("() => new Promise(requestAnimationFrame)")
            answered.append(time.perf_counter() - began)
            page.close()
        browser.close()
    return shown, answered


if __name__ == "__main__":
    main()
