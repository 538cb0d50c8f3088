"""Check the upgrades for all packages of advisories: `python benchmarks/vulnerabilities/remedies.py FILE...`.

FILE: OSV records as JSON Lines, also compressed with Zstandard in a tar archive. Matches each affected package at the versions
below each fix, and prints the number of upgrades, of those at or below the installed version, and of those that no record names.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from kubekeep.images.foreign_packages import normalise_package
from kubekeep.images.package_url import parse_package_url
from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.package import NO_DISTRIBUTION
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database.compression import zstd
from kubekeep.vulnerabilities.database.records import decode_record
from kubekeep.vulnerabilities.matching import match_packages
from kubekeep.vulnerabilities.names import normalise_name
from kubekeep.vulnerabilities.source import SourceState
from kubekeep.vulnerabilities.upgrades import advise
from kubekeep.vulnerabilities.versions.registry import get_scheme
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError

TYPES = {
    "Bitnami": "bitnami",
    "Go": "golang",
    "Packagist": "composer",
    "PyPI": "pypi",
    "RubyGems": "gem",
    "crates.io": "cargo",
    "npm": "npm",
}


class Records:
    """Advisories in memory, by ecosystem and normalised name."""

    def __init__(self, records: Iterable[Advisory]) -> None:
        self._by_name: dict[tuple[str, str], list[Advisory]] = {}
        for record in records:
            for affected in record.affected:
                ecosystem = affected.package.ecosystem.partition(":")[0]
                own = self._by_name.setdefault((ecosystem, normalise_name(ecosystem, affected.package.name)), [])
                if record not in own[-1:]:
                    own.append(record)

    def get_states(self) -> Mapping[str, SourceState]:
        """Return a state for each ecosystem."""
        return {ecosystem: SourceState(ecosystem, frozenset()) for ecosystem, _ in self._by_name}

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for normalised names."""
        for name in names:
            yield from ((name, record) for record in self._by_name.get((ecosystem, name), ()))

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:  # noqa: ARG002 - the interface of sources
        """Yield nothing: ratings are of no interest here."""
        return iter(())

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:  # noqa: ARG002 - the interface of sources
        """Return none."""
        return {}


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, or those of the files in an archive."""
    if path.suffix != ".zst":
        yield from path.read_bytes().splitlines()
        return
    with zstd.open(path) as stream, tarfile.open(fileobj=io.BytesIO(stream.read())) as archive:
        for entry in archive:
            if entry.isfile() and entry.name.endswith("jsonl"):
                content = archive.extractfile(entry)
                yield from content.read().splitlines() if content is not None else ()


def list_cases(records: Iterable[Advisory]) -> dict[tuple[str, str], tuple[set[str], set[str]]]:
    """Return the versions to install, and the fixed versions, by ecosystem and package."""
    cases: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for record in records:
        for affected in record.affected:
            if affected.package.ecosystem in TYPES:
                installed, fixes = cases.setdefault((affected.package.ecosystem, affected.package.name), (set(), set()))
                for event in (event for entry in affected.ranges for event in entry.events):
                    if event.fixed:
                        fixes.add(event.fixed)
                        installed.update(filter(None, (event.fixed, decrement(event.fixed))))
                    if event.introduced and event.introduced != "0":
                        installed.add(event.introduced)
    return cases


def decrement(version: str) -> str:
    """Return a version whose last number is smaller by one; empty if there is none."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", version)
    return f"{match[1]}{int(match[2]) - 1}{match[3]}" if match and int(match[2]) else ""


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--versions", type=int, default=4, help="Maximum number of versions of a package.")
    arguments = parser.parse_args()
    limit = arguments.versions
    records = [decode_record(line) for path in arguments.files for line in read_lines(path) if b'"affected"' in line]
    source, today = Records(records), dt.datetime.now(dt.UTC).date()
    upgrades = below = unnamed = 0
    for (ecosystem, name), (installed, fixes) in list_cases(records).items():
        scheme = get_scheme(ecosystem)
        named = {fix.removeprefix("v") for fix in fixes}
        for version in sorted(installed)[:limit]:
            prefix = "v" if ecosystem == "Go" and name not in ("stdlib", "toolchain") else ""
            try:
                package = normalise_package(
                    parse_package_url(f"pkg:{TYPES[ecosystem]}/{name}@{quote(prefix + version, safe='')}")
                )
                report = match_packages([package], NO_DISTRIBUTION, source, today=today)
                for upgrade in advise(report):
                    fixed = upgrade.fixed_version.removeprefix("v")
                    upgrades += 1
                    below += scheme is None or scheme.compare(fixed, version) <= 0
                    unnamed += fixed not in named
            except (ValueError, InvalidVersionError):
                continue
    print(json.dumps({"records": len(records), "upgrades": upgrades, "at or below": below, "not in a record": unnamed}))


if __name__ == "__main__":
    main()
