"""A database of Grype, written here with its documented schema 6.1: no copy of a published one is committed."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubekeep.usecases.database import import_database, list_status
from kubekeep.vulnerabilities.advisory import Advisory, VersionEvent
from kubekeep.vulnerabilities.database.build import build_database
from kubekeep.vulnerabilities.database.compression import zstd
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.grype.constraints import UnreadableConstraintError, parse_constraint
from kubekeep.vulnerabilities.database.open import open_advisories
from kubekeep.vulnerabilities.database.scanner_databases import ScannerImport
from kubekeep.vulnerabilities.ranges import match_range
from kubekeep.vulnerabilities.versions.registry import get_scheme
from tests.command_line import run_command_line
from tests.vulnerabilities.database.records import create_record, write_lines

_SCHEMA = """
CREATE TABLE blobs (id integer PRIMARY KEY AUTOINCREMENT, value text NOT NULL);
CREATE TABLE db_metadata (build_timestamp datetime NOT NULL, model integer NOT NULL, revision integer NOT NULL,
  addition integer NOT NULL);
CREATE TABLE providers (id text, version text, processor text, date_captured datetime, input_digest text, PRIMARY KEY (id));
CREATE TABLE vulnerability_handles (id integer PRIMARY KEY AUTOINCREMENT, name text NOT NULL COLLATE NOCASE,
  status text NOT NULL COLLATE NOCASE, published_date datetime, modified_date datetime, withdrawn_date datetime,
  provider_id text NOT NULL, blob_id integer UNIQUE);
CREATE TABLE vulnerability_aliases (name text, alias text NOT NULL, PRIMARY KEY (name, alias));
CREATE TABLE affected_package_handles (id integer PRIMARY KEY AUTOINCREMENT, vulnerability_id integer NOT NULL,
  operating_system_id integer, package_id integer, blob_id integer);
CREATE TABLE unaffected_package_handles (id integer PRIMARY KEY AUTOINCREMENT, vulnerability_id integer NOT NULL,
  operating_system_id integer, package_id integer, blob_id integer);
CREATE TABLE operating_systems (id integer PRIMARY KEY AUTOINCREMENT, name text, release_id text, major_version text,
  minor_version text, label_version text, codename text, channel text, eol_date datetime, eoas_date datetime);
CREATE TABLE operating_system_specifier_overrides (alias text COLLATE NOCASE, version text, version_pattern text, codename text,
  channel text, replacement text, replacement_major_version text, replacement_minor_version text,
  replacement_label_version text, replacement_channel text, rolling numeric, applicable_client_db_schemas text);
CREATE TABLE packages (id integer PRIMARY KEY AUTOINCREMENT, ecosystem text COLLATE NOCASE, name text COLLATE NOCASE,
  UNIQUE (ecosystem, name));
CREATE TABLE package_specifier_overrides (ecosystem text, replacement_ecosystem text);
CREATE TABLE known_exploited_vulnerability_handles (id integer PRIMARY KEY AUTOINCREMENT, cve text NOT NULL COLLATE NOCASE,
  blob_id integer);
CREATE TABLE epss_metadata (date datetime NOT NULL);
CREATE TABLE epss_handles (id integer PRIMARY KEY AUTOINCREMENT, cve text NOT NULL COLLATE NOCASE, epss real NOT NULL,
  percentile real NOT NULL);
CREATE TABLE cwe_handles (id integer PRIMARY KEY AUTOINCREMENT, cve text NOT NULL COLLATE NOCASE, cwe text NOT NULL, source text,
  type text);
