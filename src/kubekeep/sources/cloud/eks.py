"""An EKS cluster, its image registry and the policies of its nodes, through boto3. Reads only.

The SDK finds credentials where the command line of AWS does. Nothing is tried more than three times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, TypeVar

from kubekeep.model.cloud import CLUSTER, ENTITIES, POLICIES, REPOSITORIES, CloudCluster
from kubekeep.model.cluster import CoverageGap
from kubekeep.sources.cloud.documents import document, missing
from kubekeep.sources.cloud.errors import CloudError, sdk

_NODES: Final = frozenset({"EC2", "EC2_LINUX", "EC2_WINDOWS", "FARGATE_LINUX", "HYBRID_LINUX", "HYPERPOD_LINUX"})
"""The types of access entries that are for what runs pods (EKS API, DescribeAccessEntry)."""
_LOGIN: Final = "log in to AWS"

T = TypeVar("T")


def describe(
    cluster: CloudCluster, kinds: AbstractSet[str], profile: str = "", mapped: Sequence[str] | None = None
) -> Iterator[dict[str, Any] | CoverageGap]:
    """The documents of `kinds` about `cluster`, and a gap for each one that cannot be had.

    `mapped` are the ARNs of roles of nodes that the cluster itself knows by its ConfigMap; None if nobody asked it.
    """
    try:
        account = _Account(cluster.place, profile)
        described = account.cluster(cluster.name)
    except CloudError as error:
        yield from missing("eks", kinds, error.needs, str(error))
        return
    if CLUSTER in kinds:
        yield document("eks", CLUSTER, cluster.name, {"cluster": described})
    if REPOSITORIES in kinds:
        try:
            yield document("eks", REPOSITORIES, cluster.name, {"repositories": account.repositories()})
        except CloudError as error:
            yield from missing("eks", {REPOSITORIES}, error.needs, str(error))
    if kinds & {ENTITIES, POLICIES}:
        yield from _policies(account, described, kinds & {ENTITIES, POLICIES}, mapped)


def _policies(
    account: _Account, cluster: dict[str, Any], kinds: AbstractSet[str], mapped: Sequence[str] | None
) -> Iterator[dict[str, Any] | CoverageGap]:
    """Who has which policies, and what those say, as far as it is about the nodes of the cluster."""
    name = str(cluster["name"])
    try:
        roles = account.node_roles(cluster, mapped or ())
        holders: dict[str, dict[str, Any]] = {}
        documents: dict[str, Any] = {}
        for role in roles:
            for policy, text in account.policies(role, documents):
                documents[policy] = text
                holders.setdefault(policy, {"PolicyRoles": []})["PolicyRoles"].append({"RoleName": role})
    except CloudError as error:
        yield from missing("eks", kinds, error.needs, str(error))
        return
    if ENTITIES in kinds:
        complete = mapped is not None or _mode(cluster) == "API"
        data = {"rolesPolicies": holders, "nodeRoles": roles, "nodeRolesComplete": complete}
        yield document("eks", ENTITIES, name, data)
    if POLICIES in kinds:
        yield document("eks", POLICIES, name, {"policiesDocuments": documents})


def _mode(cluster: dict[str, Any]) -> str:
    """How identities get into the cluster: `API` (access entries), `CONFIG_MAP` or both; older clusters say nothing."""
    return str((cluster.get("accessConfig") or {}).get("authenticationMode") or "CONFIG_MAP")


class _Account:
    """An account of AWS in one region, as the user that the SDK finds."""

    def __init__(self, region: str, profile: str) -> None:
        """Raises CloudError where there is no SDK or no such profile."""
        boto3, config = sdk("boto3", "aws"), sdk("botocore.config", "aws")
        self._errors = sdk("botocore.exceptions", "aws")
        self._region = region
        self._config = config.Config(
            connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 3}
        )
        self._session = self._tried(
            "set up a profile", lambda: boto3.Session(profile_name=profile or None, region_name=region)
        )
        self._clients: dict[str, Any] = {}

    def cluster(self, name: str) -> dict[str, Any]:
        """The description of a cluster. Raises CloudError."""
        found: dict[str, Any] = self._asked("eks", "describe_cluster", name=name)["cluster"]
        return found

    def repositories(self) -> list[Any]:
        """The descriptions of all repositories of the region. Raises CloudError."""
        return self._listed("ecr", "describe_repositories", "repositories")

    def node_roles(self, cluster: dict[str, Any], mapped: Sequence[str]) -> list[str]:
        """The names of the roles that the nodes of a cluster have: those that EKS knows, and those `mapped`.

        Raises CloudError where there are none.
        """
        name = cluster["name"]
        account = str(cluster.get("arn")).split(":")[4:5]
        arns = [str((cluster.get("computeConfig") or {}).get("nodeRoleArn") or "")]
        # A role of another account is none of a node, whatever the cluster says.
        arns += [arn for arn in mapped if arn.split(":")[4:5] == account]
        for group in self._listed("eks", "list_nodegroups", "nodegroups", clusterName=name):
            described = self._asked("eks", "describe_nodegroup", clusterName=name, nodegroupName=group)
            arns.append(described["nodegroup"]["nodeRole"])
        if "API" in _mode(cluster):
            for arn in self._listed("eks", "list_access_entries", "accessEntries", clusterName=name):
                if ":role/" in arn and arn not in arns:
                    entry = self._asked("eks", "describe_access_entry", clusterName=name, principalArn=arn)
                    arns += [arn] if entry["accessEntry"].get("type") in _NODES else []
        roles = list(dict.fromkeys(arn.rpartition("/")[2] for arn in arns if arn))
        if not roles:
            needs = "give the nodes of the cluster a node group or an access entry"
            raise CloudError(needs, "nothing tells the role of its nodes")
        return roles

    def policies(self, role: str, known: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """The ARN and the document of each policy that a role has; of those `known`, the document is not asked for.

        A policy that is written into the role has no ARN of its own: it is called after the role. Raises CloudError.
        """
        for attached in self._listed("iam", "list_attached_role_policies", "AttachedPolicies", RoleName=role):
            arn = attached["PolicyArn"]
            yield arn, known[arn] if arn in known else self._document(arn)
        for name in self._listed("iam", "list_role_policies", "PolicyNames", RoleName=role):
            found = self._asked("iam", "get_role_policy", RoleName=role, PolicyName=name)
            yield f"role/{role}:policy/{name}", found["PolicyDocument"]

    def _document(self, arn: str) -> Any:
        version = self._asked("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        found = self._asked("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
        return found["PolicyVersion"]["Document"]

    def _listed(self, service: str, operation: str, field: str, **arguments: Any) -> list[Any]:
        """What is in `field` of all pages of an answer."""

        def pages() -> list[Any]:
            pages = self._client(service).get_paginator(operation).paginate(**arguments)
            return [item for page in pages for item in page[field]]

        return self._tried(_permission(service, operation), pages)

    def _asked(self, service: str, operation: str, **arguments: Any) -> dict[str, Any]:
        call = getattr(self._client(service), operation)
        answer: dict[str, Any] = self._tried(_permission(service, operation), lambda: call(**arguments))
        return answer

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._tried(
                _LOGIN, lambda: self._session.client(service, region_name=self._region, config=self._config)
            )
        return self._clients[service]

    def _tried(self, needs: str, call: Callable[[], T]) -> T:
        """What `call` gives; `needs` is what to do where AWS refuses. Raises CloudError."""
        errors = self._errors
        try:
            return call()
        except errors.ClientError as error:
            said = error.response.get("Error", {})
            code = str(said.get("Code"))
            why = f"{code}: {said.get('Message')}"
            if code == "ResourceNotFoundException":
                raise CloudError("name the cluster with --cloud-cluster", why) from None
            if "Token" in code or code in ("UnrecognizedClientException", "SignatureDoesNotMatch"):
                raise CloudError(_LOGIN, why) from None
            raise CloudError(needs, why) from None
        except (errors.ConnectionError, errors.HTTPClientError) as error:
            raise CloudError("let AWS be reached", str(error)) from None
        except errors.ProfileNotFound as error:
            raise CloudError(needs, str(error)) from None
        except errors.BotoCoreError as error:
            raise CloudError(_LOGIN, str(error)) from None


def _permission(service: str, operation: str) -> str:
    return f"allow {service}:{''.join(map(str.title, operation.split('_')))}"
