"""Kubeconfig files are merged and read like by kubectl; errors name the file and contain no secrets."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubekeep.kube.access import ClusterAccess, ClusterLogin, Impersonation
from kubekeep.kube.errors import KubeconfigError
from kubekeep.kube.kubeconfig import Kubeconfig, list_kubeconfig_paths

SECRET = "do-not-tell-Zm9vYmFy"  # noqa: S105 - not a real secret
SERVER = "https://cluster.example.com:6443"


def config(user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "here",
        "clusters": [{"name": "one", "cluster": {"server": SERVER} | (cluster or {})}],
        "users": [{"name": "ann", "user": user or {}}],
        "contexts": [{"name": "here", "context": {"cluster": "one", "user": "ann", "namespace": "shop"}}],
    } | changes


def write(file: Path, document: Any) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document, allow_unicode=True))
    return str(file)


def access(tmp_path: Path, context: str = "", **parts: Any) -> ClusterAccess:
    return Kubeconfig([write(tmp_path / "config", config(**parts))]).get_access(context)


def test_current_context(tmp_path: Path) -> None:
    loaded = access(tmp_path, user={"token": SECRET})
    assert (loaded.name, loaded.server, loaded.namespace) == ("here", SERVER, "shop")
    assert (loaded.authority, loaded.insecure, loaded.compressed) == (None, False, True)
    assert loaded.login == ClusterLogin(token=SECRET)


def test_first_file_wins(tmp_path: Path) -> None:
    first = config({"token": "first"}, {"tls-server-name": "first.example.com"})
    first["current-context"] = ""
    second = config({"token": "second", "username": "second"}, {"proxy-url": "http://second.example.com"})
    second["contexts"].append({"name": "there", "context": {"cluster": "two", "user": "ann"}})
    second["clusters"].append({"name": "two", "cluster": {"server": "https://two.example.com"}})
    paths = [write(tmp_path / "a", first), str(tmp_path / "missing"), write(tmp_path / "b", second)]
    merged = Kubeconfig(paths)
    assert merged.contexts == ("here", "there")
    assert merged.current_context == "here"
    loaded = merged.get_access()
    # Entries are not merged: a later file cannot add fields to an entry.
    assert (loaded.server_name, loaded.proxy, loaded.login) == ("first.example.com", "", ClusterLogin(token="first"))  # noqa: S106
    other = merged.get_access("there")
    assert (other.server, other.login.token) == ("https://two.example.com", "first")


def test_paths_are_relative_to_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a" / "pki" / "ca.crt", "authority")
    write(tmp_path / "a" / "ann.crt", "certificate")
    write(tmp_path / "b" / "ann.crt", "another")
    write(tmp_path / "a" / "ann.key", "key")
    user = {
        "client-certificate": "ann.crt",
        "client-key": str(tmp_path / "a" / "ann.key"),
        "tokenFile": "../token",
        "exec": {"command": "./login", "apiVersion": "client.authentication.k8s.io/v1"},
    }
    write(tmp_path / "a" / "config", config(user, {"certificate-authority": "pki/ca.crt"}))
    write(tmp_path / "b" / "config", {"contexts": []})
    monkeypatch.chdir(tmp_path / "b")
    loaded = Kubeconfig(["config", "../a/config"]).get_access()
    assert loaded.authority == b"authority"
    assert loaded.login.certificate is not None
    assert (loaded.login.certificate.certificate, loaded.login.certificate.key) == (b"certificate", b"key")
    assert os.path.realpath(loaded.login.token_file) == str(tmp_path / "token")
    assert loaded.login.plugin is not None
    assert os.path.realpath(loaded.login.plugin.command) == str(tmp_path / "a" / "login")


def test_data_wins_over_files(tmp_path: Path) -> None:
    def encode(text: str) -> str:
        return base64.encodebytes(text.encode()).decode()

    user = {
        "client-certificate": "missing.crt",
        "client-certificate-data": encode("certificate"),
        "client-key": "missing.key",
        "client-key-data": encode("key"),
    }
    loaded = access(
        tmp_path, user=user, cluster={"certificate-authority": "missing", "certificate-authority-data": encode("ca")}
    )
    assert loaded.authority == b"ca"
    assert loaded.login.certificate is not None
    assert loaded.login.certificate.certificate == b"certificate"


def test_bare_command_is_searched_on_path(tmp_path: Path) -> None:
    user = {"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1beta1", "args": ["eks"]}}
    plugin = access(tmp_path, user=user).login.plugin
    assert plugin is not None
    assert (plugin.command, plugin.args, plugin.cluster) == ("aws", ("eks",), None)


def test_null_means_absent(tmp_path: Path) -> None:
    user = {"token": SECRET, "exec": None, "as": None, "as-groups": None, "client-key": None, "auth-provider": None}
    cluster = {"certificate-authority": None, "proxy-url": None, "extensions": None}
    loaded = access(tmp_path, user=user, cluster=cluster, preferences=None)
    assert loaded.login == ClusterLogin(token=SECRET)
    assert Kubeconfig([write(tmp_path / "null", {"users": None, "contexts": None, "clusters": None})]).contexts == ()
    assert Kubeconfig([write(tmp_path / "empty", "")]).contexts == ()


def test_context_without_user(tmp_path: Path) -> None:
    contexts = [{"name": "here", "context": {"cluster": "one"}}]
    assert access(tmp_path, contexts=contexts).login == ClusterLogin()


def test_names_in_any_script(tmp_path: Path) -> None:
    contexts = [{"name": "クラスタ/β ☸", "context": {"cluster": "één", "user": "Zoë"}}]
    users = [{"name": "Zoë", "user": {"token": SECRET}}]
    clusters = [{"name": "één", "cluster": {"server": SERVER}}]
    loaded = access(tmp_path, "クラスタ/β ☸", contexts=contexts, users=users, clusters=clusters)
    assert (loaded.name, loaded.login.token) == ("クラスタ/β ☸", SECRET)


def test_impersonation(tmp_path: Path) -> None:
    user = {"as": "jane", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"scopes": ["view", "edit"]}}
    assert access(tmp_path, user=user).impersonation == Impersonation(
        user="jane", uid="7", groups=("a", "b"), extra=(("scopes", ("view", "edit")),)
    )


def test_server_path_is_kept(tmp_path: Path) -> None:
    loaded = access(tmp_path, cluster={"server": "https://rancher.example.com/k8s/clusters/c-1/"})
    assert loaded.server == "https://rancher.example.com/k8s/clusters/c-1"


def test_cluster_info_of_plugins(tmp_path: Path) -> None:
    extensions = [
        {"name": "other", "extension": 1},
        {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}},
    ]
    cluster = {
        "certificate-authority-data": base64.b64encode(b"ca").decode(),
        "tls-server-name": "inside.example.com",
        "extensions": extensions,
    }
    plugin_config = {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1", "provideClusterInfo": True}
    plugin = access(tmp_path, user={"exec": plugin_config}, cluster=cluster).login.plugin
    assert plugin is not None
    assert plugin.cluster == {
        "server": SERVER,
        "certificate-authority-data": base64.b64encode(b"ca").decode(),
        "tls-server-name": "inside.example.com",
        "config": {"audience": "x"},
    }


def test_dates_are_text(tmp_path: Path) -> None:
    text = """
