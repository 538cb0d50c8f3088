"""Findings with a database that Grype's own library wrote, compared with those of Grype on the same files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kubekeep.usecases.database import import_database
from tests.command_line import run_command_line

DATA = Path(__file__).parent.parent / "data" / "grype"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("database")
    import_database(DATA / "vulnerability-db.tar.gz", folder)
    return folder


@pytest.mark.parametrize("name", ["almalinux", "alpine", "debian", "languages", "rhel"])
def test_findings_are_those_of_grype(database: Path, tmp_path: Path, name: str) -> None:
    report = tmp_path / "report.json"
    sbom = DATA / f"{name}.cdx.json"
    run_command_line("sbom", "scan", sbom, "--database", database, "-f", "json", "-o", report)
    # Names in package URLs of Go are normalised.
    expected = {(purl.lower(), name) for purl, name in json.loads((DATA / f"{name}.findings.json").read_text())}
    findings = [
        (entry["purl"].lower(), {entry["id"], *entry.get("aliases", ())})
        for entry in json.loads(report.read_text())["vulnerabilities"]
    ]
    matched = {(purl, name) for purl, names in findings for name in names if (purl, name) in expected}
    assert matched == expected
    assert [finding for finding in findings if not any((finding[0], name) in expected for name in finding[1])] == []
