"""Debian changelogs as a second opinion. `changelogs/README.md` states the origin of the sample."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kubekeep.images.catalog import debian_changelog
from kubekeep.images.catalog.debian_changelog import parse_changelog
from kubekeep.images.content import LayerFile
from kubekeep.images.sbom.identity import identify
from kubekeep.vulnerabilities.changelog import find_fixed, list_fixed
from tests.vulnerabilities.matching.records import build_package, build_record, scan

SAMPLE = (Path(__file__).parent / "changelogs" / "expat").read_bytes()
LATEST = "2.5.0-1+deb12u1"


def test_entries_of_a_real_changelog() -> None:
    entries = parse_changelog(SAMPLE)
    assert len(entries) == SAMPLE.count(b"urgency=")
    assert entries[0].source == "expat"
    assert entries[0].version == LATEST
    assert entries[0].fixed == ("CVE-2024-45490", "CVE-2024-45491", "CVE-2024-45492")


@pytest.mark.parametrize(
    ("version", "cve", "is_fixed"),
    [
        (LATEST, "CVE-2024-45490", True),
        (LATEST, "CVE-2022-43680", True),
        ("2.5.0-1", "CVE-2024-45490", False),
        ("2.5.0-1", "CVE-2022-43680", True),
        ("2.4.8-1", "CVE-2022-40674", False),
        ("2.4.8-2", "CVE-2022-40674", True),
        (LATEST, "CVE-2012-6702", False),
        ("99", "CVE-2024-45490", True),
    ],
)
def test_entries_up_to_the_installed_version_count(version: str, cve: str, *, is_fixed: bool) -> None:
    assert (cve in list_fixed(parse_changelog(SAMPLE), version)) is is_fixed


def _write(*bullets: str, version: str = "1.0-2") -> bytes:
    points = "\n".join(f"  * {bullet}" for bullet in bullets)
    return f"a ({version}) unstable; urgency=high\n\n{points}\n\n -- A <a@example.org>  Sun, 08 Sep 2024 08:44:19 +0200\n\n".encode()


@pytest.mark.parametrize(
    ("bullet", "is_fixed"),
    [
        ("Fix CVE-2024-1000.", True),
        ("fix cve-2024-1000 and CVE-2024-1001", True),
        ("New upstream release (Closes: #1)\n    - CVE-2024-1000: incomplete check disables the limit", True),
        ("Drop CVE-2024-1000.patch, applied upstream", True),
        ("Revert CVE-2024-1000.patch because of a regression", False),
        ("Reverted the patches\n    for CVE-2024-1000", False),
        ("Back out the fix for CVE-2024-1000", False),
        # The kernel fixes flaws by reverting their cause.
        ('Revert "epoll: use refcount to reduce contention"\n    (CVE-2024-1000)', True),
        ('Revert "fix of the refcount" (CVE-2024-1000)', False),
        ("CVE-2024-1000 is not fixed yet", False),
        ("CVE-2024-1000 was not yet addressed", False),
        ("This version is not affected by CVE-2024-1000", False),
        ("CVE-2024-1000 remains unfixed", False),
        ("CVE-2024-100", False),
        ("XCVE-2024", False),
    ],
)
def test_text_of_an_entry(bullet: str, *, is_fixed: bool) -> None:
    assert ("CVE-2024-1000" in list_fixed(parse_changelog(_write(bullet)), "1.0-2")) is is_fixed


def test_later_entries_count_more() -> None:
    fixed = _write("Fix CVE-2024-1000", version="1.0-1")
    reverted = _write("Revert the patch for CVE-2024-1000", version="1.0-2")
    again = _write("Fix CVE-2024-1000 correctly", version="1.0-3")
    assert not list_fixed(parse_changelog(reverted + fixed), "1.0-2")
    assert list_fixed(parse_changelog(reverted + fixed), "1.0-1")
    assert list_fixed(parse_changelog(again + reverted + fixed), "1.0-3")


def test_points_of_an_entry_are_separate() -> None:
    entry = parse_changelog(_write("Fix CVE-2024-1000", "CVE-2024-1001 is not fixed"))[0]
    assert entry.fixed == ("CVE-2024-1000",)


@pytest.mark.parametrize("content", [b"", b"CVE-2024-1000", b"\xff\xfe (1) x;", b"a (\n b; " * 1000])
def test_other_content_has_no_entries(content: bytes) -> None:
    assert list_fixed(parse_changelog(content), "1") == frozenset()


def test_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian_changelog, "MAX_SIZE", 10)
    with pytest.raises(ValueError, match="more than 10"):
        parse_changelog(SAMPLE)


def test_catalogue_reads_compressed_changelogs() -> None:
    path = "usr/share/doc/libexpat1/changelog.Debian.gz"
    record = debian_changelog.read(LayerFile(path, gzip.compress(SAMPLE)))
    assert record is not None
    package = build_package(PACKAGE)
    assert "CVE-2024-45490" in find_fixed([package], record.fixes)[identify(package)]
    assert find_fixed([build_package("pkg:deb/debian/x@1?distro=debian-12 from x@1")], record.fixes) == {}
    for content in (b"", SAMPLE, gzip.compress(SAMPLE)[:100], gzip.compress(b"no changelog")):
        assert debian_changelog.read(LayerFile(path, content)) is None


PACKAGE = "pkg:deb/debian/libexpat1@2.5.0-1%2Bdeb12u1?distro=debian-12 from expat@2.5.0-1+deb12u1"


def test_fixed_vulnerability_stays_visible() -> None:
    record = build_record("DEBIAN-CVE-2024-45490: Debian:12 expat <2.6.3-1")
    named = {identify(build_package(PACKAGE)): list_fixed(parse_changelog(SAMPLE), LATEST)}
    (vulnerability,) = scan(PACKAGE, record, fixed_by_changelog=named).vulnerabilities
    assert vulnerability.vex is not None
    assert (vulnerability.vex.status, vulnerability.vex.origin) == ("fixed", "Debian changelog")
    text = "the changelog of the installed version 2.5.0-1+deb12u1 names CVE-2024-45490 as fixed"
    assert vulnerability.notes[-1] == text
    assert scan(PACKAGE, record).vulnerabilities[0].vex is None


def test_notice_is_fixed_only_with_all_its_flaws() -> None:
    record = build_record("DSA-1-1: Debian:12 expat <2.6.3-1", upstream=["CVE-2024-45490", "CVE-2099-10000"])
    named = {identify(build_package(PACKAGE)): list_fixed(parse_changelog(SAMPLE), LATEST)}
    (vulnerability,) = scan(PACKAGE, record, fixed_by_changelog=named).vulnerabilities
    assert vulnerability.vex is None
    assert vulnerability.notes[-1].endswith("names CVE-2024-45490 as fixed")


def test_changelog_of_another_package_has_no_effect() -> None:
    record = build_record("DEBIAN-CVE-2024-45490: Debian:12 expat <2.6.3-1")
    (vulnerability,) = scan(
        PACKAGE, record, fixed_by_changelog={"pkg:deb/debian/x@1": frozenset({"CVE-2024-45490"})}
    ).vulnerabilities
    assert vulnerability.vex is None
