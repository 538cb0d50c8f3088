"""One screen for the vulnerabilities of many images: each package once, with the number of its images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_unassessed_packages import write_sbom
from tests.cli.test_vulnerabilities import kubekeep
from tests.images.example import LAYERS, OS_RELEASE, Layers, write_layout

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.reports.shared.unread_inputs import group_by_cause

PACKAGES = 14
CRITICAL = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"


def write_advisories(path: Path) -> Path:
    """Write one to four advisories for each of 14 packages; the last package has no fix."""
    records: list[dict[str, Any]] = []
    for number in range(PACKAGES):
        fixed = [{"fixed": "2.0.0"}] if number < PACKAGES - 1 else []
        records += (
            {
                "id": f"CVE-2024-{1000 + 10 * number + copy}",
                "modified": "2026-01-01T00:00:00Z",
                "severity": [{"type": "CVSS_V3", "score": CRITICAL}],
                "affected": [
                    {
                        "package": {"ecosystem": "npm", "name": f"shared-{number}"},
                        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, *fixed]}],
                    }
                ],
            }
            for copy in range(1 + number % 4)
        )
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    return path


def write_documents(folder: Path, count: int, *others: dict[str, Any]) -> list[str]:
    """Write SBOMs that share the packages, each with one package of its own."""
    folder.mkdir()
    shared = [
        {"name": f"shared-{number}", "version": "1.2.3", "purl": f"pkg:npm/shared-{number}@1.2.3"}
        for number in range(PACKAGES)
    ]
    for number in range(count):
        own = {"name": f"own-{number}", "version": "1.0.0", "purl": f"pkg:npm/own-{number}@1.0.0"}
        write_sbom(folder / f"app-{number}.cdx.json", *shared, own, *others, name=f"registry.example/app-{number}")
    return sorted(str(path) for path in folder.iterdir())


@pytest.mark.parametrize("count", [30, 200])
def test_one_screen_has_every_package_with_its_count(count: int, tmp_path: Path) -> None:
    write_advisories(tmp_path / "osv.jsonl")
    documents = write_documents(tmp_path / "sboms", count)
    text = kubekeep("sbom", "scan", *documents, "--advisories", "osv.jsonl", folder=tmp_path).stdout
    lines = text.splitlines()
    assert len(lines) <= 45
    for number in range(PACKAGES):
        (line,) = (line for line in lines if f"shared-{number} " in line)
        assert f"{count} SBOMs" in line
        assert f"CVE-2024-{1000 + 10 * number}" in line
        assert ("→ 2.0.0" in line) is (number < PACKAGES - 1)
    assert f"{count} images one by one" in text


def test_views_of_packages_and_images(tmp_path: Path) -> None:
    write_advisories(tmp_path / "osv.jsonl")
    documents = write_documents(tmp_path / "sboms", 7)
    arguments = ("sbom", "scan", *documents, "--advisories", "osv.jsonl")
    by_package = kubekeep(*arguments, "--view", "package", folder=tmp_path).stdout
    assert "14 package versions with 33 vulnerabilities in 7 images" in by_package
    assert by_package.count("7 SBOMs") == PACKAGES
    by_image = kubekeep(*arguments, "--view", "image", folder=tmp_path).stdout
    assert by_image.count("33 vulnerabilities: 33 critical") == 7
    assert "No two images have a layer in common." in kubekeep(*arguments, "--view", "base", folder=tmp_path).stdout


def test_cause_that_all_images_share_is_stated_once(tmp_path: Path) -> None:
    write_advisories(tmp_path / "osv.jsonl")
    other = {"name": "b", "version": "1.0.0", "purl": "pkg:gem/b@1.0.0"}
    documents = write_documents(tmp_path / "sboms", 8, other)
    text = kubekeep("sbom", "scan", *documents, "--advisories", "osv.jsonl", folder=tmp_path, code=3).stdout
    assert text.count("✖ not read") == 1
    assert "and 7 more" in text
    assert "8 RubyGems package not assessed" in text
    assert "8 of 128 packages not assessed" in text


def test_causes_are_grouped_without_their_first_number() -> None:
    entries = [
        UnreadInput(Location("a"), "4 Debian packages not assessed: no data"),
        UnreadInput(Location("b"), "5 Debian packages not assessed: no data"),
        UnreadInput(Location("c"), "5 Alpine packages not assessed: no data"),
        UnreadInput(Location("c"), "the layer is damaged"),
        UnreadInput(Location("d"), "the layer is damaged"),
    ]
    assert [(group.label, group.message) for group in group_by_cause(entries)] == [
        ("a and 1 more", "9 Debian packages not assessed: no data"),
        ("c", "5 Alpine packages not assessed: no data"),
        ("c and 1 more", "the layer is damaged"),
    ]


def write_images(folder: Path, count: int) -> list[str]:
    """Write images with one base, the last of which is the base itself."""
    names = []
    for number in range(count + 1):
        own: Layers = ((f"COPY {number} /srv", {f"srv/{number}.txt": (0o644, str(number))}),) if number < count else ()
        write_layout(folder / f"app-{number}", (LAYERS[0], *own))
        names.append(f"oci:{folder / f'app-{number}'}")
    return names


def test_base_images_of_layers(tmp_path: Path) -> None:
    record = {
        "id": "CVE-2026-1",
        "modified": "2026-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "Debian:11", "name": "openssl"},
                "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}]}],
            }
        ],
    }
    assert 'VERSION_ID="11"' in OS_RELEASE
    (tmp_path / "osv.json").write_text(json.dumps(record))
    images = write_images(tmp_path / "images", 6)
    arguments = ("scan", *images, "--advisories", "osv.json", "-f", "pretty")
    text = kubekeep(*arguments, folder=tmp_path).stdout
    assert "Base images" in text
    assert "6 images  source of 1 of 1 vulnerability" in text
    view = kubekeep(*arguments, "--view", "base", folder=tmp_path).stdout
    assert view.splitlines()[0].startswith(images[-1])
    assert "Debian GNU/Linux 11 (bullseye), 1 common layer" in view
