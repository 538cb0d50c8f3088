"""Draw findings for readers: `python benchmarks/findings/sample.py [--seed N] [--number N] FOLDER... > sample.jsonl`.

Scans each folder with the framework `recommended`. Every finding has the same probability; findings of one control at the
same line on resources of one name, as overlays of a base have them, count once. Writes the fields of `decisions.jsonl`
without the readers, in the order of the folders and lines.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from kubekeep.model.finding import Finding
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan


def list_findings(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the findings of a folder, of each place once."""
    assessment = scan(ScanRequest(ScanInput(paths=(str(folder),)), rules=RuleOptions(frameworks=("recommended",))))
    seen: set[tuple[str, str, str, str]] = set()
    for finding in assessment.findings:
        location = locate(finding, folder)
        key = (finding.id, location, finding.subject.kind, finding.subject.name)
        if key not in seen:
            seen.add(key)
            yield {
                "tree": folder.name,
                "control": finding.id,
                "priority": finding.priority.level.label,
                "subject": finding.subject.label,
                "location": location,
                "message": next((evidence.message for evidence in finding.evidence), ""),
            }


def locate(finding: Finding, folder: Path) -> str:
    """Return the first location of a finding, relative to the parent of the scanned folder."""
    locations = (evidence.location for evidence in finding.evidence)
    location = next(filter(None, locations), None) or finding.subject.locate(())
    if location is None:
        return folder.name
    file = folder.joinpath(location.file).resolve()
    return str(location).replace(location.file, str(file.relative_to(folder.resolve().parent)), 1)


def main() -> int:
    """Write the sample and return the exit code."""
    parser = argparse.ArgumentParser(description="Draw findings of the framework `recommended` for readers.")
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--number", type=int, default=200)
    arguments = parser.parse_args()
    findings = [finding for folder in arguments.folders for finding in list_findings(folder)]
    numbers = random.Random(arguments.seed).sample(range(len(findings)), min(arguments.number, len(findings)))
    for number, position in enumerate(sorted(numbers), start=1):
        print(msgspec.json.encode({"number": number, **findings[position]}).decode())
    print(f"{len(numbers)} of {len(findings)} findings", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
