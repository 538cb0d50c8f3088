"""Documents about nodes and managed clusters, read from files."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.sources.kubernetes_api.documents import find_mistyped_field, is_checked_document
from tests.hostile.classes.manifests import beside_canary
from tests.hostile.member import REPORT, Expected, Member, Run, hostile_class
from tests.hostile.samples import dump, mutate

_SCAN_NODES: Final = ("scan", "framework", "allcontrols", "in", *REPORT)
_FILE: Final = {
    "path": "/a",
    "permissions": 384,
    "ownership": {"uid": 0, "gid": 0, "username": "root", "groupname": "root"},
}
_HOST: Final = "hostdata.kubescape.cloud/v1beta0"
_DOCUMENTS: Final[tuple[dict[str, Any], ...]] = (
    {
        "apiVersion": _HOST,
        "kind": "KubeletInfo",
        "metadata": {"name": "a"},
        "data": {
            "cmdLine": "/usr/bin/kubelet --config=/c",
            "serviceFiles": [_FILE],
            "kubeConfigFile": _FILE,
            "clientCAFile": _FILE,
            "configFile": {
                **_FILE,
                "content": "authentication: {anonymous: {enabled: false}}\nserverTLSBootstrap: true\n",
            },
        },
    },
    {
        "apiVersion": _HOST,
        "kind": "ControlPlaneInfo",
        "metadata": {"name": "a"},
        "data": {
            "APIServerInfo": {
                "cmdLine": "kube-apiserver --profiling=false",
                "specsFile": _FILE,
                "auditPolicyFile": {**_FILE, "content": "rules: [{level: Metadata}]"},
            },
            "schedulerInfo": {"cmdLine": "kube-scheduler --profiling=false", "specsFile": _FILE},
            "PKIFiles": [_FILE],
            "etcdDataDir": _FILE,
        },
    },
    {
        "apiVersion": _HOST,
        "kind": "CNIInfo",
        "metadata": {"name": "a"},
        "data": {"CNIConfigFiles": [_FILE], "CNINames": ["calico"]},
    },
    {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "metadata": {"name": "a"},
        "authentication": {"anonymous": {"enabled": False}, "x509": {"clientCAFile": "/a"}},
        "readOnlyPort": 0,
        "tlsCipherSuites": ["TLS_AES_128_GCM_SHA256"],
    },
    {
        "apiVersion": "eks.amazonaws.com/v1",
        "kind": "ClusterDescribe",
        "metadata": {"name": "a"},
        "data": {
            "cluster": {
                "version": "1.30",
                "resourcesVpcConfig": {
                    "endpointPublicAccess": False,
                    "endpointPrivateAccess": True,
                    "publicAccessCidrs": ["10.0.0.0/8"],
                },
                "logging": {"clusterLogging": [{"types": ["audit"], "enabled": True}]},
                "encryptionConfig": [{"resources": ["secrets"], "provider": {"keyArn": "a"}}],
            }
        },
    },
    {
        "apiVersion": "container.googleapis.com/v1",
        "kind": "ClusterDescribe",
        "metadata": {"name": "a"},
        "data": {
            "legacyAbac": {"enabled": False},
            "databaseEncryption": {"state": "ENCRYPTED"},
            "privateClusterConfig": {"enablePrivateNodes": True, "enablePrivateEndpoint": True},
            "nodePools": [{"name": "a", "config": {"imageType": "COS_CONTAINERD", "oauthScopes": ["a"]}}],
        },
    },
    {
        "apiVersion": "management.azure.com/v1",
        "kind": "ClusterDescribe",
        "metadata": {"name": "a"},
        "data": {
            "properties": {
                "enableRBAC": True,
                "aadProfile": {"enableAzureRBAC": True},
                "apiServerAccessProfile": {"enablePrivateCluster": True, "authorizedIPRanges": ["10.0.0.0/8"]},
                "networkProfile": {"networkPolicy": "cilium"},
                "agentPoolProfiles": [{"name": "a", "enableNodePublicIP": False, "enableEncryptionAtHost": True}],
            }
        },
    },
)


def _is_mistyped(document: Any) -> bool:
    """Return True if a document is still of its kind, and has a mistyped field."""
    if not isinstance(document, dict) or not all(isinstance(document.get(key), str) for key in ("apiVersion", "kind")):
        return False
    group = document["apiVersion"].rpartition("/")[0]
    return is_checked_document(group, document["kind"]) and find_mistyped_field(document) is not None


def _check_no_pass(run: Run) -> None:
    for result in run.report.get("results", []):
        if not result["resourceID"].endswith("/Pod/canary"):
            passed = [entry["controlID"] for entry in result["controls"] if entry["status"]["status"] == "passed"]
            assert not passed, f"{result['resourceID']} passed {passed[:3]}"


@hostile_class("documents of nodes and clouds")
def documents(source: random.Random) -> Iterator[Member]:
    """Documents in which one value is of another type: no control passes if controls read the field."""
    for document in _DOCUMENTS:
        for name, changed in mutate(document, source, 30):
            member = beside_canary(
                f"{document['apiVersion']} {document['kind']}: {name}",
                Expected.REPORTED if _is_mistyped(changed) else Expected.EITHER,
                dump(changed),
                "a.json",
                _SCAN_NODES,
            )
            yield msgspec.structs.replace(member, check=_check_no_pass) if _is_mistyped(changed) else member
