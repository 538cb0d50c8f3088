"""Images that pods run: a scan reads them by the digests in the status of pods, not by what their names lead to now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import Cluster
from tests.command_line import run_command_line
from tests.registry.service import Service, run_registry
from tests.registry_scan.fleet import BASE, Fleet, python_package, write_layer
from tests.sources.cluster import objects

REPOSITORY = "shop/web"
MISSING = f"sha256:{'0' * 64}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with run_registry(tmp_path_factory.mktemp("registry")) as service:
        yield service


@pytest.fixture(scope="module")
def digests(registry: Service) -> list[str]:
    """The digests of two images with the tag 1, the older one first."""
    fleet = Fleet(registry.address)
    layers = [(BASE, write_layer(python_package("web", version))) for version in ("1.0", "1.1")]
    pushed = [fleet.push_image(REPOSITORY, "1", layers=each) for each in layers]
    fleet.close()
    return pushed


@pytest.fixture
def name(registry: Service, digests: list[str]) -> str:
    """The name of the images."""
    del digests
    return f"{registry.address}/{REPOSITORY}:1"


def build_status(name: str, digest: str, prefix: str = "", phase: str = "Running") -> dict[str, Any]:
    """Return the status of a Pod with a container that runs a digest."""
    image_id = f"{prefix}{name.rpartition(':')[0]}@{digest}"
    return {"phase": phase, "containerStatuses": [{"name": "app", "image": name, "imageID": image_id}]}


def build_pod(pod: str, name: str, status: dict[str, Any]) -> dict[str, Any]:
    return objects.pod("default", pod, objects.template(name)) | {"status": status}


def scan(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    """Return the report of a scan with images."""
    options = ("--images", "--no-vulnerabilities", "-f", "json", "-o", "report.json")
    variables = {"XDG_CACHE_HOME": str(folder / "cache")}
    done = run_command_line("scan", *arguments, *options, folder=folder, variables=variables)
    assert done.returncode == code, done.stderr
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return report


def scan_pods(folder: Path, *pods: dict[str, Any], code: int = 0) -> dict[str, Any]:
    (folder / "pods.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    return scan(folder, "pods.json", code=code)


def list_images(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the name and the digest of each image in a report."""
    images = [entry["object"] for entry in report["resources"] if entry["object"]["kind"] == "ContainerImage"]
    return [(image["metadata"]["name"], image["image"]["digest"]) for image in images]


@pytest.mark.parametrize("prefix", ["", "docker-pullable://"])
def test_running_digest_is_scanned(prefix: str, name: str, digests: list[str], tmp_path: Path) -> None:
    pod = build_pod("web", name, build_status(name, digests[0], prefix))
    assert list_images(scan_pods(tmp_path, pod)) == [(name, digests[0])]


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"phase": "Pending", "containerStatuses": [{"name": "app", "imageID": ""}]},
        {"phase": "Running", "containerStatuses": [{"name": "app", "imageID": MISSING}]},
        {"phase": "Running", "containerStatuses": [{"name": "other", "imageID": f"registry.example.com/a@{MISSING}"}]},
    ],
)
def test_without_a_running_digest_the_name_counts(
    status: dict[str, Any], name: str, digests: list[str], tmp_path: Path
) -> None:
    assert list_images(scan_pods(tmp_path, build_pod("web", name, status))) == [(name, digests[1])]


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_pod_that_has_ended_runs_no_image(phase: str, name: str, digests: list[str], tmp_path: Path) -> None:
    pod = build_pod("web", name, build_status(name, digests[0], phase=phase))
    assert list_images(scan_pods(tmp_path, pod)) == [(name, digests[1])]


def test_all_running_digests_are_scanned(name: str, digests: list[str], tmp_path: Path) -> None:
    pods = [build_pod(f"web-{number}", name, build_status(name, digest)) for number, digest in enumerate(digests)]
    report = scan_pods(tmp_path, *pods)
    assert sorted(list_images(report)) == sorted((name, digest) for digest in digests)
    identifiers = [entry["resourceID"] for entry in report["resources"]]
    assert len({*identifiers}) == len(identifiers) == 4
    assert len({result["resourceID"] for result in report["results"]}) == 4


def test_running_digest_that_is_gone_is_unread(name: str, tmp_path: Path) -> None:
    report = scan_pods(tmp_path, build_pod("web", name, build_status(name, MISSING)), code=3)
    assert list_images(report) == []
    (unread,) = report["kubekeep"]["unread"]
    assert unread["file"] == name
    assert MISSING in unread["message"]


def test_digest_of_a_pod_that_its_owner_covers_is_scanned(
    own_cluster: Cluster, name: str, digests: list[str], tmp_path: Path
) -> None:
    template = objects.template(name)
    (deployment,) = own_cluster.apply([objects.replicated("Deployment", "default", "web", template)])
    replica_set = objects.set_owner(objects.replicated("ReplicaSet", "default", "web-1", template), deployment)
    (stored,) = own_cluster.apply([replica_set])
    own_cluster.apply([objects.build_owned_pod(stored, "web-1-a") | {"status": build_status(name, digests[0])}])
    report = scan(tmp_path, "--kubeconfig", str(own_cluster.kubeconfig))
    kinds = {entry["object"]["kind"] for entry in report["resources"]}
    assert "Deployment" in kinds
    assert "Pod" not in kinds
    assert list_images(report) == [(name, digests[0])]
