"""Measure the pages of the server in Chromium: `PYTHONPATH=.:server/src python benchmarks/browser.py [--clusters N] [--runs N]`.

Starts `kubekeep server` on an empty SQLite database, where each of N clusters of `benchmarks/fleet.py` submits 5,000 findings, and
prints in milliseconds, as 50th and 95th percentile:

- first view: a signed-in user opens the address with an empty cache, until the overview shows its data
- list: a click on Findings, until its first rows are drawn
- sort: a click on a column of this list, until the first row of the new order is drawn
- scroll: a step of one screen, until the rows of the step are drawn

A time ends with the frame that shows the rows, as the page itself measures it.
"""

from __future__ import annotations

import argparse
import math
import statistics
import tempfile
from pathlib import Path
from typing import Final

from fleet import build_fleet
from playwright.sync_api import Browser, Page
from tests.reports.browsers import chromium
from tests.server.live import LiveServer
from tests.server.test_pages import WIDE, sign_in

STEPS: Final = 100
_ROW: Final = "document.querySelector('tbody tr[data-index]')"
_MEASURE: Final = """async ([action, ready]) => {
  const isReady = new Function(`return ${ready}`), start = performance.now();
  new Function(action)();
  do {
    if (performance.now() - start > 60000) throw new Error(`not within a minute: ${ready}`);
    await new Promise(requestAnimationFrame);
  } while (document.querySelector("[aria-busy=true]") || !isReady());
  await new Promise(requestAnimationFrame);
  return performance.now() - start;
}"""
_FIRST_VIEW: Final = """
const check = () => {
  const isReady = document.querySelector("main h1") && document.querySelector("main :is(.kk-counts, .kk-numbers) a") && !document.querySelector("[aria-busy=true]");
  if (isReady) window.firstView = performance.now();
  else requestAnimationFrame(check);
};
requestAnimationFrame(check);
"""


def measure(page: Page, action: str, ready: str) -> float:
    """Return the milliseconds from an action in the page until a condition is true in a frame."""
    return float(page.evaluate(_MEASURE, [action, ready]))


def open_first(browser: Browser, server: LiveServer, session: Path) -> float:
    """Return the time of the overview with an empty cache."""
    with browser.new_context(storage_state=session, base_url=server.url, viewport=WIDE, bypass_csp=True) as context:
        page = context.new_page()
        page.add_init_script(_FIRST_VIEW)
        page.goto("/")
        page.wait_for_function("window.firstView", timeout=60_000)
        return float(page.evaluate("window.firstView"))


def open_list(page: Page) -> float:
    """Return the time of the first rows of all findings."""
    page.goto("/")
    page.locator("main h1").wait_for()
    return measure(page, "document.querySelector('nav a[href=\"/findings\"]').click()", _ROW)


def sort(page: Page, column: str) -> float:
    """Return the time of a click on a column, until the rows of its order are drawn."""
    page.goto("/findings")
    page.locator("tbody tr[data-index]").first.wait_for()
    button = f"[...document.querySelectorAll('th button')].find((button) => button.innerText.includes('{column}'))"
    return measure(page, f"{button}.click()", f"location.search.includes('order=') && {_ROW}")


def scroll(page: Page) -> float:
    """Return the time of a step of one screen, until a row covers the bottom of the window."""
    bottom = "document.elementsFromPoint(innerWidth / 2, innerHeight - 40)"
    return measure(page, "scrollBy(0, innerHeight)", f"{bottom}.some((element) => element.closest('tr[data-index]'))")


def describe(name: str, times: list[float]) -> None:
    """Print both percentiles."""
    print(
        f"{name:20}{statistics.median(times):8.0f}{sorted(times)[math.ceil(0.95 * len(times)) - 1]:8.0f} ms", flush=True
    )


def fill(server: LiveServer, clusters: int) -> None:
    """Submit one scan of each cluster."""
    with server.client(server.create_token()) as client:
        for cluster in build_fleet(clusters, 200):
            answer = client.post(
                "/api/v1/scans", content=cluster.build(0), headers={"Content-Type": "application/json"}
            )
            if answer.status_code != 201:
                raise SystemExit(answer.text)


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, default=20)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        server = LiveServer(Path(folder))
        try:
            session = sign_in(server, browser, Path(folder) / "state.json")
            fill(server, arguments.clusters)
            print(f"{'':20}{'p50':>8}{'p95':>8}")
            describe("first view", [open_first(browser, server, session) for _ in range(arguments.runs)])
            page = browser.new_context(
                storage_state=session, base_url=server.url, viewport=WIDE, bypass_csp=True
            ).new_page()
            describe("list", [open_list(page) for _ in range(arguments.runs)])
            for column in ("Open since",):
                describe(f"sort by {column}", [sort(page, column) for _ in range(arguments.runs)])
            describe("scroll", [scroll(page) for _ in range(STEPS)])
        finally:
            server.close()


if __name__ == "__main__":
    main()
