"""Properties of all schemes: a total order, keys that agree with the comparison, and quick answers to hostile input."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubekeep.vulnerabilities.versions.registry import get_scheme
from kubekeep.vulnerabilities.versions.scheme import MAX_LENGTH, InvalidVersionError, VersionScheme
from kubekeep.vulnerabilities.versions.semver import SEMVER
from tests.vulnerabilities.versions import apk_comparison

ECOSYSTEMS = (
    *("AlmaLinux:9", "Alpine:v3.20", "Arch", "Bitnami", "CRAN", "ConanCenter", "Debian:12", "Go", "Hackage", "Julia"),
    *("Linux", "Maven", "NuGet", "Packagist", "Pub", "PyPI", "RubyGems", "npm", "opam"),
)
NUMBERS = st.lists(st.sampled_from(["0", "1", "2", "9", "10", "010", "20240101"]), min_size=1, max_size=4).map(".".join)
ENDINGS = st.sampled_from(
    [
        *(
            "",
            "a",
            "b1",
            "rc1",
            "-1",
            "-0",
            "-r1",
            "-rc.1",
            "-alpha",
            "-beta.2",
            "~rc1",
            "~",
            "^git1",
            "+1",
            "+build.2",
        ),
        *("_rc1", "_p2", ".dev0", ".post1", "-SNAPSHOT", ".Final", "-dev", "-patch1", "-1.el9", "-1ubuntu2", ".pre.1"),
    ]
)
VERSIONS = st.builds(lambda numbers, ending, end: numbers + ending + end, NUMBERS, ENDINGS, ENDINGS)
HOSTILE = st.text(st.sampled_from("01aZ.-+~^_:!@ é\x00\n٣²"), max_size=40) | st.text(max_size=40)

# The orders of pacman, Maven and Conan themselves are not transitive for unusual versions.
NOT_TRANSITIVE = ("Arch", "Maven", "ConanCenter")


def load_scheme(ecosystem: str) -> VersionScheme:
    scheme = get_scheme(ecosystem)
    assert scheme is not None
    return scheme


def is_valid(scheme: VersionScheme, version: str) -> bool:
    try:
        scheme.key(version)
    except InvalidVersionError:
        return False
    return True


@settings(max_examples=400, deadline=None, database=None)
@given(ecosystem=st.sampled_from(ECOSYSTEMS), versions=st.lists(VERSIONS, min_size=3, max_size=3))
def test_versions_have_a_total_order(ecosystem: str, versions: list[str]) -> None:
    scheme = load_scheme(ecosystem)
    valid = [version for version in versions if is_valid(scheme, version)]
    for first in valid:
        for second in valid:
            order = scheme.compare(first, second)
            assert order == -scheme.compare(second, first)
            assert (order < 0) == (scheme.key(first) < scheme.key(second))
            assert (order == 0) == (scheme.key(first) == scheme.key(second)) == scheme.is_equal(first, second)
    if len(valid) == 3 and ecosystem not in NOT_TRANSITIVE:
        low, middle, high = sorted(valid, key=scheme.key)
        assert scheme.compare(low, middle) <= 0
        assert scheme.compare(middle, high) <= 0
        assert scheme.compare(low, high) == min(scheme.compare(low, middle), scheme.compare(middle, high))


@settings(max_examples=400, deadline=None, database=None)
@given(ecosystem=st.sampled_from(ECOSYSTEMS), first=HOSTILE, second=HOSTILE)
def test_hostile_versions_are_compared_or_rejected_with_a_reason(ecosystem: str, first: str, second: str) -> None:
    scheme = load_scheme(ecosystem)
    if is_valid(scheme, first) and is_valid(scheme, second):
        assert scheme.compare(first, second) == -scheme.compare(second, first)
        assert isinstance(scheme.explain_unordered(first), str)
    else:
        with pytest.raises(InvalidVersionError, match=f"{scheme.name} version: "):
            scheme.compare(first, second)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_long_versions_are_rejected(ecosystem: str) -> None:
    scheme = load_scheme(ecosystem)
    for version in ("1" * 10_000, "1." * 5_000, "1.0-" + "a" * 9_996, " " * 10_000, "~" * 10_000):
        for order in (scheme.key, scheme.get_semver_order(SEMVER)):
            with pytest.raises(InvalidVersionError, match="10000 characters, 1024 is the limit"):
                order(version)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_versions_of_the_longest_length_are_compared(ecosystem: str) -> None:
    scheme = load_scheme(ecosystem)
    units = ("1", "1.", "1-", "a1", "1~", "1-1.", "1.beta1-", "_p", ".0", "1-alpha.", "00", "9.a")
    texts = [("1." + unit * MAX_LENGTH)[:MAX_LENGTH] for unit in units]
    for first in texts:
        for second in texts:
            if is_valid(scheme, first) and is_valid(scheme, second):
                assert scheme.compare(first, second) == -scheme.compare(second, first)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
@pytest.mark.parametrize("version", ["", " ", "\t\n"])
def test_empty_versions_are_rejected(ecosystem: str, version: str) -> None:
    with pytest.raises(InvalidVersionError, match="it is empty"):
        load_scheme(ecosystem).key(version)


@pytest.mark.parametrize("ecosystem", ECOSYSTEMS)
def test_numbers_of_any_size_are_exact(ecosystem: str) -> None:
    scheme = load_scheme(ecosystem)
    low, high = f"1.{10**400}", f"1.{10**400 + 1}"
    assert scheme.compare(low, high) == -1


APK_PARTS = [
    "0",
    "1",
    "10",
    ".0",
    ".01",
    ".1",
    ".10",
    "a",
    "b",
    "_alpha",
    "_rc1",
    "_p",
    "_p2",
    "_git",
    "_foo",
    "~0a",
    "-r1",
]
APK_VERSIONS = st.lists(st.sampled_from(APK_PARTS), max_size=5).map(lambda parts: f"1{''.join(parts)}")


@settings(max_examples=400, deadline=None, database=None)
@given(first=APK_VERSIONS, second=APK_VERSIONS)
def test_apk_agrees_with_a_comparison_of_parts(first: str, second: str) -> None:
    assert load_scheme("Alpine").compare(first, second) == apk_comparison.compare(first, second)


def test_keys_are_read_by_many_threads() -> None:
    scheme = load_scheme("Debian")
    versions = [f"1.{number}-{number % 7}" for number in range(400)]
    orders: list[list[str]] = []
    threads = [threading.Thread(target=lambda: orders.append(sorted(versions, key=scheme.key))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert orders == [sorted(versions, key=scheme.key)] * 4
