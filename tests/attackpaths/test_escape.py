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


VOLUME = """
apiVersion: v1
kind: PersistentVolume
metadata: {name: v, labels: {disk: a}}
spec: {accessModes: [ReadWriteOnce, ReadOnlyMany], %s}
"""
CLAIM = """
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data, namespace: shop}
spec: {accessModes: [ReadWriteOnce], %s}
"""
ROOT = "hostPath: {path: /}"


@pytest.mark.parametrize(
    ("volume", "claim", "assumes"),
    [
        (f"{ROOT}, claimRef: {{name: data, namespace: shop}}", None, ""),
        (f"{ROOT}, claimRef: {{name: data, namespace: other}}", "volumeName: v", None),
        (f"{ROOT}, claimRef: {{name: other, namespace: shop}}", "storageClassName: ''", None),
        (ROOT, "volumeName: v", ""),
        (ROOT, "volumeName: w", None),
        (ROOT, None, None),
        (f"{ROOT}, storageClassName: manual", "storageClassName: manual", "claim data is bound to PersistentVolume v"),
        (f"{ROOT}, storageClassName: manual", "storageClassName: fast", None),
        (ROOT, "selector: {matchLabels: {disk: a}}", "claim data is bound to PersistentVolume v"),
        (ROOT, "selector: {matchLabels: {disk: b}}", None),
        (ROOT, "volumeMode: Block", None),
        ("local: {path: /etc/kubernetes}", "volumeName: v", ""),
        ("local: {path: /mnt/disks/a}", "volumeName: v", None),
        ("hostPath: {path: /srv/data}", "volumeName: v", None),
        ("nfs: {server: nfs.example.com, path: /}", "volumeName: v", None),
    ],
)
def test_escape_by_persistent_volume(volume: str, claim: str | None, assumes: str | None) -> None:
    """`assumes` is the condition of the step, empty for a certain one; None if there is no path."""
    mounts = "volumeMounts: [{name: data, mountPath: /data}]"
    volumes = "volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]"
    text = pod(f"automountServiceAccountToken: false, {volumes}", mounts) + service()
    documents = [VOLUME % volume, *([] if claim is None else [CLAIM % claim])]
    paths = list_paths_to_node(text + "---".join(documents))
    assert paths == ([] if assumes is None else [tuple(filter(None, [assumes]))])


def list_paths_to_node(text: str) -> list[tuple[str, ...]]:
    """Return the assumptions of each path from the internet to a node; none if no node is reached."""
    try:
        return [path.assumptions for path in find_paths(text, "internet", to="node").paths]
    except ValueError:
        return []


@pytest.mark.parametrize(("number", "reached"), [("0", True), ("x", False)])
def test_escape_by_claim_template(number: str, *, reached: bool) -> None:
    text = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], storageClassName: fast}}]
  template:
    metadata: {labels: {app: web}}
    spec:
      automountServiceAccountToken: false
      containers: [{name: db, image: db, volumeMounts: [{name: data, mountPath: /data}]}]
---
"""
    volume = VOLUME % f"{ROOT}, claimRef: {{name: data-db-{number}, namespace: shop}}"
    assert list_paths_to_node(text + service() + volume) == [()] * reached


def test_read_only_claims_give_no_write_access() -> None:
    volume = VOLUME % "hostPath: {path: /usr/bin}, claimRef: {name: data, namespace: shop}"
    for read_only in ("true", "false"):
        claim = f"volumes: [{{name: data, persistentVolumeClaim: {{claimName: data, readOnly: {read_only}}}}}]"
        web = pod(f"automountServiceAccountToken: false, {claim}", "volumeMounts: [{name: data, mountPath: /data}]")
        text = web + service() + volume
        assert bool(list_paths_to_node(text)) is (read_only == "false")
