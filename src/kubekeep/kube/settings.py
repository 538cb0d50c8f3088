"""The cluster that kubectl would use: environment variables, kubeconfig files, or the pod's own cluster. No connection."""

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


def home_folder() -> str | None:
    """Return the home folder of the user; None if unknown."""
    try:
        return str(Path.home())
    except RuntimeError:
        return None


def cluster_settings() -> ClusterSettings:
    """Return the settings of this process."""
    return ClusterSettings(os.environ.get("KUBECONFIG"), home_folder(), dict(os.environ))


def resolve_access(settings: ClusterSettings, kubeconfig: str = "", context: str = "") -> tuple[ClusterAccess, str]:
    """Return the access of a kubeconfig context, and its name; the in-cluster access has no context.

    Without `kubeconfig`, the files that kubectl reads are used. Raises NoClusterError or KubeconfigError.
    """
    # Only a scan of a cluster pays for loading these.
    from kubekeep.kube.in_cluster import load_in_cluster_access  # noqa: PLC0415
    from kubekeep.kube.kubeconfig import Kubeconfig, list_kubeconfig_paths  # noqa: PLC0415

    paths = (kubeconfig,) if kubeconfig else list_kubeconfig_paths(settings.kubeconfig, settings.home)
    loaded = Kubeconfig(paths)
    if loaded.contexts or kubeconfig or context:
        access = loaded.access(context)
        return access, access.name
    own = load_in_cluster_access(settings.environment)
    if own is None:
        raise NoClusterError(f"there is no kubeconfig at {' or '.join(paths) or 'home'}")
    return own, ""
