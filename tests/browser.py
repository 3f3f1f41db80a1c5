"""A real browser for tests: Debian's Chromium, driven by Playwright, which brings none of its own.

async with chromium() as browser:
    page = await browser.open(url)
    await page.get_by_label("Name").fill("Ann")
assert browser.faults == []
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from conftest import LEFT_OUT

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Page, Response

PATIENCE = 15_000.0
"""Milliseconds that a page may take to become as a test says."""
_FLAGS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run")


@dataclass
class Visitor:
    """One browser's user: their cookies, their pages, and what went wrong on any of these.

    `faults` are scripts' errors and what the Content-Security-Policy kept from being loaded or run.
    """

    context: BrowserContext
    faults: list[str] = field(default_factory=list)
    answers: list[tuple[int, str]] = field(default_factory=list)
    """The status and URL of all that was loaded."""

    async def open(self, url: str) -> Page:
        """A new page that shows the URL."""
        page = await self.context.new_page()
        await page.goto(url)
        return page

    def watch(self, page: Page) -> None:
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._said)
        page.on("response", self._loaded)

    def _said(self, message: Any) -> None:
        # That an answer was 4xx is for the test to judge, by `answers`.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.faults.append(message.text)

    def _loaded(self, response: Response) -> None:
        self.answers.append((response.status, response.url))


@dataclass
class Chromium(Visitor):
    """The browser's first user; `stranger()` is another, who shares nothing with them."""

    async def stranger(self) -> Visitor:
        assert self.context.browser is not None
        return await _visitor(Visitor, self.context.browser)


async def _visitor(kind: Any, browser: Any) -> Any:
    found = kind(await browser.new_context(ignore_https_errors=True))
    found.context.on("page", found.watch)
    return found


def binary() -> str:
    """Where Chromium is; where it or its driver is missing a loud skip, a failure under CI=true."""
    path = os.environ.get("ABAFT_TEST_CHROMIUM") or shutil.which("chromium")
    if path and find_spec("playwright"):
        return path
    reason = "Chromium or playwright is missing: apt-get install chromium; pip install playwright"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(LEFT_OUT + reason)


@asynccontextmanager
async def chromium(*flags: str) -> AsyncIterator[Chromium]:
    """A browser that has never been anywhere; `flags` are more of Chromium's own."""
    path = binary()
    from playwright.async_api import async_playwright

    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=path, args=[*_FLAGS, *flags])
        try:
            yield await _visitor(Chromium, browser)
        finally:
            await browser.close()
