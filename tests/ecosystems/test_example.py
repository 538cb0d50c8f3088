"""An ecosystem of two new modules goes through catalogues, SBOMs and matching without a change elsewhere."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

COMMAND = Path(__file__).parent / "example" / "command.py"
RECORD = {
    "id": "BRICK-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "summary": "The wall falls over",
    "affected": [
        {
            "package": {"ecosystem": "Bricks", "name": "walls::Clinker"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.0"}]}],
        }
    ],
}


EXAMPLE = (sys.executable, COMMAND)
KUBEKEEP = (sys.executable, "-m", "kubekeep")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an image, and with a database of one record."""
    path = tmp_path_factory.mktemp("example")
    (path / "image").mkdir()
    # The version scheme puts `1.0~rc1` before `1.0`; names that differ in case are different packages.
    (path / "image" / "brick.lock").write_text("Walls Clinker 1.0~rc1\nWalls clinker 0.1\nWalls Mortar 1.0\n")
    (path / "record.json").write_text(json.dumps(RECORD))
    run(EXAMPLE, "db", "build", "record.json", "-o", "database", folder=path)
    run(EXAMPLE, "image", "sbom", "./image", "-o", "image.cdx.json", folder=path)
    return path


def run(command: Sequence[str | Path], *arguments: str, folder: Path, code: int = 0) -> str:
    """Return the standard output of a command."""
    completed = subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )
    assert completed.returncode == code, completed.stderr
    return completed.stdout


def scan(command: Sequence[str | Path], *arguments: str, folder: Path, code: int = 0) -> tuple[list[str], list[str]]:
    """Return the vulnerabilities as `ID PURL FIX`, and the reasons for packages without an answer."""
    options = ("--advisories", "database", "-f", "json")
    report = json.loads(run(command, *arguments, *options, folder=folder, code=code))
    return (
        [f"{entry['id']} {entry['purl']} {entry['fixedVersion']}" for entry in report["vulnerabilities"]],
        [entry["reason"] for entry in report["notAssessed"]],
    )


def test_sbom_has_the_packages(folder: Path) -> None:
    components = json.loads((folder / "image.cdx.json").read_text())["components"]
    assert [component["purl"] for component in components if "purl" in component] == [
        "pkg:brick/walls/Clinker@1.0~rc1",
        "pkg:brick/walls/Mortar@1.0",
        "pkg:brick/walls/clinker@0.1",
    ]


@pytest.mark.parametrize("arguments", [("sbom", "scan", "image.cdx.json"), ("image", "scan", "./image")])
def test_advisories_match(folder: Path, arguments: tuple[str, ...]) -> None:
    vulnerabilities, reasons = scan(EXAMPLE, *arguments, folder=folder)
    assert vulnerabilities == ["BRICK-2026-1 pkg:brick/walls/Clinker@1.0~rc1 1.0"]
    assert reasons == []


def test_without_the_module_the_packages_are_not_assessed(folder: Path) -> None:
    vulnerabilities, reasons = scan(KUBEKEEP, "sbom", "scan", "image.cdx.json", folder=folder)
    assert vulnerabilities == []
    assert reasons == ["no advisories exist for packages of the type brick"]
