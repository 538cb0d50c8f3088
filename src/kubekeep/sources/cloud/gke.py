"""A GKE cluster, the image registries and the IAM policy of its project, as Google's API tells them. Reads only.

Google's SDK for credentials (google-auth) finds them and signs what is sent. Nothing is tried more than three times.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from typing import Any, Final

from kubekeep.model.cloud import CLUSTER, ENTITIES, REPOSITORIES, CloudCluster, Endpoints
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.json_values import as_mapping
from kubekeep.sources.cloud.documents import document, missing
from kubekeep.sources.cloud.errors import CloudError, mapping, refusal, sdk

_SCOPE: Final = "https://www.googleapis.com/auth/cloud-platform.read-only"
_PUBLIC: Final = "googleapis.com"
_DOMAIN: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+")
_LOGIN: Final = "log in to Google Cloud"
_MOST_PAGES: Final = 100
_TIMEOUT: Final = (5, 30)
"""Seconds to connect, and between two pieces of an answer."""


def describe(
    cluster: CloudCluster, kinds: AbstractSet[str], endpoints: Endpoints
) -> Iterator[dict[str, Any] | CoverageGap]:
    """The documents of `kinds` about `cluster`, and a gap for each one that cannot be had."""
    try:
        project = _Project(cluster.account, endpoints)
        described = project.cluster(cluster)
    except CloudError as error:
        yield from missing("gke", kinds, error.needs, str(error))
        return
    name = str(described.get("name") or cluster.name)
    if CLUSTER in kinds:
        yield document("gke", CLUSTER, name, described)
    for kind, ask in ((REPOSITORIES, project.repositories), (ENTITIES, project.policy)):
        if kind in kinds:
            try:
                yield document("gke", kind, name, ask())
            except CloudError as error:
                yield from missing("gke", {kind}, error.needs, str(error))


def endpoints_of(cluster: dict[str, Any]) -> set[str]:
    """The hosts at which the API server of a described cluster answers."""
    private = cluster.get("privateClusterConfig") or {}
    control_plane = cluster.get("controlPlaneEndpointsConfig") or {}
    named, numbered = (control_plane.get(field) or {} for field in ("dnsEndpointConfig", "ipEndpointsConfig"))
    said = (cluster.get("endpoint"), named.get("endpoint"))
    more = (item.get(field) for item in (private, numbered) for field in ("privateEndpoint", "publicEndpoint"))
    return {str(host) for host in (*said, *more) if host}


class _Project:
    """A project of Google Cloud, as the user that the SDK finds."""

    def __init__(self, name: str, endpoints: Endpoints) -> None:
        """Raises CloudError where there is no SDK or nobody is logged in."""
        auth, session = sdk("google.auth", "gcp"), sdk("google.auth.transport.requests", "gcp")
        adapters, retry = sdk("requests.adapters", "gcp"), sdk("urllib3.util", "gcp")
        self._auth_errors = sdk("google.auth.exceptions", "gcp").GoogleAuthError
        self._errors = sdk("requests.exceptions", "gcp").RequestException
        self._name = name
        self._endpoints = endpoints
        try:
            credentials, _ = auth.default(scopes=[_SCOPE])
            self._universe = str(credentials.universe_domain)
        except self._auth_errors as error:
            raise CloudError(_LOGIN, str(error)) from None
        self._session = session.AuthorizedSession(credentials)
        patience = retry.Retry(
            total=2,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            redirect=0,
            raise_on_status=False,
        )
        self._session.mount("https://", adapters.HTTPAdapter(max_retries=patience))

    def cluster(self, wanted: CloudCluster) -> dict[str, Any]:
        """The description of a cluster, known by name or by its endpoint. Raises CloudError."""
        right = "container.clusters.get" if wanted.name else "container.clusters.list"
        place = wanted.place or "-"
        clusters = f"{self._at(self._endpoints.container)}/v1/projects/{self._name}/locations/{place}/clusters"
        if wanted.name:
            return self._sent("GET", f"{clusters}/{wanted.name}", right)
        for item in self._sent("GET", clusters, right).get("clusters", ()):
            if wanted.endpoint in endpoints_of(item):
                return dict(item)
        why = f"no cluster of project {self._name} has the endpoint {wanted.endpoint}"
        raise CloudError("name the cluster with --cloud-cluster", why)

    def repositories(self) -> dict[str, Any]:
        """The repositories of Artifact Registry, wherever they are. Raises CloudError."""
        root = f"{self._at(self._endpoints.artifacts)}/v1/projects/{self._name}/locations"
        places = self._listed(root, "locations", "artifactregistry.locations.list")
        found = [
            item
            for place in places
            for item in self._listed(
                f"{root}/{place['locationId']}/repositories", "repositories", "artifactregistry.repositories.list"
            )
        ]
        return {"repositories": found}

    def policy(self) -> dict[str, Any]:
        """The IAM policy of the project. Raises CloudError."""
        url = f"{self._at(self._endpoints.projects)}/v1/projects/{self._name}:getIamPolicy"
        options = {"options": {"requestedPolicyVersion": 3}}
        return self._sent("POST", url, "resourcemanager.projects.getIamPolicy", body=options)

    def _at(self, address: str) -> str:
        """Where a service of Google's public cloud is in the universe that the credentials are of.

        Raises CloudError for one that is no domain.
        """
        if not _DOMAIN.fullmatch(self._universe):
            raise CloudError(_LOGIN, "the universe of the credentials is no domain")
        if not address.endswith(f".{_PUBLIC}"):
            return address
        return f"{address.removesuffix(_PUBLIC)}{self._universe}"

    def _listed(self, url: str, field: str, right: str) -> list[Any]:
        found: list[Any] = []
        token = ""
        for _ in range(_MOST_PAGES):
            page = self._sent("GET", url, right, {"pageToken": token} if token else None)
            found += page.get(field, ())
            token = page.get("nextPageToken", "")
            if not token:
                return found
        raise CloudError("ask Google again", f"a list has more than {_MOST_PAGES} pages")

    def _sent(
        self, method: str, url: str, right: str, params: dict[str, str] | None = None, body: Any = None
    ) -> dict[str, Any]:
        try:
            response = self._session.request(
                method, url, params=params, json=body, timeout=_TIMEOUT, allow_redirects=False
            )
            answer = response.json()
        except self._auth_errors as error:
            raise CloudError(_LOGIN, str(error)) from None
        except (self._errors, ValueError) as error:
            raise CloudError("let Google Cloud be reached", str(error)) from None
        if response.status_code == 200:
            return mapping(answer)
        details = as_mapping(as_mapping(answer).get("error"))
        why = f"{response.status_code} {details.get('status', response.reason)}: {details.get('message', '')}"
        raise refusal(response.status_code, why, login=_LOGIN, right=right)
