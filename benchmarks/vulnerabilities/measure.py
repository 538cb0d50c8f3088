"""Measure the advisory database: `measure.py FOLDER`, with the files of `generate.py` in FOLDER.

Each step is a process of its own: building, and looking up the packages of the SBOM, of which 2 % have advisories. Prints
seconds and peak memory; of a lookup also the time and memory beyond the imports. Asserts nothing, because machines differ.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

RUNS = 5
_MEGABYTE = 1 << 20


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--step", choices=("build", "read"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps(build(options.folder) if options.step == "build" else read(options.folder)))
        return
    for step, runs in (("build", 1), ("read", RUNS)):
        command = [sys.executable, __file__, str(options.folder), "--step", step]
        results = [json.loads(subprocess.run(command, check=True, capture_output=True).stdout) for _ in range(runs)]
        figures = {name: round(statistics.median(result[name] for result in results), 4) for name in results[0]}
        print(step, figures)


def build(folder: Path) -> dict[str, float]:
    """Build the database and return the figures."""
    from kubekeep.vulnerabilities.database.build import build_database  # noqa: PLC0415 - counted

    target = folder / "database"
    shutil.rmtree(target, ignore_errors=True)
    start = time.perf_counter()
    result = build_database([folder / "advisories.zip"], target)
    return {
        "records": result.records,
        "seconds": time.perf_counter() - start,
        "processor_seconds": sum(os.times()[:2]),
        "peak_mb": _get_peak(),
        "disk_mb": sum(file.stat().st_size for file in target.iterdir()) / 1_000_000,
    }


def read(folder: Path) -> dict[str, float]:
    """Look up the packages of the SBOM and return the figures."""
    from kubekeep.vulnerabilities.database.open import open_advisories  # noqa: PLC0415 - counted
    from kubekeep.vulnerabilities.names import normalise_name  # noqa: PLC0415

    sbom = json.loads((folder / "sbom.cdx.json").read_bytes())
    names = [normalise_name("PyPI", component["name"]) for component in sbom["components"]]
    before = _get_peak()
    start = time.perf_counter()
    with open_advisories(folder / "database") as source:
        source.get_states()
        hits = sum(1 for _ in source.find_advisories("PyPI", names))
    seconds = time.perf_counter() - start
    return {
        "names": len(names),
        "hits": hits,
        "milliseconds": seconds * 1_000,
        "added_mb": _get_peak() - before,
        "peak_mb": _get_peak(),
    }


def _get_peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / _MEGABYTE


if __name__ == "__main__":
    main()
