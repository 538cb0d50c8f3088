"""Description of an EKS cluster, its image repositories and the policies of its nodes, through boto3. Reads only.

The SDK finds credentials like the AWS CLI and tries three times at most. The ConfigMap `aws-auth` (EKS docs, cluster
access) is read from the cluster itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeVar

import msgspec
import yaml

from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.errors import KubeError
from kubekeep.model.cloud import CLUSTER, ENTITIES, POLICIES, REPOSITORIES, CloudCluster
from kubekeep.model.cluster import CoverageGap
from kubekeep.sources.cloud.documents import create_document, create_gaps, report_invalid_responses
from kubekeep.sources.cloud.errors import CloudError, import_sdk

_NODE_ENTRY_TYPES: Final = frozenset(
    {"EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"}
)
"""Types of access entries for nodes (EKS API, DescribeAccessEntry)."""
_LOGIN: Final = "log in to AWS"

T = TypeVar("T")


@report_invalid_responses("eks")
def describe(
    cluster: CloudCluster, kinds: AbstractSet[str], profile: str = "", mapped_roles: Sequence[str] | None = None
) -> Iterator[dict[str, Any] | CoverageGap]:
    """Yield the documents of `kinds` about `cluster`, and a coverage gap for each one that cannot be read.

    `mapped_roles` are the ARNs of node roles in the cluster's ConfigMap; None if it was not read.
    """
    try:
        account = _AwsAccount(cluster.location, profile)
        description = account.get_cluster(cluster.name)
    except CloudError as error:
        yield from create_gaps("eks", kinds, error.needs, str(error))
        return
    if CLUSTER in kinds:
        yield create_document("eks", CLUSTER, cluster.name, {"cluster": description})
    if REPOSITORIES in kinds:
        try:
            yield create_document("eks", REPOSITORIES, cluster.name, {"repositories": account.list_repositories()})
        except CloudError as error:
            yield from create_gaps("eks", {REPOSITORIES}, error.needs, str(error))
    if kinds & {ENTITIES, POLICIES}:
        yield from _describe_policies(account, description, kinds & {ENTITIES, POLICIES}, mapped_roles)


def _describe_policies(
    account: _AwsAccount, cluster: dict[str, Any], kinds: AbstractSet[str], mapped_roles: Sequence[str] | None
) -> Iterator[dict[str, Any] | CoverageGap]:
    """Yield the policies of the cluster's nodes: their holders and their documents."""
    name = str(cluster["name"])
    try:
        roles = account.list_node_roles(cluster, mapped_roles or ())
        holders: dict[str, dict[str, Any]] = {}
        documents: dict[str, Any] = {}
        for role in roles:
            for policy, text in account.list_policies(role, documents):
                documents[policy] = text
                holders.setdefault(policy, {"PolicyRoles": []})["PolicyRoles"].append({"RoleName": role})
    except CloudError as error:
        yield from create_gaps("eks", kinds, error.needs, str(error))
        return
    if ENTITIES in kinds:
        complete = mapped_roles is not None or _authentication_mode(cluster) == "API"
        holders_document = {"rolesPolicies": holders, "nodeRoles": roles, "nodeRolesComplete": complete}
        yield create_document("eks", ENTITIES, name, holders_document)
    if POLICIES in kinds:
        yield create_document("eks", POLICIES, name, {"policiesDocuments": documents})


def _authentication_mode(cluster: dict[str, Any]) -> str:
    """Return the authentication mode: `API` (access entries), `CONFIG_MAP` (default of older clusters) or both."""
    return str((cluster.get("accessConfig") or {}).get("authenticationMode") or "CONFIG_MAP")


