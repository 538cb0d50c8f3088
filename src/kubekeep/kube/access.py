"""Address and credentials of a cluster. Values only: reads nothing and does not connect."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec


class Certificate(msgspec.Struct, frozen=True):
    """A client certificate with its key, both as PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Certificate(...)"


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """A credential plugin: a program that returns credentials (client.authentication.k8s.io, `v1` or `v1beta1`).

    `cluster` is the cluster information passed to the plugin, as JSON values; None to pass nothing.
    """

    api_version: str
    command: str
    args: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    install_hint: str = ""
    interactive: str = "IfAvailable"
    cluster: dict[str, object] | None = None

    def __repr__(self) -> str:
        return f"Plugin({self.command!r}, ...)"


class ClusterLogin(msgspec.Struct, frozen=True, kw_only=True):
    """Credentials of a user: a certificate, and the first set of token_file, token, username and plugin."""

    token: str = ""
    token_file: str = ""
    """Path of a token file that is rotated."""
    username: str = ""
    password: str = ""
    certificate: Certificate | None = None
    plugin: Plugin | None = None

    def __repr__(self) -> str:
        return "ClusterLogin(...)"


class Impersonation(msgspec.Struct, frozen=True, kw_only=True):
    """User to impersonate (Kubernetes docs, user impersonation); disabled if `user` is empty."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


class ClusterAccess(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster as one user.

    `name` is the context or `in-cluster`, `server` the URL without a trailing slash, `authority` the trusted
    certificates as PEM; None to trust the certificates of the system.
    """

    name: str
    server: str
    namespace: str = ""
    authority: bytes | None = None
    insecure: bool = False
    """Skip verification of the server's certificate; set only by the kubeconfig or an option."""
    server_name: str = ""
    """Name in the server's certificate, if it differs from the host in `server`."""
    proxy: str = ""
    compressed: bool = True
    login: ClusterLogin = ClusterLogin()
    impersonation: Impersonation = Impersonation()

    def __repr__(self) -> str:
        return f"ClusterAccess({self.name!r}, ...)"


class RetryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """Retries and timeouts of a request, in seconds.

    `read_timeout` is the maximum pause between two parts of a response, `total_timeout` the maximum for a whole response;
    no attempt starts later than `total_timeout` after the first one. Retry-After of the server is honoured up to
    `max_wait`. `max_bytes` is the maximum size of a response.
    """

    max_attempts: int = 6
    first_wait: float = 0.25
    max_wait: float = 30.0
    connect_timeout: float = 15.0
    read_timeout: float = 60.0
    total_timeout: float = 180.0
    max_bytes: int = 512 << 20


class ClusterRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster to connect to, with credentials.

    `environment` is inherited by credential plugins; with `has_terminal` they may prompt the user.
    """

    access: ClusterAccess
    environment: Mapping[str, str] = {}
    has_terminal: bool = False
    retry_policy: RetryPolicy = RetryPolicy()
    host_scan: bool | None = None
    """True: query kubelets too. False: read nothing about nodes. None: read the host-scan reports of the agent."""
    reload_access: Callable[[], ClusterAccess] | None = None
    """Function that loads the access from its kubeconfig again or raises KubeError; None if it cannot change."""

    def __repr__(self) -> str:
        return f"ClusterRequest({self.access!r})"