CREATE INDEX affected_package_id ON affected_package_handles (package_id);
"""


class GrypeWriter:
    """Writes a database of Grype."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(f"PRAGMA synchronous = OFF; PRAGMA journal_mode = OFF; {_SCHEMA}")
        self.insert("db_metadata", build_timestamp="2026-11-27 06:00:00+00:00", model=6, revision=1, addition=9)

    def insert(self, table: str, **values: object) -> int:
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        statement = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - constants of this test
        return int(self._connection.execute(statement, tuple(values.values())).lastrowid or 0)

    def execute(self, statement: str) -> None:
        """Run a statement, also one that Grype would not."""
        self._connection.execute(statement)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def add_blob(self, value: object) -> int:
        return self.insert("blobs", value=json.dumps(value))

    def add_system(self, name: str, major: str = "", minor: str = "", label: str = "", channel: str = "") -> int:
        names = {"rhel": "redhat", "amzn": "amazonlinux"}
        return self.insert(
            "operating_systems",
            name=names.get(name, name),
            release_id=name,
            major_version=major,
            minor_version=minor,
            label_version=label,
            codename="",
            channel=channel,
        )

    def add_vulnerability(self, name: str, provider: str, *, status: str = "active", **blob: Any) -> int:
        return self.insert(
            "vulnerability_handles",
            name=name,
            status=status,
            published_date="2026-01-01 00:00:00+00:00",
            modified_date="2026-02-01 10:20:30+00:00",
            provider_id=provider,
            blob_id=self.add_blob({"id": name, **blob}),
        )

    def affect(
        self,
        vulnerability: int,
        package: int,
        constraint: str,
        *,
        system: int | None = None,
        table: str = "affected",
        kind: str = "rpm",
        fix: tuple[str, str] | None = None,
        **blob: Any,
    ) -> None:
        entry: dict[str, Any] = {"version": {"type": kind, "constraint": constraint}}
        if fix:
            entry["fix"] = {"version": fix[0], "state": fix[1]}
        self.insert(
            f"{table}_package_handles",
            vulnerability_id=vulnerability,
            operating_system_id=system,
            package_id=package,
            blob_id=self.add_blob({"ranges": [entry], **blob}),
        )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("grype") / "vulnerability.db"
    writer = GrypeWriter(path)
    rhel9, rhel94 = writer.add_system("rhel", "9"), writer.add_system("rhel", "9", "4")
    eus = writer.add_system("rhel", "9", "4", channel="eus")
    amazon, ubuntu = writer.add_system("amzn", "2023"), writer.add_system("ubuntu", "22", "4")
    alma = writer.add_system("almalinux", "9")
    alpine, edge = writer.add_system("alpine", "3", "20"), writer.add_system("alpine", label="edge")
    for alias in ("centos", "almalinux"):
        writer.insert("operating_system_specifier_overrides", alias=alias, replacement="rhel")
    writer.insert(
        "operating_system_specifier_overrides", alias="alpine", version_pattern=".*_alpha.*", replacement="alpine"
    )
    rpm, nodejs = (writer.insert("packages", ecosystem="rpm", name=name) for name in ("openssl", "nodejs"))
    deb = writer.insert("packages", ecosystem="deb", name="openssl")
    apk = writer.insert("packages", ecosystem="apk", name="openssl")
    flask = writer.insert("packages", ecosystem="python", name="flask-login")
    go = writer.insert("packages", ecosystem="go-module", name="github.com/Masterminds/semver")

    cve = writer.add_vulnerability(
        "CVE-2026-1",
        "rhel",
        description="A flaw.",
        refs=[{"url": "https://example.com/1"}],
        severities=[
            {"scheme": "CHMLN", "value": "high", "rank": 1},
            {
                "scheme": "CVSS",
                "value": {"vector": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", "version": "3.1", "score": 9.8},
            },
        ],
    )
    module: dict[str, Any] = {"qualifiers": {"rpm_modularity": ""}}
    writer.affect(cve, rpm, "< 1:3.0.7-27.el9", system=rhel9, fix=("1:3.0.7-27.el9", "fixed"), **module)
    writer.affect(cve, rpm, "< 1:3.0.7-20.el9_4", system=rhel94, fix=("1:3.0.7-20.el9_4", "fixed"), **module)
    writer.affect(cve, rpm, "< 1:3.0.7-18.el9_4", system=eus, fix=("1:3.0.7-18.el9_4", "fixed"), **module)
    writer.affect(cve, deb, "< 3.0.2-0ubuntu1.18", system=ubuntu, kind="dpkg", fix=("3.0.2-0ubuntu1.18", "fixed"))
    writer.affect(cve, apk, "< 3.3.1-r1", system=alpine, kind="apk", fix=("3.3.1-r1", "fixed"))
    writer.affect(cve, apk, "< 3.3.1-r2", system=edge, kind="apk", fix=("3.3.1-r2", "fixed"))
    writer.insert("cwe_handles", cve="CVE-2026-1", cwe="CWE-787")

    wont_fix = writer.add_vulnerability("CVE-2026-2", "rhel")
    writer.affect(wont_fix, nodejs, "", system=rhel9, fix=("", "wont-fix"), qualifiers={"rpm_modularity": "nodejs:18"})
    erratum = writer.add_vulnerability("ALSA-2026:1", "alma", aliases=["CVE-2026-1"])
    writer.affect(erratum, rpm, ">= 1:3.0.7-27.el9.alma.1", system=alma, table="unaffected")
    unaffected = writer.add_vulnerability("CVE-2026-3", "rhel")
    writer.affect(unaffected, rpm, "< 2", system=rhel9)
    writer.affect(unaffected, rpm, "", system=rhel9, table="unaffected", fix=("", "not-affected"))
    rejected = writer.add_vulnerability("CVE-2026-4", "rhel", status="rejected")
    writer.affect(rejected, rpm, "< 2", system=rhel9)

    notice = writer.add_vulnerability("ALAS2023-2026-1", "amazon", aliases=["CVE-2026-1", "CVE-2026-5"])
    writer.affect(notice, rpm, "< 1:3.0.8-1.amzn2023", system=amazon, fix=("1:3.0.8-1.amzn2023", "fixed"))

    ghsa = writer.add_vulnerability("GHSA-xxxx-yyyy-zzzz", "github", aliases=["CVE-2026-6"])
    writer.affect(ghsa, flask, "<0.4.1 || >=0.5,<=0.5.3 || =0.7", kind="python", fix=("0.4.1", "fixed"))
    imports = [{"path": "github.com/Masterminds/semver/v3", "symbols": ["Parse"]}]
    vulndb = writer.add_vulnerability("GO-2026-1", "govulndb", aliases=["CVE-2026-7"])
    writer.affect(vulndb, go, ">1.4.0, <1.5.0", kind="go", qualifiers={"go_imports": imports})

    exploited = {"cve": "CVE-2026-1", "date_added": "2026-03-04T00:00:00Z", "known_ransomware_campaign_use": "Known"}
    writer.insert("known_exploited_vulnerability_handles", cve="CVE-2026-1", blob_id=writer.add_blob(exploited))
    writer.insert("known_exploited_vulnerability_handles", cve="CVE-2026-10001", blob_id=writer.add_blob(exploited))
    for scored in ("CVE-2026-5", "CVE-2026-10005"):
        writer.insert("epss_handles", cve=scored, epss=0.25, percentile=0.9)
    return path


def read(path: Path, ecosystem: str, *names: str) -> dict[str, Advisory]:
    with open_advisories(None, [path]) as source:
        return {advisory.id: advisory for _, advisory in source.find_advisories(ecosystem, names)}


def test_states(path: Path) -> None:
    with open_advisories(None, [path]) as source:
        states = source.get_states()
    assert {name: sorted(state.releases) for name, state in states.items()} == {
        "AlmaLinux": ["AlmaLinux:9"],
        "Alpine": ["Alpine:edge", "Alpine:v3.20"],
        "Amazon Linux": ["Amazon Linux:2023"],
        "CentOS": ["CentOS:9"],
        "Go": ["Go"],
        "PyPI": ["PyPI"],
        "Red Hat": ["Red Hat:enterprise_linux:9"],
        "Ubuntu": ["Ubuntu:22.04"],
    }
    assert str(states["PyPI"].updated) == "2026-11-27 06:00:00+00:00"


def test_red_hat(path: Path) -> None:
    records = read(path, "Red Hat", "openssl", "nodejs")
    assert sorted(records) == ["CVE-2026-1", "CVE-2026-2", "CVE-2026-4"]
    cve = records["CVE-2026-1"]
    # Rows of minor releases repeat the main stream, and channels are other streams.
    (affected,) = cve.affected
    assert (affected.package.ecosystem, affected.package.name) == ("Red Hat:enterprise_linux:9", "openssl")
    assert affected.ranges[0].events == (VersionEvent(introduced="0"), VersionEvent(fixed="1:3.0.7-27.el9"))
    assert affected.ecosystem_specific == {"rpm_modularity": ""}
    assert affected.database_specific == {"fix_state": "fixed"}
    assert cve.severity[0].type == "CVSS_V3"
    assert cve.database_specific == {"provider": "rhel", "severity": "high", "cwe_ids": ["CWE-787"]}
    assert (cve.details, cve.references[0].url) == ("A flaw.", "https://example.com/1")
    assert (cve.modified, cve.published) == ("2026-02-01T10:20:30+00:00", "2026-01-01T00:00:00+00:00")
    (unfixed,) = records["CVE-2026-2"].affected
    assert unfixed.ranges[0].events == (VersionEvent(introduced="0"),)
    assert (unfixed.database_specific, unfixed.ecosystem_specific) == (
        {"fix_state": "wont-fix"},
        {"rpm_modularity": "nodejs:18"},
    )
    assert records["CVE-2026-4"].withdrawn


def test_other_distributions(path: Path) -> None:
    for derivative in ("AlmaLinux", "CentOS"):
        record = read(path, derivative, "openssl")["CVE-2026-1"]
        assert record.affected[0].package.ecosystem == f"{derivative}:9"
    notice = read(path, "Amazon Linux", "openssl")["ALAS2023-2026-1"]
    assert (notice.aliases, notice.upstream) == ((), ("CVE-2026-1", "CVE-2026-5"))
    alpine = read(path, "Alpine", "openssl")["CVE-2026-1"]
    assert sorted(entry.package.ecosystem for entry in alpine.affected) == ["Alpine:edge", "Alpine:v3.20"]
    assert read(path, "Ubuntu", "openssl")["CVE-2026-1"].affected[0].package.ecosystem == "Ubuntu:22.04"
    assert not read(path, "Debian", "openssl")
    assert not read(path, "npm", "openssl")


def test_languages(path: Path) -> None:
    (python,) = read(path, "PyPI", "flask-login", "flask").values()
    assert python.aliases == ("CVE-2026-6",)
    (affected,) = python.affected
    assert affected.versions == ("0.7",)
    assert [[*entry.events] for entry in affected.ranges] == [
        [VersionEvent(introduced="0"), VersionEvent(fixed="0.4.1")],
        [VersionEvent(introduced="0.5"), VersionEvent(last_affected="0.5.3")],
    ]
    with open_advisories(None, [path]) as source:
        ((name, record),) = source.find_advisories("Go", ["github.com/masterminds/semver"])
    assert (name, record.affected[0].package.name) == ("github.com/masterminds/semver", "github.com/Masterminds/semver")
    assert record.affected[0].ranges[0].events[0].introduced == "1.4.1-0"
    specific = record.affected[0].ecosystem_specific or {}
    assert specific["imports"][0]["symbols"] == ["Parse"]


def test_signals(path: Path) -> None:
    with open_advisories(None, [path]) as source:
        signals = source.get_signals(["CVE-2026-1", "CVE-2026-5", "CVE-2026-9"])
    assert sorted(signals) == ["CVE-2026-1", "CVE-2026-5"]
    assert (signals["CVE-2026-1"].known_exploited, signals["CVE-2026-1"].ransomware) == ("2026-03-04", True)
    assert (signals["CVE-2026-5"].epss, signals["CVE-2026-5"].percentile) == (0.25, 0.9)


def test_ratings_of_flaws(tmp_path: Path) -> None:
    """The NVD rates flaws without packages; a distribution rates them in its own."""
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H"
    score = {"scheme": "CVSS", "value": {"vector": vector, "version": "3.1", "score": 7.5}}
    writer = GrypeWriter(tmp_path / "vulnerability.db")
    writer.add_vulnerability("CVE-2026-1", "nvd", severities=[score])
    writer.add_vulnerability("CVE-2026-2", "ubuntu", severities=[{"scheme": "CHMLN", "value": "high"}])
    writer.add_vulnerability("GHSA-aaaa-bbbb-cccc", "github", aliases=["CVE-2026-3"], severities=[score])
    writer.insert("vulnerability_aliases", name="GHSA-aaaa-bbbb-cccc", alias="CVE-2026-3")
    writer.add_vulnerability("CVE-2026-4", "nvd", status="rejected", severities=[score])
    writer.close()
    with open_advisories(None, [tmp_path / "vulnerability.db"]) as source:
        rated = [(name, record.id) for name, record in source.find_rated([f"CVE-2026-{number}" for number in range(9)])]
    assert rated == [("CVE-2026-1", "CVE-2026-1"), ("CVE-2026-3", "GHSA-aaaa-bbbb-cccc")]


def test_joined_with_the_database(path: Path, tmp_path: Path) -> None:
    newer = create_record("GHSA-xxxx-yyyy-zzzz", "Flask-Login", "PyPI", modified="2026-06-01T00:00:00Z")
    build_database(
        [write_lines(tmp_path / "x.jsonl", [newer, create_record("A-1", "Flask-Login", "PyPI")])], tmp_path / "db"
    )
    with open_advisories(tmp_path / "db", [path]) as source:
        records = {advisory.id: advisory.modified for _, advisory in source.find_advisories("PyPI", ["flask-login"])}
        assert records == {"A-1": "2026-01-01T00:00:00Z", "GHSA-xxxx-yyyy-zzzz": "2026-06-01T00:00:00Z"}
        assert "Amazon Linux" in source.get_states()


@pytest.fixture(scope="module")
def imported(path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("database")
    result = import_database(path, folder)
    assert isinstance(result, ScannerImport)
    assert (result.feed, result.ecosystems, result.unread) == ("grype", 8, 0)
    return folder


@pytest.mark.parametrize(
    ("ecosystem", "name"),
    [
        ("AlmaLinux", "openssl"),
        ("Alpine", "openssl"),
        ("Amazon Linux", "openssl"),
        ("CentOS", "openssl"),
        ("CentOS", "nodejs"),
        ("Go", "github.com/masterminds/semver"),
        ("PyPI", "flask-login"),
        ("Red Hat", "openssl"),
        ("Red Hat", "nodejs"),
        ("Ubuntu", "openssl"),
    ],
)
def test_imported_records_are_those_of_the_file(path: Path, imported: Path, ecosystem: str, name: str) -> None:
    with open_advisories(None, [path]) as in_place, open_advisories(imported) as database:
        expected = dict(in_place.find_advisories(ecosystem, [name]))
        assert expected
        assert dict(database.find_advisories(ecosystem, [name])) == expected


def test_imported_states_and_signals(path: Path, imported: Path) -> None:
    with open_advisories(None, [path]) as in_place, open_advisories(imported) as database:
        states = database.get_states()
        assert {name: state.releases for name, state in states.items()} == {
            name: state.releases for name, state in in_place.get_states().items()
        }
        cves = ["CVE-2026-10001", "CVE-2026-10005", "CVE-2026-10009"]
        assert len(database.get_signals(cves)) == 2
        assert database.get_signals(cves) == in_place.get_signals(cves)
    assert {state.origin for state in states.values()} == {"database of Grype built at 2026-11-27 06:00 UTC"}
    rows = {row.name: row for row in list_status(imported)}
    assert {str(row.updated) for row in rows.values()} == {"2026-11-27 06:00:00+00:00"}
    assert (rows["KEV"].records, rows["KEV"].origin) == (1, "database of Grype built at 2026-11-27 06:00 UTC")


def test_import_keeps_newer_signals(path: Path, tmp_path: Path) -> None:
    scores = tmp_path / "epss.csv"
    scores.write_text(
        "#model_version:v1,score_date:2026-11-28T00:00:00+0000\ncve,epss,percentile\nCVE-2026-10005,0.5,0.95\n"
    )
    build_database([scores], tmp_path / "database")
    import_database(path, tmp_path / "database")
    with open_advisories(tmp_path / "database") as database:
        signals = database.get_signals(["CVE-2026-10001", "CVE-2026-10005"])
    assert (signals["CVE-2026-10005"].epss, signals["CVE-2026-10001"].known_exploited) == (0.5, "2026-03-04")


@pytest.mark.parametrize("mode", ["", "gz", "zst"])
def test_import_of_archives(path: Path, tmp_path: Path, mode: str) -> None:
    plain = tmp_path / "x.tar"
    with tarfile.open(plain, "w") as archive:
        archive.add(path, "vulnerability.db")
        archive.add(Path(__file__), "import.json")
    compress: dict[str, Callable[[bytes], bytes]] = {"": bytes, "gz": gzip.compress, "zst": zstd.compress}
    packed = tmp_path / f"vulnerability-db.tar.{mode}"
    packed.write_bytes(compress[mode](plain.read_bytes()))
    result = run_command_line("db", "import", packed, "--database", tmp_path / "database")
    assert result.returncode == 0, result.stderr
    assert "8 ecosystems from the database of Grype built at 2026-11-27T06:00Z into the feed grype" in result.stderr


def test_truncated_archive(path: Path, tmp_path: Path) -> None:
    plain = tmp_path / "x.tar"
    with tarfile.open(plain, "w") as archive:
        archive.add(path, "vulnerability.db")
    for name, content in (("x.tar", plain.read_bytes()), ("x.tar.gz", gzip.compress(plain.read_bytes()))):
        damaged = tmp_path / name
        damaged.write_bytes(content[: len(content) // 2])
        result = run_command_line("db", "import", damaged, "--database", tmp_path / "database")
        assert result.returncode == 3
        assert re.search("cannot be unpacked|file ended before", result.stderr)
    assert list_status(tmp_path / "database") == []


def test_import_beside_other_advisories(path: Path, tmp_path: Path) -> None:
    database = tmp_path / "database"
    build_database([write_lines(tmp_path / "x.jsonl", [create_record("A-1", "Flask-Login", "PyPI")])], database)
    import_database(path, database)
    with open_advisories(database) as source:
        assert sorted(record.id for _, record in source.find_advisories("PyPI", ["flask-login"])) == [
            "A-1",
            "GHSA-xxxx-yyyy-zzzz",
        ]
    assert [(row.name, row.feed) for row in list_status(database) if row.name == "PyPI"] == [
        ("PyPI", ""),
        ("PyPI", "grype"),
    ]


def test_update_keeps_an_imported_feed(path: Path, tmp_path: Path) -> None:
    import_database(path, tmp_path)
    result = run_command_line("db", "update", "--database", tmp_path)
    assert result.returncode == 3
    assert "only imported feeds" in result.stderr


def test_two_providers_of_one_id(tmp_path: Path) -> None:
    writer = GrypeWriter(tmp_path / "vulnerability.db")
    package = writer.insert("packages", ecosystem="python", name="a")
    for provider, constraint in (("github", "< 1.0"), ("other", ">= 2.0, < 2.5")):
        writer.affect(writer.add_vulnerability("CVE-2026-1", provider), package, constraint, kind="python")
    unreadable = writer.add_vulnerability("CVE-2026-2", "github")
    writer.affect(unreadable, package, "^1.0", kind="python")
    writer.close()
    result = import_database(tmp_path, tmp_path / "database")
    assert isinstance(result, ScannerImport)
    assert (result.records, result.unread) == (1, 1)
    assert result.problems == ("CVE-2026-2 of PyPI: '^1.0' in a constraint",)
    with open_advisories(tmp_path / "database") as source:
        ((_, record),) = source.find_advisories("PyPI", ["a"])
    assert [entry.ranges[0].events[-1].fixed for entry in record.affected] == ["1.0", "2.5"]


def test_range_that_ends_before_it_starts(tmp_path: Path) -> None:
    writer = GrypeWriter(tmp_path / "vulnerability.db")
    package = writer.insert("packages", ecosystem="gem", name="a")
    constraint = "< 4.0.3 || >= 4.1, < 4.1.0.beta2 || >= 5.0, <= 5.0"
    writer.affect(writer.add_vulnerability("CVE-2026-1", "github"), package, constraint, kind="gem")
    writer.close()
    (record,) = read(tmp_path / "vulnerability.db", "RubyGems", "a").values()
    scheme = get_scheme("RubyGems")
    assert scheme
    versions = ("4.0.2", "4.0.3", "4.1", "4.2", "5.0", "5.1")
    affected = [version for version in versions if match_range(record.affected[0], version, scheme)]
    assert affected == ["4.0.2", "5.0"]


@pytest.mark.parametrize("feed", ["../x", "A", ""])
def test_name_of_the_feed(path: Path, tmp_path: Path, feed: str) -> None:
    if not feed:
        assert isinstance(import_database(path, tmp_path, "mine"), ScannerImport)
        assert {row.feed for row in list_status(tmp_path) if row.name == "PyPI"} == {"mine"}
        return
    with pytest.raises(DatabaseError, match="not a name of a feed"):
        import_database(path, tmp_path, feed)


@pytest.mark.parametrize("text", ["~> 1.0", "^1.0", "!= 1", "< 1, < 2", "< ", "x" * 30_000])
def test_unreadable_constraints(text: str) -> None:
    with pytest.raises(UnreadableConstraintError):
        parse_constraint(text, "semver")


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE x (y)")
    with pytest.raises(DatabaseError, match="not a database of Grype with schema 6"):
        open_advisories(None, [path])
    older = tmp_path / "older.db"
    writer = GrypeWriter(older)
    writer.insert("db_metadata", build_timestamp="2026-11-27", model=7, revision=0, addition=0)
    with sqlite3.connect(older) as connection:
        connection.execute("DELETE FROM db_metadata WHERE model = 6")
    with pytest.raises(DatabaseError, match="schema 6"):
        open_advisories(None, [older])


def test_damaged_blobs(path: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "x.db"
    damaged.write_bytes(path.read_bytes())
    with sqlite3.connect(damaged) as connection:
        connection.execute("UPDATE blobs SET value = '{' || value")
    with pytest.raises(DatabaseError, match="cannot be read"):
        read(damaged, "Red Hat", "openssl")
