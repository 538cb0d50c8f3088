"""Time the HTML report in Chromium: `python benchmarks/page.py [FOLDER]`.

Scans the folder, or a generated corpus with some 20,000 findings, with all data of the page, writes the page and opens
it. Prints the time of each step in the process and the browser. Asserts nothing, because machines differ.
"""

from __future__ import annotations

import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import corpus
from playwright.sync_api import Page, sync_playwright

from kubekeep import reports
from kubekeep.usecases.request import ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

OBJECTS = 6_000
"""Objects that result in some 20,000 findings with NSA."""
VIEWS = {
    "search for a name": {"q": "app-4"},
    "search for two words": {"q": "deployment privileged"},
    "one severity": {"q": "", "severity": "High"},
    "grouped by resource": {"severity": "", "group": "resource"},
    "not grouped": {"group": "none"},
    "sorted by place": {"sort": "place"},
}
TIMED_UPDATE = """(fields) => {
    const started = performance.now();
    updateView(fields);
    document.body.offsetHeight;
    return performance.now() - started;
}"""


def main() -> None:
    """Measure writing, opening and filtering."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1]) if sys.argv[1:] else Path(scratch) / "corpus"
        if not sys.argv[1:]:
            corpus.write(OBJECTS, folder)
        page = Path(scratch) / "report.html"
        html_format = reports.load("html")
        assessment = scan(
            ScanRequest(
                ScanInput(paths=(str(folder),)),
                rules=RuleOptions(frameworks=("nsa",)),
                needs=ReportNeeds(extras=html_format.extras),
            )
        )
        print("| what | time |\n| --- | ---: |")
        started = time.process_time()
        with page.open("w", encoding="utf-8") as stream:
            html_format.render(assessment, stream, reports.ReportOptions())
        row(f"write {page.stat().st_size / 1e6:.1f} MB", time.process_time() - started)
        print(f"| peak memory, with the scan | {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB |")
        browse(page)


def browse(file: Path) -> None:
    """Open the page and apply some views."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page: Page = browser.new_page()
        started = time.perf_counter()
        page.goto(file.as_uri())
        row(f"open it: {page.locator('#count').inner_text()}", time.perf_counter() - started)
        for name, fields in VIEWS.items():
            row(name, page.evaluate(TIMED_UPDATE, fields) / 1000)
        browser.close()


def row(name: str, seconds: float) -> None:
    """Print a row of the table."""
    print(f"| {name} | {seconds:.2f} s |")


if __name__ == "__main__":
    main()
