"""Create docs/pictures/server-*.png from the demo of the server: `PYTHONPATH=server/src python -m scripts.server_pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from playwright.sync_api import Browser, Page
from tests.reports.browsers import chromium
from tests.server.live import ROOT, run_server
from tests.server.test_pages import sign_in, wait_for_content

PICTURES: Final = ROOT / "docs" / "pictures"
WIDTH, HEIGHT = 1280, 800


def take_overview(page: Page) -> None:
    """Take the picture of the overview."""
    page.goto("/")
    wait_for_content(page)
    page.screenshot(path=PICTURES / "server-overview.png")


def take_findings(page: Page) -> None:
    """Take the picture of the findings with an open one."""
    page.goto("/findings")
    wait_for_content(page)
    page.locator("tr[data-index='4'] a.kk-row-link").click()
    page.get_by_role("heading", name="What to change").wait_for()
    page.screenshot(path=PICTURES / "server-findings.png")


def take_vulnerability(page: Page) -> None:
    """Take the picture of a vulnerability."""
    page.goto("/vulnerabilities/CVE-2021-44228")
    wait_for_content(page)
    page.screenshot(path=PICTURES / "server-vulnerability.png")


def take_decisions(page: Page) -> None:
    """Take the picture of the decisions with one that waits for approval."""
    page.goto("/decisions?open=5")
    wait_for_content(page)
    page.get_by_role("heading", name="Comments").wait_for()
    page.screenshot(path=PICTURES / "server-decisions.png")


def take_all(browser: Browser, url: str, session: Path) -> None:
    """Take the pictures, the second one in the dark theme."""
    for take, scheme in (
        (take_overview, "light"),
        (take_findings, "dark"),
        (take_vulnerability, "light"),
        (take_decisions, "light"),
    ):
        context = browser.new_context(
            storage_state=session,
            base_url=url,
            color_scheme=scheme,  # type: ignore[arg-type]
            viewport={"width": WIDTH, "height": HEIGHT},
        )
        take(context.new_page())
        context.close()


def main() -> None:
    """Write the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary, chromium() as browser:
        folder = Path(temporary)
        with run_server(folder, "--demo") as server:
            take_all(browser, server.url, sign_in(server, browser, folder / "state.json"))


if __name__ == "__main__":
    main()
