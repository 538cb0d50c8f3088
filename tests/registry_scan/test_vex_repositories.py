"""VEX repositories of the database for images in a real registry: scans and rematching, by the real program."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubekeep.vulnerabilities.database.vex_repositories.reader import get_repository_path
from tests.command_line import run_command_line
from tests.registry_scan.fleet import Fleet, kubekeep
from tests.registry_scan.test_rematch import list_changes, record, rematch, update
from tests.vulnerabilities.database.vex_repository import lay_out, pack
from tests.vulnerabilities.vex.shop import about, openvex, within

CVE = "CVE-2026-1"


def load(folder: Path, documents: Mapping[str, bytes], updated: str) -> None:
    (folder / "hub.tar.gz").write_bytes(pack(lay_out(documents, updated)))
    kubekeep("db", "import", "hub.tar.gz", "--database", "database", folder=folder)


def suppress(*products: Any) -> bytes:
    return openvex(about(*products, name=CVE))


def scan(folder: Path, image: str) -> dict[str, str]:
    """Return the origins of the statements by package, of the suppressed vulnerabilities of an image."""
    words = ("image", "scan", image, "--plain-http", "--database", "database", "-f", "json", "-o", "r.json")
    variables = {"XDG_CACHE_HOME": str(folder / "cache"), "DOCKER_CONFIG": "/nowhere"}
    done = run_command_line(*words, folder=folder, variables=variables)
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "r.json").read_text())
    assert report["vulnerabilities"]
    return {entry["package"]: entry["vex"]["origin"] for entry in report["vulnerabilities"] if entry["excepted"]}


def test_rematch_applies_changed_repositories_to_unchanged_packages(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0", "1.1")
    kubekeep("registry", "scan", fleet.address, "--state", "state", folder=tmp_path)
    update(tmp_path, record(CVE, "app", "2", "2026-11-01T00:00:00Z"))
    tags = [("app:1.0", CVE), ("app:1.1", CVE)]
    assert list_changes(rematch(tmp_path), "new") == tags
    # A new repository.
    load(tmp_path, {"pkg:pypi/app": suppress("pkg:pypi/app@1.0")}, "2026-11-01T00:00:00Z")
    report = rematch(tmp_path)
    assert (list_changes(report, "changed"), report["matched"]) == ([("app:1.0", CVE)], 0)
    (change,) = (entry for image in report["images"] for entry in image["changed"])
    assert "hub: pkg:pypi/app" in change["after"]["suppression"]
    assert rematch(tmp_path)["images"] == []
    # A changed repository.
    load(tmp_path, {"pkg:pypi/app": suppress("pkg:pypi/app")}, "2026-11-02T00:00:00Z")
    assert list_changes(rematch(tmp_path), "changed") == [("app:1.1", CVE)]
    # No repository: the vulnerabilities count again.
    get_repository_path(tmp_path / "database", "hub").unlink()
    report = rematch(tmp_path, "--fail-on-new", code=1)
    assert list_changes(report, "changed") == tags
    assert {entry["after"].get("suppression", "") for image in report["images"] for entry in image["changed"]} == {""}


def test_documents_of_images_in_a_registry(tmp_path: Path, fleet: Fleet) -> None:
    fleet.push_apps("team/app", "1.0")
    fleet.push_apps("other/app", "1.0")
    update(tmp_path, record(CVE, "app", "2", "2026-11-01T00:00:00Z"))
    image = f"pkg:oci/app?repository_url={fleet.address}/team/app"
    load(tmp_path, {image: suppress(within(image, "pkg:pypi/app"))}, "2026-11-01T00:00:00Z")
    suppressed = scan(tmp_path, f"{fleet.address}/team/app:1.0")
    assert list(suppressed) == ["app"]
    assert suppressed["app"].startswith("hub: pkg:oci/app?repository_url=")
    assert scan(tmp_path, f"{fleet.address}/other/app:1.0") == {}
