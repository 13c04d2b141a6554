"""A browser without a network that notes whatever a page complains of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"]  # fmt: skip
MILLISECONDS = 60_000


@contextmanager
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM)
        yield opened
        opened.close()


@contextmanager
def opened(browser: Browser, file: Path, **context: Any) -> Iterator[Page]:
    """A file in a window of its own with the network cut; at the end, nothing may have gone wrong in it."""
    context = {"viewport": {"width": 1400, "height": 1000}, "offline": True, **context}
    window = browser.new_context(**context)
    page = window.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if not local(request.url) else None)
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=MILLISECONDS)
    yield page
    attacked = page.evaluate("typeof window.attacked")
    window.close()
    assert complaints == []
    assert attacked == "undefined"


def local(url: str) -> bool:
    return url.startswith(("file:", "data:"))
