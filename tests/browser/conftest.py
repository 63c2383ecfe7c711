"""A headless Chromium without a network, for the pages that reports are.

Any Chromium does: the one that TRACEGRAPH_CHROMIUM names, or one on the path. Where there is none,
or no playwright to drive it, the tests are skipped and say why.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tracegraph.report import Report

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium_path() -> str:
    """Where a Chromium is; empty for nowhere."""
    given = os.environ.get("TRACEGRAPH_CHROMIUM", "")
    return given or next(filter(None, map(shutil.which, NAMES)), "")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    driver = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install playwright"
    )
    path = chromium_path()
    if not path:
        pytest.skip("needs a Chromium on the path, or TRACEGRAPH_CHROMIUM naming one")
    with driver.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=path, args=list(FLAGS))
        yield browser
        browser.close()


class Opened:
    """A page with a report, and all that it complained of.

    Attributes:
        page: the page.
        complaints: errors and messages of its console, and requests that it made.
    """

    def __init__(self, page: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._session = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self._said(dialog))
        page.on("request", lambda request: self._asked(request.url))

    def go(self, file: Path) -> None:
        """Opens a file and waits for the page to be ready."""
        self.page.goto(file.as_uri())
        self.page.wait_for_selector("html[data-ready=yes]", timeout=30_000)

    def ask(self, script: str) -> Any:
        """What an expression of JavaScript gives."""
        return self.page.evaluate(script)

    def do(self, script: str) -> None:
        """Has JavaScript done; what it gives back may be as large as the graph, and stays there."""
        self.page.evaluate(f"void ({script})")

    def seconds(self) -> float:
        """What the page's main thread has worked so far, whatever else the machine does."""
        metrics = self._session.send("Performance.getMetrics")["metrics"]
        return {metric["name"]: metric["value"] for metric in metrics}["TaskDuration"]

    def until(self, script: str, seconds: float = 20.0) -> None:
        """Waits for an expression of JavaScript to hold."""
        end = time.monotonic() + seconds
        while not self.ask(script):
            assert time.monotonic() < end, f"it never came to be that {script}"
            self.page.wait_for_timeout(30)

    def selected(self) -> list[str]:
        """The names of the ops that are selected."""
        return self.ask("[...report.model.selection].map((op) => report.model.ops[op].n)")

    def shown(self) -> list[str]:
        """The labels of all that is drawn, without their types and counts."""
        labels = self.ask("report.graph.view.nodes().map((node) => node.data('label'))")
        return [label.split("\n")[0] for label in labels]

    def _said(self, dialog: Any) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _asked(self, url: str) -> None:
        if not url.startswith(("file:", "data:", "about:")):
            self.complaints.append(f"asked for {url}")


@pytest.fixture
def open_report(chromium: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Opens a report from a file, offline; at the end nothing may have been complained of."""
    contexts: list[Any] = []
    opened: list[Opened] = []

    def opens(report: Report, **settings: Any) -> Opened:
        context = chromium.new_context(
            offline=True, viewport={"width": 1500, "height": 900}, **settings
        )
        contexts.append(context)
        opened.append(Opened(context.new_page()))
        opened[-1].go(report.save(tmp_path / f"report{len(opened)}.html"))
        return opened[-1]

    yield opens
    for context in contexts:
        context.close()
    assert [text for one in opened for text in one.complaints] == []
