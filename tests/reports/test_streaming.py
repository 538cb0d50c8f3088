"""Reports are written piece by piece: twice the findings take no more memory than a format says it needs.

Counts bytes that Python asks for, without a clock. What is measured are reports of twice as many findings against
those of as many, so that what is loaded once does not count.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest

from kubekeep.model.assessment import Assessment, ResourceResult
from kubekeep.model.resource import Resource
from kubekeep.reports import ReportOptions, load, names

FINDINGS = 400
WHOLE = {
    "html": "the data of the page is one object, whose texts are shared",
    "pdf": "pages are set as a whole",
}
"""Formats that hold a report as a whole, and why."""
GATHERED = {
    "openreports": "the results of a namespace are counted and split before they are written",
    "oscal": "what is found names the observations it follows from",
    "policyreport": "the results of a namespace are counted and split before they are written",
}
"""Formats that must keep something of every finding, and why."""
LARGE = 2_500
"""Bytes that one finding more may take in those."""
SMALL = 700
"""Bytes that one finding more may take in all others: to put them in order, and series of metrics. A whole entry takes more."""


class Nowhere:
    """A stream that forgets what is written."""

    written = 0

    def write(self, text: Any) -> int:
        self.written += len(text)
        return len(text)

    def writelines(self, texts: Iterable[Any]) -> None:
        for text in texts:
            self.write(text)


def with_findings(assessment: Assessment, count: int) -> Assessment:
    """`assessment` with `count` findings of seven places each, in as many resources."""
    sample = assessment.results[2]
    failed = {"privileged": sample.verdicts["privileged"]}
    results = []
    for number in range(count):
        document = {**sample.resource.object, "metadata": {"name": f"web-{number}", "namespace": "default"}}
        results.append(ResourceResult(Resource(document, sample.resource.source), failed))
    return msgspec.structs.replace(assessment, results=tuple(results))


def peak(name: str, assessment: Assessment) -> tuple[int, int]:
    """The most bytes held at once while the report is written, and the characters written."""
    entry, stream = load(name), Nowhere()
    tracemalloc.start()
    try:
        entry.render(assessment, stream, ReportOptions(verbose=True))
        return tracemalloc.get_traced_memory()[1], stream.written
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", [name for name in names() if name not in WHOLE])
def test_memory_does_not_grow_with_the_report(name: str, assessment: Assessment) -> None:
    once, twice = (with_findings(assessment, FINDINGS * times) for times in (1, 2))
    peak(name, once)  # what is made at first use is not counted
    less, more = peak(name, once), peak(name, twice)
    allowed = LARGE if name in GATHERED else SMALL
    assert more[0] - less[0] <= allowed * FINDINGS, f"of {(more[1] - less[1]) // FINDINGS} characters a finding"


def test_a_report_that_is_put_together_first_is_seen(assessment: Assessment) -> None:
    """The test above could not fail if an entry were as small as what it allows."""
    once, twice = (with_findings(assessment, FINDINGS * times) for times in (1, 2))
    for name in ("csv", "json", "junit", "sarif", "yaml"):
        assert peak(name, twice)[1] - peak(name, once)[1] > 1.2 * SMALL * FINDINGS
