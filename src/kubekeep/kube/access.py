"""How a cluster is reached and as whom. Values only; reads nothing and connects to nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec


class Certificate(msgspec.Struct, frozen=True):
    """A client's certificate with its key, both as PEM."""

    certificate: bytes
    key: bytes

    def __repr__(self) -> str:
        return "Certificate(...)"


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """A program that hands out credentials (client.authentication.k8s.io, `v1` or `v1beta1`).

    `cluster` is what it is told about the cluster, as JSON values; None if it is told nothing.
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


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """Who one is to the API server: the certificate, and the first of a file of a token, a token, a password and a program."""

    token: str = ""
    token_file: str = ""
    """The path of a file whose token is replaced from time to time."""
    username: str = ""
    password: str = ""
    certificate: Certificate | None = None
    plugin: Plugin | None = None

    def __repr__(self) -> str:
        return "Login(...)"


class Impersonation(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to act as (Kubernetes docs, user impersonation); nobody without a user."""

    user: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """One cluster, as one user.

    `name` is what people call it: the context, or `in-cluster`. `server` is the address without a slash at the end.
    `authority` are the certificates to trust, as PEM; None for those of the system.
    """

    name: str
    server: str
    namespace: str = ""
    authority: bytes | None = None
    insecure: bool = False
    """Nobody asks who answers: only where the kubeconfig or the user says so."""
    server_name: str = ""
    """The name in the server's certificate, where it differs from the one in the address."""
    proxy: str = ""
    compressed: bool = True
    login: Login = Login()
    impersonation: Impersonation = Impersonation()

    def __repr__(self) -> str:
        return f"Access({self.name!r}, ...)"


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often a request is tried; times in seconds.

    `silence` may lie between two pieces of an answer, `answer` is for all of it; whoever has not answered after that, in
    however many tries, is not asked again. A server that says itself how long to wait is obeyed up to `longest_wait`.
    """

    tries: int = 6
    first_wait: float = 0.25
    longest_wait: float = 30.0
    connect: float = 15.0
    silence: float = 60.0
    answer: float = 180.0
    most_bytes: int = 512 << 20


class ClusterRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The cluster to talk to, and as whom.

    `environment` is what credential programs inherit, who may ask the person at a `terminal`.
    """

    access: Access
    environment: Mapping[str, str] = {}
    terminal: bool = False
    patience: Patience = Patience()
    host_scan: bool | None = None
    """Whether kubelets are asked too (True), or nothing about nodes is read (False); None reads what an agent wrote."""
    again: Callable[[], Access] | None = None
    """Gives the access as its kubeconfig has it by now, or raises KubeError; None for one that cannot become another."""

    def __repr__(self) -> str:
        return f"ClusterRequest({self.access!r})"
