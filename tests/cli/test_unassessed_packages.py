"""Packages that could not be compared with advisories: no command reports them as free of vulnerabilities."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_vulnerabilities import kubekeep, write_osv

from kubekeep.vulnerabilities.database import schema


def write_sbom(path: Path, *components: dict[str, Any], name: str = "app") -> Path:
    """Write a CycloneDX document with these components, each of the type library."""
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "application", "name": name, "bom-ref": "app"}},
        "components": [{"type": "library"} | component for component in components],
    }
    path.write_text(json.dumps(document, indent=1))
    return path


def set_version(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.commit()


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:9000])


@pytest.mark.parametrize(
    ("damage", "reason"), [(set_version, "has version 99 of the database"), (truncate, "is damaged")]
)
def test_unusable_file_of_the_database_makes_a_scan_incomplete(damage: Any, reason: str, tmp_path: Path) -> None:
    write_osv(tmp_path / "osv.json", "a", ecosystem="npm")
    kubekeep("db", "build", "osv.json", "-o", "advisories", folder=tmp_path)
    damage(tmp_path / "advisories" / "npm.advisories")
    write_sbom(tmp_path / "app.cdx.json", {"name": "a", "version": "1.0.0", "purl": "pkg:npm/a@1.0.0"})
    text = kubekeep("sbom", "scan", "app.cdx.json", "--db", "advisories", folder=tmp_path, code=3).stdout
    assert "1 npm package not assessed" in text
    assert f"npm.advisories {reason}" in " ".join(text.split())


def damage_records(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE records SET content = randomblob(100)")
        connection.commit()
    # As if the disk had damaged the records: a change by a program is another error.
    schema.seal_file(file)


def scan_two_ecosystems(folder: Path, damaged: str, damage: Any) -> dict[str, Any]:
    """Return the report about an affected package of npm and one of PyPI, with a damaged file of the database."""
    write_osv(folder / "npm.json", "a", ecosystem="npm", record_id="CVE-2026-10001")
    write_osv(folder / "pypi.json", "b", ecosystem="PyPI", record_id="CVE-2026-10002")
    kubekeep("db", "build", "npm.json", "pypi.json", "-o", "advisories", folder=folder)
    damage(folder / "advisories" / damaged)
    components = ({"name": name, "version": "1.0.0", "purl": f"pkg:{name}@1.0.0"} for name in ("npm/a", "pypi/b"))
    write_sbom(folder / "app.cdx.json", *components)
    options = ("--db", "advisories", "--format", "json", "-o", "report.json")
    kubekeep("sbom", "scan", "app.cdx.json", *options, folder=folder, code=3)
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(set_version, "has version 99 of the database"), (truncate, "is damaged"), (damage_records, "is damaged")],
)
def test_damaged_file_concerns_only_its_ecosystem(damage: Any, reason: str, tmp_path: Path) -> None:
    report = scan_two_ecosystems(tmp_path, "npm.advisories", damage)
    assert [entry["id"] for entry in report["vulnerabilities"]] == ["CVE-2026-10002"]
    (gap,) = report["notAssessed"]
    assert (gap["ecosystem"], gap["packages"]) == ("npm", ["pkg:npm/a@1.0.0"])
    assert f"npm.advisories {reason}" in gap["reason"]
    assert "run `kubekeep db update`" in gap["reason"]


def test_damaged_signals_leave_the_vulnerabilities(tmp_path: Path) -> None:
    report = scan_two_ecosystems(tmp_path, "exploits.signals", lambda file: file.write_bytes(b"x" * 200))
    assert sorted(entry["id"] for entry in report["vulnerabilities"]) == ["CVE-2026-10001", "CVE-2026-10002"]
    assert report["notAssessed"] == []
    (problem,) = report["kubekeep"]["unread"]
    assert "exploits.signals is damaged" in problem["message"]


COMPONENTS: dict[str, tuple[dict[str, Any] | None, str]] = {
    "without packages": (None, "none is listed, so nothing was compared with advisories"),
    "without a package URL": ({"name": "a", "version": "1.0.0"}, "it has no valid package URL"),
    "without a version": ({"name": "a", "purl": "pkg:npm/a"}, "the version is unknown"),
    "with a branch": ({"name": "a", "purl": "pkg:npm/a@latest"}, "cannot be compared with TEST-1"),
}


@pytest.mark.parametrize("case", COMPONENTS)
@pytest.mark.parametrize(
    "name",
    [
        "pretty",
        "markdown",
        "sarif",
        "gitlab-container-scanning",
        "cyclonedx",
        "github",
        "csv",
        "html",
        "junit",
        "gitlab-codequality",
        "gitlab-sast",
        "ocsf",
        "openreports",
        "oscal",
        "policyreport",
    ],
)
def test_reports_name_packages_that_no_advisories_cover(name: str, case: str, tmp_path: Path) -> None:
    component, reason = COMPONENTS[case]
    write_osv(tmp_path / "osv.json", "a", ecosystem="npm")
    write_sbom(tmp_path / "app.cdx.json", *([component] if component else []))
    options = ("--advisories", "osv.json", "-f", name, "-o", "report")
    kubekeep("sbom", "scan", "app.cdx.json", *options, folder=tmp_path)
    (report,) = tmp_path.glob("report*")
    text = " ".join(report.read_text().split())
    assert reason in text
    assert "No findings" not in text.replace("No findings in what was evaluated", "")
    assert "pkg:/" not in text
    assert "no known vulnerabilit" not in text.lower().replace("packages have no known vulnerabilities", "")


def test_explanation_never_calls_an_incomparable_version_unaffected(tmp_path: Path) -> None:
    write_osv(tmp_path / "osv.json", "a", ecosystem="npm")
    write_sbom(tmp_path / "app.cdx.json", {"name": "a", "purl": "pkg:npm/a@latest"})
    arguments = ("image", "explain", "sbom:app.cdx.json", "TEST-1", "--advisories", "osv.json")
    text = kubekeep(*arguments, folder=tmp_path).stdout
    assert "TEST-1 cannot be compared with packages of sbom:app.cdx.json" in text
    assert "a latest  not known" in text
    (package,) = json.loads(kubekeep(*arguments, "-f", "json", folder=tmp_path).stdout)["packages"]
    assert package["affected"] is None


def test_explanation_and_comparison_name_packages_that_were_not_assessed(tmp_path: Path) -> None:
    write_osv(tmp_path / "osv.json", "a", ecosystem="npm")
    write_sbom(tmp_path / "old.cdx.json", {"name": "a", "version": "1.0.0", "purl": "pkg:npm/a@1.0.0"})
    write_sbom(tmp_path / "new.cdx.json", {"name": "a", "purl": "pkg:npm/a"})
    options = ("--advisories", "osv.json")
    text = kubekeep("image", "explain", "sbom:new.cdx.json", "TEST-1", *options, folder=tmp_path, code=1).stdout
    assert "No advisory about TEST-1 names an assessed package of sbom:new.cdx.json" in text
    assert "! not assessed  1 npm package: the version is unknown" in text
    text = kubekeep("image", "diff", "sbom:old.cdx.json", "sbom:new.cdx.json", *options, folder=tmp_path).stdout
    assert "! not assessed  1 npm package: the version is unknown" in text


INVALID = "pkg:npm/a@1.0.0?arch=x&arch=y"
DOCUMENTS: dict[str, dict[str, Any]] = {
    "cyclonedx": {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "components": [{"type": "library", "name": "a", "version": "1.0.0", "purl": INVALID}],
    },
    "spdx": {
        "spdxVersion": "SPDX-2.3",
        "packages": [
            {
                "SPDXID": "SPDXRef-a",
                "name": "a",
                "versionInfo": "1.0.0",
                "externalRefs": [{"referenceType": "purl", "referenceLocator": INVALID}],
            }
        ],
    },
    "syft": {
        "artifacts": [{"id": "1", "name": "a", "version": "1.0.0", "purl": INVALID}],
        "descriptor": {"name": "syft"},
    },
}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_invalid_package_url_makes_a_scan_incomplete(name: str, tmp_path: Path) -> None:
    write_osv(tmp_path / "osv.json", "a", ecosystem="npm")
    (tmp_path / "app.json").write_text(json.dumps(DOCUMENTS[name]))
    done = kubekeep("sbom", "scan", "app.json", "--advisories", "osv.json", folder=tmp_path, code=3)
    assert f"packages with an invalid package URL: 1, such as {INVALID}" in " ".join(done.stdout.split())


@pytest.mark.parametrize("stated", [(True, True), (True, False), (False, True), (False, False)])
def test_packages_of_two_releases_are_compared_with_the_advisories_of_both(
    stated: tuple[bool, bool], tmp_path: Path
) -> None:
    write_osv(tmp_path / "11.json", "a", ecosystem="Debian:11", record_id="TEST-11")
    write_osv(tmp_path / "12.json", "a", ecosystem="Debian:12", record_id="TEST-12")
    purls = [f"pkg:deb/debian/a@1.0-1?arch=all&distro=debian-{release}" for release in (11, 12)]
    for number, purl in enumerate(purls):
        # Some tools state the release only once for the document.
        system = {"type": "operating-system", "name": "debian", "version": str(11 + number), "bom-ref": "os"}
        url = purl if stated[number] else purl.partition("&")[0]
        package = {"name": "a", "version": "1.0-1", "purl": url, "bom-ref": url}
        write_sbom(tmp_path / f"{number}.cdx.json", system, package, name=f"app-{number}")
    kubekeep("sbom", "merge", "0.cdx.json", "1.cdx.json", "--name", "all", "-o", "all.cdx.json", folder=tmp_path)
    options = ("--advisories", "11.json", "--advisories", "12.json", "-f", "json,cyclonedx", "-o", "report")
    kubekeep("sbom", "scan", "all.cdx.json", *options, folder=tmp_path)
    report = json.loads((tmp_path / "report.json").read_text())
    assert {(entry["id"], entry["purl"]) for entry in report["vulnerabilities"]} == {
        ("TEST-11", purls[0]),
        ("TEST-12", purls[1]),
    }
    document = json.loads((tmp_path / "report.cyclonedx.json").read_text())
    assert {(entry["id"], entry["affects"][0]["ref"]) for entry in document["vulnerabilities"]} == {
        ("TEST-11", purls[0]),
        ("TEST-12", purls[1]),
    }


@pytest.mark.parametrize(
    ("count", "qualifier", "is_incomplete"), [(20, "", True), (20, "&upstream=openssl", False), (19, "", False)]
)
def test_documents_without_source_packages_are_incomplete(
    count: int,
    qualifier: str,
    is_incomplete: bool,  # noqa: FBT001 - a parameter of the test
    tmp_path: Path,
) -> None:
    write_osv(tmp_path / "osv.json", "openssl", ecosystem="Debian:12")
    components = [
        {"name": f"lib{number}", "version": "1.0", "purl": f"pkg:deb/debian/lib{number}@1.0?distro=debian-12"}
        for number in range(count)
    ]
    components[0]["purl"] += qualifier
    write_sbom(tmp_path / "app.cdx.json", *components)
    arguments = ("sbom", "scan", "app.cdx.json", "--advisories", "osv.json", "--format", "json")
    text = kubekeep(*arguments, folder=tmp_path, code=3 if is_incomplete else 0).stdout
    assert ("none of the 20 deb packages names its source package" in text) is is_incomplete
