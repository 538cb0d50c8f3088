"""Measure whole scans of SBOMs: `matching.py FOLDER ADVISORIES...`.

ADVISORIES are OSV records of Go, RubyGems and Packagist, of which a database is built in FOLDER once, with generated
records of Alpine. Three SBOMs are scanned: one package; 506 modules of Go, of which every tenth has advisories; 288
packages of Alpine, RubyGems and Packagist with old versions and many findings. Prints processor time (user and system) and
peak memory of the process, the median of the runs after an uncounted first one. The JSON reports stay in FOLDER, to compare
them with those of another version of the program.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RUNS = 9
MODULES = 506
SECTION = 96
"""Packages of each of the three ecosystems of the mixed SBOM."""
ALPINE = "Alpine:v3.20"
_MEGABYTE = 1024
"""Kilobytes, which is the unit of the kernel."""


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("advisories", type=Path, nargs="*")
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    folder: Path = options.folder
    if not (folder / "database").is_dir():
        prepare(folder, options.advisories)
    for name in ("one", "modules", "mixed"):
        print(name, measure(folder, name, options.runs))


def prepare(folder: Path, advisories: list[Path]) -> None:
    """Write the database and the SBOMs."""
    folder.mkdir(parents=True, exist_ok=True)
    alpine = folder / "alpine.jsonl"
    alpine.write_text("".join(f"{json.dumps(record)}\n" for record in generate_alpine()))
    names: dict[str, Counter[str]] = {}
    for path in advisories:
        for line in path.read_text().splitlines():
            for affected in json.loads(line)["affected"]:
                package = affected["package"]
                names.setdefault(package["ecosystem"], Counter())[package["name"]] += 1
    command = [sys.executable, "-m", "kubekeep", "db", "build", *map(str, advisories), str(alpine)]
    subprocess.run([*command, "-o", str(folder / "database")], check=True)
    modules = [name for name in sorted(names["Go"]) if name not in ("stdlib", "toolchain")]
    purls = [f"pkg:golang/{modules[0]}@v0.0.1"]
    for number in range(1, MODULES):
        name = modules[number] if number % 10 == 0 else f"example.com/organisation/module-{number}"
        purls.append(f"pkg:golang/{name}@v0.0.1")
    write_sbom(folder / "one.cdx.json", purls[:1])
    write_sbom(folder / "modules.cdx.json", purls)
    mixed = [f"pkg:apk/alpine/package-{number}@1.0.0-r0?distro=alpine-3.20.1" for number in range(SECTION)]
    for kind, ecosystem in (("gem", "RubyGems"), ("composer", "Packagist")):
        mixed += [f"pkg:{kind}/{name}@1.0.0" for name, _ in names[ecosystem].most_common(SECTION)]
    write_sbom(folder / "mixed.cdx.json", mixed)


def generate_alpine() -> Iterator[dict[str, Any]]:
    """Yield two records for each package of Alpine."""
    for number in range(SECTION):
        for year in (2023, 2024):
            cve = f"CVE-{year}-{10_000 + number}"
            yield {
                "id": f"ALPINE-{cve}",
                "modified": f"{year}-05-02T03:04:05Z",
                "upstream": [cve],
                "details": "An attacker can read files outside of the folder. " * 8,
                "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
                "affected": [
                    {
                        "package": {"ecosystem": ALPINE, "name": f"package-{number}"},
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0.0-r1"}]}],
                    }
                ],
            }


def write_sbom(path: Path, purls: list[str]) -> None:
    """Write a document of CycloneDX."""
    components = []
    for purl in purls:
        name, _, version = purl.partition("?")[0].partition("/")[2].rpartition("@")
        components.append({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    document = {"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1, "components": components}
    path.write_text(json.dumps(document))


def measure(folder: Path, name: str, runs: int) -> dict[str, float]:
    """Scan an SBOM and return the medians."""
    report = folder / f"{name}.report.json"
    command = [sys.executable, "-m", "kubekeep", "sbom", "scan", f"{name}.cdx.json", "--database", "database"]
    command += ["-f", "json", "-o", report.name]
    # An installed program has byte code.
    environment = {
        **os.environ,
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": str(folder.absolute() / "bytecode"),
    }
    seconds, peaks = [], []
    for _ in range(runs + 1):
        with subprocess.Popen(
            command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            _, _, usage = os.wait4(process.pid, 0)
            process.returncode = 0
        seconds.append(usage.ru_utime + usage.ru_stime)
        peaks.append(usage.ru_maxrss / _MEGABYTE)
    return {"processor_seconds": round(statistics.median(seconds[1:]), 3), "peak_mb": round(statistics.median(peaks))}


if __name__ == "__main__":
    main()
