"""The access of a pod to the cluster that it runs in (Kubernetes docs, accessing the API from a pod).

Reads the files that the kubelet mounts; connects to nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kubekeep.kube.access import Access, Login
from kubekeep.kube.errors import KubeconfigError
from kubekeep.model.text import visible

ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""Where the kubelet mounts the token of a pod's service account."""
NAME: Final = "in-cluster"


def in_cluster(environment: Mapping[str, str], account: Path = ACCOUNT) -> Access | None:
    """The access of this pod; None outside a cluster. Raises KubeconfigError where files of the account are missing."""
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT")
    token = account / "token"
    if not host or not port or not token.exists():
        return None
    try:
        authority = (account / "ca.crt").read_bytes()
        namespace = account / "namespace"
        own = namespace.read_text(encoding="utf-8").strip() if namespace.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "namespace is not text"
        raise KubeconfigError(f"{account}: {why}") from error
    if not (port.isascii() and port.isdigit()):
        raise KubeconfigError(f"KUBERNETES_SERVICE_PORT is no number: {visible(port)!r}")
    return Access(
        name=NAME,
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=own,
        authority=authority,
        # What goes over the network of a cluster costs less than compressing it.
        compressed=False,
        login=Login(token_file=str(token)),
    )
