"""The pages in a browser: each one in both themes and at three widths, without violations that axe-core detects."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.reports.browsers import chromium, needs_chromium
from tests.server.live import ROOT, LiveServer, run_server

pytestmark = [needs_chromium, pytest.mark.slow]
AXE: Final = ROOT / "web" / "node_modules" / "axe-core" / "axe.min.js"
PASSWORD: Final = "correct horse battery staple"  # noqa: S105 - of a test
_LINK: Final = re.compile(r"http://\S+/sign-in#\S+")
_RULES: Final = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with run_server(tmp_path_factory.mktemp("pages")) as server:
        yield server


@pytest.fixture(scope="module")
def session(server: LiveServer, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with the cookies of the administrator, who has signed in by the link that the server prints."""
    file = tmp_path_factory.mktemp("session") / "state.json"
    context = browser.new_context()
    page = context.new_page()
    link = _LINK.search(server.log)
    assert link is not None, server.log
    page.goto(link[0])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("New password").fill(PASSWORD)
    page.get_by_role("button", name="Save the password").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    assert "#" not in page.url
    context.storage_state(path=file)
    context.close()
    return file


@pytest.fixture
def context(browser: Browser, session: Path) -> Iterator[BrowserContext]:
    context = browser.new_context(storage_state=session)
    yield context
    context.close()
