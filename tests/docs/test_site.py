"""The documentation site: built from a copy of the pages, opened in a browser, and complete for the links of reports."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser
from tests.reports.browsers import chromium, needs_chromium

from kubekeep.library.load import builtin

ROOT = Path(__file__).parents[2]
SITE_URL = "https://kubekeep.io/docs/"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Server of files that does not log requests."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the pages of a new build."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(
        ROOT / "docs",
        folder / "docs",
        ignore=shutil.ignore_patterns("controls", "controls.md", "frameworks", "frameworks.md"),
    )
    shutil.copy(ROOT / "zensical.toml", folder)
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "reference.py", folder / "docs" / "reference"], check=True, timeout=300
    )
    result = subprocess.run(
        [Path(sys.executable).with_name("zensical"), "build", "--strict"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder / "site" / "docs"


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Yield the address of a server of the site on the loopback interface."""
    handler = functools.partial(QuietHandler, directory=str(site.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/docs/"
        server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


def test_page_of_each_control_exists_at_the_address_that_reports_link_to(site: Path) -> None:
    for control in builtin().controls.values():
        assert control.page.startswith(SITE_URL)
        page = site / urlsplit(control.page).path.removeprefix("/docs/") / "index.html"
        assert page.is_file(), control.page


def test_control_page_shows_a_failing_and_a_passing_example(site: Path) -> None:
    page = (site / "reference" / "controls" / "privileged-container" / "index.html").read_text(encoding="utf-8")
    failing, passing = page.index("This input fails:"), page.index("This input passes:")
    assert '<span class="hll">' in page[failing:passing]
    assert '<span class="hll">' not in page[passing:]


@needs_chromium
def test_search_finds_a_control_by_a_part_of_a_word(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(address)
    page.wait_for_load_state("networkidle")
    page.keyboard.press("/")
    page.keyboard.type("privileg")
    page.get_by_role("option", name="Containers do not run privileged").first.click()
    page.wait_for_url("**/reference/controls/privileged-container/**")
    assert page.locator("h1").inner_text().startswith("Containers do not run privileged")
    page.close()


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_site_follows_the_colour_scheme_and_contacts_no_other_server(
    browser: Browser, address: str, scheme: str
) -> None:
    page = browser.new_page(color_scheme=scheme)  # type: ignore[arg-type] # a literal type
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(address)
    page.wait_for_load_state("networkidle")
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    red = int(background.removeprefix("rgb(").split(",")[0])
    assert (red > 200) == (scheme == "light"), background
    assert all(url.startswith(address.removesuffix("docs/")) for url in addresses), addresses
    page.close()
