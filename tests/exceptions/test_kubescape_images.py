"""Exceptions of Kubescape for the vulnerabilities of images, with a real registry."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubekeep.exceptions.load import ExceptionsError, read_exceptions
from tests.cli.test_vulnerabilities import IMAGE, kubekeep, write_osv
from tests.images.access_fixtures import copy_image
from tests.images.example import REFERENCE
from tests.registry.service import run_registry

VULNERABILITIES = {"CVE-2026-1000": "HIGH", "CVE-2026-2000": "LOW"}
POLICY: dict[str, Any] = {
    "metadata": {"name": "accepted"},
    "kind": "VulnerabilitiesIgnorePolicy",
    "targets": [{"designatorType": "Attributes", "attributes": {"imageName": "catalog"}}],
    "vulnerabilities": ["CVE-2026-1000"],
}


def write_policy(path: Path, **fields: Any) -> str:
    path.write_text(json.dumps([POLICY | fields]))
    return str(path)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Yield the name of the example image in a registry."""
    with run_registry(tmp_path_factory.mktemp("registry")) as service:
        name = f"{service.address}/shop/web/catalog:2.3"
        copy_image(f"oci:{IMAGE}:{REFERENCE}", f"docker://{name}")
        yield name


@pytest.fixture(scope="module")
def advisories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one vulnerability of severity High and one of severity Low in a package of the image."""
    folder = tmp_path_factory.mktemp("advisories")
    for number, severity in VULNERABILITIES.items():
        fields = {"aliases": [], "database_specific": {"severity": severity}}
        write_osv(folder / f"{number}.json", "glibc", ecosystem="Debian:11", record_id=number, **fields)
    return folder


def target(**attributes: str) -> list[dict[str, Any]]:
    return [{"designatorType": "Attributes", "attributes": attributes}]


@pytest.mark.parametrize(
    ("fields", "reported"),
    [
        ({}, {"CVE-2026-2000"}),
        ({"vulnerabilities": ["cve-2026-2000"]}, {"CVE-2026-1000"}),
        ({"vulnerabilities": [], "severities": ["High"]}, {"CVE-2026-2000"}),
        ({"vulnerabilities": [], "severities": ["negligible", "low"]}, {"CVE-2026-1000"}),
        ({"severities": ["low"]}, set()),
        ({"severities": ["medium"], "vulnerabilities": []}, {*VULNERABILITIES}),
        ({"targets": target(organization="shop/web", imageTag="2[.].*")}, {"CVE-2026-2000"}),
        ({"targets": target(registry="localhost:.*|127.*", imageName=".*")}, {"CVE-2026-2000"}),
        ({"targets": target(imageName="cat")}, {*VULNERABILITIES}),
        ({"targets": target(imageName="catalog", imageTag="2.2")}, {*VULNERABILITIES}),
        ({"targets": target(imageName="other") + target(imageTag="2.3")}, {"CVE-2026-2000"}),
    ],
)
def test_exception_for_images(
    fields: dict[str, Any], reported: set[str], reference: str, advisories: Path, tmp_path: Path
) -> None:
    file = write_policy(tmp_path / "e.json", **fields)
    options = ("--advisories", str(advisories), "--exceptions", file, "-f", "findings", "-o", "a.jsonl")
    # Packages of other ecosystems are not assessed.
    kubekeep("image", "scan", reference, *options, folder=tmp_path, code=3)
    findings = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    open_ids = {
        finding["id"]
        for finding in findings
        if finding.get("kind") == "vulnerability" and not finding.get("suppression")
    }
    assert open_ids == reported


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"severities": ["gigantic"]}, "unknown severity 'gigantic'"),
        ({"severities": "high"}, "severities is not a list"),
        ({"vulnerabilities": [""]}, "a text that is not empty"),
        ({"target": []}, "unknown key 'target': did you mean targets?"),
        ({"targets": target(imagename="a", image="b")}, "unknown key 'image'"),
        ({"targets": target(imageName="(")}, "is not a regular expression"),
    ],
)
def test_invalid_exception_is_an_error(fields: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = write_policy(tmp_path / "e.json", **fields)
    with pytest.raises(ExceptionsError) as error:
        read_exceptions(file)
    assert message in str(error.value)


@pytest.mark.parametrize("fields", [{"targets": []}, {"targets": target()}, {"vulnerabilities": []}])
def test_exception_without_scope_covers_nothing(fields: dict[str, Any], tmp_path: Path) -> None:
    (exception,) = read_exceptions(write_policy(tmp_path / "e.json", **fields))
    assert exception.flaw
