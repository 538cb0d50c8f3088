"""The access that kubeconfig files describe, merged as kubectl merges them (Kubernetes docs, organizing cluster access).

Reads the files and what they name; connects to nothing and runs nothing.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import msgspec
import yaml

from kubekeep.kube.access import Access, Certificate, Impersonation, Login, Plugin
from kubekeep.kube.errors import KubeconfigError
from kubekeep.model.text import visible

_MOST_BYTES: Final = 8 << 20
_PLUGIN_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_EXECUTION: Final = "client.authentication.k8s.io/exec"
"""The extension of a cluster that plugins are told about (client.authentication.k8s.io/v1, Cluster.config)."""

T = TypeVar("T")


class _Loader(yaml.CSafeLoader):
    """Reads what looks like a date as text, as kubectl does."""


_Loader.yaml_implicit_resolvers = {
    first: [item for item in known if item[0] != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class _Named(msgspec.Struct, frozen=True):
    """What any value of an extension is called."""

    name: str
    extension: Any = None


class _Cluster(msgspec.Struct, frozen=True, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: tuple[_Named, ...] = ()


class _Variable(msgspec.Struct, frozen=True):
    name: str
    value: str = ""

    def __repr__(self) -> str:
        return f"_Variable({self.name!r}, ...)"


class _Exec(msgspec.Struct, frozen=True, rename="camel"):
    command: str
    api_version: str
    args: tuple[str, ...] = ()
    env: tuple[_Variable, ...] = ()
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class _Provider(msgspec.Struct, frozen=True):
    name: str = ""
    config: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"_Provider({self.name!r}, ...)"


class _User(msgspec.Struct, frozen=True, rename="kebab"):
    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = msgspec.field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    impersonate: str = msgspec.field(default="", name="as")
    impersonate_uid: str = msgspec.field(default="", name="as-uid")
    impersonate_groups: tuple[str, ...] = msgspec.field(default=(), name="as-groups")
    impersonate_extra: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict, name="as-user-extra")
    exec: _Exec | None = None
    auth_provider: _Provider | None = None

    def __repr__(self) -> str:
        return "_User(...)"


class _Context(msgspec.Struct, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _Entry(msgspec.Struct, frozen=True):
    """A value with the file that it stands in, which what it names is relative to."""

    file: str
    value: Any

    def __repr__(self) -> str:
        return f"_Entry({self.file!r}, ...)"


class Kubeconfig:
    """Kubeconfig files merged: the first to set a value wins."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Read the files at `paths`; those that do not exist are passed over. Raises KubeconfigError."""
        self.paths = tuple(paths)
        self._current = ""
        self._maps: dict[str, dict[str, _Entry]] = {"clusters": {}, "users": {}, "contexts": {}}
        for path in paths:
            document = _document(path)
            if document is not None:
                self._merge(path, document)

    @property
    def contexts(self) -> tuple[str, ...]:
        """The names of all contexts, in the order of the files."""
        return tuple(self._maps["contexts"])

    @property
    def current(self) -> str:
        """The name of the current context; empty if none is set."""
        return self._current

    def access(self, context: str = "") -> Access:
        """The access of a context, the current one by default. Raises KubeconfigError."""
        name = context or self._current
        if not name:
            raise KubeconfigError(f"{self._shown()}: no current context is set{self._known('contexts')}")
        where = self._entry("contexts", name, "context")
        chosen = _typed(where, "context", _Context)
        cluster_entry = self._entry("clusters", chosen.cluster, f"context {name!r}: cluster")
        cluster = _typed(cluster_entry, "cluster", _Cluster)
        if not cluster.server:
            raise KubeconfigError(f"{cluster_entry.file}: cluster {visible(chosen.cluster)!r} names no server")
        server = _addressed(cluster)
        if problem := _flaw(server):
            # Not cited: it may hold a password.
            raise KubeconfigError(f"{cluster_entry.file}: cluster {visible(chosen.cluster)!r}: server {problem}")
        authority = _content(
            cluster_entry, cluster.certificate_authority_data, cluster.certificate_authority, "certificate-authority"
        )
        login, impersonation = Login(), Impersonation()
        if chosen.user:
            entry = self._entry("users", chosen.user, f"context {name!r}: user")
            user = _typed(entry, "user", _User)
            login = _login(entry, user, _told(cluster, authority))
            impersonation = _impersonation(entry, user)
        return Access(
            name=name,
            server=server.rstrip("/"),
            namespace=chosen.namespace,
            authority=authority,
            insecure=cluster.insecure_skip_tls_verify,
            server_name=cluster.tls_server_name,
            proxy=cluster.proxy_url,
            compressed=not cluster.disable_compression,
            login=login,
            impersonation=impersonation,
        )

    def _merge(self, path: str, document: Mapping[str, Any]) -> None:
        current = document.get("current-context")
        if not self._current and isinstance(current, str):
            self._current = current
        for kind, known in self._maps.items():
            items = document.get(kind)
            if not isinstance(items, list):
                if items is not None:
                    raise KubeconfigError(f"{path}: {kind} is not a list")
                continue
            for number, item in enumerate(items):
                name = item.get("name") if isinstance(item, dict) else None
                if not isinstance(name, str):
                    raise KubeconfigError(f"{path}: {kind}[{number}] has no name")
                if name in known and known[name].file == path:
                    raise KubeconfigError(f"{path}: {kind} has {visible(name)!r} twice")
                known.setdefault(name, _Entry(path, item))

    def _entry(self, kind: str, name: str, what: str) -> _Entry:
        entry = self._maps[kind].get(name)
        if entry is None:
            raise KubeconfigError(f"{self._shown()}: {what} {visible(name)!r} is not there{self._known(kind)}")
        return entry

    def _known(self, kind: str) -> str:
        names = ", ".join(map(visible, self._maps[kind]))
        return f"; there are {names}" if names else ""

    def _shown(self) -> str:
        return os.pathsep.join(self.paths)