class _AwsAccount:
    """An AWS account in one region, accessed as the user found by the SDK."""

    def __init__(self, region: str, profile: str) -> None:
        """Create a session. Raises CloudError without SDK or for an unknown profile."""
        boto3, config = import_sdk("boto3", "aws"), import_sdk("botocore.config", "aws")
        self._errors = import_sdk("botocore.exceptions", "aws")
        self._parse_error = import_sdk("botocore.parsers", "aws").ResponseParserError
        self._region = region
        self._config = config.Config(
            connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3}
        )
        self._session = self._call(
            "configure an AWS profile", lambda: boto3.Session(profile_name=profile or None, region_name=region)
        )
        self._clients: dict[str, Any] = {}

    def get_cluster(self, name: str) -> dict[str, Any]:
        """Return the description of a cluster. Raises CloudError."""
        description: dict[str, Any] = self._request("eks", "describe_cluster", name=name)["cluster"]
        return description

    def list_repositories(self) -> list[Any]:
        """Return the descriptions of all repositories in the region. Raises CloudError."""
        return self._list_pages("ecr", "describe_repositories", "repositories")

    def list_node_roles(self, cluster: dict[str, Any], mapped_roles: Sequence[str]) -> list[str]:
        """Return the names of the node roles of a cluster: of its node groups and access entries, and in `mapped_roles`.

        Raises CloudError if there are none.
        """
        name = cluster["name"]
        account = str(cluster.get("arn")).split(":")[4:5]
        arns = [str((cluster.get("computeConfig") or {}).get("nodeRoleArn") or "")]
        # A role of another account cannot belong to a node.
        arns += [arn for arn in mapped_roles if arn.split(":")[4:5] == account]
        for group in self._list_pages("eks", "list_nodegroups", "nodegroups", clusterName=name):
            description = self._request("eks", "describe_nodegroup", clusterName=name, nodegroupName=group)
            arns.append(description["nodegroup"]["nodeRole"])
        if "API" in _authentication_mode(cluster):
            for arn in self._list_pages("eks", "list_access_entries", "accessEntries", clusterName=name):
                if ":role/" in arn and arn not in arns:
                    entry = self._request("eks", "describe_access_entry", clusterName=name, principalArn=arn)
                    arns += [arn] if entry["accessEntry"].get("type") in _NODE_ENTRY_TYPES else []
        roles = list(dict.fromkeys(arn.rpartition("/")[2] for arn in arns if arn))
        if not roles:
            needs = "add a node group or an access entry for the nodes of the cluster"
            raise CloudError(needs, "the role of the nodes is unknown")
        return roles

    def list_policies(self, role: str, documents: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield (ARN, document) of each policy of a role; policies in `documents` are not requested again.

        An inline policy has no ARN and is named after its role. Raises CloudError.
        """
        for attached in self._list_pages("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=role):
            arn = attached["PolicyArn"]
            yield arn, documents[arn] if arn in documents else self._get_policy_document(arn)
        for name in self._list_pages("iam", "list_role_policies", "PolicyNames", RoleName=role):
            inline = self._request("iam", "get_role_policy", RoleName=role, PolicyName=name)
            yield f"role/{role}:policy/{name}", inline["PolicyDocument"]

    def _get_policy_document(self, arn: str) -> Any:
        version = self._request("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        version_details = self._request("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
        return version_details["PolicyVersion"]["Document"]

    def _list_pages(self, service: str, operation: str, field: str, **arguments: Any) -> list[Any]:
        """Return the entries in `field` of all pages."""

        def fetch_entries() -> list[Any]:
            pages = self._client(service).get_paginator(operation).paginate(**arguments)
            return [entry for page in pages for entry in page[field]]

        return self._call(_required_permission(service, operation), fetch_entries)

    def _request(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        call = getattr(self._client(service), operation)
        response: dict[str, Any] = self._call(_required_permission(service, operation), lambda: call(**arguments))
        return response

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._call(
                _LOGIN, lambda: self._session.client(service, region_name=self._region, config=self._config)
            )
        return self._clients[service]

    def _call(self, needs: str, call: Callable[[], T]) -> T:
        """Run `call`; `needs` is the action to take if AWS refuses. Raises CloudError."""
        errors = self._errors
        try:
            return call()
        except errors.ClientError as error:
            details = error.response.get("Error", {})
            code = str(details.get("Code"))
            why = f"{code}: {details.get('Message')}"
            if code == "ResourceNotFoundException":
                raise CloudError("name the cluster with --cloud-cluster", why) from None
            if "Token" in code or code in ("UnrecognizedClientException", "SignatureDoesNotMatch"):
                raise CloudError(_LOGIN, why) from None
            raise CloudError(needs, why) from None
        except (errors.ConnectionError, errors.HTTPClientError) as error:
            raise CloudError("allow connections to AWS", str(error)) from None
        except self._parse_error:
            # The message quotes the response.
            raise CloudError("allow connections to AWS", "the response is not in the format of AWS") from None
        except errors.ProfileNotFound as error:
            raise CloudError(needs, str(error)) from None
        except errors.BotoCoreError as error:
            raise CloudError(_LOGIN, str(error)) from None


def _required_permission(service: str, operation: str) -> str:
    return f"allow {service}:{''.join(map(str.title, operation.split('_')))}"


_CONFIG_MAPS_PATH: Final = "/api/v1/namespaces/kube-system/configmaps"
_CONFIG_MAP_NAME: Final = "aws-auth"
_NODE_GROUPS: Final = frozenset({"system:nodes", "system:node-proxier"})
"""Groups of nodes, and of the Fargate and Windows components that run pods."""
_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/(?:[\w+=,.@-]+/)*[\w+=,.@-]{1,64}")
_LONGEST_ROLE_MAP: Final = 1 << 20
"""Maximum length in characters; etcd accepts no larger ConfigMap."""


class _ConfigMap(msgspec.Struct, frozen=True):
    data: dict[str, str] | None = None


class _ConfigMapList(msgspec.Struct, frozen=True):
    items: tuple[_ConfigMap, ...] | None = None


def read_mapped_node_roles(connection: KubeConnection) -> tuple[str, ...] | None:
    """Return the ARNs of node roles in the ConfigMap `aws-auth`; () without one, None if it cannot be read."""
    try:
        # A list request needs no permission beyond those of the scan.
        config_maps = connection.get(
            _CONFIG_MAPS_PATH, _ConfigMapList, {"fieldSelector": f"metadata.name={_CONFIG_MAP_NAME}"}
        )
        return tuple(
            arn
            for config_map in config_maps.items or ()
            for arn in parse_node_roles((config_map.data or {}).get("mapRoles", ""))
        )
    except (KubeError, yaml.YAMLError, ValueError, RecursionError):
        return None


def parse_node_roles(text: str) -> Iterator[str]:
    """Yield the ARNs of node roles in the text of `mapRoles` (EKS docs, cluster access); other values are skipped.

    Raises yaml.YAMLError, ValueError or RecursionError if the text is not a list.
    """
    if len(text) > _LONGEST_ROLE_MAP:
        raise ValueError("too long")
    entries: Any = yaml.load(text, Loader=yaml.CSafeLoader) or []
    if not isinstance(entries, list):
        raise ValueError("not a list")
    for entry in entries:
        mapped_role = entry if isinstance(entry, dict) else {}
        groups, arn = mapped_role.get("groups"), mapped_role.get("rolearn")
        # YAML aliases can expand a small text to a huge value: only strings are inspected.
        names = [name for name in groups if isinstance(name, str)] if isinstance(groups, list) else []
        if isinstance(arn, str) and _ROLE.fullmatch(arn) and not _NODE_GROUPS.isdisjoint(names):
            yield arn
