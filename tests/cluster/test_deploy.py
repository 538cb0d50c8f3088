"""The manifests in deploy/: accepted by a real API server, and enough for the commands that they run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from kubekeep._native import VERSION
from tests.cluster.access import User, write_kubeconfig
from tests.cluster.cluster import Cluster
from tests.command_line import run_command_line

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMESPACE = "kubekeep"


def load(name: str) -> list[dict[str, Any]]:
    return [*yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8"))]


def find_pod_template(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (workload,) = (entry for entry in objects if entry["kind"] in {"Deployment", "CronJob"})
    spec = workload["spec"].get("jobTemplate", workload)["spec"]
    template = spec["template"]
    assert isinstance(template, dict)
    return template


def check_manifests(name: str, cluster: Cluster, folder: Path) -> None:
    """Apply the role and the manifests of a command, and run it with the token of its service account."""
    objects = load(f"{name}.yaml")
    cluster.apply([*load(f"rbac/{name}.yaml"), *objects])
    template = find_pod_template(objects)
    metadata = template["metadata"] | {"name": name, "namespace": NAMESPACE}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
    # The namespace enforces the Pod Security Standard `restricted`.
    assert cluster.admin("POST", f"/api/v1/namespaces/{NAMESPACE}/pods?dryRun=All", pod)["metadata"]["name"] == name
    (container,) = template["spec"]["containers"]
    assert container["image"] == f"ghcr.io/kubekeep/kubekeep:{VERSION}"
    kubeconfig = folder / f"{name}.config"
    token = cluster.service_account_token(NAMESPACE, name)
    write_kubeconfig(kubeconfig, cluster.address, cluster.authority, [User(name, token)])
    result = run_command_line(container["args"][0], "--kubeconfig", str(kubeconfig), "--dry-run", folder=folder)
    assert result.returncode == 0, result.stderr
    assert "missing permission" not in result.stderr


def test_manifests_are_accepted_and_enough(own_cluster: Cluster, tmp_path: Path) -> None:
    for name in ("watch", "scan"):
        check_manifests(name, own_cluster, tmp_path)
    kubeconfig = str(tmp_path / "scan.config")
    result = run_command_line("scan", "--kubeconfig", kubeconfig, "--format", "json", folder=tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "kubekeep/Deployment/watch" in result.stdout


def test_manifests_follow_the_rules_they_enforce(tmp_path: Path) -> None:
    result = run_command_line("scan", str(DEPLOY), "-f", "json", "-o", "report.json", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    failed = {
        control["controlID"]
        for entry in report["results"]
        for control in entry["controls"]
        if control["status"]["status"] == "failed"
    }
    # Reading the metadata of Secrets needs the permission for their data; the programs use their tokens.
    assert failed <= {"C-0015", "C-0034", "C-0267"}
