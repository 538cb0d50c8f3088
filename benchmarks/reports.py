"""Time every report format on generated objects: `python benchmarks/reports.py [FORMAT ...]`.

Each format is written in a process of its own, which scans a corpus against NSA, writes the report three times to the
null device and tells the median of the processor time that a report takes. The memory is the peak of the whole process,
beside that of one that writes nothing. Asserts nothing: machines differ.
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
from kubekeep.model.finding import Status
from kubekeep.usecases.request import ReportNeeds, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

RUNS = 3
OBJECTS = (3_000, 6_000)
"""Against NSA these make some 10,000 and 20,000 findings."""
NOTHING = "none"


def render(name: str, folder: str) -> None:
    """Scan `folder`, write the report and print the findings, the seconds it took and the peak memory in KB."""
    entry = None if name == NOTHING else reports.load(name)
    extras = entry.wants if entry else frozenset()
    assessment = scan(
        ScanRequest(
            ScanInput(paths=(folder,)), rules=RuleOptions(frameworks=("nsa",)), needs=ReportNeeds(extras=extras)
        )
    )
    found = sum(verdict.status is Status.FAILED for item in assessment.results for verdict in item.verdicts.values())
    seconds = statistics.median(written(entry, assessment) for _ in range(RUNS)) if entry else 0.0
    print(found, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def written(entry: reports.ReportFormat, assessment: Assessment) -> float:
    """Seconds of the processor to write one report."""
    with Path(os.devnull).open("wb") if entry.binary else Path(os.devnull).open("w", encoding="utf-8") as stream:
        started = time.process_time()
        entry.render(assessment, stream, reports.ReportOptions())
        return time.process_time() - started


def row(name: str, folder: Path) -> str:
    """A line of the table."""
    command = [sys.executable, __file__, "--render", name, str(folder)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found, seconds, memory = done.stdout.split()
    return f"| {name} | {int(found):,} | {float(seconds):.2f} s | {int(memory) / 1024:.0f} MB |"


def main() -> None:
    """Measure the formats given, or all."""
    match sys.argv[1:]:
        case ["--render", name, tree]:
            render(name, tree)
            return
        case chosen:
            names = chosen or [NOTHING, *reports.names()]
    print("| format | findings | time | peak memory |\n| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as scratch:
        for count in OBJECTS:
            folder = Path(scratch) / str(count)
            corpus.write(count, folder)
            for name in names:
                print(row(name, folder), flush=True)


if __name__ == "__main__":
    main()
