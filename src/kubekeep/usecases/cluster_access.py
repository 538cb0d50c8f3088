"""The request for a cluster of a kubeconfig. Never connects."""

from __future__ import annotations

import msgspec

from kubekeep.kube.access import ClusterAccess, ClusterRequest, Impersonation
from kubekeep.kube.settings import ClusterSettings, read_cluster_settings, resolve_access


class ClusterSelection(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster and the user that the requests impersonate.

    Without a kubeconfig, it is the one that kubectl uses; without a context, the current one. insecure: do not verify the
    certificate of the API server.
    """

    kubeconfig: str = ""
    context: str = ""
    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    insecure: bool = False


def request_cluster(
    selection: ClusterSelection, *, has_terminal: bool = False, host_scan: bool | None = None
) -> ClusterRequest:
    """Return the request, which loads the kubeconfig again when its credentials expire.

    has_terminal: credential plug-ins may prompt. host_scan: as in `ClusterRequest`. Raises NoClusterError and
    KubeconfigError.
    """
    settings = read_cluster_settings()
    access, context = _resolve(settings, selection)
    # By name, since the current context may change until then.
    selected = msgspec.structs.replace(selection, context=context)
    return ClusterRequest(
        access=access,
        environment=settings.environment,
        has_terminal=has_terminal,
        host_scan=host_scan,
        reload_access=lambda: _resolve(settings, selected)[0],
    )


def _resolve(settings: ClusterSettings, selection: ClusterSelection) -> tuple[ClusterAccess, str]:
    """Return the access of a selection, and the name of its context."""
    access, context = resolve_access(settings, selection.kubeconfig, selection.context)
    if selection.user:
        impersonation = Impersonation(user=selection.user, uid=selection.uid, groups=selection.groups)
        access = msgspec.structs.replace(access, impersonation=impersonation)
    if selection.insecure:
        access = msgspec.structs.replace(access, insecure=True)
    return access, context
