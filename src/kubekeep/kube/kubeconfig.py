"""Access to clusters from kubeconfig files, merged as by kubectl (Kubernetes docs, organizing cluster access).

Reads the files and the files they refer to; does not connect and runs no programs.
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

from kubekeep.kube.access import Certificate, ClusterAccess, ClusterLogin, Impersonation, Plugin
from kubekeep.kube.errors import KubeconfigError
from kubekeep.kube.files import MAX_KUBECONFIG_FILE, read_regular_file
from kubekeep.model.json_values import drop_nulls
from kubekeep.model.text import visible

_PLUGIN_VERSIONS: Final = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_EXECUTION: Final = "client.authentication.k8s.io/exec"
"""The extension of a cluster that is passed to plugins (client.authentication.k8s.io/v1, Cluster.config)."""

T = TypeVar("T")


class _KubeconfigLoader(yaml.CSafeLoader):
    """YAML loader that reads dates as text, like kubectl."""


_KubeconfigLoader.yaml_implicit_resolvers = {
    first: [resolver for resolver in known if resolver[0] != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


class _Extension(msgspec.Struct, frozen=True):
    """An extension with its name and any value."""

    name: str
    extension: Any = None


class _KubeconfigCluster(msgspec.Struct, frozen=True, rename="kebab"):
    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    disable_compression: bool = False
    extensions: tuple[_Extension, ...] = ()


class _EnvironmentVariable(msgspec.Struct, frozen=True):
    name: str
    value: str = ""

    def __repr__(self) -> str:
        return f"_EnvironmentVariable({self.name!r}, ...)"


class _ExecConfig(msgspec.Struct, frozen=True, rename="camel"):
    command: str
    api_version: str
    args: tuple[str, ...] = ()
    env: tuple[_EnvironmentVariable, ...] = ()
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class _AuthProvider(msgspec.Struct, frozen=True):
    name: str = ""
    config: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"_AuthProvider({self.name!r}, ...)"


class _KubeconfigUser(msgspec.Struct, frozen=True, rename="kebab"):
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
    exec: _ExecConfig | None = None
    auth_provider: _AuthProvider | None = None

    def __repr__(self) -> str:
        return "_KubeconfigUser(...)"


class _KubeconfigContext(msgspec.Struct, frozen=True):
    cluster: str = ""
    user: str = ""
    namespace: str = ""


class _KubeconfigEntry(msgspec.Struct, frozen=True):
    """A value with its file; relative paths in the value are relative to the file."""

    file: str
    value: Any

    def __repr__(self) -> str:
        return f"_KubeconfigEntry({self.file!r}, ...)"


class Kubeconfig:
    """Merged kubeconfig files: the first file that sets a value wins."""

    def __init__(self, paths: Sequence[str]) -> None:
        """Read the files at `paths`; missing files are skipped. Raises KubeconfigError."""
        self.paths = tuple(paths)
        self._current = ""
        self._entries: dict[str, dict[str, _KubeconfigEntry]] = {"clusters": {}, "users": {}, "contexts": {}}
        for path in paths:
            document = _read_document(path)
            if document is not None:
                self._merge(path, document)

    @property
    def contexts(self) -> tuple[str, ...]:
        """Names of all contexts, in the order of the files."""
        return tuple(self._entries["contexts"])

    @property
    def current_context(self) -> str:
        """Name of the current context, or "" if none is set."""
        return self._current

    def get_access(self, context: str = "") -> ClusterAccess:
        """Return the access of a context, by default of the current one. Raises KubeconfigError."""
        name = context or self._current
        if not name:
            raise KubeconfigError(f"{self._format_paths()}: current-context is not set{self._list_names('contexts')}")
        context_entry = self._get_entry("contexts", name, "context")
        chosen = _convert(context_entry, "context", _KubeconfigContext)
        cluster_entry = self._get_entry("clusters", chosen.cluster, f"context {name!r}: cluster")
        cluster = _convert(cluster_entry, "cluster", _KubeconfigCluster)
        if not cluster.server:
            raise KubeconfigError(f"{cluster_entry.file}: cluster {visible(chosen.cluster)!r} has no server")
        server = _build_server_url(cluster)
        if problem := _find_address_problem(server):
            # The address is not quoted: it may contain a password.
            raise KubeconfigError(f"{cluster_entry.file}: cluster {visible(chosen.cluster)!r}: server {problem}")
        authority = _read_content(
            cluster_entry, cluster.certificate_authority_data, cluster.certificate_authority, "certificate-authority"
        )
        login, impersonation = ClusterLogin(), Impersonation()
        if chosen.user:
            entry = self._get_entry("users", chosen.user, f"context {name!r}: user")
            user = _convert(entry, "user", _KubeconfigUser)
            login = _create_login(entry, user, _build_plugin_cluster(cluster, authority))
            impersonation = _create_impersonation(entry, user)
        return ClusterAccess(
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
        for kind, merged in self._entries.items():
            entries = document.get(kind)
            if not isinstance(entries, list):
                if entries is not None:
                    raise KubeconfigError(f"{path}: {kind} is not a list")
                continue
            for number, entry in enumerate(entries):
                name = entry.get("name") if isinstance(entry, dict) else None
                if not isinstance(name, str):
                    raise KubeconfigError(f"{path}: {kind}[{number}] has no name")
                if name in merged and merged[name].file == path:
                    raise KubeconfigError(f"{path}: {kind} contains {visible(name)!r} twice")
                merged.setdefault(name, _KubeconfigEntry(path, entry))

    def _get_entry(self, kind: str, name: str, label: str) -> _KubeconfigEntry:
        entry = self._entries[kind].get(name)
        if entry is None:
            raise KubeconfigError(
                f"{self._format_paths()}: {label} {visible(name)!r} does not exist{self._list_names(kind)}"
            )
        return entry

    def _list_names(self, kind: str) -> str:
        names = ", ".join(map(visible, self._entries[kind]))
        return f"; available: {names}" if names else ""

    def _format_paths(self) -> str:
        return os.pathsep.join(self.paths)


def _read_document(path: str) -> dict[str, Any] | None:
    """Parse a file; None if it is missing or empty. Errors do not quote the file, which may contain secrets."""
    try:
        with open(path, "rb") as stream:  # noqa: PTH123 - the text that people typed
            content = stream.read(MAX_KUBECONFIG_FILE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KubeconfigError(f"{path}: {error.strerror or 'cannot be read'}") from error
    if len(content) > MAX_KUBECONFIG_FILE:
        raise KubeconfigError(f"{path}: larger than {MAX_KUBECONFIG_FILE} bytes")
    try:
        document = yaml.load(content, Loader=_KubeconfigLoader)  # noqa: S506 - a safe one
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        location = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else path
        raise KubeconfigError(f"{location}: not YAML: {visible(str(error.problem))}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise KubeconfigError(f"{path}: not YAML") from None
    if document is None:
        return None
    if not isinstance(document, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig")
    return document


def _convert(entry: _KubeconfigEntry, field: str, expected: type[T]) -> T:
    value = entry.value.get(field)
    try:
        return msgspec.convert(drop_nulls({} if value is None else value), expected)
    except msgspec.ValidationError as error:
        name = visible(str(entry.value.get("name")))
        raise KubeconfigError(f"{entry.file}: {field} {name!r}: {visible(str(error))}") from None


def _create_login(entry: _KubeconfigEntry, user: _KubeconfigUser, cluster: dict[str, object]) -> ClusterLogin:
    name = visible(str(entry.value.get("name")))
    certificate = _read_content(entry, user.client_certificate_data, user.client_certificate, "client-certificate")
    key = _read_content(entry, user.client_key_data, user.client_key, "client-key")
    if (certificate is None) != (key is None):
        raise KubeconfigError(
            f"{entry.file}: user {name!r} has a client certificate without its key, or a key without its certificate"
        )
    return ClusterLogin(
        token=user.token or _read_provider_token(entry, user),
        token_file=_resolve_path(entry, user.token_file),
        username=user.username,
        password=user.password,
        certificate=None if certificate is None or key is None else Certificate(certificate, key),
        plugin=None if user.exec is None else _create_plugin(entry, user.exec, cluster),
    )


def _read_provider_token(entry: _KubeconfigEntry, user: _KubeconfigUser) -> str:
    """Return the token that an OIDC auth-provider stored in the kubeconfig; it is never refreshed."""
    provider = user.auth_provider
    if provider is None:
        return ""
    token = provider.config.get("id-token", "") if provider.name == "oidc" else ""
    if not token:
        name = visible(str(entry.value.get("name")))
        reason = "which has no id-token" if provider.name == "oidc" else "which is not supported: use an exec plugin"
        raise KubeconfigError(
            f"{entry.file}: user {name!r} uses the auth-provider {visible(provider.name)!r}, {reason}"
        )
    return token


def _create_plugin(entry: _KubeconfigEntry, config: _ExecConfig, cluster: dict[str, object]) -> Plugin:
    name = visible(str(entry.value.get("name")))
    if config.api_version not in _PLUGIN_VERSIONS:
        raise KubeconfigError(
            f"{entry.file}: user {name!r}: the exec plugin has apiVersion {visible(config.api_version)!r}; "
            f"supported are {' and '.join(_PLUGIN_VERSIONS)}"
        )
    if config.interactive_mode not in ("Never", "IfAvailable", "Always"):
        raise KubeconfigError(f"{entry.file}: user {name!r}: interactiveMode must be Never, IfAvailable or Always")
    # A command with a separator is a path relative to the file; a bare command is searched on PATH.
    command = _resolve_path(entry, config.command) if os.sep in config.command else config.command
    return Plugin(
        api_version=config.api_version,
        command=command,
        args=config.args,
        env=tuple((variable.name, variable.value) for variable in config.env),
        install_hint=config.install_hint,
        interactive=config.interactive_mode,
        cluster=cluster if config.provide_cluster_info else None,
    )


def _build_server_url(cluster: _KubeconfigCluster) -> str:
    """Return the server URL; like kubectl, assumes https if TLS is configured and the scheme is missing."""
    secured = cluster.certificate_authority or cluster.certificate_authority_data or cluster.insecure_skip_tls_verify
    return f"https://{cluster.server}" if secured and "://" not in cluster.server else cluster.server


def _find_address_problem(server: str) -> str:
    """Return the problem of an address, or ""."""
    try:
        url = urlsplit(server)
        if url.scheme not in {"https", "http"} or not url.hostname or url.port == 0:
            return "is not an https:// address"
    except ValueError:
        return "is not a valid address"
    return "contains a user name or password: put them into the user entry" if "@" in url.netloc else ""


def _build_plugin_cluster(cluster: _KubeconfigCluster, authority: bytes | None) -> dict[str, object]:
    """Return the cluster information for plugins (client.authentication.k8s.io/v1, Cluster)."""
    fields: dict[str, object] = {
        "server": cluster.server,
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure_skip_tls_verify,
        "certificate-authority-data": base64.b64encode(authority or b"").decode(),
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
        "config": next((extension.extension for extension in cluster.extensions if extension.name == _EXECUTION), None),
    }
    return {key: value for key, value in fields.items() if value}


def _create_impersonation(entry: _KubeconfigEntry, user: _KubeconfigUser) -> Impersonation:
    if not user.impersonate and (user.impersonate_uid or user.impersonate_groups or user.impersonate_extra):
        # Without this check a user who wants fewer rights would act with all of them.
        name = visible(str(entry.value.get("name")))
        raise KubeconfigError(f"{entry.file}: user {name!r}: as-uid, as-groups and as-user-extra require as")
    return Impersonation(
        user=user.impersonate,
        uid=user.impersonate_uid,
        groups=user.impersonate_groups,
        extra=tuple(user.impersonate_extra.items()),
    )


def _read_content(entry: _KubeconfigEntry, encoded: str, path: str, field: str) -> bytes | None:
    """Return the base64 value in the kubeconfig, or else the content of the named file; None without both."""
    if encoded:
        try:
            return base64.b64decode("".join(encoded.split()), validate=True)
        except ValueError:
            raise KubeconfigError(f"{entry.file}: {field}-data is not base64") from None
    if not path:
        return None
    resolved = _resolve_path(entry, path)
    try:
        return read_regular_file(resolved, MAX_KUBECONFIG_FILE)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no path"
        raise KubeconfigError(f"{visible(resolved)}: {field} cannot be read: {reason}") from None


def _resolve_path(entry: _KubeconfigEntry, path: str) -> str:
    return str(Path(entry.file).absolute().parent / path) if path else ""


def list_kubeconfig_paths(variable: str | None, home: str | None) -> tuple[str, ...]:
    """Return the files read by kubectl: those in KUBECONFIG, or else ~/.kube/config."""
    configured = tuple(dict.fromkeys(part for part in (variable or "").split(os.pathsep) if part))
    return configured or ((str(Path(home, ".kube", "config")),) if home else ())
