"""Base images of `kubekeep image advise`: from annotations, newer tags of a real registry, and the history of the build."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_vulnerabilities import kubekeep
from tests.images.access_fixtures import copy_image, digest_of
from tests.images.building import CONFIG, LayoutBuilder
from tests.images.example import OS_RELEASE, write_layer
from tests.registry.service import run_registry

from kubekeep.images.registries.newer_tags import select_newer_tags

NAME = "org.opencontainers.image.base.name"
DIGEST = "org.opencontainers.image.base.digest"


def write_base(version: str) -> bytes:
    """Return the layer of a base image with one version of a package."""
    status = (
        f"Package: libssl\nStatus: install ok installed\nArchitecture: amd64\nSource: openssl\nVersion: {version}\n\n"
    )
    return write_layer({"etc/os-release": (0o644, OS_RELEASE), "var/lib/dpkg/status": (0o644, status)})


def write_record(path: Path) -> None:
    """Write an advisory that affects versions below 3, and one that begins with version 4."""
    records = [
        {
            "id": name,
            "modified": "2026-01-01T00:00:00Z",
            "affected": [
                {
                    "package": {"ecosystem": "Debian:11", "name": "openssl"},
                    "ranges": [
                        {"type": "ECOSYSTEM", "events": [{"introduced": first}, *({"fixed": last} for last in fixed)]}
                    ],
                }
            ],
        }
        for name, first, fixed in (("CVE-2026-1", "0", ["3"]), ("CVE-2026-2", "4", []))
    ]
    path.write_text("".join(f"{json.dumps(record)}\n" for record in records))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """Return the address of a registry with a base image in several releases, and an application on the oldest."""
    write_record(tmp_path / "osv.jsonl")
    with run_registry(tmp_path / "registry") as service:
        bases = {"12.1-slim": "1", "12.2-slim": "3", "13.0-slim": "4", "13.0": "5", "12-slim": "3", "latest": "3"}
        for tag, version in bases.items():
            builder = LayoutBuilder(tmp_path / tag)
            builder.write_index([builder.add_image([write_base(version)])])
            copy_image(f"oci:{tmp_path / tag}", f"docker://{service.address}/base:{tag}")
        annotations = {NAME: f"{service.address}/base:12.1-slim"}
        builder = LayoutBuilder(tmp_path / "app")
        own = write_layer({"srv/app": (0o755, "#!/bin/sh\n")})
        builder.write_index([builder.add_image([write_base("1"), own], annotations=annotations)])
        yield service.address


def advise(folder: Path, *arguments: str) -> dict[str, Any]:
    done = kubekeep("image", "advise", *arguments, "--advisories", "osv.jsonl", "-f", "json", folder=folder)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_newer_tags_of_the_stated_base(tmp_path: Path, registry: str) -> None:
    advice = advise(tmp_path, "oci:app", "--newer-bases")
    assert advice["base"] == advice["statedBase"] == f"{registry}/base:12.1-slim"
    assert advice["baseVulnerabilities"] == ["CVE-2026-1"]
    names = {candidate["name"].rpartition(":")[2]: candidate for candidate in advice["candidates"]}
    assert list(names) == ["12.2-slim", "13.0-slim"]
    assert (names["12.2-slim"]["removed"], names["12.2-slim"]["added"]) == (["CVE-2026-1"], [])
    assert (names["13.0-slim"]["removed"], names["13.0-slim"]["added"]) == (["CVE-2026-1"], ["CVE-2026-2"])


def test_no_request_without_the_option(tmp_path: Path, registry: str) -> None:
    done = kubekeep("image", "advise", "oci:app", "--advisories", "osv.jsonl", folder=tmp_path)
    assert f"The image names its base, {registry}/base:12.1-slim: compare newer ones with --newer-bases" in " ".join(
        done.stdout.split()
    )


def test_base_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    write_record(tmp_path / "osv.jsonl")
    builder = LayoutBuilder(tmp_path / "app")
    annotations = {NAME: "127.0.0.1:1/base:12.1", DIGEST: f"sha256:{'0' * 64}", "other": "text"}
    builder.write_index([builder.add_image([write_base("1")], annotations=annotations)])
    arguments = ("image", "advise", "oci:app", "--newer-bases", "--advisories", "osv.jsonl")
    assert "127.0.0.1:1" in kubekeep(*arguments, folder=tmp_path, code=3).stderr


def test_annotations_that_are_no_texts_make_no_image_unreadable(tmp_path: Path) -> None:
    write_record(tmp_path / "osv.jsonl")
    builder = LayoutBuilder(tmp_path / "app")
    builder.write_index([builder.add_image([write_base("1")], annotations={NAME: 5, DIGEST: ["a"]})])
    assert advise(tmp_path, "oci:app")["statedBase"] == ""


@pytest.mark.parametrize(("command", "is_base"), [('/bin/sh -c #(nop)  CMD ["bash"]', True), ("ENV A=1", False)])
def test_base_by_the_history_of_the_build(command: str, *, is_base: bool, tmp_path: Path) -> None:
    write_record(tmp_path / "osv.jsonl")
    builder = LayoutBuilder(tmp_path / "app")
    layers = [write_base("1"), write_layer({"srv/app": (0o755, "#!/bin/sh\n")})]
    history = [
        {"created_by": "/bin/sh -c #(nop) ADD file:1 in /"},
        {"created_by": command, "empty_layer": True},
        {"created_by": "COPY app /srv/app"},
        {"created_by": 'CMD ["/srv/app"]', "empty_layer": True},
    ]
    diff_ids = [digest_of(layer) for layer in layers]
    system = {"os": "linux", "architecture": "amd64"}
    config = builder.add_json(
        {**system, "rootfs": {"type": "layers", "diff_ids": diff_ids}, "history": history}, CONFIG
    )
    builder.write_index([builder.add_image(layers, config=config)])
    advice = advise(tmp_path, "oci:app")
    assert advice["base"] == ""
    assert advice.get("baseVulnerabilities") == (["CVE-2026-1"] if is_base else None)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ("12.1-slim", ["12.3-slim", "13.0-slim"]),
        ("12.1", ["12.2"]),
        ("13.0-slim", []),
        ("12-slim", ["13-slim"]),
        ("latest", []),
        ("bookworm", []),
        ("v1.2.3", ["v1.3.0", "v2.0.0"]),
        ("99.1-slim", []),
    ],
)
def test_newer_tags(tag: str, expected: list[str]) -> None:
    tags = ["12.1-slim", "12.2-slim", "12.3-slim", "13.0-slim", "12.1", "12.2", "12-slim", "13-slim", "12.9-alpine"]
    tags += ["latest", "bookworm", "v1.2.3", "v1.3.0", "v1.2.4", "v2.0.0", "14.0.1-slim"]
    assert select_newer_tags(tag, tags) == expected
