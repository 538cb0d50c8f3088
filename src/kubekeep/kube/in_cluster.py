"""Access of a pod to its own cluster (Kubernetes docs, accessing the API from a pod).

Reads the files mounted by the kubelet; does not connect.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kubekeep.kube.access import ClusterAccess, ClusterLogin
from kubekeep.kube.errors import KubeconfigError
from kubekeep.kube.files import MAX_KUBECONFIG_FILE, read_regular_file
from kubekeep.model.text import visible

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Mount path of the pod's service account token."""
NAME: Final = "in-cluster"


def load_in_cluster_access(environment: Mapping[str, str], account: Path = ACCOUNT) -> ClusterAccess | None:
    """Return the access of this pod, or None outside a cluster. Raises KubeconfigError if account files are missing."""
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
        name=NAME,
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace_name,
        authority=authority,
        # Compression costs more time than it saves on a cluster network.
        compressed=False,
        login=ClusterLogin(token_file=str(token)),
    )
