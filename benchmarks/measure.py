"""Time Kubekeep as whole processes: `python benchmarks/measure.py [--corpus FOLDER ...]`.

Prints a table with the median of five runs: wall time and peak memory of the process, as reported by the operating
system. Further folders are measured like the generated corpora. Asserts nothing, because machines differ.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import charts
import corpus

RUNS = 5
SIZES = (500, 2_000, 8_000)
CHARTS = 40
SCANS = {
    "NSA": ("scan", "framework", "nsa"),
    "All controls": ("scan", "framework", "allcontrols", "--snapshot"),
}
KUBEKEEP = Path(sys.executable).with_name("kubekeep")


def run_process(command: list[str]) -> tuple[float, float]:
    """Return wall seconds and peak MB of one run of a command, ignoring its exit code."""
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, _, usage = os.wait4(process.pid, 0)
        process.returncode = 0
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def row(name: str, *arguments: str) -> str:
    """Return a row of the table."""
    command = [str(KUBEKEEP), *arguments]
    run_process(command)
    runs = [run_process(command) for _ in range(RUNS)]
    seconds = statistics.median(run[0] for run in runs)
    return f"| {name} | {seconds:.2f} s | {max(run[1] for run in runs):.0f} MB |"


def main() -> None:
    """Measure the start, the given folders and the generated corpora."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--corpus", type=Path, action="append", default=[])
    folders = parser.parse_args().corpus
    print("| what | wall time | peak memory |\n| --- | --- | --- |")
    print(row("`kubekeep version`", "version"))
    print(row("`kubekeep --help`", "--help"))
    with tempfile.TemporaryDirectory() as scratch:
        report = str(Path(scratch) / "report.json")
        report_options = ("-f", "json", "-o", report)
        for size in SIZES:
            corpus.write(size, Path(scratch) / str(size))
        chart_folder = Path(scratch) / "charts"
        charts.write(CHARTS, chart_folder)
        for name, scan in SCANS.items():
            for folder in folders:
                print(row(f"{name} on {folder.name}", *scan, str(folder)))
            for size in SIZES:
                print(
                    row(
                        f"{name} on {size:,} objects, JSON report",
                        *scan,
                        str(Path(scratch) / str(size)),
                        *report_options,
                    )
                )
            print(row(f"{name} on {CHARTS} charts, JSON report", *scan, str(chart_folder), *report_options))


if __name__ == "__main__":
    main()
