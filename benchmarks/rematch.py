"""Rematch images after a change of advisories: `python benchmarks/rematch.py [--images 1000] [--packages 100]`.

Writes the state of a registry scan and a database of as many records as there are packages into a temporary folder; one
package in fifty is vulnerable. Then prints time, processor time and memory of whole processes: the first match, one without a
change, one after 100 records were added for 100 other packages, and one with a VEX document and a report. Asserts nothing,
because machines differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kubekeep.images.content import ImageContent
from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.layers import compute_version
from kubekeep.images.registries.state import ImageName, RegistryState
from kubekeep.model.package import Distribution, Package, PackageLocation

KUBEKEEP = Path(sys.executable).parent / "kubekeep"
CHANGED = 100
HIT_RATE = 50
LAYER = f"sha256:{'0' * 64}"


def create_package(number: int) -> Package:
    """Return a package with a unique name."""
    path = f"usr/lib/python3/site-packages/package_{number}-1.0.dist-info/METADATA"
    return Package(type="pypi", name=f"package-{number}", version="1.0", locations=(PackageLocation(path, LAYER),))


def create_record(number: int, modified: str) -> dict[str, Any]:
    """Return a record about all versions of a package before 2.0."""
    events = [{"introduced": "0"}, {"fixed": "2.0"}]
    package = {"ecosystem": "PyPI", "name": f"package-{number}"}
    score = {"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}
    return {
        "id": f"GEN-{number}",
        "modified": modified,
        "details": "Text. " * 300,
        "severity": [score],
        "affected": [{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}],
    }


def write_state(folder: Path, images: int, packages: int) -> None:
    """Write the state of a scan."""
    distribution = Distribution("debian", "13")
    with RegistryState(folder, compute_version()) as state:
        for number in range(images):
            digest = f"sha256:{number:064d}"
            own = tuple(create_package(number * packages + index) for index in range(packages))
            content = ImageContent(distribution=distribution, packages=own)
            state.put_image(digest, "", InspectedImage(f"app:{number}", digest, "linux/amd64", None, content))
        names = [ImageName("registry.example/app", str(number), f"sha256:{number:064d}") for number in range(images)]
        state.record_names(names)


def write_records(path: Path, numbers: Iterable[int], modified: str) -> None:
    """Write records as JSON Lines."""
    with path.open("w") as stream:
        stream.writelines(f"{json.dumps(create_record(number, modified))}\n" for number in numbers)


def write_statements(path: Path) -> None:
    """Write a VEX document about the first vulnerable packages."""
    statements = [
        {
            "vulnerability": {"name": f"GEN-{number}"},
            "products": [{"@id": f"pkg:pypi/package-{number}@1.0"}],
            "status": "not_affected",
            "justification": "vulnerable_code_not_present",
        }
        for number in range(0, CHANGED * HIT_RATE, HIT_RATE)
    ]
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://generated.example/vex",
        "author": "Generated",
        "timestamp": "2026-11-01T00:00:00Z",
        "version": 1,
        "statements": statements,
    }
    path.write_text(json.dumps(document))


def run(title: str, folder: Path, *arguments: str) -> None:
    """Run the program in a folder and print its figures."""
    start = time.monotonic()
    with (folder / "output").open("w+") as output:
        process = subprocess.Popen([KUBEKEEP, *arguments], cwd=folder, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        lines = output.read().splitlines()
    seconds = time.monotonic() - start
    processor = usage.ru_utime + usage.ru_stime
    print(
        f"{title}: {seconds:.2f} s, {processor:.2f} CPU-s, {usage.ru_maxrss / 1000:.0f} MB; {lines[-1] if lines else ''}"
    )


def main() -> None:
    """Write the input, then run the program after each change."""
    parser = argparse.ArgumentParser(description="Rematch images after a change of advisories.")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--packages", type=int, default=100, help="in each image, unique")
    options = parser.parse_args()
    total = options.images * options.packages
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_state(folder / "state", options.images, options.packages)
        numbers = (number if number % HIT_RATE == 0 else number + 10 * total for number in range(total))
        write_records(folder / "all.jsonl", numbers, "2026-11-01T00:00:00Z")
        changed = (number * (total // CHANGED) + 1 for number in range(CHANGED))
        write_records(folder / "delta.jsonl", changed, "2026-11-02T00:00:00Z")
        match = ("registry", "rematch", "state", "--database", "database")
        run("database", folder, "db", "import", "all.jsonl", "--database", "database")
        run("first match", folder, *match)
        run("without a change", folder, *match)
        run("delta", folder, "db", "import", "delta.jsonl", "--database", "database")
        run(f"after a change of {CHANGED} records", folder, *match)
        write_statements(folder / "vex.json")
        run(f"with {CHANGED} statements", folder, *match, "--vex", "vex.json")
        run("with a report", folder, *match, "--format", "json", "--output", "report.json")


if __name__ == "__main__":
    main()
