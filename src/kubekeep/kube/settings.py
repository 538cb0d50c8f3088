"""Access to the cluster that kubectl would use: from a kubeconfig or the pod's own cluster. Never connects."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from kubekeep.kube.access import ClusterAccess
from kubekeep.kube.errors import KubeconfigError


class NoClusterError(KubeconfigError):
    """There is no kubeconfig, and this process does not run in a cluster."""


class ClusterSettings(msgspec.Struct, frozen=True):
    """Settings of this process: KUBECONFIG, the home folder, and the environment for credential plug-ins."""

    kubeconfig: str | None
    home: str | None
    environment: dict[str, str]

    def __repr__(self) -> str:
        return "ClusterSettings(...)"


def find_home_folder() -> str | None:
    """Return the home folder of the user; None if unknown."""
    try:
        return str(Path.home())
    except RuntimeError:
        return None


def read_cluster_settings() -> ClusterSettings:
    """Return the settings of this process."""
    return ClusterSettings(os.environ.get("KUBECONFIG"), find_home_folder(), dict(os.environ))


def resolve_access(settings: ClusterSettings, kubeconfig: str = "", context: str = "") -> tuple[ClusterAccess, str]:
    """Return the access of a kubeconfig context, and its name; the in-cluster access has no context.

    Without `kubeconfig`, the files that kubectl reads are used. Raises NoClusterError or KubeconfigError.
    """
    # Only a scan of a cluster pays for loading these.
    from kubekeep.kube.in_cluster import load_in_cluster_access  # noqa: PLC0415
    from kubekeep.kube.kubeconfig import Kubeconfig, list_kubeconfig_paths  # noqa: PLC0415

    paths = (kubeconfig,) if kubeconfig else list_kubeconfig_paths(settings.kubeconfig, settings.home)
    config = Kubeconfig(paths)
    if config.contexts or kubeconfig or context:
        access = config.get_access(context)
        return access, access.name
    in_cluster_access = load_in_cluster_access(settings.environment)
    if in_cluster_access is None:
        raise NoClusterError(f"no kubeconfig at {' or '.join(paths) or 'the home folder'}")
    return in_cluster_access, ""
