"""Checks of a report's page in a browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser

from tests.support.browser import watched


def assert_report_opens(browser: Browser, report: Path) -> None:
    """Check the page on a desktop and a phone, light and dark: no errors, charts, no overflow."""
    url = report.absolute().as_uri()
    for width, scheme in ((1280, "light"), (390, "dark")):
        size = {"width": width, "height": 844}
        with watched(browser, url, viewport=size, color_scheme=scheme) as page:
            page.page.goto(url)
            heights = page.page.evaluate(
                "[...document.querySelectorAll('.plot')].map(p => p.getBoundingClientRect().height)"
            )
            assert len(heights) > 3 and min(heights) > 15  # a chart of one bar has 18 pixels
            assert page.errors == [] and page.requests == []
            assert page.overflow() == 0
