"""Measure the first screen of scans of many SBOMs: `python benchmarks/vulnerabilities/screens.py [--counts 30,1000]`.

The SBOMs share 14 versions of packages with vulnerabilities. Prints the lines of the screen, the packages that it names with
the number of their SBOMs, and the processor time. Asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = 14
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
KUBEKEEP = Path(sys.executable).parent / "kubekeep"


def write_input(folder: Path, count: int) -> None:
    """Write the advisories, and the SBOMs in CycloneDX."""
    records = [
        {
            "id": f"CVE-2024-{1000 + number}",
            "modified": "2026-01-01T00:00:00Z",
            "severity": [{"type": "CVSS_V3", "score": CRITICAL}],
            "affected": [
                {
                    "package": {"ecosystem": "npm", "name": f"shared-{number}"},
                    "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}],
                }
            ],
        }
        for number in range(PACKAGES)
    ]
    (folder / "osv.jsonl").write_text("".join(f"{json.dumps(record)}\n" for record in records))
    names = [f"shared-{number}" for number in range(PACKAGES)]
    for number in range(count):
        components = [
            {"type": "library", "name": name, "version": "1.2.3", "purl": f"pkg:npm/{name}@1.2.3"}
            for name in (*names, f"own-{number}")
        ]
        document = {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "metadata": {"component": {"type": "container", "name": f"registry.example/app-{number}:1"}},
            "components": components,
        }
        (folder / f"app-{number:05}.cdx.json").write_text(json.dumps(document))


def main() -> None:
    """Print a row for each number of SBOMs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", default="30,1000")
    print("SBOMs  lines  packages with their number  CPU-seconds")
    for count in map(int, parser.parse_args().counts.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            write_input(Path(folder), count)
            files = sorted(str(path) for path in Path(folder).glob("*.cdx.json"))
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            command = [str(KUBEKEEP), "sbom", "scan", *files, "--advisories", f"{folder}/osv.jsonl"]
            text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
        lines = text.splitlines()
        shown = sum(
            any(f"shared-{n} " in line and f"{count:,} SBOMs" in line for line in lines) for n in range(PACKAGES)
        )
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(f"{count:5}  {len(lines):5}  {shown:11} of {PACKAGES}             {seconds:.1f}")


if __name__ == "__main__":
    main()
