"""A database of Trivy, written by its own library."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from kubekeep.usecases.database import import_database, list_status
from kubekeep.vulnerabilities.advisory import Advisory, VersionEvent
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.open import open_advisories
from kubekeep.vulnerabilities.database.scanner_databases import ScannerImport
from kubekeep.vulnerabilities.database.trivy.blobs import TrivyVulnerability
from kubekeep.vulnerabilities.database.trivy.convert import TrivyRow, build_advisory
from kubekeep.vulnerabilities.ranges import IncomparableVersion, match_range
from kubekeep.vulnerabilities.versions.registry import get_scheme
from tests.command_line import run_command_line
from tests.oracles.program import program

BUILT = "2026-11-27T06:00:00Z"
_GHSA = "pip::GitHub Security Advisory pip"
_GO = "go::GitHub Security Advisory Go"
LINES: list[dict[str, Any]] = [
    {"source": "debian 12", "value": {"ID": "debian", "Name": "Debian Security Tracker"}},
    {"source": _GHSA, "value": {"ID": "ghsa", "Name": "GitHub Security Advisory pip"}},
    {
        "vulnerability": "CVE-2026-1",
        "value": {
            "Title": "openssl: a flaw",
            "Description": "A flaw.",
            "CweIDs": ["CWE-787"],
            "VendorSeverity": {"nvd": 4, "debian": 1, "ghsa": 3},
            "CVSS": {
                "nvd": {"V3Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "V3Score": 9.8},
                "ghsa": {"V3Vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", "V3Score": 7.5},
            },
            "References": ["https://example.com/1"],
            "PublishedDate": "2026-01-01T00:00:00Z",
            "LastModifiedDate": "2026-02-01T10:20:30Z",
        },
    },
    {"platform": "debian 12", "package": "openssl", "id": "CVE-2026-1", "value": {"FixedVersion": "3.0.13-1"}},
    {"platform": "debian 11", "package": "openssl", "id": "CVE-2026-1", "value": {"Status": 5, "Severity": 1}},
    {"platform": "debian 11", "package": "openssl", "id": "CVE-2026-2", "value": {"Status": 1}},
    {"platform": "alpine 3.20", "package": "openssl", "id": "CVE-2026-1", "value": {"FixedVersion": "3.3.1-r1"}},
    {"platform": "alpine edge", "package": "openssl", "id": "CVE-2026-1", "value": {"FixedVersion": "3.3.1-r2"}},
    {"platform": "ubuntu 22.04", "package": "openssl", "id": "CVE-2026-1", "value": {"FixedVersion": "3.0.2-0ubuntu1.18"}},
    {"platform": "ubuntu 16.04-ESM", "package": "openssl", "id": "CVE-2026-1", "value": {"FixedVersion": "1.0.2g+esm1"}},
    {
        "platform": "rocky 9",
        "package": "nodejs:18::npm",
        "id": "CVE-2026-3",
        "value": {"Entries": [{"FixedVersion": "1:9.5.0-1.el9", "Arches": ["x86_64"], "VendorIDs": ["RLSA-2026:1"]}]},
    },
    {"platform": "amazon linux 2023", "package": "curl", "id": "CVE-2026-4", "value": {"FixedVersion": "8.5.0-1.amzn2023"}},
    {"platform": "SUSE Linux Enterprise 15.5", "package": "curl", "id": "SUSE-SU-2026:1-1", "value": {"FixedVersion": "8.0.1-1"}},
    {"platform": "unknown system 3", "package": "curl", "id": "CVE-2026-4", "value": {"FixedVersion": "1"}},
    {"cpe": 0, "name": "cpe:/o:redhat:enterprise_linux:9::baseos"},
    {"cpe": 1, "name": "cpe:/a:redhat:rhel_eus:9.2::appstream"},
    {
        "redhat": "openssl",
        "id": "RHSA-2026:1",
        "value": {
            "Entries": [
                {"FixedVersion": "1:3.0.7-27.el9", "Affected": [0], "Cves": [{"ID": "CVE-2026-1", "Severity": 3}, {"ID": "CVE-2026-5"}]},
                {"FixedVersion": "1:3.0.7-18.el9_2", "Affected": [1], "Cves": [{"ID": "CVE-2026-1"}]},
            ]
        },
    },
    {"redhat": "openssl", "id": "CVE-2026-6", "value": {"Entries": [{"Status": 6, "Affected": [0, 1], "Cves": [{"Severity": 1}]}]}},
    {
        "platform": _GHSA,
        "package": "flask-login",
        "id": "CVE-2026-1",
        "value": {
            "VendorIDs": ["GHSA-xxxx-yyyy-zzzz"],
            "VulnerableVersions": ["<0.4.1", ">=0.5, <=0.5.3", "=0.7"],
            "PatchedVersions": ["0.4.1"],
        },
    },
    {"platform": _GO, "package": "github.com/a/b", "id": "CVE-2026-7", "value": {"VulnerableVersions": ["^1.0"]}},
    {
        "platform": "rubygems::Ruby Advisory Database",
        "package": "rails",
        "id": "CVE-2026-8",
        "value": {"PatchedVersions": ["~> 6.1.7", ">= 7.0.4"], "UnaffectedVersions": ["< 4.0"]},
    },
]  # fmt: skip


def write_database(folder: Path, lines: Iterable[dict[str, Any]], built: str = BUILT) -> Path:
    """Write a database and return the file."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(map(json.dumps, lines))
    subprocess.run([program("trivy-db"), folder, built], input=text, text=True, check=True)
    return folder / "trivy.db"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_database(tmp_path_factory.mktemp("trivy"), LINES)


