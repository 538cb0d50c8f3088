"""Data collected on a node: from files and processes to verdicts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from kubekeep.library.load import builtin
from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Control, RequiredData
from kubekeep.model.verdict import Status
from kubekeep.usecases.host import CollectedNode, collect, format_documents
from kubekeep.usecases.request import RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan
from tests.requests import ALL_CONTROLS
from tests.sources.host import nodes

HOST = {
    "hostdata.kubescape.cloud/CNIInfo",
    "hostdata.kubescape.cloud/CloudProviderInfo",
    "hostdata.kubescape.cloud/ControlPlaneInfo",
    "hostdata.kubescape.cloud/KubeProxyInfo",
    "hostdata.kubescape.cloud/KubeletInfo",
    "hostdata.kubescape.cloud/LinuxKernelVariables",
}
HOST_CONTROLS = [control for control in builtin().controls.values() if HOST & {*control.targets, *control.relates}]
NOT_EVALUATED = {
    "kernel-fs-context-escape": "evaluates Node resources, which come from the cluster",
    "eks-network-policies": "applies to EKS only",
    "metadata-api": "access to the metadata service shows in a Pod, not on the node",
}
"""Controls that read node data, but are not evaluated for a control plane node alone, with reasons."""


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> CollectedNode:
    root = tmp_path_factory.mktemp("node")
    nodes.write_kubeadm(root)
    with nodes.run_programs(nodes.PROGRAMS) as pids:
        nodes.write_kernel_data(root, pids)
    return collect(str(root))


def assessed(folder: Path, collected: CollectedNode, *more: Path, snapshot: bool = False) -> Assessment:
    file = folder / "node.yaml"
    file.write_text(format_documents(collected, as_json=False), encoding="utf-8")
    paths = (str(file), *map(str, more))
    # In no framework.
    extra = ("kubelet-seccomp-default",)
    return scan(
        ScanRequest(
            ScanInput(paths=paths, snapshot=snapshot), rules=RuleOptions(frameworks=("allcontrols",), controls=extra)
        )
    )


@pytest.fixture(scope="module")
def assessment(collected: CollectedNode, tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    return assessed(tmp_path_factory.mktemp("scan"), collected)


def status(assessment: Assessment, slug: str) -> Status:
    return next(summary.status for summary in assessment.summaries if summary.definition.slug == slug)


@pytest.mark.parametrize("control", HOST_CONTROLS, ids=lambda control: control.slug)
def test_host_controls_are_evaluated_with_node_data(assessment: Assessment, control: Control) -> None:
    verdict_status = status(assessment, control.slug)
    if control.slug in NOT_EVALUATED:
        assert verdict_status is Status.NOT_EVALUATED
    else:
        assert verdict_status in {Status.PASSED, Status.FAILED}


def test_all_host_controls_are_covered() -> None:
    only = {control.slug for control in builtin().controls.values() if control.required_data is RequiredData.HOST}
    assert only <= {control.slug for control in HOST_CONTROLS}
    assert len(HOST_CONTROLS) > 90


@pytest.mark.parametrize(
    ("slug", "expected"),
    [
        ("pki-key-mode", Status.FAILED),  # sa.key has 644
        ("pki-certificate-mode", Status.FAILED),
        ("etcd-data-mode", Status.PASSED),
        ("admin-kubeconfig-mode", Status.PASSED),
        ("kubelet-service-file-mode", Status.FAILED),
        ("kubelet-anonymous-auth", Status.PASSED),
        ("kubelet-read-only-port", Status.PASSED),
        ("kubelet-kernel-defaults", Status.FAILED),
        ("api-server-anonymous-access", Status.FAILED),
        ("authorization-rbac", Status.PASSED),
        ("encryption-providers", Status.PASSED),
        ("audit-policy-coverage", Status.PASSED),
        ("controller-manager-account-credentials", Status.PASSED),
        ("scheduler-profiling", Status.FAILED),
        ("kube-proxy-metrics-address", Status.FAILED),
        ("cni-network-policies", Status.FAILED),
    ],
)
def test_verdicts_match_the_node(assessment: Assessment, slug: str, expected: Status) -> None:
    assert status(assessment, slug) is expected


@pytest.fixture(scope="module")
def k3s(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    root = tmp_path_factory.mktemp("k3s")
    nodes.write_rancher(root, "k3s")
    nodes.write_file(root, f"{nodes.K3S}/agent/etc/kubelet.conf.d/00-k3s-defaults.conf", nodes.KUBELET_CONFIG)
    nodes.write_file(root, "/etc/kubernetes/audit.yaml", nodes.AUDIT)
    with (
        nodes.write_file(root, "/var/log/k3s.log", "").open("a", encoding="utf-8") as log,
        nodes.run_titled("/usr/local/bin/k3s server", nodes.k3s_log(nodes.K3S_PROGRAMS), log.fileno()) as pid,
    ):
        nodes.write_kernel_data(root, [pid])
    return assessed(tmp_path_factory.mktemp("scan"), collect(str(root)))


@pytest.mark.parametrize(
    ("slug", "expected"),
    [
        ("api-server-anonymous-access", Status.PASSED),
        ("authorization-rbac", Status.PASSED),
        ("audit-policy-coverage", Status.PASSED),
        ("encryption-provider-config", Status.FAILED),
        ("api-server-etcd-certificate", Status.NOT_EVALUATED),  # K3s reaches its database by a socket
        ("api-server-manifest-mode", Status.NOT_EVALUATED),  # K3s has no manifest
        ("controller-manager-account-credentials", Status.PASSED),
        ("scheduler-profiling", Status.PASSED),
        ("kubelet-anonymous-auth", Status.PASSED),
        ("kubelet-read-only-port", Status.PASSED),
        ("kubelet-kernel-defaults", Status.FAILED),
        ("kube-proxy-kubeconfig-mode", Status.PASSED),
    ],
)
def test_k3s_is_evaluated_by_its_embedded_components(k3s: Assessment, slug: str, expected: Status) -> None:
    assert status(k3s, slug) is expected


def test_finding_names_the_file_of_the_node(assessment: Assessment) -> None:
    (verdict,) = [result.verdicts["pki-key-mode"] for result in assessment.results if "pki-key-mode" in result.verdicts]
    (evidence,) = verdict.evidence
    assert evidence.message == "/etc/kubernetes/pki/sa.key: mode is 644, expected 600 or stricter"
    assert evidence.location is not None
    assert evidence.location.file.endswith("node.yaml")


def test_node_data_is_joined_with_the_node_resource(collected: CollectedNode, tmp_path: Path) -> None:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-1"},
        "status": {"nodeInfo": {"operatingSystem": "linux", "kernelVersion": "5.10.70"}},
    }
    file = tmp_path / "nodes.yaml"
    file.write_text(yaml.safe_dump(node), encoding="utf-8")
    alone = scan(ScanRequest(ScanInput(paths=(str(file),), snapshot=True), rules=ALL_CONTROLS))
    assert status(alone, "kernel-fs-context-escape") is Status.FAILED
    # The vulnerability requires user namespaces, and the node forbids them.
    assert status(assessed(tmp_path, collected, file, snapshot=True), "kernel-fs-context-escape") is Status.PASSED


def test_json_and_yaml_documents_are_equal(collected: CollectedNode) -> None:
    assert yaml.safe_load(format_documents(collected, as_json=False)) == json.loads(
        format_documents(collected, as_json=True)
    )
