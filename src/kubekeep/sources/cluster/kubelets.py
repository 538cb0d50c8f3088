"""The configuration that each kubelet runs with, asked of it through the API server (`/configz`).

Asks nothing else of a kubelet: who may reach it in this way may do much more, so that only who is told to asks at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote

import msgspec

from kubekeep.kube.access import ClusterRequest, Patience
from kubekeep.kube.connection import Connection
from kubekeep.kube.errors import ApiError, ConnectionLostError, KubeError
from kubekeep.model.cluster import Gap
from kubekeep.model.resource import Resource
from kubekeep.sources.host.configuration import without_secrets

KIND: Final = "KubeletConfiguration"
VERB: Final = "get"
RESOURCE: Final = "nodes/proxy"
_API_VERSION: Final = "kubelet.config.k8s.io/v1beta1"
_PATIENCE: Final = Patience(tries=2, first_wait=1.0, longest_wait=2.0, silence=20.0, answer=30.0, most_bytes=4 << 20)
"""One node that does not answer must not hold up the others for long."""
_PARALLEL: Final = 8
_FORBIDDEN: Final = 403


class Kubelets:
    """The kubelets of some nodes, by the names of these; iterate over it once. `gaps` are complete when that has ended."""

    def __init__(self, request: ClusterRequest, nodes: Sequence[str]) -> None:
        self.gaps: list[Gap] = []
        self._request = msgspec.structs.replace(request, patience=_PATIENCE)
        self._nodes = nodes

    def __iter__(self) -> Iterator[Resource]:
        """A KubeletConfiguration for each node that answers, with the name of the node."""
        refused: list[tuple[str, KubeError]] = []
        with Connection(self._request) as connection, ThreadPoolExecutor(max_workers=_PARALLEL) as pool:
            asked = [pool.submit(_configuration, connection, name) for name in self._nodes]
            try:
                for name, future in zip(self._nodes, asked, strict=True):
                    try:
                        yield Resource(future.result())
                    except KubeError as error:
                        refused.append((name, error))
            finally:
                for future in asked:
                    future.cancel()
        self.gaps += _gaps(refused, len(self._nodes))


def _configuration(connection: Connection, node: str) -> dict[str, Any]:
    """The configuration of one kubelet, without secrets. Raises KubeError."""
    try:
        found = connection.get(f"/api/v1/nodes/{quote(node, safe='')}/proxy/configz", dict[str, Any])
        settings = without_secrets(found.get("kubeletconfig"))
    except (RecursionError, ValueError):
        raise ConnectionLostError("the kubelet answers a document that is nested too deeply") from None
    if not isinstance(settings, dict) or not settings:
        raise ConnectionLostError("the kubelet answers no configuration")
    own = {"apiVersion": _API_VERSION, "kind": KIND, "metadata": {"name": node}}
    return own | {key: value for key, value in settings.items() if key not in own}


def _gaps(refused: Sequence[tuple[str, KubeError]], nodes: int) -> Iterator[Gap]:
    """One gap for each node, or one for all where the permission is missing."""
    forbidden = [error for _, error in refused if isinstance(error, ApiError) and error.status == _FORBIDDEN]
    if len(forbidden) == nodes and nodes > 1:
        yield _gap(f"{nodes} nodes, of the first: {forbidden[0]}")
        return
    for name, error in refused:
        yield _gap(f"node {name}: {error}")


def _gap(why: str) -> Gap:
    return Gap(group="", kind=KIND, resource=RESOURCE, verb=VERB, why=why)
