"""Chromium for tests of pages, with the console messages and network requests of a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, sync_playwright


def chromium_path() -> str:
    """Return the path of Chromium. Without it the test is skipped, or fails in CI."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        reason = "needs Chromium: 'apt-get install chromium', or 'make test' as root"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return path


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium."""
    path = chromium_path()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page that may only reach urls that begin with ``origin``.

    ``errors`` are the errors and warnings in its console, and its exceptions. ``requests`` are its
    requests for other urls, which are blocked.
    """

    def __init__(self, browser: Browser, origin: str, **context: Any) -> None:
        self.errors: list[str] = []
        self.requests: list[str] = []
        self._origin = origin
        self._context = browser.new_context(**context)
        self._context.route("**/*", self._route)
        self.page: Page = self._context.new_page()
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._console)

    def _route(self, route: Route) -> None:
        if route.request.url.startswith((self._origin, "data:", "blob:")):
            route.continue_()
        else:
            self.requests.append(route.request.url)
            route.abort()

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def overflow(self) -> int:
        """Return the number of pixels by which the page is wider than its window."""
        return int(
            self.page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
        )

    def close(self) -> None:
        """Close the page."""
        self._context.close()


@contextmanager
def watched(browser: Browser, origin: str, **context: Any) -> Iterator[Watched]:
    """Open a page. ``context`` are options of playwright's ``Browser.new_context``."""
    page = Watched(browser, origin, **context)
    try:
        yield page
    finally:
        page.close()
