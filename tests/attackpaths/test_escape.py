"""Access from containers to their node: each sufficient setting, and similar harmless ones."""

from __future__ import annotations

import pytest

from tests.attackpaths.chains import chains, find_paths, pod, service

NODE = "internet > Service shop/web > Pod shop/web > a node of the cluster"


def escapes(spec: str, container: str) -> bool:
    whole = f"automountServiceAccountToken: false{', ' if spec else ''}{spec}"
    return chains(pod(whole, container) + service(), to="node") == [NODE]


def escapes_by_mount(path: str, more: str = "", context: str = "{}") -> bool:
    volumes = f"volumes: [{{name: v, hostPath: {{path: {path}}}}}]"
    return escapes(volumes, f"securityContext: {context}, volumeMounts: [{{name: v, mountPath: /m{more}}}]")


@pytest.mark.parametrize(
    ("spec", "context", "enough"),
    [
        ("", "{privileged: true}", True),
        ("hostUsers: false", "{privileged: true}", False),
        ("", "{capabilities: {add: [SYS_ADMIN]}}", True),
        ("", "{capabilities: {add: [CAP_SYS_ADMIN]}}", True),
        ("", "{capabilities: {add: [NET_ADMIN]}}", False),
        ("", "{capabilities: {add: [SYS_ADMIN]}, runAsUser: 1000}", False),
        ("", "{capabilities: {add: [SYS_PTRACE]}}", False),
        ("hostPID: true", "{capabilities: {add: [SYS_PTRACE]}}", True),
        ("hostPID: true", "{}", False),
        ("hostNetwork: true", "{}", False),
        ("", "{windowsOptions: {hostProcess: true}}", True),
    ],
)
def test_escape_by_security_context(spec: str, context: str, *, enough: bool) -> None:
    assert escapes(spec, f"securityContext: {context}") is enough


@pytest.mark.parametrize(
    ("path", "more", "enough"),
    [
        ("/var/run/docker.sock", "", True),
        ("/var/run/docker.sock", ", readOnly: true", True),
        ("/run", ", readOnly: true", True),
        ("/var/run/docker", ", readOnly: true", True),
        ("/run/docker/containerd", ", readOnly: true", True),
        ("/run/docker/plugins", ", readOnly: true", False),
        ("/run/k0s", ", readOnly: true", True),
        ("/var/snap/microk8s/common/run", ", readOnly: true", True),
        ("/var/log/app", ", readOnly: true", False),
        ("/", "", True),
        ("/", ", readOnly: true", True),
        ("/etc", "", True),
        ("/etc/localtime", "", False),
        ("/etc/ssl/certs", "", False),
        ("/etc/cron.d", "", True),
        ("/etc/cron.d", ", readOnly: true", False),
        ("/etc/kubernetes", ", readOnly: true", True),
        ("/var/lib/kubelet", ", readOnly: true", True),
        ("/var/lib/kubelet/device-plugins", "", False),
        ("/var/lib/docker/containers", ", readOnly: true", False),
        ("/var/log", "", False),
        ("/data", "", False),
        ("/", ", subPath: data", False),
    ],
)
def test_escape_by_host_path(path: str, more: str, *, enough: bool) -> None:
    assert escapes_by_mount(path, more) is enough


def test_host_files_need_root_user() -> None:
    assert not escapes_by_mount("/", context="{runAsUser: 1000}")
    assert not escapes_by_mount("/", context="{runAsNonRoot: true}")
    assert escapes_by_mount("/", context="{runAsUser: 0}")


def test_unmounted_volume_is_no_escape() -> None:
    assert not escapes("volumes: [{name: v, hostPath: {path: /}}]", "tty: true")


def test_completed_init_container_is_no_escape() -> None:
    image = "name: i, image: i, securityContext: {privileged: true}"
    assert not escapes(f"initContainers: [{{{image}}}]", "tty: true")
    assert escapes(f"initContainers: [{{{image}, restartPolicy: Always}}]", "tty: true")


@pytest.mark.parametrize(("level", "kept_out"), [("baseline", True), ("restricted", True), ("privileged", False)])
def test_pods_rejected_by_pod_security_are_no_escape(level: str, *, kept_out: bool) -> None:
    labels = f"labels: {{pod-security.kubernetes.io/enforce: {level}}}"
    namespace = f"apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop, {labels}}}\n---"
    text = namespace + pod("", "securityContext: {privileged: true}") + service()
    assert bool(chains(text, to="node")) is not kept_out


def test_edge_remains_until_all_openings_are_removed() -> None:
    spec = "volumes: [{name: v, hostPath: {path: /}}]"
    container = "securityContext: {privileged: true}, volumeMounts: [{name: v, mountPath: /m}]"
    (path,) = find_paths(pod(spec, container) + service(), to="node").paths
    assert [opening.text for opening in path.edges[-1].openings] == [
        "container c is privileged",
        "container c mounts the whole file system of its node with the container runtime socket",
    ]


def test_node_access_includes_its_pods() -> None:
    agent = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: agents}
spec:
  template:
    spec: {containers: [{name: c, image: i, envFrom: [{secretRef: {name: key}}]}]}
---"""
    single = pod("", "envFrom: [{secretRef: {name: other}}]", name="db")
    text = pod("automountServiceAccountToken: false", "securityContext: {privileged: true}") + service()
    (path,) = find_paths(text + agent, to="secret/agents/key").paths
    assert path.assumptions == ()
    (path,) = find_paths(text + single, to="secret/other").paths
    assert path.assumptions == ("one of its pods runs on the same node",)
    choosy = agent.replace("spec: {containers", "spec: {nodeSelector: {a: b}, containers")
    (path,) = find_paths(text + choosy, to="secret/key").paths
    assert path.assumptions == ("one of its pods runs on the same node",)
