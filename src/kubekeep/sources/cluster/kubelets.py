"""Effective configuration of each kubelet, read through the API server (`/configz`).

If a kubelet refuses, its read-only port is tried. Sends no other request to a kubelet: the required permission allows
much more, so this is opt-in.
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
from kubekeep.model.struct_types import prepare_types
from kubekeep.sources.cluster.host_data import VERSION
from kubekeep.sources.host.configuration import mask_secrets

KIND: Final = "KubeletConfiguration"
VERB: Final = "get"
RESOURCE: Final = "nodes/proxy"
_API_VERSION: Final = "kubelet.config.k8s.io/v1beta1"
_RETRY_POLICY: Final = RetryPolicy(
    max_attempts=2, first_wait=1.0, max_wait=2.0, read_timeout=20.0, total_timeout=30.0, max_bytes=4 << 20
)
"""Timeouts and retries: one unresponsive node must not delay the others for long."""
_PARALLEL: Final = 8
_FORBIDDEN: Final = 403
_UNREACHABLE: Final = 500
"""Status from which on the API server itself reports an unresponsive node."""
_READ_ONLY: Final = 10255
"""The read-only port, if enabled at all (Kubernetes docs, ports and protocols)."""


class _KubeletResponse(msgspec.Struct, frozen=True):
    """Response for one node, and the error if its configuration is not available."""

    document: dict[str, Any] | None
    error: KubeError | None = None


class KubeletConfigurations:
    """Configurations of the kubelets of named nodes; iterate over it once. `gaps` are complete after the iteration."""

    def __init__(self, request: ClusterRequest, nodes: Sequence[str]) -> None:
        self.gaps: list[CoverageGap] = []
        self._request = msgspec.structs.replace(request, retry_policy=_RETRY_POLICY)
        self._nodes = nodes

    def __iter__(self) -> Iterator[Resource]:
        """Yield a KubeletConfiguration with the name of its node, or a KubeletInfo if only the read-only port responds."""
        errors: list[tuple[str, KubeError]] = []
        prepare_types()
        with (
            KubeConnection(self._request) as connection,
            ThreadPoolExecutor(max_workers=_PARALLEL) as pool,
            connection.close_on_error(),
        ):
            futures = [pool.submit(_query_kubelet, connection, name) for name in self._nodes]
            try:
                for name, future in zip(self._nodes, futures, strict=True):
                    response = future.result()
                    if response.document is not None:
                        yield Resource(response.document)
                    if response.error is not None:
                        errors.append((name, response.error))
            finally:
                for future in futures:
                    future.cancel()
        self.gaps += _create_gaps(errors, len(self._nodes))


def list_unqueried(gaps: Iterable[CoverageGap]) -> Iterator[CoverageGap]:
    """Yield gaps for kubelets of unknown nodes, if Nodes are among `gaps`."""
    for gap in gaps:
        if (gap.group, gap.kind) == ("", "Node"):
            yield msgspec.structs.replace(
                gap, kind=KIND, reason=f"the list of nodes is incomplete: {gap.text}", is_truncated=False
            )


def _query_kubelet(connection: KubeConnection, node: str) -> _KubeletResponse:
    try:
        return _KubeletResponse(_fetch_configuration(connection, node))
    except ApiError as error:
        # A reachable node refuses connections to a closed port at once.
        is_port_open = error.status < _UNREACHABLE and _has_open_port(connection, node)
        return _KubeletResponse(_report_open_port(node) if is_port_open else None, error)
    except KubeError as error:
        return _KubeletResponse(None, error)


def _has_open_port(connection: KubeConnection, node: str) -> bool:
    """Return True if the kubelet responds on its read-only port, which needs no authentication."""
    try:
        return (
            connection.get_text(f"/api/v1/nodes/http:{quote(node, safe='')}:{_READ_ONLY}/proxy/healthz").strip() == "ok"
        )
    except KubeError:
        return False


def _report_open_port(node: str) -> dict[str, Any]:
    port = {"port": _READ_ONLY, "answers": True}
    return {"apiVersion": VERSION, "kind": "KubeletInfo", "metadata": {"name": node}, "data": {"readOnlyPort": port}}


def _fetch_configuration(connection: KubeConnection, node: str) -> dict[str, Any]:
    """Return the configuration of one kubelet, without secrets. Raises KubeError."""
    try:
        response = connection.get(f"/api/v1/nodes/{quote(node, safe='')}/proxy/configz", dict[str, Any])
        settings = mask_secrets(response.get("kubeletconfig"))
    except (RecursionError, ValueError):
        raise ConnectionLostError("the response of the kubelet is nested too deeply") from None
    if not isinstance(settings, dict) or not settings:
        raise ConnectionLostError("the response of the kubelet is not a configuration")
    identity = {"apiVersion": _API_VERSION, "kind": KIND, "metadata": {"name": node}}
    return identity | {key: value for key, value in settings.items() if key not in identity}


def _create_gaps(errors: Sequence[tuple[str, KubeError]], nodes: int) -> Iterator[CoverageGap]:
    """Yield one gap per node, or a single one if the permission is missing for all."""
    forbidden = [error for _, error in errors if isinstance(error, ApiError) and error.status == _FORBIDDEN]
    if len(forbidden) == nodes and nodes > 1:
        yield _create_gap(f"{nodes} nodes, the first: {forbidden[0]}")
        return
    for name, error in errors:
        yield _create_gap(f"node {name}: {error}")


def _create_gap(why: str) -> CoverageGap:
    return CoverageGap(group="", kind=KIND, resource=RESOURCE, verb=VERB, reason=why)
