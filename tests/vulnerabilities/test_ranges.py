"""Evaluation of the affected versions of records: intervals, limits, lists, nearest fixes, and invalid versions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.vulnerabilities.advisory import AffectedVersions, VersionEvent, VersionRange
from kubekeep.vulnerabilities.ranges import IncomparableVersion, RangeMatch, match_range
from kubekeep.vulnerabilities.versions.registry import get_scheme

KINDS = {">=": "introduced", "<": "fixed", "<=": "last_affected", "limit": "limit"}


def build_range(text: str, kind: str = "ECOSYSTEM") -> VersionRange:
    """Build a range from events as ">= 1.0; < 2.0", in this order."""
    parts = [part.split() for part in text.split(";")]
    return VersionRange(kind, tuple(VersionEvent(**{KINDS[operator]: version}) for operator, version in parts))


def match(
    ecosystem: str, version: str, *ranges: VersionRange | str, versions: tuple[str, ...] = ()
) -> RangeMatch | IncomparableVersion | None:
    scheme = get_scheme(ecosystem)
    assert scheme is not None
    built = tuple(build_range(entry) if isinstance(entry, str) else entry for entry in ranges)
    return match_range(AffectedVersions(ranges=built, versions=versions), version, scheme)


@pytest.mark.parametrize(
    ("ecosystem", "events", "version", "expected"),
    [
        ("PyPI", ">= 1.0; < 2.0", "0.9", None),
        ("PyPI", ">= 1.0; < 2.0", "1.0", RangeMatch(">= 1.0, < 2.0", "2.0")),
        ("PyPI", ">= 1.0; < 2.0", "1.9.9", RangeMatch(">= 1.0, < 2.0", "2.0")),
        ("PyPI", ">= 1.0; < 2.0", "2.0rc1", RangeMatch(">= 1.0, < 2.0", "2.0")),
        ("PyPI", ">= 1.0; < 2.0", "2.0", None),
        ("PyPI", ">= 1.0; < 2.0", "2.0.0", None),
        ("PyPI", ">= 1.0; < 2.0", "1", RangeMatch(">= 1.0, < 2.0", "2.0")),
        ("PyPI", ">= 0; < 2.0", "0.0.dev1", RangeMatch("< 2.0", "2.0")),
        ("Debian:12", ">= 0; < 1.0", "0~~", RangeMatch("< 1.0", "1.0")),
        ("npm", ">= 0", "0.0.0-0", RangeMatch("all versions")),
        ("npm", ">= 1.2.0", "9.9.9", RangeMatch(">= 1.2.0")),
        ("npm", ">= 0; <= 1.5.1", "1.5.1", RangeMatch("<= 1.5.1", last_affected="1.5.1")),
        ("npm", ">= 0; <= 1.5.1", "1.5.2", None),
        ("npm", ">= 1.0.0; <= 1.5.1", "1.5.1+build", RangeMatch(">= 1.0.0, <= 1.5.1", last_affected="1.5.1")),
        ("npm", ">= 2.1.4; <= 2.1.4", "2.1.4", RangeMatch(">= 2.1.4, <= 2.1.4", last_affected="2.1.4")),
        ("npm", ">= 2.1.4; <= 2.1.4", "2.1.5", None),
        ("npm", ">= 2.1.4; < 2.1.4", "2.1.4", None),
        ("npm", "< 2.0.0", "1.0.0", None),
        ("Alpine:v3.20", ">= 0; < 0", "1.0-r0", None),
        ("Alpine:v3.20", ">= 0; < 1.2-r3", "1.2-r2", RangeMatch("< 1.2-r3", "1.2-r3")),
    ],
)
def test_one_interval(ecosystem: str, events: str, version: str, expected: RangeMatch | None) -> None:
    assert match(ecosystem, version, events) == expected


INTERVALS = ">= 1.0.0; < 1.0.2; >= 3.0.0; < 3.2.5"


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("0.9.0", None),
        ("1.0.0", RangeMatch(">= 1.0.0, < 1.0.2", "1.0.2")),
        ("1.0.2", None),
        ("2.9.9", None),
        ("3.0.0", RangeMatch(">= 3.0.0, < 3.2.5", "3.2.5")),
        ("3.2.4", RangeMatch(">= 3.0.0, < 3.2.5", "3.2.5")),
        ("3.2.5", None),
    ],
)
def test_the_order_of_events_does_not_matter(version: str, expected: RangeMatch | None) -> None:
    for events in itertools.permutations(INTERVALS.split("; ")):
        assert match("npm", version, "; ".join(events)) == expected


@pytest.mark.parametrize(
    ("events", "version", "expected"),
    [
        # Adjacent intervals, in both orders of the record (PYSEC-2022-236 and PYSEC-2022-42972).
        (">= 0; < 3.1.1; >= 3.2.0; < 3.2.2; >= 3.1.1; < 3.1.3", "3.1.1", RangeMatch(">= 3.1.1, < 3.1.3", "3.1.3")),
        (">= 0; < 3.1.1; >= 3.2.0; < 3.2.2; >= 3.1.1; < 3.1.3", "3.1.3", None),
        (">= 0.13.0; < 0.14.0; >= 0.12.2; < 0.13.0", "0.13.0", RangeMatch(">= 0.13.0, < 0.14.0", "0.14.0")),
        (">= 0.13.0; < 0.14.0; >= 0.12.2; < 0.13.0", "0.12.5", RangeMatch(">= 0.12.2, < 0.13.0", "0.14.0")),
        # Empty intervals (RUBYSEC-actionpack-CVE-2014-7829).
        (">= 3.3; < 4.0.11; >= 4.0.12; < 4.0.12; >= 4.1; < 4.1.7", "4.0.12", None),
        (">= 3.3; < 4.0.11; >= 4.0.12; < 4.0.12; >= 4.1; < 4.1.7", "4.0.13", None),
        # Single versions (BIT-activemq-2021-21344).
        (
            ">= 5.16.0; <= 5.16.0; >= 5.16.1; <= 5.16.1",
            "5.16.1",
            RangeMatch(">= 5.16.1, <= 5.16.1", last_affected="5.16.1"),
        ),
        (">= 5.16.0; <= 5.16.0; >= 5.16.1; <= 5.16.1", "5.16.2", None),
        # Several starts or ends in a row.
        (">= 1.0; >= 2.0; < 3.0", "2.5", RangeMatch(">= 1.0, < 3.0", "3.0")),
        (">= 1.0; >= 2.0; <= 2.0", "2.1", None),
        (">= 1.0; < 2.0; < 3.0", "2.5", None),
        (">= 1.0; < 2.0; < 3.0", "1.5", RangeMatch(">= 1.0, < 2.0", "2.0")),
        # Equal versions with different spellings.
        (">= 1.0; < 1.0.0", "1", None),
        (">= 0; < 2.0; >= 2.0.0", "2", RangeMatch(">= 2.0.0")),
    ],
)
def test_events_of_the_same_version(events: str, version: str, expected: RangeMatch | None) -> None:
    assert match("PyPI", version, events) == expected


@pytest.mark.parametrize(
    ("events", "version", "expected"),
    [
        (">= 1.0.0; limit 2.0.0", "1.5.0", RangeMatch(">= 1.0.0, < 2.0.0")),
        (">= 1.0.0; limit 2.0.0", "2.0.0", None),
        (">= 1.0.0; limit *", "9.0.0", RangeMatch(">= 1.0.0")),
        (">= 0; limit 1.0.0; limit 3.0.0", "2.0.0", RangeMatch("< 3.0.0")),
        (">= 0; < 1.5.0; limit 1.0.0", "1.2.0", None),
        (">= 0; < 1.5.0; limit 2.0.0", "1.2.0", RangeMatch("< 1.5.0", "1.5.0")),
    ],
)
def test_limits(events: str, version: str, expected: RangeMatch | None) -> None:
    assert match("npm", version, events) == expected


@pytest.mark.parametrize(
    ("ecosystem", "version", "versions", "ranges", "expected"),
    [
        ("PyPI", "1.0", ("1.0", "1.1"), (), RangeMatch("listed version 1.0")),
        ("PyPI", "1.0.0", ("1.0", "1.1"), (), RangeMatch("listed version 1.0.0")),
        ("PyPI", "1.2", ("1.0", "1.1"), (), None),
        ("PyPI", "1.2", ("1.0", "not a version"), (), None),
        ("PyPI", "1.5", ("1.0",), (">= 1.4; < 1.6",), RangeMatch(">= 1.4, < 1.6", "1.6")),
        ("PyPI", "1.0", ("1.0",), (">= 1.4; < 1.6",), RangeMatch("listed version 1.0", "1.6")),
        ("Debian:12", "1.0-0", ("1.0",), (), RangeMatch("listed version 1.0-0")),
        ("npm", "v1.0.0", ("1.0.0",), (), RangeMatch("listed version v1.0.0")),
        ("npm", "1.0.0", (), (), None),
    ],
)
def test_listed_versions(
    ecosystem: str, version: str, versions: tuple[str, ...], ranges: tuple[str, ...], expected: RangeMatch | None
) -> None:
    assert match(ecosystem, version, *ranges, versions=versions) == expected


@pytest.mark.parametrize(
    ("version", "ranges", "fixed_version"),
    [
        # The range of the version has a fix.
        ("1.5", (">= 1.0; < 1.6", ">= 2.0; < 2.3"), "1.6"),
        ("2.1", (">= 1.0; < 1.6", ">= 2.0; < 2.3"), "2.3"),
        # Another range or interval has the nearest one; those below are no fixes.
        ("1.5", (">= 1.0; <= 1.9", ">= 2.0; < 2.3", ">= 3.0; < 3.3"), "2.3"),
        ("2.1", (">= 1.0; < 1.6", ">= 2.0; <= 2.9", ">= 3.0; < 3.3"), "3.3"),
        ("2.1", (">= 1.0; < 1.6; >= 2.0",), ""),
        ("9", (">= 1.0; < 1.6", ">= 2.0"), ""),
        ("1.5", (">= 1.0; <= 1.9; >= 2.0; < 2.3",), "2.3"),
        # The fix of one range is affected by another one.
        ("1.6", (">= 0; < 2.0", ">= 1.5; < 3.0"), "3.0"),
        ("1.6", (">= 0; < 2.0", ">= 1.5"), ""),
        # Numbers, not texts.
        ("1.2", (">= 0; <= 1.5", ">= 9; < 10", ">= 1.8; < 1.10"), "1.10"),
    ],
)
def test_the_nearest_fix(version: str, ranges: tuple[str, ...], fixed_version: str) -> None:
    result = match("PyPI", version, *ranges)
    assert isinstance(result, RangeMatch)
    assert result.fixed_version == fixed_version


def test_a_listed_fix_is_no_fix() -> None:
    result = match("PyPI", "1.0", ">= 0; < 1.1", ">= 2.0; < 2.1", versions=("1.0", "1.1"))
    assert result == RangeMatch("< 1.1", "2.1")


def test_git_ranges_are_never_compared() -> None:
    commits = build_range(">= 0; < 6879efc2c1596d11a6a6ad296f80063b558d5e0f", "GIT")
    assert match("PyPI", "1.0", commits) is None
    assert match("PyPI", "not comparable", commits) is None
    assert match("npm", "v4-main", commits) is None
    assert match("PyPI", "1.0", commits, ">= 0; < 2.0") == RangeMatch("< 2.0", "2.0")


@pytest.mark.parametrize(
    ("ecosystem", "events", "version", "is_affected"),
    [
        # SemVer orders 1.0.0-1 before 1.0.0 and ignores build metadata; other schemes do not.
        ("PyPI", ">= 0; < 1.0.0", "1.0.0-1", True),
        ("RubyGems", ">= 0; < 1.0.0-rc.2", "1.0.0-rc.10", False),
        ("NuGet", ">= 0; < 1.0.0-beta", "1.0.0-ALPHA", True),
        ("Pub", ">= 0; < 1.0.0+2", "1.0.0+1", False),
        ("Hackage", ">= 0; < 1.0.0", "1.0", False),
        ("Go", ">= 1.22.0-0; < 1.22.3", "go1.22rc1", True),
        ("Go", ">= 0; < 1.24.0-rc.2", "go1.24rc1", True),
        ("Go", ">= 0; < 1.24.0-rc.2", "go1.24rc2", False),
        ("Go", ">= 0; < 1.24.0-rc.2", "1.24rc10", False),
        ("Go", ">= 1.21.0-0; < 1.21.4", "1.21", True),
        ("Go", ">= 0; < 1.21.4", "v1.21.4+incompatible", False),
        ("Go", ">= 0; < 0.0.0-20220412211240-33da011f77ad", "v0.0.0-20210101000000-abcdefabcdef", True),
        # A revision of Bitnami is after the release, except 0, the lowest pre-release of SemVer.
        ("Bitnami", ">= 1.2.3; < 1.2.4", "1.2.3-2", True),
        ("Bitnami", ">= 1.2.0; < 1.2.3", "1.2.3-2", False),
        ("Bitnami", ">= 1.2.0; < 1.21.0-0", "1.20.9-4", True),
        ("Bitnami", ">= 1.2.0; < 1.2.3", "1.2.3-0", True),
        ("Bitnami", ">= 1.2.0; < 1.2.3-3", "1.2.3-2", True),
    ],
)
def test_ranges_of_type_semver(ecosystem: str, events: str, version: str, is_affected: bool) -> None:  # noqa: FBT001
    result = match(ecosystem, version, build_range(events, "SEMVER"))
    assert isinstance(result, RangeMatch) if is_affected else result is None


@pytest.mark.parametrize(
    ("ecosystem", "version", "reason"),
    [
        ("Debian:12", "1:-2", "the upstream version is empty"),
        ("Debian:12", "a:1", "the epoch before the colon is not a number"),
        ("npm", "latest", "expected MAJOR.MINOR.PATCH"),
        ("npm", "", "it is empty"),
        ("Go", "(devel)", "it is a development build"),
        ("Go", "devel go1.27-abcdef Mon Jan 1", "it is a development build"),
        ("Go", "go1.27-devel_abcdef", "it is a development build"),
        ("Go", "v0.0.0-00010101000000-000000000000", "it is a placeholder for a replaced module"),
        ("Packagist", "dev-main", "it is a branch"),
        ("Maven", "${project.version}", "it is a variable"),
        ("Maven", "${log4j2.version}", "it is a variable"),
        ("Maven", "LATEST", "it has no number"),
        ("PyPI", "unknown", "it has no number"),
        ("ConanCenter", "system", "it has no number"),
        ("Alpine:v3.20", "1.2.3foo", "apk versions are digits"),
        ("Hackage", "1.0-beta", "expected only numbers"),
        ("npm", "1" * 5000, "it has 5000 characters"),
        ("GitHub Actions", "8f4b7f84864484a7bf31766abe9204da3cbe65b3", "text follows fewer than three numbers"),
    ],
)
def test_versions_without_order_are_not_unaffected(ecosystem: str, version: str, reason: str) -> None:
    for ranges, versions in (((">= 0; < 2.0.0",), ()), ((), ("1.0.0",)), ((">= 5.0.0",), ("1.0.0",))):
        result = match(ecosystem, version, *ranges, versions=versions)
        assert isinstance(result, IncomparableVersion)
        assert reason in result.reason
    assert match(ecosystem, version, ">= 5.0.0", versions=(version,)) == RangeMatch(f"listed version {version}")


def test_one_comparable_range_decides_only_a_match() -> None:
    semver = build_range(">= 0; < 2.0.0", "SEMVER")
    assert match("PyPI", "1.0.post1", semver, ">= 1.0; < 1.1") == RangeMatch(">= 1.0, < 1.1", "1.1")
    assert isinstance(match("PyPI", "1.0.post1", semver, ">= 5.0; < 5.1"), IncomparableVersion)


@pytest.mark.parametrize(
    ("events", "version", "expected"),
    [
        (">= 0; < unknown", "1.0.0", RangeMatch("< unknown")),
        (">= 0; <= unknown", "1.0.0", RangeMatch("<= unknown", last_affected="unknown")),
        (">= unknown; < 2.0.0", "1.0.0", None),
        (">= 1.0.0; < 2.0.0; < unknown", "1.0.0", RangeMatch(">= 1.0.0, < 2.0.0", "2.0.0")),
        (">= 1.0.0; limit unknown", "1.0.0", RangeMatch(">= 1.0.0, < unknown")),
        (f">= 0; < {'9' * 5000}", "1.0.0", RangeMatch(f"< {'9' * 5000}")),
    ],
)
def test_events_without_order_are_above_all_versions(events: str, version: str, expected: RangeMatch | None) -> None:
    assert match("npm", version, events) == expected


EVENTS = st.lists(
    st.tuples(st.sampled_from(["introduced", "fixed", "last_affected"]), st.integers(0, 9)),
    min_size=1,
    max_size=6,
    unique_by=lambda event: event[1],
)


@settings(max_examples=300, deadline=None, database=None)
@given(events=EVENTS, limits=st.lists(st.integers(1, 9), max_size=2), version=st.integers(0, 10))
def test_random_events_apply_as_in_the_pseudocode(
    events: list[tuple[str, int]], limits: list[int], version: int
) -> None:
    vulnerable = False
    for kind, number in sorted(events, key=lambda event: event[1]):
        if kind == "introduced" and version >= number:
            vulnerable = True
        elif (kind == "fixed" and version >= number) or (kind == "last_affected" and version > number):
            vulnerable = False
    expected = vulnerable and (not limits or any(version < limit for limit in limits))
    built = [VersionEvent(**{kind: f"{number}.0.0" if number else "0"}) for kind, number in events]
    built += [VersionEvent(limit=f"{limit}.0.0") for limit in limits]
    result = match("npm", f"{version}.0.0", VersionRange("SEMVER", tuple(built)))
    assert isinstance(result, RangeMatch) == expected


def test_an_event_with_two_fields_is_two_events() -> None:
    affected_range = VersionRange("ECOSYSTEM", (VersionEvent(introduced="1.0.0", fixed="1.0.2"),))
    assert match("npm", "1.0.1", affected_range) == RangeMatch(">= 1.0.0, < 1.0.2", "1.0.2")
    assert match("npm", "1.0.2", affected_range) is None


def test_records_with_very_many_events_are_evaluated() -> None:
    events = "; ".join(f">= {number}.0.0; < {number}.5.0" for number in range(1, 5000))
    assert match("npm", "2500.1.0", events) == RangeMatch(">= 2500.0.0, < 2500.5.0", "2500.5.0")
    assert match("npm", "1.1.0", events, ">= 0") == RangeMatch(">= 1.0.0, < 1.5.0")
    assert match("npm", "2500.6.0", events) is None


def test_range_of_an_unknown_type_gives_no_answer() -> None:
    unknown = build_range(">= 0; < 2.0", "semver")
    result = match("npm", "1.0.0", unknown)
    assert isinstance(result, IncomparableVersion)
    assert "unknown type 'semver'" in result.reason
    assert isinstance(match("npm", "1.0.0", unknown, build_range(">= 0.5.0", "SEMVER")), RangeMatch)
    assert match("npm", "1.0.0", build_range(">= 0", "GIT")) is None
