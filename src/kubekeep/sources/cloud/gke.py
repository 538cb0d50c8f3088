"""Description of a GKE cluster, image repositories and IAM policy of its project, through Google's API. Reads only.

google-auth finds credentials and signs requests; three tries at most.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

from kubekeep.model.cloud import CLUSTER, ENTITIES, REPOSITORIES, CloudCluster, Endpoints
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.json_values import as_mapping
from kubekeep.sources.cloud.documents import create_document, create_gaps, report_invalid_responses
from kubekeep.sources.cloud.errors import CloudError, import_sdk, require_mapping, to_cloud_error

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform.read-only"
_PUBLIC_DOMAIN: Final = "googleapis.com"
_DOMAIN: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_LOGIN: Final = "log in to Google Cloud"
_MOST_PAGES: Final = 100
_TIMEOUT: Final = (5, 30)
"""Seconds to connect, and between two parts of a response."""


@report_invalid_responses("gke")
def describe(
    cluster: CloudCluster, kinds: AbstractSet[str], endpoints: Endpoints
) -> Iterator[dict[str, Any] | CoverageGap]:
    """Yield the documents of `kinds` about `cluster`, and a coverage gap for each one that cannot be read."""
    try:
        project = _GoogleProject(cluster.account, endpoints)
        description = project.get_cluster(cluster)
    except CloudError as error:
        yield from create_gaps("gke", kinds, error.needs, str(error))
        return
    name = str(description.get("name") or cluster.name)
    if CLUSTER in kinds:
        yield create_document("gke", CLUSTER, name, description)
    for kind, fetch in ((REPOSITORIES, project.list_repositories), (ENTITIES, project.get_policy)):
        if kind in kinds:
            try:
                yield create_document("gke", kind, name, fetch())
            except CloudError as error:
                yield from create_gaps("gke", {kind}, error.needs, str(error))


def list_endpoints(cluster: dict[str, Any]) -> set[str]:
    """Return the hosts of the API server in a cluster description."""
    private = cluster.get("privateClusterConfig") or {}
    control_plane = cluster.get("controlPlaneEndpointsConfig") or {}
    named, numbered = (control_plane.get(field) or {} for field in ("dnsEndpointConfig", "ipEndpointsConfig"))
    public = (cluster.get("endpoint"), named.get("endpoint"))
    others = (config.get(field) for config in (private, numbered) for field in ("privateEndpoint", "publicEndpoint"))
    return {str(host) for host in (*public, *others) if host}


class _GoogleProject:
    """A Google Cloud project, accessed as the user found by the SDK."""

    def __init__(self, name: str, endpoints: Endpoints) -> None:
        """Create a session. Raises CloudError without SDK or credentials."""
        auth, session = import_sdk("google.auth", "gcp"), import_sdk("google.auth.transport.requests", "gcp")
        adapters, retry = import_sdk("requests.adapters", "gcp"), import_sdk("urllib3.util", "gcp")
        self._auth_errors = import_sdk("google.auth.exceptions", "gcp").GoogleAuthError
        self._errors = import_sdk("requests.exceptions", "gcp").RequestException
        self._name = name
        self._endpoints = endpoints
        try:
            credentials, _ = auth.default(scopes=[_SCOPE])
            self._universe = str(credentials.universe_domain)
        except self._auth_errors as error:
            raise CloudError(_LOGIN, str(error)) from None
        self._session = session.AuthorizedSession(credentials)
        retries = retry.Retry(
            total=2,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            redirect=0,
            raise_on_status=False,
        )
        self._session.mount("https://", adapters.HTTPAdapter(max_retries=retries))

    def get_cluster(self, requested: CloudCluster) -> dict[str, Any]:
        """Return the description of a cluster, by name or by its endpoint. Raises CloudError."""
        permission = "container.clusters.get" if requested.name else "container.clusters.list"
        location_name = requested.location or "-"
        clusters = f"{self._resolve_endpoint(self._endpoints.container)}/v1/projects/{self._name}/locations/{location_name}/clusters"
        if requested.name:
            return self._request("GET", f"{clusters}/{requested.name}", permission)
        for description in self._request("GET", clusters, permission).get("clusters", ()):
            if requested.endpoint in list_endpoints(description):
                return dict(description)
        why = f"no cluster of project {self._name} has the endpoint {requested.endpoint}"
        raise CloudError("name the cluster with --cloud-cluster", why)

    def list_repositories(self) -> dict[str, Any]:
        """Return the Artifact Registry repositories of all locations. Raises CloudError."""
        root = f"{self._resolve_endpoint(self._endpoints.artifacts)}/v1/projects/{self._name}/locations"
        locations = self._list(root, "locations", "artifactregistry.locations.list")
        repositories = [
            repository
            for repository_location in locations
            for repository in self._list(
                f"{root}/{repository_location['locationId']}/repositories",
                "repositories",
                "artifactregistry.repositories.list",
            )
        ]
        return {"repositories": repositories}

    def get_policy(self) -> dict[str, Any]:
        """Return the IAM policy of the project. Raises CloudError."""
        url = f"{self._resolve_endpoint(self._endpoints.projects)}/v1/projects/{self._name}:getIamPolicy"
        options = {"options": {"requestedPolicyVersion": 3}}
        return self._request("POST", url, "resourcemanager.projects.getIamPolicy", body=options)

    def _resolve_endpoint(self, address: str) -> str:
        """Return the address of a Google service in the universe (cloud partition) of the credentials.

        Raises CloudError if the universe is not a domain.
        """
        if not _DOMAIN.fullmatch(self._universe):
            raise CloudError(_LOGIN, "the universe of the credentials is not a domain")
        if not address.endswith(f".{_PUBLIC_DOMAIN}"):
            return address
        return f"{address.removesuffix(_PUBLIC_DOMAIN)}{self._universe}"

    def _list(self, url: str, field: str, permission: str) -> list[Any]:
        entries: list[Any] = []
        token = ""
        for _ in range(_MOST_PAGES):
            page = self._request("GET", url, permission, {"pageToken": token} if token else None)
            entries += page.get(field, ())
            token = page.get("nextPageToken", "")
            if not token:
                return entries
        raise CloudError("repeat the scan", f"a list has more than {_MOST_PAGES} pages")

    def _request(
        self, method: str, url: str, permission: str, params: dict[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        try:
            response = self._session.request(
                method, url, params=params, json=body, timeout=_TIMEOUT, allow_redirects=False
            )
            content = response.json()
        except self._auth_errors as error:
            raise CloudError(_LOGIN, str(error)) from None
        except (self._errors, ValueError) as error:
            raise CloudError("allow connections to Google Cloud", str(error)) from None
        if response.status_code == 200:
            return require_mapping(content)
        details = as_mapping(as_mapping(content).get("error"))
        why = f"{response.status_code} {details.get('status', response.reason)}: {details.get('message', '')}"
        raise to_cloud_error(response.status_code, why, login=_LOGIN, permission=permission)
