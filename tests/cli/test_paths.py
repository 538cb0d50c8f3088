"""`kubekeep paths` as a process: chains, formats, names, the gate and reported gaps."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from tests.cli.test_scan import kubekeep
from tests.cluster.cluster import Cluster

EXAMPLES = Path(__file__).parents[2] / "examples"
TAKEN = EXAMPLES / "attack-paths"


def document(*arguments: str | Path) -> dict[str, Any]:
    result = kubekeep("paths", *arguments, "-f", "json")
    assert result.returncode == 0, result.stderr
    paths_document: dict[str, Any] = json.loads(result.stdout)
    return paths_document


def labels(paths_document: dict[str, Any]) -> list[list[str]]:
    names = {node["id"]: node["label"] for node in paths_document["nodes"]}
    return [[names[node] for node in path["nodes"]] for path in paths_document["paths"]]


def test_example_has_paths_to_cluster_admin() -> None:
    paths_document = document(TAKEN)
    assert labels(paths_document) == [
        [
            "internet",
            "Service status/status",
            "Deployment status/status",
            "a node of the cluster",
            "DaemonSet agents/agent",
            "ServiceAccount agents/agent",
            "cluster-admin",
        ],
        [
            "internet",
            "Ingress builds/server",
            "Service builds/server",
            "Deployment builds/server",
            "ServiceAccount builds/runner",
            "ClusterRole runner in the cluster",
            "any service account of the cluster",
            "ServiceAccount agents/agent",
            "cluster-admin",
        ],
        ["any authenticated user", "Role builds/read-everything", "every Secret in namespace builds"],
    ]
    controls = {number for path in paths_document["paths"] for number in path["controls"]}
    assert {"C-0074", "C-0256", "C-0261", "C-0188", "C-0185", "C-0265", "C-0015"} <= controls
    assert paths_document["cuts"][0]["count"] == 2
    assert "network policies block external traffic to Deployment ledger/ledger" in paths_document["notes"]


def test_openings_have_locations() -> None:
    paths_document = document(TAKEN)
    lines = {
        opening["text"]: (Path(opening["location"]["file"]).name, opening["location"]["line"])
        for edge in paths_document["edges"]
        for opening in edge["openings"]
        if "location" in opening
    }
    text = (TAKEN / "builds.yaml").read_text(encoding="utf-8").splitlines()
    file, line = lines["it allows creating pods"]
    assert (file, text[line - 1].strip()) == ("builds.yaml", '- apiGroups: [""]')
    file, line = lines["container page mounts the container runtime socket /run/containerd/containerd.sock"]
    text = (TAKEN / "status.yaml").read_text(encoding="utf-8").splitlines()
    assert (file, text[line - 1].strip()) == ("status.yaml", "path: /run/containerd/containerd.sock")


def test_text_shows_chains_and_fixes() -> None:
    result = kubekeep("paths", ".", cwd=TAKEN)
    assert result.returncode == 0
    for text in (
        "✖ CRITICAL  internet → cluster-admin",
        "status.yaml:34",
        "Changes that break most paths",
        "breaks 2 paths",
    ):
        assert text in result.stdout
    assert "Workloads to fix first" in result.stdout
    assert "\x1b" not in result.stdout


def test_from_and_to_filter_paths() -> None:
    paths_document = document(TAKEN, "--from", "daemonset/agent", "--to", "cluster-admin")
    assert labels(paths_document) == [["DaemonSet agents/agent", "ServiceAccount agents/agent", "cluster-admin"]]
    paths_document = document(TAKEN, "--from", "internet", "--to", "secret/signing-key")
    assert {path[-1] for path in labels(paths_document)} == {"Secret builds/signing-key"}
    assert len(document(TAKEN, "--max-paths", "1")["paths"]) == 1


def test_unknown_name_is_an_error_with_suggestion() -> None:
    result = kubekeep("paths", TAKEN, "--from", "deployment/statsu")
    assert result.returncode == 2
    assert "did you mean deployment/status?" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((TAKEN,), 1),
        ((TAKEN / "ledger.yaml",), 0),
        ((TAKEN / "status.yaml",), 0),
        ((TAKEN / "status.yaml", "--to", "node"), 1),
        ((EXAMPLES / "online-shop",), 0),
    ],
)
def test_path_gate(arguments: tuple[str | Path, ...], code: int) -> None:
    result = kubekeep("paths", *arguments, "--fail-on-path")
    assert result.returncode == code, result.stderr
    assert ("gate FAILED" if code else "gate passed") in result.stderr


def test_gaps_are_reported(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("a: [", encoding="utf-8")
    result = kubekeep("paths", tmp_path, TAKEN / "status.yaml")
    assert result.returncode == 3
    assert "broken.yaml" in result.stderr
    assert "the input contains no bindings" in result.stdout


def test_images_are_written_to_files(tmp_path: Path) -> None:
    result = kubekeep("paths", TAKEN, "-f", "svg", "-o", tmp_path / "paths.svg")
    assert result.returncode == 0
    assert ET.fromstring((tmp_path / "paths.svg").read_text(encoding="utf-8")).tag.endswith("svg")  # noqa: S314
    assert kubekeep("paths", TAKEN, "-f", "dot").stdout.startswith("digraph attack_paths {")


def test_chart_paths_have_template_locations() -> None:
    paths_document = document(EXAMPLES / "storefront-chart")
    assert paths_document["paths"] == []
    assert any("treated as in one namespace" in note for note in paths_document["notes"])


def test_scan_ranks_resources_in_json() -> None:
    report = json.loads(
        kubekeep("scan", "framework", "allcontrols", TAKEN / "status.yaml", "--snapshot", "-f", "json").stdout
    )
    (entry,) = [
        result_entry["prioritizedResource"]
        for result_entry in report["results"]
        if "prioritizedResource" in result_entry
    ]
    assert entry["resourceID"].endswith("Deployment/status")
    assert {vector["attackTrackName"] for vector in entry["priorityVector"]} == {
        "service-destruction",
        "workload-external-track",
    }
    assert entry["score"] == pytest.approx(sum(vector["score"] for vector in entry["priorityVector"]))


def test_paths_through_a_live_cluster(cluster: Cluster, namespace: str) -> None:
    spec = {"containers": [{"name": "web", "image": "i", "securityContext": {"privileged": True}}]}
    metadata = {"name": "web", "namespace": namespace, "labels": {"app": "web"}}
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec},
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "web", "namespace": namespace},
                "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80}]},
            },
        ]
    )
    paths_document = document("--kubeconfig", cluster.kubeconfig, "--from", "internet", "--to", "node")
    assert [f"Service {namespace}/web", f"Pod {namespace}/web"] in [names[1:3] for names in labels(paths_document)]


def test_exceptions_apply_to_paths(tmp_path: Path) -> None:
    exceptions = tmp_path / "exceptions.yaml"
    exceptions.write_text(
        "- {name: known, policyType: postureExceptionPolicy, actions: [alertOnly],\n"
        "   resources: [{designatorType: Attributes, attributes: {namespace: status}}],\n"
        "   posturePolicies: [{controlID: C-0074}]}\n"
    )
    plain, excepted = document(TAKEN), document(TAKEN, "--exceptions", exceptions)
    assert "C-0074" in {number for path in plain["paths"] for number in path["controls"]}
    assert "C-0074" not in {number for path in excepted["paths"] for number in path["controls"]}


PRIVILEGED = """
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: b}
spec: {containers: [{name: c, image: "x:1", securityContext: {privileged: true}}]}
"""


def test_privileged_pod_without_exposure_names_the_next_question(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(PRIVILEGED)
    text = kubekeep("paths", tmp_path).stdout
    assert "No attack path was found from outside." in text
    assert "`--from b/pod/a` shows the paths" in " ".join(text.split())
    assert "Pod b/a → a node of the cluster" in kubekeep("paths", tmp_path, "--from", "b/pod/a").stdout


def test_missing_path_has_no_answer() -> None:
    result = kubekeep("paths", "nosuch")
    assert (result.returncode, result.stdout) == (3, "")
    assert "nosuch: no such file or directory" in result.stderr
