"""Thirty small images on three bases, and the advisories that affect their packages. Made up: no program is in them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.cluster.node_cluster import NodeCluster
from tests.registry_scan.fleet import python_package, write_layer

COUNT: Final = 30
_DPKG: Final = "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1~deb12u1\n\n"
_APK: Final = "C:Q1aaaaaaaaaaaaaaaaaaaaaaaaaaa=\nP:busybox\nV:1.36.1-r28\nA:x86_64\no:busybox\n\n"
_DEBIAN: Final = 'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian 12"\n'
_ALPINE: Final = 'ID=alpine\nVERSION_ID="3.20.3"\nPRETTY_NAME="Alpine 3.20"\n'


class Base(msgspec.Struct, frozen=True):
    """A base: its layer, and the advisories for its packages."""

    layer: bytes
    vulnerabilities: frozenset[str]


BASES: Final = (
    Base(write_layer({"etc/os-release": _DEBIAN, "var/lib/dpkg/status": _DPKG}), frozenset({"CVE-2026-1000"})),
    Base(write_layer({"etc/os-release": _ALPINE, "lib/apk/db/installed": _APK}), frozenset({"CVE-2026-2000"})),
    Base(write_layer(python_package("flask", "2.0.0")), frozenset({"CVE-2026-3000"})),
)


class PushedImage(msgspec.Struct, frozen=True):
    """An image in the registry of the node: its references by tag and by digest, and what affects its packages."""

    repository: str
    digest: str
    vulnerabilities: frozenset[str]

    @property
    def by_tag(self) -> str:
        return f"{self.repository}:1"

    @property
    def by_digest(self) -> str:
        return f"{self.repository}@{self.digest}"


def push_image(cluster: NodeCluster, number: int, version: str = "1.0") -> PushedImage:
    """Push an image with the tag 1: a base, and a package of its own in a version. Only the version 1.0 is vulnerable."""
    base, name = BASES[number % len(BASES)], f"app-{number}"
    layers = [base.layer, write_layer(python_package(name, version))]
    digest = cluster.images.push(f"fleet/{name}", "1", layers=layers)
    own = {f"CVE-2026-{number}"} if version == "1.0" else set()
    return PushedImage(f"{cluster.registry}/fleet/{name}", digest, base.vulnerabilities | own)


def write_advisories(folder: Path) -> Path:
    """Write the advisories in the OSV schema."""
    records = [
        _record("CVE-2026-1000", "Debian:12", "openssl", "3.0.11-1~deb12u2"),
        _record("CVE-2026-2000", "Alpine:v3.20", "busybox", "1.36.1-r29"),
        _record("CVE-2026-3000", "PyPI", "flask", "2.0.1"),
        # The program in the images is written in Go.
        _record("CVE-2026-4000", "Go", "example.com/other", "1.0.0"),
        *(_record(f"CVE-2026-{number}", "PyPI", f"app-{number}", "1.1") for number in range(COUNT + 1)),
    ]
    file = folder / "advisories.jsonl"
    file.write_text("".join(f"{json.dumps(record)}\n" for record in records), encoding="utf-8")
    return file


def _record(identifier: str, ecosystem: str, package: str, fixed: str) -> dict[str, Any]:
    kind = "SEMVER" if ecosystem == "Go" else "ECOSYSTEM"
    ranges = [{"type": kind, "events": [{"introduced": "0"}, {"fixed": fixed}]}]
    return {
        "id": identifier,
        "modified": "2026-01-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": ecosystem, "name": package}, "ranges": ranges}],
    }
