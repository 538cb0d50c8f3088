"""Description and role assignments of an AKS cluster, through the Azure SDK. Reads only.

The SDK (azure-identity, azure-core) finds credentials, sends requests and retries, three tries at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final
from urllib.parse import urlsplit

from kubekeep.model.cloud import CLUSTER, ENTITIES, POLICIES, AzureCloud, CloudCluster
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.json_values import as_mapping
from kubekeep.sources.cloud.documents import create_document, create_gaps, report_invalid_responses
from kubekeep.sources.cloud.errors import CloudError, import_sdk, require_mapping, to_cloud_error

_CLUSTERS: Final = "2025-05-01"
_AUTHORIZATION: Final = "2022-04-01"
"""API versions for clusters and for roles."""
_LOGIN: Final = "log in to Azure"
_MOST_PAGES: Final = 100


@report_invalid_responses("aks")
def describe(
    cluster: CloudCluster, kinds: AbstractSet[str], azure: AzureCloud
) -> Iterator[dict[str, Any] | CoverageGap]:
    """Yield the documents of `kinds` about `cluster`, and a coverage gap for each one that cannot be read.

    `azure` is the Azure cloud with its endpoints.
    """
    try:
        subscription = _AzureSubscription(cluster.account, azure)
        description = subscription.get_cluster(cluster)
    except CloudError as error:
        yield from create_gaps("aks", kinds, error.needs, str(error))
        return
    name = str(description.get("name") or cluster.name)
    if CLUSTER in kinds:
        yield create_document("aks", CLUSTER, name, description)
    if not kinds & {ENTITIES, POLICIES}:
        return
    try:
        assignments = subscription.list_role_objects("roleAssignments")
    except CloudError as error:
        yield from create_gaps("aks", kinds & {ENTITIES, POLICIES}, error.needs, str(error))
        return
    if ENTITIES in kinds:
        yield create_document("aks", ENTITIES, name, {"roleAssignments": assignments})
    if POLICIES in kinds:
        try:
            definitions = subscription.list_role_objects("roleDefinitions")
        except CloudError as error:
            yield from create_gaps("aks", {POLICIES}, error.needs, str(error))
            return
        yield create_document("aks", POLICIES, name, {"roleDefinitions": _select_assigned(definitions, assignments)})


def _select_assigned(definitions: list[Any], assignments: list[Any]) -> list[Any]:
    """Return the role definitions that are assigned; a subscription has hundreds of others."""
    names = {_get_last_segment(entry.get("properties", {}).get("roleDefinitionId")) for entry in assignments}
    return [entry for entry in definitions if _get_last_segment(entry.get("id")) in names]


def _get_last_segment(identity: Any) -> str:
    return str(identity).rpartition("/")[2].lower()


class _AzureSubscription:
    """An Azure subscription, accessed as the user found by the SDK."""

    def __init__(self, identity: str, azure: AzureCloud) -> None:
        """Load the SDK. Raises CloudError if it is not installed."""
        core, policies = import_sdk("azure.core", "azure"), import_sdk("azure.core.pipeline.policies", "azure")
        transport = import_sdk("azure.core.pipeline.transport", "azure")
        self._errors = import_sdk("azure.core.exceptions", "azure")
        self._request = import_sdk("azure.core.rest", "azure").HttpRequest
        self._identity = identity
        self._endpoint = azure.manager
        login = {"authority": azure.authority} if azure.authority else {}
        credential = import_sdk("azure.identity", "azure").DefaultAzureCredential(**login)
        self._client = core.PipelineClient(
            azure.manager,
            policies=[
                policies.UserAgentPolicy("kubekeep"),
                policies.RetryPolicy(retry_total=2, retry_backoff_max=30),
                policies.BearerTokenCredentialPolicy(credential, f"{azure.audience or azure.manager}/.default"),
            ],
            transport=transport.RequestsTransport(connection_timeout=5, read_timeout=30),
        )

    def get_cluster(self, requested: CloudCluster) -> dict[str, Any]:
        """Return the description of a cluster, by name or by its node resource group. Raises CloudError."""
        permission = "Microsoft.ContainerService/managedClusters/read"
        provider = "providers/Microsoft.ContainerService/managedClusters"
        if requested.name:
            path = f"/subscriptions/{self._identity}/resourceGroups/{requested.location}/{provider}/{requested.name}"
            return self._get(f"{self._endpoint}{path}?api-version={_CLUSTERS}", permission)
        path = f"/subscriptions/{self._identity}/{provider}"
        for description in self._iterate_pages(f"{self._endpoint}{path}?api-version={_CLUSTERS}", permission):
            group = str(description.get("properties", {}).get("nodeResourceGroup"))
            if group.lower() == requested.node_group.lower():
                return dict(description)
        raise CloudError(
            "name the cluster with --cloud-cluster", f"no cluster has the node resource group {requested.node_group}"
        )

    def list_role_objects(self, kind: str) -> list[Any]:
        """Return all `roleAssignments` or `roleDefinitions` of the subscription. Raises CloudError."""
        path = f"/subscriptions/{self._identity}/providers/Microsoft.Authorization/{kind}"
        url = f"{self._endpoint}{path}?api-version={_AUTHORIZATION}"
        return list(self._iterate_pages(url, f"Microsoft.Authorization/{kind}/read"))

    def _iterate_pages(self, url: str, permission: str) -> Iterator[dict[str, Any]]:
        """Yield the entries of all pages. Pages on another host are refused, so that it never gets the token."""
        for _ in range(_MOST_PAGES):
            page = self._get(url, permission)
            yield from page.get("value", ())
            url = page.get("nextLink") or ""
            if not url:
                return
            if urlsplit(url)[:2] != urlsplit(self._endpoint)[:2]:
                raise CloudError("repeat the scan", "the next page of a list is on another host")
        raise CloudError("repeat the scan", f"a list has more than {_MOST_PAGES} pages")

    def _get(self, url: str, permission: str) -> dict[str, Any]:
        errors = self._errors
        try:
            response = self._client.send_request(self._request("GET", url))
            body = response.json() if response.content else {}
        except errors.ClientAuthenticationError as error:
            raise CloudError(_LOGIN, _get_first_line(error)) from None
        except (errors.AzureError, ValueError) as error:
            raise CloudError("allow connections to Azure", _get_first_line(error)) from None
        if response.status_code == 200:
            return require_mapping(body)
        details = as_mapping(as_mapping(body).get("error"))
        why = f"{response.status_code} {details.get('code', response.reason)}: {details.get('message', '')}"
        raise to_cloud_error(response.status_code, why, login=_LOGIN, permission=permission)


def _get_first_line(error: Exception) -> str:
    """Return the first line of a message; the others describe each login method that was tried."""
    return next(iter(str(error).splitlines()), type(error).__name__)
