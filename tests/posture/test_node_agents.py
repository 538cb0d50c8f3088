"""Priorities of access that agents of nodes need: low with the reason, and never less than a finding."""

from __future__ import annotations

from typing import Any, Final

import pytest

from kubekeep.attackpaths.context import find_contexts
from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library.load import builtin
from kubekeep.model.priority import Priority
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Status
from kubekeep.posture.evaluate import evaluate
from kubekeep.posture.node_agents import load_node_agents
from kubekeep.posture.priority import attach_contexts, prioritise_results
from kubekeep.posture.select import select

CONTROLS: Final = tuple({slug: None for agent in load_node_agents() for slug in agent.controls})


def container(image: str, **fields: Any) -> dict[str, Any]:
    return {"name": image.rpartition("/")[2].partition(":")[0], "image": image, **fields}


def workload(*containers: dict[str, Any], kind: str = "DaemonSet", **spec: Any) -> dict[str, Any]:
    pod = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [*containers], **spec}}
    version = {"DaemonSet": "apps/v1", "Deployment": "apps/v1", "Job": "batch/v1"}[kind]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "agent"}, "spec": {"template": pod}}


def list_priorities(*objects: dict[str, Any]) -> dict[str, Priority]:
    """Return the priorities of the first object's failed controls of node access, by slug."""
    resources = [Resource(content) for content in objects]
    controls = [builtin().controls[slug] for slug in CONTROLS]
    results = evaluate(resources, select(named=controls), RegoPolicySet, kubernetes_minor=37)
    result = prioritise_results(attach_contexts(results, find_contexts(resources)), controls)[0]
    failed = [slug for slug, verdict in result.verdicts.items() if verdict.status is Status.FAILED]
    return {slug: result.priorities[slug] for slug in failed if slug in result.priorities}


def list_levels(*objects: dict[str, Any]) -> dict[str, Severity]:
    return {slug: priority.level for slug, priority in list_priorities(*objects).items()}


EXPORTER: Final = container("quay.io/prometheus/node-exporter:v1.9.1")
PROXY: Final = container("registry.k8s.io/kube-proxy:v1.37.0", securityContext={"privileged": True})


def test_needed_access_is_low_with_the_reason() -> None:
    reason = "prometheus/node-exporter is a node agent that needs this access"
    assert list_priorities(workload(EXPORTER, hostNetwork=True, hostPID=True)) == {
        slug: Priority(Severity.LOW, 3.0, reasons=(reason,)) for slug in ("host-network", "host-pid-ipc")
    }
    assert list_levels(workload(PROXY)) == {"privileged-container": Severity.LOW}


@pytest.mark.parametrize(
    "image",
    [
        "registry.k8s.io/kube-proxy",
        "registry.k8s.io/kube-proxy:v1.37.0",
        f"registry.k8s.io/kube-proxy@sha256:{'0' * 64}",
        "calico/node:v3.30",
        "docker.io/calico/node",
    ],
)
def test_spellings_of_images(image: str) -> None:
    agent = container(image, securityContext={"privileged": True})
    assert list_levels(workload(agent)) == {"privileged-container": Severity.LOW}


@pytest.mark.parametrize(
    "image",
    [
        "kube-proxy",
        "harbor.example.com:5000/kube-proxy",
        "registry.k8s.io/kube-proxy/web",
        "cilium",
        "example.com/cilium/cilium",
        "example.com/shop/node",
        "web:kube-proxy",
        None,
    ],
)
def test_other_images_keep_their_priority(image: str | None) -> None:
    other = {"name": "a", "image": image, "securityContext": {"privileged": True}}
    assert list_levels(workload(other))["privileged-container"] is Severity.CRITICAL


def test_undocumented_access_keeps_its_priority() -> None:
    exporter = EXPORTER | {"securityContext": {"privileged": True}}
    assert list_levels(workload(exporter))["privileged-container"] is Severity.CRITICAL
    assert list_levels(workload(PROXY, hostIPC=True))["host-pid-ipc"] is Severity.HIGH
    mount = {"name": "root", "mountPath": "/host", "readOnly": True}
    for path, level in (("/", Severity.CRITICAL), ("/sys", Severity.LOW)):
        volume = {"name": "root", "hostPath": {"path": path}}
        levels = list_levels(workload(EXPORTER | {"volumeMounts": [mount]}, volumes=[volume]))
        assert levels["host-path"] is level


def test_another_container_keeps_its_priority() -> None:
    beside = container("registry.example.com/web:1.2", securityContext={"privileged": True})
    assert list_levels(workload(PROXY, beside))["privileged-container"] is Severity.CRITICAL


def test_access_of_the_pod_is_needed_by_each_container() -> None:
    beside = container("registry.example.com/web:1.2")
    assert "host-pid-ipc" not in list_levels(workload(EXPORTER, beside, hostPID=True)), "as severe as the control"
    proxy = container("quay.io/brancz/kube-rbac-proxy:v0.20", ports=[{"containerPort": 9100, "hostPort": 9100}])
    levels = list_levels(workload(EXPORTER, proxy, hostNetwork=True))
    assert levels["host-port"] is Severity.LOW


@pytest.mark.parametrize("command", ["sh", "/bin/bash", "nsenter"])
def test_another_program_of_the_image_keeps_its_priority(command: str) -> None:
    assert list_levels(workload(PROXY | {"command": [command, "-c", "x"]}))["privileged-container"] is Severity.CRITICAL
    assert list_levels(workload(PROXY | {"command": ["/usr/local/bin/kube-proxy"]})) == {
        "privileged-container": Severity.LOW
    }


def test_agents_run_on_each_node() -> None:
    assert list_levels(workload(PROXY, kind="Deployment"))["privileged-container"] is Severity.CRITICAL
    bench = container("docker.io/aquasec/kube-bench:v0.11")
    assert list_levels(workload(bench, kind="Job", hostPID=True)) == {"host-pid-ipc": Severity.LOW}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "kube-proxy"}, "spec": {"containers": [PROXY]}}
    assert list_levels(pod)["privileged-container"] is Severity.CRITICAL
    pod["metadata"] = {"name": "kube-proxy", "annotations": {"kubernetes.io/config.mirror": "1"}}
    assert list_levels(pod) == {"privileged-container": Severity.LOW}


def test_exposed_agents_keep_their_priority() -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "agent"},
        "spec": {"type": "LoadBalancer", "selector": {"app": "agent"}, "ports": [{"port": 80}]},
    }
    assert list_levels(workload(PROXY), service)["privileged-container"] is Severity.CRITICAL


def test_several_agents_share_a_reason() -> None:
    registrar = container("registry.k8s.io/sig-storage/csi-node-driver-registrar:v2.15")
    driver = container("ghcr.io/spiffe/spiffe-csi-driver:0.2.7")
    mounted = [agent | {"volumeMounts": [{"name": "a", "mountPath": "/a"}]} for agent in (registrar, driver)]
    volumes = [{"name": "a", "hostPath": {"path": "/var/lib/kubelet/plugins/csi.spiffe.io"}}]
    priority = list_priorities(workload(*mounted, volumes=volumes))["host-path"]
    assert priority.reasons == (
        "sig-storage/csi-node-driver-registrar and spiffe/spiffe-csi-driver are node agents that need this access",
    )


def test_the_list_is_consistent() -> None:
    images = [image for agent in load_node_agents() for image in agent.images]
    assert len(images) == len(set(images))
    assert set(CONTROLS) <= set(builtin().controls)
