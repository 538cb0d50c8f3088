"""An AKS cluster, and who has which role in its subscription, as Azure's API tells it, through Azure's SDK. Reads only.

The SDK (azure-identity, azure-core) finds credentials, sends and tries again; nothing is tried more than three times.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final
from urllib.parse import urlsplit

from kubekeep.model.cloud import CLUSTER, ENTITIES, POLICIES, AzureCloud, CloudCluster
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.json_values import as_mapping
from kubekeep.sources.cloud.documents import document, missing
from kubekeep.sources.cloud.errors import CloudError, mapping, refusal, sdk

_CLUSTERS: Final = "2025-05-01"
_AUTHORIZATION: Final = "2022-04-01"
"""Versions of Azure's API for clusters and for roles."""
_LOGIN: Final = "log in to Azure"
_MOST_PAGES: Final = 100


def describe(
    cluster: CloudCluster, kinds: AbstractSet[str], azure: AzureCloud
) -> Iterator[dict[str, Any] | CoverageGap]:
    """The documents of `kinds` about `cluster`, and a gap for each one that cannot be had; `azure` is asked."""
    try:
        subscription = _Subscription(cluster.account, azure)
        described = subscription.cluster(cluster)
    except CloudError as error:
        yield from missing("aks", kinds, error.needs, str(error))
        return
    name = str(described.get("name") or cluster.name)
    if CLUSTER in kinds:
        yield document("aks", CLUSTER, name, described)
    if not kinds & {ENTITIES, POLICIES}:
        return
    try:
        assignments = subscription.listed("roleAssignments")
    except CloudError as error:
        yield from missing("aks", kinds & {ENTITIES, POLICIES}, error.needs, str(error))
        return
    if ENTITIES in kinds:
        yield document("aks", ENTITIES, name, {"roleAssignments": assignments})
    if POLICIES in kinds:
        try:
            definitions = subscription.listed("roleDefinitions")
        except CloudError as error:
            yield from missing("aks", {POLICIES}, error.needs, str(error))
            return
        yield document("aks", POLICIES, name, {"roleDefinitions": _assigned(definitions, assignments)})


def _assigned(definitions: list[Any], assignments: list[Any]) -> list[Any]:
    """The definitions of roles that somebody has: there are hundreds of others."""
    names = {_last(item.get("properties", {}).get("roleDefinitionId")) for item in assignments}
    return [item for item in definitions if _last(item.get("id")) in names]


def _last(identity: Any) -> str:
    return str(identity).rpartition("/")[2].lower()


class _Subscription:
    """A subscription of Azure, as the user that the SDK finds."""

    def __init__(self, identity: str, azure: AzureCloud) -> None:
        """Raises CloudError where there is no SDK."""
        core, policies = sdk("azure.core", "azure"), sdk("azure.core.pipeline.policies", "azure")
        transport = sdk("azure.core.pipeline.transport", "azure")
        self._errors = sdk("azure.core.exceptions", "azure")
        self._request = sdk("azure.core.rest", "azure").HttpRequest
        self._identity = identity
        self._endpoint = azure.manager
        login = {"authority": azure.authority} if azure.authority else {}
        credential = sdk("azure.identity", "azure").DefaultAzureCredential(**login)
        self._client = core.PipelineClient(
            azure.manager,
            policies=[
                policies.UserAgentPolicy("kubekeep"),
                policies.RetryPolicy(retry_total=2, retry_backoff_max=30),
                policies.BearerTokenCredentialPolicy(credential, f"{azure.audience or azure.manager}/.default"),
            ],
            transport=transport.RequestsTransport(connection_timeout=5, read_timeout=30),
        )

    def cluster(self, wanted: CloudCluster) -> dict[str, Any]:
        """The description of a cluster, known by name or by the resource group of its nodes. Raises CloudError."""
        right = "Microsoft.ContainerService/managedClusters/read"
        provider = "providers/Microsoft.ContainerService/managedClusters"
        if wanted.name:
            path = f"/subscriptions/{self._identity}/resourceGroups/{wanted.place}/{provider}/{wanted.name}"
            return self._get(f"{self._endpoint}{path}?api-version={_CLUSTERS}", right)
        path = f"/subscriptions/{self._identity}/{provider}"
        for item in self._pages(f"{self._endpoint}{path}?api-version={_CLUSTERS}", right):
            group = str(item.get("properties", {}).get("nodeResourceGroup"))
            if group.lower() == wanted.node_group.lower():
                return dict(item)
        raise CloudError("name the cluster with --cloud-cluster", f"no cluster has its nodes in {wanted.node_group}")

    def listed(self, what: str) -> list[Any]:
        """All `roleAssignments` or `roleDefinitions` that hold in the subscription. Raises CloudError."""
        path = f"/subscriptions/{self._identity}/providers/Microsoft.Authorization/{what}"
        url = f"{self._endpoint}{path}?api-version={_AUTHORIZATION}"
        return list(self._pages(url, f"Microsoft.Authorization/{what}/read"))

    def _pages(self, url: str, right: str) -> Iterator[dict[str, Any]]:
        """The items of a list, page by page. The token goes to nobody but who was asked first."""
        for _ in range(_MOST_PAGES):
            page = self._get(url, right)
            yield from page.get("value", ())
            url = page.get("nextLink") or ""
            if not url:
                return
            if urlsplit(url)[:2] != urlsplit(self._endpoint)[:2]:
                raise CloudError("ask Azure again", "a list goes on at another address")
        raise CloudError("ask Azure again", f"a list has more than {_MOST_PAGES} pages")

    def _get(self, url: str, right: str) -> dict[str, Any]:
        errors = self._errors
        try:
            response = self._client.send_request(self._request("GET", url))
            answer = response.json() if response.content else {}
        except errors.ClientAuthenticationError as error:
            raise CloudError(_LOGIN, _first(error)) from None
        except (errors.AzureError, ValueError) as error:
            raise CloudError("let Azure be reached", _first(error)) from None
        if response.status_code == 200:
            return mapping(answer)
        details = as_mapping(as_mapping(answer).get("error"))
        why = f"{response.status_code} {details.get('code', response.reason)}: {details.get('message', '')}"
        raise refusal(response.status_code, why, login=_LOGIN, right=right)


def _first(error: Exception) -> str:
    """The first line of a message: the rest is about each way to log in that was tried."""
    return next(iter(str(error).splitlines()), type(error).__name__)
