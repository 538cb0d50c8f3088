"""Host data: custom resources of the node agent get the verdicts of documents, and unread fields never pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubekeep.library.cases import Case, CaseOptions, read_objects
from kubekeep.library.load import builtin
from kubekeep.model.control import Control
from kubekeep.model.verdict import Status
from kubekeep.usecases.control import evaluate_case, list_verdicts
from tests.library.builtin_cases import list_builtin_cases

GROUP = "hostdata.kubescape.cloud"


def is_document(document: dict[str, Any]) -> bool:
    return str(document.get("apiVersion", "")).startswith(f"{GROUP}/") and "data" in document


CASES = [case for case in list_builtin_cases() if any(map(is_document, read_objects(case)))]


def as_custom_resource(document: dict[str, Any]) -> dict[str, Any]:
    if not is_document(document):
        return document
    content = document["data"] if isinstance(document["data"], dict) else {"kernelVariables": document["data"]}
    rest = {key: value for key, value in document.items() if key != "data"}
    return {**rest, "apiVersion": f"{GROUP}/v1beta1", "spec": {**content, "nodeName": "node-1"}}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_custom_resource_gets_the_verdict_of_the_document(case: Case) -> None:
    plain = list_verdicts(case, evaluate_case(case, read_objects(case), builtin()))
    custom = list_verdicts(case, evaluate_case(case, list(map(as_custom_resource, read_objects(case))), builtin()))
    assert [verdict.status for verdict in custom] == [verdict.status for verdict in plain]
    assert [
        sorted(evidence.path.replace("spec.", "data.", 1) for evidence in verdict.evidence) for verdict in custom
    ] == [sorted(evidence.path.replace("spec.", "data.", 1) for evidence in verdict.evidence) for verdict in plain]


KUBELET = [
    control
    for control in builtin().controls.values()
    if f"{GROUP}/KubeletInfo" in control.targets and "lib.kubelet" in builtin().get_rule(control).source
]
REFUSED = {
    "apiVersion": f"{GROUP}/v1beta0",
    "kind": "KubeletInfo",
    "metadata": {"name": "node-1"},
    "data": {"cmdLine": "/usr/bin/kubelet --config=/var/lib/kubelet/config.yaml"},
    "notRead": [{"field": "configFile.content", "why": "permission denied", "path": "/var/lib/kubelet/config.yaml"}],
}


UNCOLLECTED = {key: value for key, value in REFUSED.items() if key != "notRead"}


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (REFUSED, "the configuration file of the kubelet was not read: permission denied"),
        (UNCOLLECTED, "the configuration file of the kubelet was not collected or cannot be read"),
    ],
    ids=["refused", "uncollected"],
)
@pytest.mark.parametrize("control", KUBELET, ids=lambda control: control.slug)
def test_unread_configuration_file_is_not_evaluated(control: Control, document: dict[str, Any], reason: str) -> None:
    case = Case(control, Path("skip.yaml"), CaseOptions())
    (verdict,) = list_verdicts(case, evaluate_case(case, [document], builtin()))
    if control.slug == "kubelet-hostname-override":
        assert verdict.status is Status.PASSED, "no file sets the name"
        return
    assert verdict.status is Status.NOT_EVALUATED
    assert verdict.reason is not None
    assert verdict.reason.text == reason


LISTS = {
    "pki-key-mode": ("ControlPlaneInfo", "PKIFiles", "/etc/kubernetes/pki/sa.key"),
    "pki-certificate-mode": ("ControlPlaneInfo", "PKIFiles", "/etc/kubernetes/pki/ca.crt"),
    "pki-owner": ("ControlPlaneInfo", "PKIFiles", "/etc/kubernetes/pki/ca.crt"),
    "cni-configuration-mode": ("CNIInfo", "CNIConfigFiles", "/etc/cni/net.d/a.conf"),
    "cni-configuration-owner": ("CNIInfo", "CNIConfigFiles", "/etc/cni/net.d/a.conf"),
    "kubelet-service-file-mode": ("KubeletInfo", "serviceFiles", "/etc/systemd/system/kubelet.service"),
    "kubelet-config-file-mode": ("KubeletInfo", "dropInFiles", "/etc/kubernetes/kubelet.conf.d/a.conf"),
    "kubelet-config-file-owner": ("KubeletInfo", "dropInFiles", "/etc/kubernetes/kubelet.conf.d/a.conf"),
    "kubelet-config-file-write-protected": ("KubeletInfo", "dropInFiles", "/etc/kubernetes/kubelet.conf.d/a.conf"),
    "kubelet-service-file-owner": ("KubeletInfo", "serviceFiles", "/etc/systemd/system/kubelet.service"),
}


@pytest.mark.parametrize("slug", LISTS)
@pytest.mark.parametrize(
    ("strict", "is_complete", "expected"),
    [
        (True, True, Status.PASSED),
        (True, False, Status.NOT_EVALUATED),
        (False, False, Status.FAILED),
    ],
)
def test_incomplete_list_does_not_pass(slug: str, *, strict: bool, is_complete: bool, expected: Status) -> None:
    kind, field, path = LISTS[slug]
    owner = {"uid": 0, "gid": 0, "username": "root", "groupname": "root"}
    entry = {
        "path": path,
        "permissions": 0o600 if strict else 0o666,
        "ownership": owner if strict else owner | {"username": "me"},
    }
    document = {
        "apiVersion": f"{GROUP}/v1beta0",
        "kind": kind,
        "metadata": {"name": "node-1"},
        "data": {field: [entry]},
        "notRead": [] if is_complete else [{"field": field, "path": "/closed", "why": "permission denied"}],
    }
    case = Case(builtin().controls[slug], Path("skip.yaml"), CaseOptions())
    (verdict,) = list_verdicts(case, evaluate_case(case, [document], builtin()))
    assert verdict.status is expected
    if expected is Status.NOT_EVALUATED:
        assert verdict.reason is not None
        assert verdict.reason.text == "/closed was not read: permission denied"


CONTROL_PLANE = {
    "api-server": ("kube-apiserver", "APIServerInfo.cmdLine"),
    "secrets": ("kube-apiserver", "APIServerInfo.cmdLine"),
    "controller-manager": ("kube-controller-manager", "controllerManagerInfo.cmdLine"),
    "scheduler": ("kube-scheduler", "schedulerInfo.cmdLine"),
}
"""By area of controls: their program, and the field with its command line."""
STARTED = [
    control
    for control in builtin().controls.values()
    if f"{GROUP}/ControlPlaneInfo" in control.targets and control.area in CONTROL_PLANE
]
BY_FILES = {"audit-policy-coverage", "encryption-providers", "external-secret-store"}
"""Controls that read files, which a static pod does not contain."""


def make_incomplete_document(kind: str, field: str, **fields: Any) -> dict[str, Any]:
    """Return a document of the node cp-1 with the reason why `field` was not read."""
    return {
        "apiVersion": f"{GROUP}/v1beta0",
        "kind": kind,
        "metadata": {"name": "cp-1"},
        "data": fields,
        "notRead": [{"field": field, "why": "permission denied"}],
    }


@pytest.mark.parametrize("control", STARTED, ids=lambda control: control.slug)
@pytest.mark.parametrize("custom", [False, True], ids=["document", "custom-resource"])
def test_unread_command_line_is_not_evaluated(control: Control, *, custom: bool) -> None:
    program, field = CONTROL_PLANE[control.area]
    document = make_incomplete_document("ControlPlaneInfo", field, PKIDir={"path": "/etc/kubernetes/pki"})
    case = Case(control, Path("skip.yaml"), CaseOptions())
    (verdict,) = list_verdicts(
        case, evaluate_case(case, [as_custom_resource(document) if custom else document], builtin())
    )
    assert verdict.status is Status.NOT_EVALUATED
    assert verdict.reason is not None
    assert verdict.reason.text == f"the command line of {program} was not read: permission denied"


@pytest.mark.parametrize("control", STARTED, ids=lambda control: control.slug)
def test_static_pod_replaces_unread_command_line(control: Control) -> None:
    program, field = CONTROL_PLANE[control.area]
    pod, other = (
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"{program}-{node}", "namespace": "kube-system"},
            "spec": {"containers": [{"name": program, "image": f"{program}:v1.33.1", "command": [program]}]},
        }
        for node in ("cp-1", "cp-2")
    )
    document = make_incomplete_document("ControlPlaneInfo", field, PKIDir={"path": "/etc/kubernetes/pki"})
    case = Case(control, Path("skip.yaml"), CaseOptions())
    results = evaluate_case(case, [pod, document], builtin())
    from_agent = [result for result in results if result.subject.kind == "ControlPlaneInfo"]
    statuses = [verdict.status for verdict in list_verdicts(case, from_agent)]
    assert statuses == ([Status.NOT_EVALUATED] if control.slug in BY_FILES else [])
    results = evaluate_case(case, [other, document], builtin())
    from_agent = [result for result in results if result.subject.kind == "ControlPlaneInfo"]
    assert [verdict.status for verdict in list_verdicts(case, from_agent)] == [Status.NOT_EVALUATED]


@pytest.mark.parametrize("control", STARTED, ids=lambda control: control.slug)
def test_program_without_entry_is_not_on_the_node(control: Control) -> None:
    case = Case(control, Path("skip.yaml"), CaseOptions())
    document = make_incomplete_document("ControlPlaneInfo", "etcdDataDir", PKIDir={"path": "/etc/kubernetes/pki"})
    assert list_verdicts(case, evaluate_case(case, [document], builtin())) == []


BY_FILE = "/usr/local/bin/kube-proxy --config=/var/lib/kube-proxy/config.conf"


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (
            make_incomplete_document("KubeProxyInfo", "cmdLine", kubeConfigFile={}),
            "the command line of kube-proxy was not read",
        ),
        (
            make_incomplete_document("KubeProxyInfo", "configuration", cmdLine=BY_FILE),
            "the configuration file of kube-proxy was not read",
        ),
        (
            make_incomplete_document("KubeProxyInfo", "kubeConfigFile", cmdLine=BY_FILE),
            "the configuration file of kube-proxy was not read",
        ),
    ],
    ids=["command-line", "configuration", "files-of-the-process"],
)
def test_kube_proxy_with_unread_fields_is_not_evaluated(document: dict[str, Any], reason: str) -> None:
    case = Case(builtin().controls["kube-proxy-metrics-address"], Path("skip.yaml"), CaseOptions())
    (verdict,) = list_verdicts(case, evaluate_case(case, [document], builtin()))
    assert verdict.status is Status.NOT_EVALUATED
    assert verdict.reason is not None
    assert verdict.reason.text == f"{reason}: permission denied"


def test_kube_proxy_with_unread_kubeconfig_is_evaluated_by_its_file() -> None:
    document = make_incomplete_document("KubeProxyInfo", "kubeConfigFile", cmdLine=BY_FILE)
    document["notRead"][0]["path"] = "/var/lib/kube-proxy/kubeconfig.conf"
    case = Case(builtin().controls["kube-proxy-metrics-address"], Path("skip.yaml"), CaseOptions())
    assert list_verdicts(case, evaluate_case(case, [document], builtin())) == []
