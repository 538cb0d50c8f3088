"""Boundaries of real records, compared with a literal reading of the pseudocode of the OSV schema.

`data/README.md` states the origin of the records. KUBEKEEP_TEST_ADVISORIES names a folder with more records (JSON Lines):
then each fifth record of it is read instead.
"""

from __future__ import annotations

import functools
import itertools
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from packaging.version import InvalidVersion, Version

from kubekeep.vulnerabilities.advisory import AffectedVersions, VersionEvent, VersionRange
from kubekeep.vulnerabilities.ranges import RangeMatch, match_range
from kubekeep.vulnerabilities.versions.pep440 import PEP440
from kubekeep.vulnerabilities.versions.registry import get_scheme
from tests.vulnerabilities.database.records import OSV

ADJACENT = ("PYSEC-2022-42972",)
"""Records in which one interval ends where another one starts, written so that a stable sort loses the second one."""

Comparison = Callable[[str, str], int]


class Record(msgspec.Struct):
    """The part of a record that this test reads."""

    id: str
    affected: tuple[AffectedVersions, ...]


SEMVER = re.compile(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([^+]+))?(?:\+.*)?", re.ASCII)


def compare_semver(first: str, second: str) -> int:
    """Compare as item 11 of SemVer 2.0 says."""
    keys = []
    for version in (first, second):
        match = SEMVER.fullmatch(version)
        assert match, version
        *numbers, pre_release = match.groups()
        identifiers = [
            (0, int(part), "") if part.isdigit() else (1, 0, part) for part in (pre_release or "").split(".") if part
        ]
        keys.append(([int(number or 0) for number in numbers], not identifiers, identifiers))
    return (keys[0] > keys[1]) - (keys[0] < keys[1])


def compare_python(first: str, second: str) -> int:
    try:
        return (Version(first) > Version(second)) - (Version(first) < Version(second))
    except InvalidVersion:
        return PEP440.compare(first, second)


def is_affected(affected: AffectedVersions, version: str, choose: Callable[[VersionRange], Comparison]) -> bool:
    """Evaluate a record as the pseudocode of the schema does."""
    if version in affected.versions:
        return True
    for affected_range in affected.ranges:
        if affected_range.type == "GIT":
            continue
        compare = choose(affected_range)
        vulnerable = False
        for event in sort_events(affected_range.events, compare):
            text = event.introduced or event.fixed or event.last_affected
            order = 1 if text == "0" else compare(version, text)
            if event.introduced and order >= 0:
                vulnerable = True
            elif (event.fixed and order >= 0) or (event.last_affected and order > 0):
                vulnerable = False
        if vulnerable:
            return True
    return False


def sort_events(events: tuple[VersionEvent, ...], compare: Comparison) -> list[VersionEvent]:
    def compare_events(first: VersionEvent, second: VersionEvent) -> int:
        texts = [event.introduced or event.fixed or event.last_affected for event in (first, second)]
        if "0" in texts:
            return (texts[1] == "0") - (texts[0] == "0")
        return compare(*texts)

    return sorted(events, key=functools.cmp_to_key(compare_events))


def list_neighbours(version: str, affected_range: VersionRange, ecosystem: str) -> Iterator[tuple[str, int]]:
    """Yield versions close to another one with their order: 0, just below or just above."""
    yield version, 0
    name = ecosystem.partition(":")[0]
    is_release = re.fullmatch(r"[0-9.]+", version) is not None
    if affected_range.type == "SEMVER":
        if is_release and version.count(".") == 2:
            yield f"{version}-alpha.1", -1
            yield version[: version.rindex(".") + 1] + str(int(version.rsplit(".", 1)[1]) + 1), 1
    elif name == "AlmaLinux":
        yield f"{version}~", -1
        yield f"{version}.1", 1
    elif name == "PyPI" and is_release:
        yield f"{version}.dev1", -1
        yield f"{version}.post1", 1
    elif name == "RubyGems" and is_release:
        yield f"{version}.rc1", -1
        yield f"{version}.1", 1
    elif name == "Packagist" and is_release:
        yield f"{version}-RC1", -1
        yield f"{version}-p1", 1


def read_records() -> Iterator[Record]:
    folder = os.environ.get("KUBEKEEP_TEST_ADVISORIES")
    files = sorted((Path(folder) if folder else OSV).glob("*.jsonl"))
    decoder = msgspec.json.Decoder(Record)
    lines = (line for file in files for line in file.read_bytes().splitlines())
    return (decoder.decode(line) for line in itertools.islice(lines, 0, None, 5 if folder else 1))


def test_boundaries_of_real_records() -> None:
    count, wrong = 0, []
    for record in read_records():
        for affected in record.affected:
            results = list(check_boundaries(affected))
            count += len(results)
            wrong += [(record.id, *result) for result in results if result[1] != result[2]]
    assert [entry for entry in wrong if entry[0] not in ADJACENT] == []
    assert count > 10_000


def check_boundaries(affected: AffectedVersions) -> Iterator[tuple[str, bool, bool]]:
    """Yield (version, expected, actual) for each event and its neighbours."""
    ecosystem = affected.package.ecosystem
    scheme = get_scheme(ecosystem)
    assert scheme is not None

    def choose(affected_range: VersionRange) -> Comparison:
        if affected_range.type == "SEMVER":
            return compare_semver
        return compare_python if ecosystem == "PyPI" else scheme.compare

    for affected_range in affected.ranges:
        if affected_range.type == "GIT":
            continue
        for event in affected_range.events:
            text = event.introduced or event.fixed or event.last_affected
            for version, order in list_neighbours(text, affected_range, ecosystem):
                compare = choose(affected_range)
                assert compare(version, text) == order, (version, text)
                result = match_range(affected, version, scheme)
                yield version, is_affected(affected, version, choose), isinstance(result, RangeMatch)
                if isinstance(result, RangeMatch) and result.fixed_version:
                    assert compare(result.fixed_version, version) == 1
                    assert match_range(affected, result.fixed_version, scheme) is None
