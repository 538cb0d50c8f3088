"""Boundaries of real records: the versions of all events and those just below, against an independent evaluation.

`data/README.md` states the origin of the records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from kubekeep.images.foreign_packages import normalise_package
from kubekeep.images.package_url import parse_package_url
from kubekeep.model.package import NO_DISTRIBUTION, Package
from kubekeep.vulnerabilities.advisory import Advisory, VersionRange
from kubekeep.vulnerabilities.database.records import decode_record
from kubekeep.vulnerabilities.matching import match_packages
from kubekeep.vulnerabilities.upgrades import advise
from kubekeep.vulnerabilities.versions.registry import get_scheme
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError
from kubekeep.vulnerabilities.versions.semver import SEMVER
from tests.vulnerabilities.database.records import OSV
from tests.vulnerabilities.matching.records import TODAY, ListedSource

FILES = sorted(OSV.glob("*.jsonl"))
TYPES = {
    "Bitnami": "bitnami",
    "Go": "golang",
    "Packagist": "composer",
    "PyPI": "pypi",
    "RubyGems": "gem",
    "crates.io": "cargo",
    "npm": "npm",
}


def _read(file: Path) -> list[Advisory]:
    return [decode_record(line) for line in file.read_bytes().splitlines()]


def _list_cases(record: Advisory) -> Iterator[tuple[str, str, str]]:
    """Yield (ecosystem, name, version) for the versions of all events and those just below."""
    for affected in record.affected:
        texts = dict.fromkeys(affected.versions[:3])
        for entry in affected.ranges:
            if entry.type != "GIT":
                for event in entry.events:
                    texts[event.introduced or event.fixed or event.last_affected] = None
        for text in texts:
            for version in (text, _decrement(text)):
                if version and version != "0":
                    yield affected.package.ecosystem, affected.package.name, version


def _decrement(version: str) -> str:
    """Return a version whose last number is smaller by one; empty if there is none."""
    match = re.fullmatch(r"(.*?)(\d+)(\D*)", version)
    return f"{match[1]}{int(match[2]) - 1}{match[3]}" if match and int(match[2]) else ""


def _is_affected(record: Advisory, ecosystem: str, name: str, version: str) -> bool:
    """Evaluate a record as the schema of OSV defines it, event by event."""
    scheme = get_scheme(ecosystem)
    assert scheme is not None
    entries = [entry for entry in record.affected if (entry.package.ecosystem, entry.package.name) == (ecosystem, name)]
    listed = [text for entry in entries for text in entry.versions]
    ranges = [versions for entry in entries for versions in entry.ranges if versions.type != "GIT"]
    return any(scheme.compare(text, version) == 0 for text in listed) or any(
        _is_in_range(versions, version, scheme.get_semver_order(SEMVER) if versions.type == "SEMVER" else scheme.key)
        for versions in ranges
    )


def _is_in_range(versions: VersionRange, version: str, order: Callable[[str], Any]) -> bool:
    events: list[tuple[tuple[Any, ...], str]] = []
    for event in versions.events:
        kind = "introduced" if event.introduced else "fixed" if event.fixed else "last_affected"
        text = getattr(event, kind)
        events.append(((0,) if text == "0" else (1, order(text)), kind))
    place = (1, order(version))
    is_affected = False
    for boundary, kind in sorted(events, key=lambda event: event[0]):
        if kind == "introduced" and place >= boundary:
            is_affected = True
        elif (kind == "fixed" and place >= boundary) or (kind == "last_affected" and place > boundary):
            is_affected = False
    return is_affected


def _build(record: Advisory, ecosystem: str, name: str, version: str, release: str = "") -> Package:
    family, _, number = ecosystem.partition(":")
    if family != "AlmaLinux":
        prefix = "v" if family == "Go" and name not in ("stdlib", "toolchain") else ""
        return normalise_package(parse_package_url(f"pkg:{TYPES[family]}/{name}@{quote(prefix + version, safe='')}"))
    epoch, _, rest = version.rpartition(":")
    qualifiers = {"distro": f"almalinux-{release or number}.1"}
    if epoch and epoch != "0":
        qualifiers["epoch"] = epoch
    stream = re.search(r"([\w.-]+:[\w.-]+)", record.summary.partition(": ")[2])
    if ".module" in version and stream:
        qualifiers["rpmmod"] = f"{stream[1]}:8090020240101:1"
    return Package(
        type="rpm", namespace="almalinux", name=name, version=rest, qualifiers=tuple(sorted(qualifiers.items()))
    )


def _match(package: Package, record: Advisory) -> tuple[bool, str]:
    report = match_packages([package], NO_DISTRIBUTION, ListedSource([record]), today=TODAY)
    assert all(gap.is_incomplete for gap in report.not_assessed)
    return bool(report.vulnerabilities), report.vulnerabilities[0].fixed_version if report.vulnerabilities else ""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_boundaries(file: Path) -> None:
    count = 0
    for record in _read(file):
        for ecosystem, name, version in _list_cases(record):
            try:
                is_affected = _is_affected(record, ecosystem, name, version)
            except InvalidVersionError:
                continue
            is_withdrawn = bool(record.withdrawn) and record.withdrawn[:10] <= TODAY.isoformat()
            matched, fixed = _match(_build(record, ecosystem, name, version), record)
            assert matched is (is_affected and not is_withdrawn), (record.id, name, version)
            if fixed:
                bare = fixed.removeprefix("v")
                assert not _is_affected(record, ecosystem, name, bare), (record.id, name, version, fixed)
                scheme = get_scheme(ecosystem)
                assert scheme is not None
                assert scheme.compare(bare, version) > 0
            count += 1
    assert count > 20


@pytest.mark.parametrize("number", ["8", "9", "10"])
def test_other_releases_never_match(number: str) -> None:
    others = {"8", "9", "10"} - {number}
    for record in _read(OSV / f"AlmaLinux_{number}.jsonl"):
        for ecosystem, name, version in _list_cases(record):
            for release in others:
                assert _match(_build(record, ecosystem, name, version, release), record) == (False, "")


def test_all_records_together_are_matched_as_each_alone() -> None:
    records = [record for file in FILES for record in _read(file)]
    packages = [
        _build(record, *case)
        for record in records
        for case in list(_list_cases(record))[:2]
        if "toolchain" not in case and "Go" not in case
    ]
    together = match_packages(packages, NO_DISTRIBUTION, ListedSource(records), today=TODAY)
    names = {
        (entry.package.name, entry.package.version, name) for entry in together.vulnerabilities for name in entry.names
    }
    for package in packages[::7]:
        for record in records:
            if _match(package, record)[0]:
                assert (package.name, package.version, record.id) in names


def _list_fixes(records: Iterable[Advisory]) -> dict[tuple[str, str], set[str]]:
    """Return the fixed versions that the records name, by ecosystem and package."""
    fixes: dict[tuple[str, str], set[str]] = {}
    for record in records:
        for affected in record.affected:
            events = (event for entry in affected.ranges for event in entry.events)
            key = affected.package.ecosystem, affected.package.name
            fixes.setdefault(key, set()).update(event.fixed for event in events if event.fixed)
    return fixes


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_upgrades_of_recorded_advisories_exist_and_are_above(file: Path) -> None:
    records = _read(file)
    fixes = _list_fixes(records)
    source = ListedSource(records)
    cases = dict.fromkeys(case for record in records for case in _list_cases(record))
    upgrades = 0
    for ecosystem, name, version in cases:
        record = next(one for one in records if any(entry.package.name == name for entry in one.affected))
        scheme = get_scheme(ecosystem)
        assert scheme is not None
        try:
            scheme.key(version)
        except InvalidVersionError:
            continue
        report = match_packages([_build(record, ecosystem, name, version)], NO_DISTRIBUTION, source, today=TODAY)
        named = {fix.removeprefix("v") for fix in fixes[ecosystem, name]}
        for vulnerability in report.vulnerabilities:
            fixed = vulnerability.fixed_version.removeprefix("v")
            assert not fixed or (fixed in named and scheme.compare(fixed, version) > 0), (name, version, fixed)
        for upgrade in advise(report):
            assert upgrade.fixed_version.removeprefix("v") in named
            assert scheme.compare(upgrade.fixed_version.removeprefix("v"), version) > 0, (name, version, upgrade)
            upgrades += 1
    assert upgrades > 10
