"""Access to the cluster that kubectl would use: from a kubeconfig, or from the files that the kubelet mounts in a pod.

Never connects.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.kube.access import ClusterAccess, ClusterLogin
from kubekeep.kube.errors import KubeconfigError
from kubekeep.model.text import visible

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Mount path of the pod's service account token."""
_IN_CLUSTER: Final = "in-cluster"


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
    # Only a scan of a cluster pays for loading this.
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


def load_in_cluster_access(environment: Mapping[str, str], account: Path = ACCOUNT) -> ClusterAccess | None:
    """Return the access of this pod, or None outside a cluster. Raises KubeconfigError if account files are missing."""
    from kubekeep.kube.files import MAX_KUBECONFIG_FILE, read_regular_file  # noqa: PLC0415 - only for clusters

    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    token = account / "token"
    if not host or not port or not token.exists():
        return None
    try:
        authority = read_regular_file(str(account / "ca.crt"), MAX_KUBECONFIG_FILE)
        namespace = account / "namespace"
        content = read_regular_file(str(namespace), MAX_KUBECONFIG_FILE) if namespace.exists() else b""
        namespace_name = content.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "namespace is not text"
        raise KubeconfigError(f"{account}: {reason}") from error
    if not (port.isascii() and port.isdigit()):
        raise KubeconfigError(f"KUBERNETES_SERVICE_PORT is not a number: {visible(port)!r}")
    return ClusterAccess(
        name=_IN_CLUSTER,
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace_name,
        authority=authority,
        # Compression costs more time than it saves on a cluster network.
        compressed=False,
        login=ClusterLogin(token_file=str(token)),
    )
