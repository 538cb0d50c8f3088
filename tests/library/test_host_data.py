"""What the node agent writes into a cluster, with all it tells below `spec`, is judged as documents with `data` are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from kubekeep.library.cases import Case, Options, cases_of, objects
from kubekeep.library.load import builtin
from kubekeep.model.control import Control
from kubekeep.model.finding import Status
from kubekeep.usecases.control import judge, verdicts

GROUP = "hostdata.kubescape.cloud"


def is_document(item: dict[str, Any]) -> bool:
    return str(item.get("apiVersion", "")).startswith(f"{GROUP}/") and "data" in item


CASES = [case for case in cases_of(builtin(), builtin().controls.values()) if any(map(is_document, objects(case)))]


def as_custom_resource(item: dict[str, Any]) -> dict[str, Any]:
    if not is_document(item):
        return item
    data = item["data"] if isinstance(item["data"], dict) else {"kernelVariables": item["data"]}
    rest = {key: value for key, value in item.items() if key != "data"}
    return {**rest, "apiVersion": f"{GROUP}/v1beta1", "spec": {**data, "nodeName": "node-1"}}


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_custom_resource_is_judged_as_a_document_is(case: Case) -> None:
    plain = verdicts(case, judge(case, objects(case), builtin()))
    custom = verdicts(case, judge(case, [as_custom_resource(item) for item in objects(case)], builtin()))
    assert [verdict.status for verdict in custom] == [verdict.status for verdict in plain]
    assert [
        sorted(evidence.path.replace("spec.", "data.", 1) for evidence in verdict.evidence) for verdict in custom
    ] == [sorted(evidence.path.replace("spec.", "data.", 1) for evidence in verdict.evidence) for verdict in plain]


KUBELET = [
    control
    for control in builtin().controls.values()
    if f"{GROUP}/KubeletInfo" in control.targets and "lib.kubelet" in builtin().rule(control).source
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
        (UNCOLLECTED, "the configuration file of the kubelet was not collected, or cannot be read"),
    ],
    ids=["refused", "uncollected"],
)
@pytest.mark.parametrize("control", KUBELET, ids=lambda control: control.slug)
def test_a_file_that_is_not_known_makes_no_verdict(control: Control, document: dict[str, Any], reason: str) -> None:
    case = Case(control, Path("skip.yaml"), Options())
    (verdict,) = verdicts(case, judge(case, [document], builtin()))
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
    ("strict", "whole", "expected"),
    [
        (True, True, Status.PASSED),
        (True, False, Status.NOT_EVALUATED),
        (False, False, Status.FAILED),
    ],
)
def test_a_list_that_is_not_whole_passes_nothing(slug: str, *, strict: bool, whole: bool, expected: Status) -> None:
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
        "notRead": [] if whole else [{"field": field, "path": "/closed", "why": "permission denied"}],
    }
    case = Case(builtin().controls[slug], Path("skip.yaml"), Options())
    (verdict,) = verdicts(case, judge(case, [document], builtin()))
    assert verdict.status is expected
    if expected is Status.NOT_EVALUATED:
        assert verdict.reason is not None
        assert verdict.reason.text == "/closed was not read: permission denied"
