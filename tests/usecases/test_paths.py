"""Attack paths with the controls that would break them: each opening names the controls that fail there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from kubekeep.attackpaths.control_slugs import EVIDENCE_CONTROLS
from kubekeep.library.load import builtin
from kubekeep.model.attack import AttackQuery, Attacks
from kubekeep.usecases.paths import PathsRequest, scan_attack_paths
from kubekeep.usecases.request import ScanInput
from tests.attackpaths.chains import chain, pod, role, service
from tests.library.kubescape import SHARED

GOAT = SHARED / "corpora" / "kubernetes-goat"


def find_paths(folder: Path, text: str, sources: Iterable[str] = (), targets: Iterable[str] = ()) -> Attacks:
    (folder / "all.yaml").write_text(text, encoding="utf-8")
    query = AttackQuery(tuple(sources), tuple(targets))
    request = PathsRequest(input=ScanInput(paths=(str(folder),)), query=query, kubernetes_version="1.34")
    attacks = scan_attack_paths(request).attacks
    assert attacks is not None
    return attacks


def list_openings(attacks: Attacks) -> dict[str, set[str]]:
    """Return the openings of all edges, with the ids of the controls that fail there."""
    return {
        opening.text: {control.id for control in opening.controls}
        for edge in attacks.edges
        for opening in edge.openings
    }


def test_every_cited_control_exists() -> None:
    assert set(EVIDENCE_CONTROLS) <= set(builtin().controls)


@pytest.mark.parametrize(
    ("spec", "container", "text", "numbers"),
    [
        ("", "securityContext: {privileged: true}", "container c is privileged", {"C-0057"}),
        (
            "",
            "securityContext: {capabilities: {add: [SYS_ADMIN]}}",
            "container c has CAP_SYS_ADMIN and can mount file systems of its node",
            {"C-0046"},
        ),
        (
            "volumes: [{name: v, hostPath: {path: /etc}}]",
            "volumeMounts: [{name: v, mountPath: /m}]",
            "container c mounts /etc of its node with write access",
            {"C-0048", "C-0045"},
        ),
        (
            "volumes: [{name: v, hostPath: {path: /var/lib/kubelet}}]",
            "volumeMounts: [{name: v, mountPath: /m, readOnly: true}]",
            "container c mounts /var/lib/kubelet of its node, with credentials",
            {"C-0048"},
        ),
    ],
)
def test_openings_of_escapes_name_controls(
    spec: str, container: str, text: str, numbers: set[str], tmp_path: Path
) -> None:
    controls = list_openings(find_paths(tmp_path, pod(spec, container), ["pod/web"], ["node"]))
    assert controls[text] == numbers


@pytest.mark.parametrize(
    ("rules", "cluster", "target", "text", "numbers"),
    [
        (
            "[{apiGroups: [''], resources: [pods/exec], verbs: [create]}]",
            False,
            "any pod in namespace shop",
            "it allows running commands in containers",
            {"C-0002"},
        ),
        (
            "[{apiGroups: [''], resources: [pods], verbs: [create]}]",
            False,
            "node",
            "it allows creating pods",
            {"C-0188"},
        ),
        (
            "[{apiGroups: ['', apps], resources: [pods, deployments], verbs: [create]}]",
            False,
            "node",
            "it allows creating pods, deployments",
            set(),
        ),
        (
            "[{apiGroups: [''], resources: [serviceaccounts/token], verbs: [create]}]",
            False,
            "any service account in namespace shop",
            "it allows creating tokens",
            {"C-0282"},
        ),
        (
            "[{apiGroups: [''], resources: [users], verbs: [impersonate]}]",
            True,
            "cluster-admin",
            "it allows impersonating any user",
            {"C-0065", "C-0191"},
        ),
        (
            "[{apiGroups: [rbac.authorization.k8s.io], resources: [clusterroles], verbs: [escalate, patch]}]",
            True,
            "cluster-admin",
            "it allows adding any permission to a role",
            {"C-0191"},
        ),
        (
            "[{apiGroups: [''], resources: [nodes/proxy], verbs: [create]}]",
            True,
            "any pod of the cluster",
            "it allows requests to kubelets that bypass the API server",
            {"C-0279"},
        ),
        (
            "[{apiGroups: [admissionregistration.k8s.io], resources: [mutatingwebhookconfigurations], verbs: [patch]}]",
            True,
            "cluster-admin",
            "it allows changing all requests to the API server",
            {"C-0281"},
        ),
        (
            (
                "[{apiGroups: [certificates.k8s.io], resources: [certificatesigningrequests, "
                "certificatesigningrequests/approval, signers], verbs: [create, update, approve]}]"
            ),
            True,
            "cluster-admin",
            "it allows creating a certificate of another user",
            {"C-0280"},
        ),
        (
            "[{apiGroups: [''], resources: ['*'], verbs: [list]}]",
            False,
            "secrets",
            "it allows reading Secrets",
            {"C-0015", "C-0186", "C-0187"},
        ),
    ],
)
def test_openings_of_rights_name_controls(
    rules: str, target: str, text: str, numbers: set[str], tmp_path: Path, *, cluster: bool
) -> None:
    controls = list_openings(find_paths(tmp_path, pod() + role(rules, cluster=cluster), ["pod/web"], [target]))
    assert controls[text] == numbers


def test_openings_of_ports_and_bindings_name_controls(tmp_path: Path) -> None:
    port = "ports: [{containerPort: 80, hostPort: 80}]"
    anyone = role(
        "[{apiGroups: [''], resources: [secrets], verbs: [get]}]", subject="kind: User, name: 'system:anonymous'"
    )
    controls = list_openings(find_paths(tmp_path, pod("", f"securityContext: {{privileged: true}}, {port}") + anyone))
    assert controls["container c listens on port 80 of its node"] == {"C-0044"}
    assert "C-0262" in controls["RoleBinding shop/b grants it"]


def test_passing_control_is_not_named(tmp_path: Path) -> None:
    """Exposure of a workload is a verdict on the workload, never on the Service."""
    text = pod("automountServiceAccountToken: false", "securityContext: {privileged: true}") + service()
    controls = list_openings(find_paths(tmp_path, text))
    assert controls["a load balancer forwards external traffic"] == set()
    assert controls["its selector matches these pods"] == {"C-0256"}


@pytest.mark.skipif(not GOAT.is_dir(), reason=f"no corpus at {GOAT}")
def test_kubernetes_goat_has_one_path() -> None:
    attacks = scan_attack_paths(PathsRequest(input=ScanInput(paths=(str(GOAT),)), kubernetes_version="1.34")).attacks
    assert attacks is not None
    assert [chain(path) for path in attacks.paths] == [
        (
            "internet > Service default/internal-proxy-info-app-service > Deployment default/internal-proxy-deployment > "
            "ServiceAccount default/default > cluster-admin"
        )
    ]
    assert attacks.paths[0].assumptions == ("the nodes are reachable from outside",)


def test_locations_of_charts_are_in_their_templates(tmp_path: Path) -> None:
    (tmp_path / "chart" / "templates").mkdir(parents=True)
    (tmp_path / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n", encoding="utf-8")
    template = """apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-web
spec:
  containers:
    - name: c
      image: i
      securityContext:
        privileged: {{ .Values.privileged }}
"""
    (tmp_path / "chart" / "templates" / "pod.yaml").write_text(template, encoding="utf-8")
    (tmp_path / "chart" / "values.yaml").write_text("privileged: true\n", encoding="utf-8")
    request = PathsRequest(
        input=ScanInput(paths=(str(tmp_path),)),
        query=AttackQuery(("pod/release-name-web",), ("node",)),
        kubernetes_version="1.34",
    )
    attacks = scan_attack_paths(request).attacks
    assert attacks is not None
    ((step,),) = [path.edges for path in attacks.paths]
    assert step.source.label == "Pod release-name-web"
    location = step.openings[0].location
    assert location is not None
    assert location.region is not None
    assert (Path(location.file).name, location.region.start.line) == ("pod.yaml", 10)
    assert location.setting is not None
    assert location.setting.key == "privileged"
