"""Time every report format on generated objects: `python benchmarks/reports.py [FORMAT ...]`.

Each format is written in its own process, which scans a corpus with NSA, writes the report three times to the null
device and prints the median processor time of a report. The memory is the peak of the whole process, to compare with
a process that writes no report. Asserts nothing, because machines differ.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import corpus

from kubekeep import reports
from kubekeep.model.assessment import Assessment
from kubekeep.model.verdict import Status
from kubekeep.usecases.request import ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

RUNS = 3
OBJECTS = (3_000, 6_000)
"""Objects that result in some 10,000 and 20,000 findings with NSA."""
NOTHING = "none"


def render(name: str, folder: str) -> None:
    """Scan a folder, write the report, and print the number of findings, the seconds and the peak memory in KB."""
    report_format = None if name == NOTHING else reports.load(name)
    extras = report_format.extras if report_format else frozenset()
    assessment = scan(
        ScanRequest(
            ScanInput(paths=(folder,)), rules=RuleOptions(frameworks=("nsa",)), needs=ReportNeeds(extras=extras)
        )
    )
    findings = sum(
        verdict.status is Status.FAILED for result in assessment.results for verdict in result.verdicts.values()
    )
    seconds = statistics.median(time_report(report_format, assessment) for _ in range(RUNS)) if report_format else 0.0
    print(findings, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def time_report(report_format: reports.ReportFormat, assessment: Assessment) -> float:
    """Return the processor seconds to write one report."""
    with (
        Path(os.devnull).open("wb") if report_format.binary else Path(os.devnull).open("w", encoding="utf-8") as stream
    ):
        started = time.process_time()
        report_format.render(assessment, stream, reports.ReportOptions())
        return time.process_time() - started


def row(name: str, folder: Path) -> str:
    """Return a row of the table."""
    command = [sys.executable, __file__, "--render", name, str(folder)]
    process = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    findings, seconds, memory = process.stdout.split()
    return f"| {name} | {int(findings):,} | {float(seconds):.2f} s | {int(memory) / 1024:.0f} MB |"


def main() -> None:
    """Measure the given formats, or all."""
    match sys.argv[1:]:
        case ["--render", name, tree]:
            render(name, tree)
            return
        case requested_formats:
            names = requested_formats or [NOTHING, *reports.names()]
    print("| format | findings | time | peak memory |\n| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as scratch:
        for count in OBJECTS:
            folder = Path(scratch) / str(count)
            corpus.write(count, folder)
            for name in names:
                print(row(name, folder), flush=True)


if __name__ == "__main__":
    main()
