"""Create docs/pictures/server-*.png from the demo of the server: `PYTHONPATH=server/src python -m scripts.server_pictures`."""

from __future__ import annotations

import re
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
    page.goto("/decisions?open=6")
    wait_for_content(page)
    page.get_by_role("heading", name="Comments").wait_for()
    page.screenshot(path=PICTURES / "server-decisions.png")


def take_notifications(page: Page) -> None:
    """Take the picture of a rule with its preview."""
    page.goto("/settings/notifications")
    dialog = page.get_by_role("dialog")
    page.get_by_role("button", name="Add a destination").click()
    dialog.get_by_label("Name").fill("security channel")
    dialog.get_by_label("Kind").select_option("webhook")
    dialog.get_by_label("Address").fill("https://chat.example.com/hooks/security")
    dialog.get_by_label("Secret of the signature").fill("only in this picture")
    dialog.get_by_role("button", name="Add").click()
    page.get_by_role("cell", name="Signed webhook").wait_for()
    page.get_by_role("button", name="Add a rule").click()
    dialog.get_by_label("Name", exact=True).fill("urgent findings")
    dialog.get_by_role("button", name="Preview").click()
    preview = dialog.locator("pre")
    preview.filter(has_text="finding").wait_for()
    preview.scroll_into_view_if_needed()
    page.screenshot(path=PICTURES / "server-notifications.png")


def take_image(page: Page) -> None:
    """Take the picture of the most urgent image."""
    page.goto("/images")
    wait_for_content(page)
    page.locator("tr[data-index='0'] a.kk-row-link").click()
    page.get_by_role("heading", level=1).wait_for()
    wait_for_content(page)
    page.screenshot(path=PICTURES / "server-image.png")


def take_comparison(page: Page) -> None:
    """Take the picture of two clusters side by side."""
    page.goto("/sources?text=prod")
    wait_for_content(page)
    numbers = [
        link.get_attribute("href") or "" for link in page.get_by_role("link", name=re.compile("^prod-(eu|us)$")).all()
    ]
    before, after = (number.rpartition("/")[2] for number in numbers[:2])
    page.goto(f"/compare?from={before}&to={after}")
    wait_for_content(page)
    page.screenshot(path=PICTURES / "server-comparison.png")


def take_framework(page: Page) -> None:
    """Take the picture of a framework with an open requirement."""
    page.goto("/frameworks/cis-v1.12.0?open=5.2.5")
    wait_for_content(page)
    page.screenshot(path=PICTURES / "server-framework.png")


def take_all(browser: Browser, url: str, session: Path) -> None:
    """Take the pictures, the second one in the dark theme."""
    for take, scheme in (
        (take_overview, "light"),
        (take_findings, "dark"),
        (take_vulnerability, "light"),
        (take_decisions, "light"),
        (take_image, "light"),
        (take_comparison, "light"),
        (take_framework, "dark"),
        (take_notifications, "light"),
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