@pytest.fixture(scope="module")
def database(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("database")
    result = import_database(path, folder)
    assert isinstance(result, ScannerImport)
    assert (result.feed, result.unread, len(result.files)) == ("trivy", 0, 10)
    return folder


def read(database: Path, ecosystem: str, *names: str) -> dict[str, Advisory]:
    with open_advisories(database) as source:
        return {advisory.id: advisory for _, advisory in source.find_advisories(ecosystem, names)}


def test_distributions(database: Path) -> None:
    (record,) = read(database, "Debian", "openssl").values()
    releases = {entry.package.ecosystem: entry for entry in record.affected}
    fixed, unfixed = releases["Debian:12"], releases["Debian:11"]
    assert fixed.ranges[0].events == (VersionEvent(introduced="0"), VersionEvent(fixed="3.0.13-1"))
    assert unfixed.ranges[0].events == (VersionEvent(introduced="0"),)
    assert unfixed.database_specific == {"fix_state": "wont-fix", "severity": "low"}
    assert (record.summary, record.details, record.references[0].url) == (
        "openssl: a flaw",
        "A flaw.",
        "https://example.com/1",
    )
    assert (record.modified, record.published) == ("2026-02-01T10:20:30Z", "2026-01-01T00:00:00Z")
    # The rating of the distribution counts, and a vector of NVD without one of its own.
    assert record.database_specific == {"severity": "low", "cwe_ids": ["CWE-787"]}
    assert record.severity[0].score.endswith("C:H/I:H/A:H")
    alpine = read(database, "Alpine", "openssl")["CVE-2026-1"]
    assert sorted(entry.package.ecosystem for entry in alpine.affected) == ["Alpine:edge", "Alpine:v3.20"]
    ubuntu = read(database, "Ubuntu", "openssl")["CVE-2026-1"]
    assert sorted(entry.package.ecosystem for entry in ubuntu.affected) == ["Ubuntu:22.04:LTS", "Ubuntu:Pro:16.04:LTS"]
    (suse,) = read(database, "SUSE", "curl")["SUSE-SU-2026:1-1"].affected
    assert suse.package.ecosystem == "SUSE:Linux Enterprise Server 15 SP5"
    assert read(database, "Amazon Linux", "curl")["CVE-2026-4"].affected[0].package.ecosystem == "Amazon Linux:2023"


def test_modules_and_architectures(database: Path) -> None:
    (record,) = read(database, "Rocky Linux", "npm").values()
    (affected,) = record.affected
    assert affected.ecosystem_specific == {"rpm_modularity": "nodejs:18", "architecture": ["x86_64"]}
    assert (record.aliases, record.related) == ((), ("RLSA-2026:1",))


def test_red_hat(database: Path) -> None:
    records = read(database, "Red Hat", "openssl")
    assert sorted(records) == ["CVE-2026-1", "CVE-2026-5", "CVE-2026-6"]
    # Streams with extended support have other fixed versions.
    (affected,) = records["CVE-2026-1"].affected
    assert affected.package.ecosystem == "Red Hat:enterprise_linux:9::baseos"
    assert affected.ranges[0].events[1].fixed == "1:3.0.7-27.el9"
    assert affected.database_specific == {"severity": "high"}
    assert records["CVE-2026-1"].related == ("RHSA-2026:1",)
    assert records["CVE-2026-6"].affected[0].database_specific == {"fix_state": "not-fixed", "severity": "low"}


def test_languages(database: Path) -> None:
    (python,) = read(database, "PyPI", "flask-login").values()
    (affected,) = python.affected
    assert (python.id, python.aliases, affected.versions) == ("CVE-2026-1", ("GHSA-xxxx-yyyy-zzzz",), ("0.7",))
    assert [[*entry.events] for entry in affected.ranges] == [
        [VersionEvent(introduced="0"), VersionEvent(fixed="0.4.1")],
        [VersionEvent(introduced="0.5"), VersionEvent(last_affected="0.5.3")],
    ]
    assert python.severity[0].score.endswith("C:H/I:N/A:N")
    (go,) = read(database, "Go", "github.com/a/b").values()
    scheme = get_scheme("Go")
    assert scheme
    # A constraint that cannot be read is no range: nothing is compared with it.
    assert isinstance(match_range(go.affected[0], "v1.5.0", scheme), IncomparableVersion)


@pytest.mark.parametrize(
    ("version", "is_affected"),
    [("3.9", False), ("4.0", True), ("6.1.6", True), ("6.1.7", False), ("6.1.9", False), ("6.2", True), ("7.0.4", False)],
)  # fmt: skip
def test_patched_versions_are_inverted(database: Path, version: str, is_affected: bool) -> None:  # noqa: FBT001
    (record,) = read(database, "RubyGems", "rails").values()
    scheme = get_scheme("RubyGems")
    assert scheme
    assert (match_range(record.affected[0], version, scheme) is not None) is is_affected


@pytest.mark.parametrize(
    ("entry", "affected", "others"),
    [
        ({"VulnerableVersions": ["[2.0,2.9.8)", "[3.0]"]}, ["2.0", "2.9.7", "3.0"], ["1.9", "2.9.8", "3.1"]),
        ({"VulnerableVersions": ["(,1.5]"]}, ["0.1", "1.5"], ["1.6"]),
        ({"VulnerableVersions": [">=1.0 <1.5"]}, ["1.0", "1.4"], ["0.9", "1.5"]),
        ({"VulnerableVersions": [">= 1.0, < 1.5 || = 2.0"]}, ["1.0", "2.0"], ["1.5"]),
        ({"VulnerableVersions": [">= 1.0, < 1.0-beta2", "< 0.5"]}, ["0.4"], ["0.9", "1.0", "2.0"]),
        ({"VulnerableVersions": ["~> 2.3"]}, ["2.3", "2.9"], ["3.0"]),
        ({"PatchedVersions": [">= 2.0"]}, ["0.1", "1.9"], ["2.0"]),
        ({"PatchedVersions": ["~> 1.4.2", ">= 1.5.3", "~> 1.4.1"]}, ["1.4.0", "1.5.2"], ["1.4.1", "1.4.9", "2.0"]),
    ],
)
def test_constraints(entry: dict[str, Any], affected: list[str], others: list[str]) -> None:
    row = TrivyRow("Maven", "CVE-2026-1", "a:b", "Maven", 0, "", json.dumps(entry).encode())
    (converted,) = build_advisory([row], TrivyVulnerability()).affected
    scheme = get_scheme("Maven")
    assert scheme
    results = {version: match_range(converted, version, scheme) for version in (*affected, *others)}
    assert not any(isinstance(result, IncomparableVersion) for result in results.values())
    assert [version for version, result in results.items() if result] == affected


def test_status_names_scanner_and_build(database: Path) -> None:
    rows = {row.name: row for row in list_status(database)}
    debian = rows["Debian"]
    assert (debian.feed, debian.origin) == ("trivy", "database of Trivy built at 2026-11-27 06:00 UTC")
    assert str(debian.updated) == "2026-11-27 06:00:00+00:00"


def test_archive_and_folder(path: Path, tmp_path: Path) -> None:
    archive = tmp_path / "db.tar.gz"
    with tarfile.open(archive, "w:gz") as stream:
        for file in (path, path.with_name("metadata.json")):
            stream.add(file, file.name)
    for origin in (archive, path.parent):
        result = import_database(origin, tmp_path / f"database of {origin.name}")
        assert isinstance(result, ScannerImport)
        assert len(result.files) == 10


def test_large_values_and_many_packages(tmp_path: Path) -> None:
    """Overflow pages, branch pages and buckets of their own."""
    lines = [
        {
            "platform": "debian 12",
            "package": f"package-{number % 700}",
            "id": f"CVE-2026-{number + 10_000}",
            "value": {"FixedVersion": f"1.{number}", "VendorIDs": [f"DSA-{each}" for each in range(900 if number % 500 == 0 else 1)]},
        }
        for number in range(5_000)
    ]  # fmt: skip
    result = import_database(write_database(tmp_path / "large", lines), tmp_path / "database")
    assert isinstance(result, ScannerImport)
    assert result.records == 5_000
    records = read(tmp_path / "database", "Debian", "package-100")
    assert {name: record.affected[0].ranges[0].events[1].fixed for name, record in records.items()} == {
        f"CVE-2026-{number + 10_000}": f"1.{number}" for number in range(100, 5_000, 700)
    }
    large = read(tmp_path / "database", "Debian", "package-500")["CVE-2026-10500"]
    assert len(large.related) == 900


def test_import_replaces_the_feed(path: Path, tmp_path: Path) -> None:
    database = tmp_path / "database"
    import_database(path, database)
    newer = write_database(tmp_path / "newer", LINES[:4], "2026-11-28T06:00:00Z")
    result = run_command_line("db", "import", newer, "--database", database)
    assert result.returncode == 0
    assert (
        "imported 1 record of 1 ecosystem from the database of Trivy built at 2026-11-28T06:00Z into the feed trivy"
        in result.stderr
    )
    assert str(database / "feeds" / "trivy") in result.stderr
    assert [(row.name, row.feed) for row in list_status(database)] == [("Debian", "trivy")]
    older = run_command_line("db", "import", path, "--database", database)
    assert older.returncode == 3
    assert "2026-11-28 06:00" in older.stderr
    assert "2026-11-27 06:00" in older.stderr
    assert "--allow-older" in older.stderr
    assert [row.name for row in list_status(database)] == ["Debian"]
    result = run_command_line("db", "import", path, "--database", database, "--allow-older")
    assert result.returncode == 0
    assert len(list_status(database)) == 10


def test_other_schema(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "trivy.db"
    copy.write_bytes(path.read_bytes())
    with pytest.raises(DatabaseError, match=r"metadata\.json beside"):
        import_database(copy, tmp_path / "database")
    metadata = copy.with_name("metadata.json")
    metadata.write_text('{"Version": 1, "UpdatedAt": "2026-11-27T06:00:00Z"}')
    with pytest.raises(DatabaseError, match="schema 2"):
        import_database(copy, tmp_path / "database")
    metadata.write_text('{"Version": 2, "UpdatedAt": "yesterday"}')
    with pytest.raises(DatabaseError, match="no time of the build"):
        import_database(copy, tmp_path / "database")


@pytest.mark.parametrize("length", [5_000, 20_000])
def test_damaged_file(path: Path, tmp_path: Path, length: int) -> None:
    copy = tmp_path / "trivy.db"
    copy.write_bytes(path.read_bytes()[:length])
    copy.with_name("metadata.json").write_bytes(path.with_name("metadata.json").read_bytes())
    with pytest.raises(DatabaseError, match="cannot be read"):
        import_database(copy, tmp_path / "database")
    assert list_status(tmp_path / "database") == []
