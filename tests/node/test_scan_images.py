"""`kubekeep scan --images` of a real cluster: thirty images that run in all kinds of workloads, by tag and by digest."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.cluster import eventually
from tests.cluster.node_cluster import NodeCluster
from tests.command_line import run_command_line
from tests.node.fleet import COUNT, PushedImage, push_image, write_advisories
from tests.node.workloads import Object, container, cron_job, pod, pod_spec, workload

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob", "Pod")


@pytest.fixture(scope="session")
def images(node_cluster: NodeCluster) -> list[PushedImage]:
    return [push_image(node_cluster, number) for number in range(COUNT)]


def scan(cluster: NodeCluster, folder: Path, *names: str) -> dict[tuple[str, str], set[str]]:
    """Scan the cluster and return the vulnerabilities of the images of some names, by name and digest."""
    return list_vulnerabilities(read_report(cluster, folder), names)


def read_report(cluster: NodeCluster, folder: Path) -> dict[str, Any]:
    """Scan the cluster and return the report. Fails if any input is not read. Other tests may run other images."""
    connection = ("--kubeconfig", str(cluster.kubeconfig), "--plain-http")
    advisories = ("--advisories", str(write_advisories(folder)))
    report = ("-f", "json", "-o", "report.json")
    variables = {"KUBEKEEP_DATABASE": None, "XDG_CACHE_HOME": str(folder / "cache")}
    done = run_command_line("scan", "--images", *connection, *advisories, *report, folder=folder, variables=variables)
    document: dict[str, Any] = json.loads((folder / "report.json").read_text())
    assert document["kubekeep"]["unread"] == []
    # The program of the images is built from a folder, which has no version.
    assert {(entry["ecosystem"], entry["reason"]) for entry in document["notAssessed"]} == {
        ("Go", "the version is unknown")
    }
    assert done.returncode == 0, done.stderr
    return document


def list_vulnerabilities(report: dict[str, Any], names: Sequence[str]) -> dict[tuple[str, str], set[str]]:
    documents = [entry["object"] for entry in report["resources"] if entry["object"]["kind"] == "ContainerImage"]
    keys = [(image["metadata"]["name"], image["image"]["digest"]) for image in documents]
    assert len({*keys}) == len(keys)
    by_image: dict[tuple[str, str], set[str]] = {key: set() for key in keys if key[0] in names}
    for vulnerability in report["vulnerabilities"]:
        key = (vulnerability["image"]["reference"], vulnerability["image"]["digest"])
        if key in by_image:
            by_image[key].add(vulnerability["id"])
    return by_image


def list_containers(report: dict[str, Any], namespace: str) -> dict[str, set[tuple[str, str, str]]]:
    """Return the containers of a namespace that each vulnerability names, as kind, name and container, by image."""
    containers: dict[str, set[tuple[str, str, str]]] = {}
    for vulnerability in report["vulnerabilities"]:
        own = {
            (entry["kind"], entry["name"], entry["container"])
            for entry in vulnerability["workloads"]
            if entry["namespace"] == namespace
        }
        if own:
            known = containers.setdefault(vulnerability["image"]["reference"], own)
            assert known == own
    return containers


def build_workload(namespace: str, kind: str, name: str, references: Sequence[str]) -> Object:
    """Return a workload whose Pods have an init container, if there are three images, and containers."""
    *first, second, third = [container(f"c{number}", reference) for number, reference in enumerate(references)]
    # An init container with this policy goes on beside the others.
    fields = {"initContainers": [entry | {"restartPolicy": "Always"} for entry in first]} if first else {}
    spec = pod_spec(second, third, **fields)
    if kind == "Pod":
        return pod(namespace, name, spec)
    return cron_job(namespace, name, spec) if kind == "CronJob" else workload(kind, namespace, name, spec)


def test_each_image_of_a_cluster_is_scanned(
    node_cluster: NodeCluster, node_namespace: str, images: list[PushedImage], tmp_path: Path
) -> None:
    names = [image.by_digest if number % 4 == 3 else image.by_tag for number, image in enumerate(images)]
    remaining = iter(names)
    groups = [[*itertools.islice(remaining, 2 + number % 2)] for number in range(12)]
    assert [name for group in groups for name in group] == names
    objects = [
        build_workload(node_namespace, KINDS[number % len(KINDS)], f"app-{number}", group)
        for number, group in enumerate(groups)
    ]
    node_cluster.apply(objects)
    node_cluster.wait_for_pods(node_namespace, sum(entry["kind"] != "CronJob" for entry in objects))
    report = read_report(node_cluster, tmp_path)
    assert list_vulnerabilities(report, names) == {
        (name, image.digest): image.vulnerabilities for name, image in zip(names, images, strict=True)
    }
    assert list_containers(report, node_namespace) == {
        name: {(KINDS[number % len(KINDS)], f"app-{number}", f"c{position}")}
        for number, group in enumerate(groups)
        for position, name in enumerate(group)
    }


def test_running_image_is_scanned_after_its_tag_moved(
    node_cluster: NodeCluster, node_namespace: str, tmp_path: Path
) -> None:
    old = push_image(node_cluster, COUNT)
    name = old.by_tag
    deployment = workload("Deployment", node_namespace, "web", pod_spec(container("web", name)))
    node_cluster.apply([deployment, cron_job(node_namespace, "nightly", pod_spec(container("nightly", name)))])
    node_cluster.wait_for_pods(node_namespace, 1)
    new = push_image(node_cluster, COUNT, "1.1")
    assert old.vulnerabilities > new.vulnerabilities
    assert scan(node_cluster, tmp_path, name) == {(name, old.digest): old.vulnerabilities}
    # A Pod without an owner, which starts now, runs the new image under the same name.
    node_cluster.apply([pod(node_namespace, "late", pod_spec(container("late", name)))])
    node_cluster.wait_for_pods(node_namespace, 2)
    assert scan(node_cluster, tmp_path, name) == {(name, image.digest): image.vulnerabilities for image in (old, new)}
    path = f"/apis/apps/v1/namespaces/{node_namespace}/deployments/web"
    restart = {"spec": {"template": {"metadata": {"annotations": {"restarted": "yes"}}}}}
    node_cluster.admin("PATCH", path, restart, sent="application/merge-patch+json")
    eventually(lambda: _runs_only(node_cluster, node_namespace, new.digest), seconds=60)
    assert scan(node_cluster, tmp_path, name) == {(name, new.digest): new.vulnerabilities}


def _runs_only(cluster: NodeCluster, namespace: str, digest: str) -> bool:
    """Return True if the two Pods of a namespace run a digest, and no other is left."""
    pods = cluster.admin("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
    statuses = [status for entry in pods for status in entry["status"].get("containerStatuses", ())]
    return len(pods) == 2 and [status["imageID"].endswith(digest) for status in statuses] == [True, True]
