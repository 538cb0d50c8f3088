"""Reports are written piece by piece: memory does not grow with the number of findings beyond each format's allowance.

Counts bytes allocated by Python, without a clock. Reports with twice as many findings are compared, so that modules
loaded once do not count.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from tests.reports.registration import REGISTRATIONS

from kubekeep.model.assessment import Assessment, SubjectResult
from kubekeep.model.resource import Resource
from kubekeep.reports import ReportOptions, load, names

FINDINGS = 400
LARGE = 2_500
"""Bytes per additional finding in the formats that keep data of it."""
SMALL = 700
"""Bytes per additional finding in all other formats, for sort keys and series of metrics; a whole entry is larger."""


class DiscardingStream:
    """A stream that discards its input."""

    written = 0

    def write(self, text: Any) -> int:
        self.written += len(text)
        return len(text)

    def writelines(self, texts: Iterable[Any]) -> None:
        for text in texts:
            self.write(text)


def add_findings(assessment: Assessment, count: int) -> Assessment:
    """Return the assessment with `count` findings of seven locations each, in as many resources."""
    sample = assessment.results[2]
    failed = {"privileged": sample.verdicts["privileged"]}
    results = []
    for number in range(count):
        document = {**sample.subject.object, "metadata": {"name": f"web-{number}", "namespace": "default"}}
        results.append(SubjectResult(Resource(document, sample.subject.source), failed))
    return msgspec.structs.replace(assessment, results=tuple(results))


def measure_peak(name: str, assessment: Assessment) -> tuple[int, int]:
    """Return the peak of allocated bytes while the report is written, and the number of characters."""
    entry, stream = load(name), DiscardingStream()
    tracemalloc.start()
    try:
        entry.render(assessment, stream, ReportOptions(verbose=True))
        return tracemalloc.get_traced_memory()[1], stream.written
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", [name for name in names() if not REGISTRATIONS[name].memory_reason])
def test_memory_does_not_grow_with_the_report(name: str, assessment: Assessment) -> None:
    one_batch, two_batches = (add_findings(assessment, FINDINGS * times) for times in (1, 2))
    # Caches filled at first use, and their growth, are not counted. Tracing doubles the time.
    load(name).render(two_batches, DiscardingStream(), ReportOptions(verbose=True))
    peak_of_one, peak_of_two = measure_peak(name, one_batch), measure_peak(name, two_batches)
    allowance = LARGE if REGISTRATIONS[name].findings_reason else SMALL
    assert peak_of_two[0] - peak_of_one[0] <= allowance * FINDINGS, (
        f"{(peak_of_two[1] - peak_of_one[1]) // FINDINGS} characters per finding"
    )


def test_buffered_report_is_detected(assessment: Assessment) -> None:
    """Check that the test above would detect a report that is built in memory."""
    one_batch, two_batches = (add_findings(assessment, FINDINGS * times) for times in (1, 2))
    for name in ("csv", "json", "junit", "sarif", "yaml"):
        assert measure_peak(name, two_batches)[1] - measure_peak(name, one_batch)[1] > 1.2 * SMALL * FINDINGS