current-context: 2024-01-01
contexts: [{name: 2024-01-01, context: {cluster: one, user: ann}}]
clusters:
- name: one
  cluster:
    server: https://a.example.com
    extensions: [{name: client.authentication.k8s.io/exec, extension: {since: 2024-01-01}}]
users: [{name: ann, user: {exec: {command: aws, apiVersion: client.authentication.k8s.io/v1, provideClusterInfo: true}}}]
"""
    loaded = Kubeconfig([write(tmp_path / "config", text)]).get_access()
    assert loaded.login.plugin is not None
    assert loaded.login.plugin.cluster is not None
    assert (loaded.name, loaded.login.plugin.cluster["config"]) == ("2024-01-01", {"since": "2024-01-01"})


@pytest.mark.parametrize(
    "secured", [{"insecure-skip-tls-verify": True}, {"certificate-authority-data": "Y2E="}], ids=str
)
def test_server_with_tls_needs_no_scheme(tmp_path: Path, secured: dict[str, Any]) -> None:
    assert access(tmp_path, cluster={"server": "10.0.0.1:6443"} | secured).server == "https://10.0.0.1:6443"


def test_oidc_token_is_used_unchanged(tmp_path: Path) -> None:
    provider = {"name": "oidc", "config": {"id-token": SECRET, "refresh-token": "other"}}
    assert access(tmp_path, user={"auth-provider": provider}).login == ClusterLogin(token=SECRET)
    both = {"token": "own", "auth-provider": provider}
    assert access(tmp_path, user=both).login == ClusterLogin(token="own")  # noqa: S106


EXEC = {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1"}
WRONG: dict[str, tuple[Any, str]] = {
    "tab": ("a:\n\t- b: ", ":2:1: not YAML"),
    "anchor": (f"users: &a [*a, {SECRET}", "not YAML"),
    "binary": ("\x00\x01", "not YAML"),
    "deep": ("[" * 20000, "not YAML"),
    "text": (SECRET, ": not a kubeconfig"),
    "users": (config(users={"ann": SECRET}), ": users is not a list"),
    "nameless": (config(users=[{"user": {"token": SECRET}}]), r": users\[0\] has no name"),
    "item": (config(contexts=[SECRET]), r": contexts\[0\] has no name"),
    "twice": (config(users=[{"name": "ann", "user": {"token": SECRET}}] * 2), ": users contains 'ann' twice"),
    "token": (config({"token": [SECRET]}), ": user 'ann': Expected `str`, got `array`"),
    "user": (config(users=[{"name": "ann", "user": SECRET}]), ": user 'ann': Expected `object`, got `str`"),
    "missing user": (config(users=[]), ": context 'here': user 'ann' does not exist$"),
    "missing cluster": (config(clusters=[]), ": context 'here': cluster 'one' does not exist$"),
    "missing context": (config(contexts=[]), ": context 'here' does not exist$"),
    "no current context": (config() | {"current-context": ""}, ": current-context is not set; available: here$"),
    "no server": (config(cluster={"server": ""}), ": cluster 'one' has no server"),
    "no address": (config(cluster={"server": "cluster.example.com"}), ": server is not an https:// address"),
    "file": (config(cluster={"server": "file:///etc/passwd"}), ": server is not an https:// address"),
    "port": (config(cluster={"server": "https://a:99999"}), ": server is not a valid address"),
    "nobody": (config(cluster={"server": "https://"}), ": server is not an https:// address"),
    "password": (config(cluster={"server": f"https://ann:{SECRET}@a"}), ": server contains a user name or password"),
    "base64": (config({"client-key-data": f"{SECRET}!", "client-certificate-data": "eA=="}), "client-key-data is not"),
    "base64 of another alphabet": (config(cluster={"certificate-authority-data": "é"}), "authority-data is not base64"),
    "missing file": (config(cluster={"certificate-authority": "gone"}), "gone: certificate-authority cannot be read"),
    "no file": (config(cluster={"certificate-authority": "a\0b"}), "certificate-authority cannot be read: no path"),
    "folder": (
        config(cluster={"certificate-authority": "."}),
        "certificate-authority cannot be read: not a regular file",
    ),
    "half": (
        config({"client-key-data": base64.b64encode(SECRET.encode()).decode()}),
        "'ann' has a client certificate without",
    ),
    "provider": (config({"auth-provider": {"name": "gcp", "config": {"t": SECRET}}}), "auth-provider 'gcp', which"),
    "no token": (config({"auth-provider": {"name": "oidc"}}), "auth-provider 'oidc', which has no id-token"),
    "alpha": (
        config({"exec": EXEC | {"apiVersion": "client.authentication.k8s.io/v1alpha1"}}),
        "the exec plugin has apiVersion",
    ),
    "interactive": (
        config({"exec": EXEC | {"interactiveMode": "Sometimes"}}),
        "interactiveMode must be Never, IfAvailable",
    ),
    "commandless": (config({"exec": {"apiVersion": EXEC["apiVersion"]}}), "missing required field `command`"),
    "groups": (config({"token": SECRET, "as-groups": ["viewers"]}), "as-groups and as-user-extra require as"),
    "env": (config({"exec": EXEC | {"env": [{"name": "A", "value": [SECRET]}]}}), "Expected `str`, got `array`"),
}


def test_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "ca")
    path = write(tmp_path / "config", config(cluster={"certificate-authority": "ca"}))
    with pytest.raises(KubeconfigError, match="ca: certificate-authority cannot be read: not a regular file"):
        Kubeconfig([str(path)]).get_access()


@pytest.mark.parametrize(("document", "message"), WRONG.values(), ids=WRONG)
def test_error_names_file_without_secrets(tmp_path: Path, document: Any, message: str) -> None:
    path = write(tmp_path / "config", document)
    with pytest.raises(KubeconfigError, match=message) as caught:
        Kubeconfig([path]).get_access()
    assert str(tmp_path) in str(caught.value)
    assert SECRET not in str(caught.value)


def test_endless_file_is_refused() -> None:
    with pytest.raises(KubeconfigError, match="/dev/zero: larger than"):
        Kubeconfig(["/dev/zero"])


def test_folder_is_not_a_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="Is a directory"):
        Kubeconfig([str(tmp_path)])


def test_names_are_escaped(tmp_path: Path) -> None:
    path = write(tmp_path / "config", config(contexts=[{"name": "a\x1b[31mred", "context": {}}]))
    with pytest.raises(KubeconfigError, match="available: ") as caught:
        Kubeconfig([path]).get_access("b\x1b[0m")
    assert "\x1b" not in str(caught.value)


def test_repr_contains_no_secret(tmp_path: Path) -> None:
    pair = {name: base64.b64encode(SECRET.encode()).decode() for name in ("client-certificate-data", "client-key-data")}
    user: dict[str, Any] = {"token": SECRET, "username": "ann", "password": SECRET, **pair}
    user["exec"] = EXEC | {"args": [SECRET], "env": [{"name": "A", "value": SECRET}]}
    loaded = access(tmp_path, user=user, cluster={"proxy-url": f"http://ann:{SECRET}@proxy.example.com"})
    for value in (loaded, loaded.login, loaded.login.certificate, loaded.login.plugin):
        assert SECRET not in f"{value!r} {value}"
        assert base64.b64encode(SECRET.encode()).decode() not in repr(value)


@pytest.mark.parametrize(
    ("variable", "home", "paths"),
    [
        (None, "/home/ann", ("/home/ann/.kube/config",)),
        ("", "/home/ann", ("/home/ann/.kube/config",)),
        ("a:b::a", "/home/ann", ("a", "b")),
        (None, None, ()),
    ],
)
def test_kubeconfig_paths(variable: str | None, home: str | None, paths: tuple[str, ...]) -> None:
    assert list_kubeconfig_paths(variable, home) == paths