def _document(path: str) -> dict[str, Any] | None:
    """What a file says; None for a file that is not there or says nothing. Never cites a file that may hold secrets."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - the text that people typed
            data = stream.read(_MOST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror or 'cannot be read'}") from error
    if len(data) > _MOST_BYTES:
        raise KubeconfigError(f"{path}: larger than {_MOST_BYTES} bytes")
    try:
        document = yaml.load(data, Loader=_Loader)  # noqa: S506 - a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        raise KubeconfigError(f"{place}: not YAML: {visible(str(error.problem))}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise KubeconfigError(f"{path}: not YAML") from None
    if document is None:
        return None
    if not isinstance(document, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig")
    return document


def _typed(entry: _Entry, field: str, wanted: type[T]) -> T:
    value = entry.value.get(field)
    try:
        return msgspec.convert(_stated({} if value is None else value), wanted)
    except msgspec.ValidationError as error:
        name = visible(str(entry.value.get("name")))
        raise KubeconfigError(f"{entry.file}: {field} {name!r}: {visible(str(error))}") from None


def _stated(value: Any) -> Any:
    """`value` without nulls, which kubectl takes for absent."""
    if isinstance(value, dict):
        return {key: _stated(item) for key, item in value.items() if item is not None}
    return [_stated(item) for item in value] if isinstance(value, list) else value


def _login(entry: _Entry, user: _User, told: dict[str, object]) -> Login:
    name = visible(str(entry.value.get("name")))
    certificate = _content(entry, user.client_certificate_data, user.client_certificate, "client-certificate")
    key = _content(entry, user.client_key_data, user.client_key, "client-key")
    if (certificate is None) != (key is None):
        raise KubeconfigError(f"{entry.file}: user {name!r} has a client certificate or its key, not both")
    return Login(
        token=user.token or _provided(entry, user),
        token_file=_beside(entry, user.token_file),
        username=user.username,
        password=user.password,
        certificate=None if certificate is None or key is None else Certificate(certificate, key),
        plugin=None if user.exec is None else _plugin(entry, user.exec, told),
    )


def _provided(entry: _Entry, user: _User) -> str:
    """The token that an auth-provider of OpenID Connect keeps in the kubeconfig; it is never renewed here."""
    provider = user.auth_provider
    if provider is None:
        return ""
    token = provider.config.get("id-token", "") if provider.name == "oidc" else ""
    if not token:
        name = visible(str(entry.value.get("name")))
        why = "which holds no id-token" if provider.name == "oidc" else "which Kubernetes has replaced by exec plugins"
        raise KubeconfigError(
            f"{entry.file}: user {name!r} logs in by the auth-provider {visible(provider.name)!r}, {why}"
        )
    return token


def _plugin(entry: _Entry, asked: _Exec, told: dict[str, object]) -> Plugin:
    name = visible(str(entry.value.get("name")))
    if asked.api_version not in _PLUGIN_VERSIONS:
        raise KubeconfigError(
            f"{entry.file}: user {name!r}: exec plugins speak {' or '.join(_PLUGIN_VERSIONS)}, "
            f"not {visible(asked.api_version)!r}"
        )
    if asked.interactive_mode not in ("Never", "IfAvailable", "Always"):
        raise KubeconfigError(f"{entry.file}: user {name!r}: interactiveMode is Never, IfAvailable or Always")
    # A command with a separator is a path, relative to the file; a bare one is looked for on PATH.
    command = _beside(entry, asked.command) if os.sep in asked.command else asked.command
    return Plugin(
        api_version=asked.api_version,
        command=command,
        args=asked.args,
        env=tuple((variable.name, variable.value) for variable in asked.env),
        install_hint=asked.install_hint,
        interactive=asked.interactive_mode,
        cluster=told if asked.provide_cluster_info else None,
    )


def _addressed(cluster: _Cluster) -> str:
    """The address of the server, which may go without a scheme where TLS is set up, as for kubectl."""
    secured = cluster.certificate_authority or cluster.certificate_authority_data or cluster.insecure_skip_tls_verify
    return f"https://{cluster.server}" if secured and "://" not in cluster.server else cluster.server


def _flaw(server: str) -> str:
    """What is wrong with an address; empty for nothing."""
    try:
        url = urlsplit(server)
        if url.scheme not in {"https", "http"} or not url.hostname or url.port == 0:
            return "is no https:// address"
    except ValueError:
        return "is no address"
    return "has a name and a password in it: those belong to a user" if "@" in url.netloc else ""


def _told(cluster: _Cluster, authority: bytes | None) -> dict[str, object]:
    """What plugins are told about a cluster (client.authentication.k8s.io/v1, Cluster)."""
    said: dict[str, object] = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": base64.b64encode(authority or b"").decode(),
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": next((item.extension for item in cluster.extensions if item.name == _EXECUTION), None),
    }
    return {key: value for key, value in said.items() if value}


def _impersonation(entry: _Entry, user: _User) -> Impersonation:
    if not user.impersonate and (user.impersonate_uid or user.impersonate_groups or user.impersonate_extra):
        # Whoever meant to act with fewer rights must not act with all of theirs.
        name = visible(str(entry.value.get("name")))
        raise KubeconfigError(f"{entry.file}: user {name!r}: as-uid, as-groups and as-user-extra need as")
    return Impersonation(
        user=user.impersonate,
        uid=user.impersonate_uid,
        groups=user.impersonate_groups,
        extra=tuple(user.impersonate_extra.items()),
    )


def _content(entry: _Entry, data: str, path: str, what: str) -> bytes | None:
    """What stands in the kubeconfig itself in base64, or else in the file that it names; None for neither."""
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except ValueError:
            raise KubeconfigError(f"{entry.file}: {what}-data is not base64") from None
    if not path:
        return None
    found = _beside(entry, path)
    try:
        with open(found, "rb") as stream:  # noqa: PTH123 - the text that people typed
            content = stream.read(_MOST_BYTES)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no path"
        raise KubeconfigError(f"{visible(found)}: {what} cannot be read: {why}") from None
    return content


def _beside(entry: _Entry, path: str) -> str:
    return str(Path(entry.file).absolute().parent / path) if path else ""


def paths_of(variable: str | None, home: str | None) -> tuple[str, ...]:
    """The files that kubectl reads: those of KUBECONFIG, or else the one at home."""
    named = tuple(dict.fromkeys(part for part in (variable or "").split(os.pathsep) if part))
    return named or ((str(Path(home, ".kube", "config")),) if home else ())
