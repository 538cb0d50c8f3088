"""The configuration that each kubelet runs with, asked of it through the API server (`/configz`).

Where a kubelet keeps that to itself, its read-only port is tried. Asks nothing else of a kubelet: who may reach it in
this way may do much more, so that only who is told to asks at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote

import msgspec

from kubekeep.kube.access import ClusterRequest, RetryPolicy
from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.errors import ApiError, ConnectionLostError, KubeError
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.resource import Resource
from kubekeep.sources.cluster.host_data import VERSION
from kubekeep.sources.host.configuration import mask_secrets

KIND: Final = "KubeletConfiguration"
VERB: Final = "get"
RESOURCE: Final = "nodes/proxy"
_API_VERSION: Final = "kubelet.config.k8s.io/v1beta1"
_PATIENCE: Final = RetryPolicy(tries=2, first_wait=1.0, longest_wait=2.0, silence=20.0, answer=30.0, most_bytes=4 << 20)
"""One node that does not answer must not hold up the others for long."""
_PARALLEL: Final = 8
_FORBIDDEN: Final = 403
_UNREACHABLE: Final = 500
"""From here on it is the API server who says that the node does not answer."""
_READ_ONLY: Final = 10255
"""The read-only port, where it is open at all (Kubernetes docs, ports and protocols)."""


class _Answer(msgspec.Struct, frozen=True):
    """What one node tells, and why it does not tell its configuration."""

    document: dict[str, Any] | None
    error: KubeError | None = None


class KubeletConfigurations:
    """The kubelets of some nodes, by the names of these; iterate over it once. `gaps` are complete when that has ended."""

    def __init__(self, request: ClusterRequest, nodes: Sequence[str]) -> None:
        self.gaps: list[CoverageGap] = []
        self._request = msgspec.structs.replace(request, retry_policy=_PATIENCE)
        self._nodes = nodes

    def __iter__(self) -> Iterator[Resource]:
        """A KubeletConfiguration for each node that answers, with the name of the node; else what its open port tells."""
        refused: list[tuple[str, KubeError]] = []
        with (
            KubeConnection(self._request) as connection,
            ThreadPoolExecutor(max_workers=_PARALLEL) as pool,
            connection.close_on_error(),
        ):
            asked = [pool.submit(_asked, connection, name) for name in self._nodes]
            try:
                for name, future in zip(self._nodes, asked, strict=True):
                    answer = future.result()
                    if answer.document is not None:
                        yield Resource(answer.document)
                    if answer.error is not None:
                        refused.append((name, answer.error))
            finally:
                for future in asked:
                    future.cancel()
        self.gaps += _gaps(refused, len(self._nodes))


def list_unqueried(gaps: Iterable[CoverageGap]) -> Iterator[CoverageGap]:
    """What is missing of kubelets where Nodes are among `gaps`: nobody has asked those of the others."""
    for gap in gaps:
        if (gap.group, gap.kind) == ("", "Node"):
            yield msgspec.structs.replace(gap, kind=KIND, why=f"the nodes are not all known: {gap.text}", partial=False)


def _asked(connection: KubeConnection, node: str) -> _Answer:
    try:
        return _Answer(_configuration(connection, node))
    except ApiError as error:
        # A port that nobody listens on, of a node that answers, is refused at once.
        is_open = error.status < _UNREACHABLE and _is_open(connection, node)
        return _Answer(_opened(node) if is_open else None, error)
    except KubeError as error:
        return _Answer(None, error)


def _is_open(connection: KubeConnection, node: str) -> bool:
    """Whether the kubelet answers on its read-only port, which asks nobody who he is."""
    try:
        return connection.text(f"/api/v1/nodes/http:{quote(node, safe='')}:{_READ_ONLY}/proxy/healthz").strip() == "ok"
    except KubeError:
        return False


def _opened(node: str) -> dict[str, Any]:
    port = {"port": _READ_ONLY, "answers": True}
    return {"apiVersion": VERSION, "kind": "KubeletInfo", "metadata": {"name": node}, "data": {"readOnlyPort": port}}


def _configuration(connection: KubeConnection, node: str) -> dict[str, Any]:
    """The configuration of one kubelet, without secrets. Raises KubeError."""
    try:
        found = connection.get(f"/api/v1/nodes/{quote(node, safe='')}/proxy/configz", dict[str, Any])
        settings = mask_secrets(found.get("kubeletconfig"))
    except (RecursionError, ValueError):
        raise ConnectionLostError("the kubelet answers a document that is nested too deeply") from None
    if not isinstance(settings, dict) or not settings:
        raise ConnectionLostError("the kubelet answers no configuration")
    own = {"apiVersion": _API_VERSION, "kind": KIND, "metadata": {"name": node}}
    return own | {key: value for key, value in settings.items() if key not in own}


def _gaps(refused: Sequence[tuple[str, KubeError]], nodes: int) -> Iterator[CoverageGap]:
    """One gap for each node, or one for all where the permission is missing."""
    forbidden = [error for _, error in refused if isinstance(error, ApiError) and error.status == _FORBIDDEN]
    if len(forbidden) == nodes and nodes > 1:
        yield _gap(f"{nodes} nodes, of the first: {forbidden[0]}")
        return
    for name, error in refused:
        yield _gap(f"node {name}: {error}")


def _gap(why: str) -> CoverageGap:
    return CoverageGap(group="", kind=KIND, resource=RESOURCE, verb=VERB, why=why)
