"""The request of a watch, and the check that it can be watched. No I/O."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.watching import WatchTiming
from kubekeep.usecases.request import ScanRequest

UNWATCHABLE_RULES: Final = (
    "rules that evaluate all objects together, and admission policies, cannot be watched: use `kubekeep scan`"
)
_PATIENCE: Final = 5.0
"""Seconds before a lost connection is reported: most interrupted streams resume at once."""


class WatchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The scan to repeat; times in seconds.

    After a change, further changes are collected for `pause`. API discovery is polled every `resync`, and soon after a
    definition has changed. A connection lost for longer than `patience` is reported, and the kubeconfig is read again in
    the same interval, since it may refer to another cluster.
    """

    scan: ScanRequest
    pace: WatchTiming = WatchTiming()
    pause: float = 0.2
    resync: float = 600.0
    patience: float = _PATIENCE


def require_cluster(request: ScanRequest) -> ClusterRequest:
    """Return the cluster to watch. Raises ValueError for inputs that require a scan."""
    if request.input.cluster is None:
        raise ValueError("only a cluster can be watched")
    if request.rules.cluster_policies:
        raise ValueError(UNWATCHABLE_RULES)
    if request.input.paths or request.input.cloud is not None or request.input.cluster.host_scan is True:
        raise ValueError("data of nodes and clouds cannot be watched: use `kubekeep scan` with the collected data")
    return request.input.cluster
