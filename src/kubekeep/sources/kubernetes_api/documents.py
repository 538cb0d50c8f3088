"""Types of fields in documents about nodes and managed clusters, and in configurations of Kubernetes programs.

Only fields that controls read. Names of cloud documents match in any spelling, as in the rules. No I/O.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from kubekeep.model.cloud import CLUSTER, ENTITIES, GROUPS, POLICIES, REPOSITORIES
from kubekeep.model.control import HOST_DATA
from kubekeep.model.location import Path, format_path, line_starts
from kubekeep.model.unknown_field import MistypedField
from kubekeep.sources import yaml_text
from kubekeep.sources.kubernetes_api.schemas import describe_mistyped
from kubekeep.sources.tree import Limits, Problem


class _EmbeddedText(msgspec.Struct, frozen=True):
    """A file as text, plain or in base64, with a document of YAML in it."""

    fields: Mapping[str, _Shape]


class _AnyKey(msgspec.Struct, frozen=True):
    """A mapping with any names of fields."""

    shape: _Shape


class _OneOrMore(msgspec.Struct, frozen=True):
    """A value, or a list of values."""

    shape: _Shape


_Shape: TypeAlias = "str | list[_Shape] | Mapping[str, _Shape] | _EmbeddedText | _AnyKey | _OneOrMore"
"""A key of `_SCALARS`, a list with the shape of its entries, or fields by name."""

_SCALARS: Final[Mapping[str, tuple[frozenset[type], str]]] = {
    "text": (frozenset({str}), "a text"),
    "integer": (frozenset({int}), "an integer"),
    "boolean": (frozenset({bool}), "true or false"),
    "name": (frozenset({str, int}), "a name or a number"),
}
"""Types of values and their description; protocol buffers may write names as numbers."""
_FLAG: Final = "flag"
"""True or false, or one of these as text, which some clients write."""
_LIMITS: Final = Limits(bytes=1 << 20, depth=100, aliased=10_000, documents=10, nodes=100_000)

_TEXTS: Final[_Shape] = ["text"]
_SWITCH: Final[_Shape] = {"enabled": _FLAG}
_FILE: Final[dict[str, _Shape]] = {
    "path": "text",
    "permissions": "integer",
    "ownership": {"uid": "integer", "gid": "integer", "username": "text", "groupname": "text", "err": "text"},
    "err": "text",
}
_KUBELET: Final[dict[str, _Shape]] = {
    "authentication": {
        "x509": {"clientCAFile": "text"},
        "webhook": {"enabled": "boolean"},
        "anonymous": {"enabled": "boolean"},
    },
    "authorization": {"mode": "text"},
    "eventRecordQPS": "integer",
    "featureGates": _AnyKey("boolean"),
    "makeIPTablesUtilChains": "boolean",
    "podPidsLimit": "integer",
    "protectKernelDefaults": "boolean",
    "readOnlyPort": "integer",
    "rotateCertificates": "boolean",
    "seccompDefault": "boolean",
    "serverTLSBootstrap": "boolean",
    "streamingConnectionIdleTimeout": "text",
    "tlsCertFile": "text",
    "tlsCipherSuites": _TEXTS,
    "tlsMinVersion": "text",
    "tlsPrivateKeyFile": "text",
}
"""Fields of kubelet.config.k8s.io/v1beta1 (k8s.io/kubelet, config/v1beta1/types.go)."""
_ENCRYPTION: Final = _EmbeddedText({"resources": [{"resources": _TEXTS, "providers": [{}]}]})
_AUDIT: Final = _EmbeddedText(
    {
        "omitStages": _TEXTS,
        "rules": [
            {
                "level": "text",
                "users": _TEXTS,
                "userGroups": _TEXTS,
                "verbs": _TEXTS,
                "namespaces": _TEXTS,
                "nonResourceURLs": _TEXTS,
                "resources": [{"group": "text", "resources": _TEXTS, "resourceNames": _TEXTS}],
                "omitStages": _TEXTS,
            }
        ],
    }
)
"""Fields of audit.k8s.io/v1 (k8s.io/apiserver, pkg/apis/audit/v1/types.go)."""
_API_SERVER: Final[dict[str, _Shape]] = {
    "cmdLine": "text",
    "specsFile": _FILE,
    "encryptionProviderConfigFile": {**_FILE, "content": _ENCRYPTION},
    "auditPolicyFile": {**_FILE, "content": _AUDIT},
}
_PROGRAM: Final[_Shape] = {"cmdLine": "text", "specsFile": _FILE, "configFile": _FILE}
_HOST: Final[Mapping[str, dict[str, _Shape]]] = {
    "KubeletInfo": {
        "cmdLine": "text",
        "configFile": {**_FILE, "content": _EmbeddedText(_KUBELET)},
        "dropInFiles": [_FILE],
        "kubeConfigFile": _FILE,
        "clientCAFile": _FILE,
        "serviceFiles": [_FILE],
        "readOnlyPort": {"port": "integer", "answers": "boolean"},
    },
    "ControlPlaneInfo": {
        "APIServerInfo": _API_SERVER,
        "controllerManagerInfo": _PROGRAM,
        "schedulerInfo": _PROGRAM,
        "etcdConfigFile": _FILE,
        "etcdDataDir": _FILE,
        "adminConfigFile": _FILE,
        "PKIDir": _FILE,
        "PKIDIr": _FILE,
        "PKIFiles": [_FILE],
    },
    "APIServerInfo": _API_SERVER,
    "KubeProxyInfo": {"cmdLine": "text", "kubeConfigFile": _FILE},
    "CNIInfo": {"CNIConfigFiles": [_FILE], "CNINames": _TEXTS},
    "CloudProviderInfo": {"providerMetaDataAPIAccess": "boolean"},
    "cloudProviderInfo": {"providerMetaDataAPIAccess": "boolean"},
}
_AUTHORIZED: Final[_Shape] = {"enabled": _FLAG, "cidrBlocks": [{"cidrBlock": "text"}]}
_NODES: Final[_Shape] = {
    "imageType": "text",
    "serviceAccount": "text",
    "oauthScopes": _TEXTS,
    "workloadMetadataConfig": {"mode": "name", "nodeMetadata": "name"},
    "sandboxConfig": {"type": "name", "sandboxType": "text"},
}
_EKS: Final[dict[str, _Shape]] = {
    "version": "text",
    "resourcesVpcConfig": {
        "endpointPublicAccess": _FLAG,
        "endpointPrivateAccess": _FLAG,
        "publicAccessCidrs": _TEXTS,
    },
    "accessConfig": {"authenticationMode": "text"},
    "logging": {"clusterLogging": [{"types": _TEXTS, "enabled": _FLAG}]},
    "encryptionConfig": [{"resources": _TEXTS, "provider": {"keyArn": "text"}}],
}
_AKS: Final[dict[str, _Shape]] = {
    "kubernetesVersion": "text",
    "enableRBAC": _FLAG,
    "aadProfile": {"enableAzureRBAC": _FLAG},
    "securityProfile": {
        "defender": {"securityMonitoring": _SWITCH},
        "azureDefender": _SWITCH,
        "azureKeyVaultKms": _SWITCH,
    },
    "apiServerAccessProfile": {"authorizedIPRanges": _TEXTS, "enablePrivateCluster": _FLAG},
    "networkProfile": {"networkPlugin": "text", "networkPolicy": "text"},
    "agentPoolProfiles": [{"name": "text", "enableNodePublicIP": _FLAG, "enableEncryptionAtHost": _FLAG}],
}
_GKE: Final[dict[str, _Shape]] = {
    "currentMasterVersion": "text",
    "autopilot": _SWITCH,
    "authenticatorGroupsConfig": _SWITCH,
    "controlPlaneEndpointsConfig": {
        "ipEndpointsConfig": {
            "enabled": _FLAG,
            "enablePublicEndpoint": _FLAG,
            "authorizedNetworksConfig": _AUTHORIZED,
        }
    },
    "databaseEncryption": {"state": "name", "keyName": "text"},
    "legacyAbac": _SWITCH,
    "loggingConfig": {"componentConfig": {"enableComponents": ["name"]}},
    "loggingService": "text",
    "masterAuth": {
        "clientCertificate": "text",
        "clientKey": "text",
        "clientCertificateConfig": {"issueClientCertificate": _FLAG},
    },
    "masterAuthorizedNetworksConfig": _AUTHORIZED,
    "networkConfig": {"defaultEnablePrivateNodes": _FLAG},
    "nodeConfig": _NODES,
    "nodePools": [{"name": "text", "config": _NODES, "networkConfig": {"enablePrivateNodes": _FLAG}}],
    "podSecurityPolicyConfig": _SWITCH,
    "privateClusterConfig": {"enablePrivateNodes": _FLAG, "enablePrivateEndpoint": _FLAG},
    "workloadIdentityConfig": {"workloadPool": "text"},
}
_ASSIGNMENT: Final[dict[str, _Shape]] = {
    "principalId": "text",
    "principalType": "text",
    "roleDefinitionId": "text",
    "scope": "text",
}
_DEFINITION: Final[dict[str, _Shape]] = {
    "permissions": [{"actions": _TEXTS, "notActions": _TEXTS, "dataActions": _TEXTS, "notDataActions": _TEXTS}]
}
_STATEMENT: Final[_Shape] = {
    "Effect": "text",
    "Condition": {},
    **dict.fromkeys(("Action", "NotAction", "Resource", "NotResource"), _OneOrMore("text")),
}
"""A statement of a policy of IAM, whose fields hold one value or a list (IAM docs, Grammar of the JSON policy language)."""
_BINDINGS: Final[_Shape] = [{"role": "text", "members": _TEXTS}]
_CLOUD: Final[Mapping[tuple[str, str], dict[str, _Shape]]] = {
    (GROUPS["eks"], CLUSTER): {"cluster": _EKS, **_EKS},
    (GROUPS["aks"], CLUSTER): {"properties": _AKS, **_AKS},
    (GROUPS["gke"], CLUSTER): _GKE,
    (GROUPS["eks"], REPOSITORIES): {"repositories": [{"imageScanningConfiguration": {"scanOnPush": _FLAG}}]},
    (GROUPS["gke"], REPOSITORIES): {
        "repositories": [
            {
                "format": "name",
                "vulnerabilityScanningConfig": {
                    "enableVulnerabilityScanning": _FLAG,
                    "enablementConfig": "name",
                    "enablementState": "name",
                },
            }
        ]
    },
    (GROUPS["eks"], ENTITIES): {
        "rolesPolicies": _AnyKey({"policyRoles": [{"roleName": "text"}]}),
        "nodeRoles": _TEXTS,
        "nodeRolesComplete": _FLAG,
    },
    (GROUPS["eks"], POLICIES): {"policiesDocuments": _AnyKey({"Statement": _OneOrMore(_STATEMENT)})},
    (GROUPS["aks"], ENTITIES): {"roleAssignments": [{"properties": _ASSIGNMENT, **_ASSIGNMENT}]},
    (GROUPS["aks"], POLICIES): {"roleDefinitions": [{"properties": _DEFINITION, **_DEFINITION}]},
    (GROUPS["gke"], ENTITIES): {"policy": {"bindings": _BINDINGS}, "bindings": _BINDINGS},
}
_CONFIGURATIONS: Final[Mapping[tuple[str, str], dict[str, _Shape]]] = {
    ("kubelet.config.k8s.io", "KubeletConfiguration"): _KUBELET,
    ("kubeproxy.config.k8s.io", "KubeProxyConfiguration"): {"metricsBindAddress": "text"},
}


def is_checked_document(group: str, kind: str) -> bool:
    """Return True for documents with known types of fields."""
    return (group == HOST_DATA and kind in _HOST) or (group, kind) in _CLOUD or (group, kind) in _CONFIGURATIONS


def find_mistyped_field(document: Mapping[str, Any]) -> MistypedField | None:
    """Return the first field of a checked document whose value is of another type."""
    group, kind = document["apiVersion"].rpartition("/")[0], document["kind"]
    if group == HOST_DATA:
        fields = _HOST[kind]
        checks = _check(document, {"data": fields, "spec": fields}, (), is_exact=True)
    elif (group, kind) in _CLOUD:
        checks = _check(document, {"data": _CLOUD[group, kind]}, (), is_exact=False)
    else:
        checks = _check(document, _CONFIGURATIONS[group, kind], (), is_exact=True)
    return next(checks, None)


def _check(value: Any, shape: _Shape, path: Path, *, is_exact: bool) -> Iterator[MistypedField]:
    """Yield the mistyped fields below `path`; null is an absent value."""
    if value is None:
        return
    match shape:
        case str():
            yield from _check_scalar(value, shape, path)
        case _EmbeddedText():
            yield from _check_text(value, shape.fields, path)
        case _OneOrMore():
            yield from _check(value, [shape.shape] if isinstance(value, list) else shape.shape, path, is_exact=is_exact)
        case list():
            if isinstance(value, list):
                for index, entry in enumerate(value):
                    yield from _check(entry, shape[0], (*path, index), is_exact=is_exact)
            else:
                yield _explain(value, "a list", path)
        case _:
            yield from _check_fields(value, shape, path, is_exact=is_exact)


def _check_fields(
    value: Any, shape: Mapping[str, _Shape] | _AnyKey, path: Path, *, is_exact: bool
) -> Iterator[MistypedField]:
    if not isinstance(value, dict):
        yield _explain(value, "a mapping", path)
        return
    if isinstance(shape, _AnyKey):
        by_name: Mapping[str, _Shape] = dict.fromkeys(value, shape.shape)
    elif is_exact:
        by_name = shape
    else:
        by_spelling = {_normalise(name): field for name, field in shape.items()}
        by_name = {name: by_spelling[_normalise(name)] for name in value if _normalise(name) in by_spelling}
    for name, field in by_name.items():
        yield from _check(value.get(name), field, (*path, name), is_exact=is_exact)


def _normalise(name: str) -> str:
    return name.replace("_", "").lower()


def _check_scalar(value: Any, shape: str, path: Path) -> Iterator[MistypedField]:
    if shape == _FLAG:
        if not isinstance(value, bool) and str(value).lower() not in {"true", "false"}:
            yield _explain(value, "true or false", path)
        return
    types, description = _SCALARS[shape]
    is_integer = shape == "integer" and type(value) is float and value.is_integer()
    if type(value) not in types and not is_integer:
        yield _explain(value, description, path)


def _check_text(value: Any, fields: Mapping[str, _Shape], path: Path) -> Iterator[MistypedField]:
    """Yield the mistyped fields of a file in a document; rules report a file that they cannot parse."""
    if not isinstance(value, str):
        yield _explain(value, "a text", path)
        return
    try:
        text = base64.b64decode(value.replace("\n", ""), validate=True).decode()
    except (binascii.Error, ValueError):
        text = value
    document = next(iter(yaml_text.parse_documents(text, line_starts(text), _LIMITS)), None)
    if document is None or isinstance(document, Problem) or not isinstance(document.value, dict):
        return
    for field in _check(document.value, fields, (), is_exact=True):
        yield MistypedField(path, f"{format_path(path)}: {field.message}")


def _explain(value: Any, expected: str, path: Path) -> MistypedField:
    return describe_mistyped(value, expected, path, format_path(path))
