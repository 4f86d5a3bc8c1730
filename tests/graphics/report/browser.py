"""Debian's Chromium driven by playwright, without a network: for tests and for the evidence program."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
# Milliseconds: a machine may be busy.
PATIENCE = 120_000


def why_not() -> str:
    """What a browser test lacks here, empty if nothing."""
    if importlib.util.find_spec("playwright") is None:
        return "no playwright (pip install -e '.[browser]')"
    return "" if CHROMIUM else "no chromium (apt-get install chromium)"


class Opened:
    """A report in a browser: its page, all it said and asked for, and the seconds until it could be used.

    ``seconds`` are those of a clock, ``busy`` those in which the page's process was at work.
    """

    def __init__(self, page: Any):
        self.page, self.said, self.asked, self.seconds, self.busy = page, [], [], 0.0, 0.0
        page.set_default_timeout(PATIENCE)
        page.on("console", lambda message: self.said.append((message.type, message.text)))
        page.on("pageerror", lambda error: self.said.append(("error", str(error))))
        page.on("dialog", lambda dialog: (self.said.append(("error", f"a dialog: {dialog.message}")), dialog.dismiss()))
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: Path) -> None:
        """Open a report and wait until the map, the table and the first figure are there; all others follow."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Performance.enable")
        begin = time.perf_counter()
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached")
        self.seconds = time.perf_counter() - begin
        metrics = {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}
        self.busy = metrics.get("ProcessTime", float("nan"))

    def wait_for_all(self) -> None:
        """Wait until every figure is drawn."""
        self.page.wait_for_selector("html[data-drawn]", state="attached")

    def asked_beyond(self, path: Path) -> list[str]:
        """What was asked for besides the file and what is in it."""
        own = path.resolve().as_uri()
        return [url for url in self.asked if url.split("#")[0] != own and not url.startswith(("data:", "blob:"))]

    def complaints(self) -> list[tuple[str, str]]:
        """Warnings and errors."""
        return [one for one in self.said if one[0] in ("error", "warning")]


@contextmanager
def browser(width: int = 1280, height: int = 900) -> Iterator[Opened]:
    """A browser with a profile of its own, which has no network."""
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, sync_playwright() as playwright:
        how = {"executable_path": CHROMIUM, "headless": True, "args": [*ARGUMENTS], "offline": True}
        size = {"width": width, "height": height}
        context = playwright.chromium.launch_persistent_context(profile, viewport=size, **how)
        try:
            yield Opened(context.new_page())
        finally:
            context.close()
