"""Kubeconfig files are merged and read as kubectl does; what is wrong in them is told with the file, and nothing secret."""

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

SECRET = "do-not-tell-Zm9vYmFy"  # noqa: S105 - of nobody
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


def written(file: Path, document: Any) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document, allow_unicode=True))
    return str(file)


def access(tmp_path: Path, context: str = "", **parts: Any) -> ClusterAccess:
    return Kubeconfig([written(tmp_path / "config", config(**parts))]).access(context)


def test_the_current_context_says_where_and_who(tmp_path: Path) -> None:
    found = access(tmp_path, user={"token": SECRET})
    assert (found.name, found.server, found.namespace) == ("here", SERVER, "shop")
    assert (found.authority, found.insecure, found.compressed) == (None, False, True)
    assert found.login == ClusterLogin(token=SECRET)


def test_the_first_file_to_say_something_wins(tmp_path: Path) -> None:
    first = config({"token": "first"}, {"tls-server-name": "first.example.com"})
    first["current-context"] = ""
    second = config({"token": "second", "username": "second"}, {"proxy-url": "http://second.example.com"})
    second["contexts"].append({"name": "there", "context": {"cluster": "two", "user": "ann"}})
    second["clusters"].append({"name": "two", "cluster": {"server": "https://two.example.com"}})
    paths = [written(tmp_path / "a", first), str(tmp_path / "missing"), written(tmp_path / "b", second)]
    merged = Kubeconfig(paths)
    assert merged.contexts == ("here", "there")
    assert merged.current == "here"
    found = merged.access()
    # An entry is taken whole: what a later file says more of it does not count.
    assert (found.server_name, found.proxy, found.login) == ("first.example.com", "", ClusterLogin(token="first"))  # noqa: S106
    there = merged.access("there")
    assert (there.server, there.login.token) == ("https://two.example.com", "first")


def test_paths_are_relative_to_the_file_they_stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "a" / "pki" / "ca.crt", "authority")
    written(tmp_path / "a" / "ann.crt", "certificate")
    written(tmp_path / "b" / "ann.crt", "another")
    written(tmp_path / "a" / "ann.key", "key")
    user = {
        "client-certificate": "ann.crt",
        "client-key": str(tmp_path / "a" / "ann.key"),
        "tokenFile": "../token",
        "exec": {"command": "./login", "apiVersion": "client.authentication.k8s.io/v1"},
    }
    written(tmp_path / "a" / "config", config(user, {"certificate-authority": "pki/ca.crt"}))
    written(tmp_path / "b" / "config", {"contexts": []})
    monkeypatch.chdir(tmp_path / "b")
    found = Kubeconfig(["config", "../a/config"]).access()
    assert found.authority == b"authority"
    assert found.login.certificate is not None
    assert (found.login.certificate.certificate, found.login.certificate.key) == (b"certificate", b"key")
    assert os.path.realpath(found.login.token_file) == str(tmp_path / "token")
    assert found.login.plugin is not None
    assert os.path.realpath(found.login.plugin.command) == str(tmp_path / "a" / "login")


def test_data_wins_over_files(tmp_path: Path) -> None:
    def inside(text: str) -> str:
        return base64.encodebytes(text.encode()).decode()

    user = {
        "client-certificate": "missing.crt",
        "client-certificate-data": inside("certificate"),
        "client-key": "missing.key",
        "client-key-data": inside("key"),
    }
    found = access(
        tmp_path, user=user, cluster={"certificate-authority": "missing", "certificate-authority-data": inside("ca")}
    )
    assert found.authority == b"ca"
    assert found.login.certificate is not None
    assert found.login.certificate.certificate == b"certificate"


def test_a_bare_command_is_looked_for_on_the_path(tmp_path: Path) -> None:
    user = {"exec": {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1beta1", "args": ["eks"]}}
    plugin = access(tmp_path, user=user).login.plugin
    assert plugin is not None
    assert (plugin.command, plugin.args, plugin.cluster) == ("aws", ("eks",), None)


def test_everything_that_is_null_is_absent(tmp_path: Path) -> None:
    user = {"token": SECRET, "exec": None, "as": None, "as-groups": None, "client-key": None, "auth-provider": None}
    cluster = {"certificate-authority": None, "proxy-url": None, "extensions": None}
    found = access(tmp_path, user=user, cluster=cluster, preferences=None)
    assert found.login == ClusterLogin(token=SECRET)
    assert Kubeconfig([written(tmp_path / "null", {"users": None, "contexts": None, "clusters": None})]).contexts == ()
    assert Kubeconfig([written(tmp_path / "empty", "")]).contexts == ()


def test_a_context_may_have_no_user(tmp_path: Path) -> None:
    contexts = [{"name": "here", "context": {"cluster": "one"}}]
    assert access(tmp_path, contexts=contexts).login == ClusterLogin()


def test_names_of_all_languages(tmp_path: Path) -> None:
    contexts = [{"name": "クラスタ/β ☸", "context": {"cluster": "één", "user": "Zoë"}}]
    users = [{"name": "Zoë", "user": {"token": SECRET}}]
    clusters = [{"name": "één", "cluster": {"server": SERVER}}]
    found = access(tmp_path, "クラスタ/β ☸", contexts=contexts, users=users, clusters=clusters)
    assert (found.name, found.login.token) == ("クラスタ/β ☸", SECRET)


def test_acting_as_somebody(tmp_path: Path) -> None:
    user = {"as": "jane", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"scopes": ["view", "edit"]}}
    assert access(tmp_path, user=user).impersonation == Impersonation(
        user="jane", uid="7", groups=("a", "b"), extra=(("scopes", ("view", "edit")),)
    )


def test_a_path_below_the_server_stays(tmp_path: Path) -> None:
    found = access(tmp_path, cluster={"server": "https://rancher.example.com/k8s/clusters/c-1/"})
    assert found.server == "https://rancher.example.com/k8s/clusters/c-1"


def test_what_programs_are_told(tmp_path: Path) -> None:
    extensions = [
        {"name": "other", "extension": 1},
        {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}},
    ]
    cluster = {
        "certificate-authority-data": base64.b64encode(b"ca").decode(),
        "tls-server-name": "inside.example.com",
        "extensions": extensions,
    }
    asked = {"command": "aws", "apiVersion": "client.authentication.k8s.io/v1", "provideClusterInfo": True}
    plugin = access(tmp_path, user={"exec": asked}, cluster=cluster).login.plugin
    assert plugin is not None
    assert plugin.cluster == {
        "server": SERVER,
        "certificate-authority-data": base64.b64encode(b"ca").decode(),
        "tls-server-name": "inside.example.com",
        "config": {"audience": "x"},
    }


def test_what_looks_like_a_date_is_text(tmp_path: Path) -> None:
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
    found = Kubeconfig([written(tmp_path / "config", text)]).access()
    assert found.login.plugin is not None
    assert found.login.plugin.cluster is not None
    assert (found.name, found.login.plugin.cluster["config"]) == ("2024-01-01", {"since": "2024-01-01"})


@pytest.mark.parametrize(
    "secured", [{"insecure-skip-tls-verify": True}, {"certificate-authority-data": "Y2E="}], ids=str
)
def test_a_server_with_tls_needs_no_scheme(tmp_path: Path, secured: dict[str, Any]) -> None:
    assert access(tmp_path, cluster={"server": "10.0.0.1:6443"} | secured).server == "https://10.0.0.1:6443"


def test_the_token_of_openid_connect_is_shown_as_it_stands(tmp_path: Path) -> None:
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
    "twice": (config(users=[{"name": "ann", "user": {"token": SECRET}}] * 2), ": users has 'ann' twice"),
    "token": (config({"token": [SECRET]}), ": user 'ann': Expected `str`, got `array`"),
    "user": (config(users=[{"name": "ann", "user": SECRET}]), ": user 'ann': Expected `object`, got `str`"),
    "missing user": (config(users=[]), ": context 'here': user 'ann' is not there$"),
    "missing cluster": (config(clusters=[]), ": context 'here': cluster 'one' is not there$"),
    "missing context": (config(contexts=[]), ": context 'here' is not there$"),
    "no current context": (config() | {"current-context": ""}, ": no current context is set; there are here$"),
    "no server": (config(cluster={"server": ""}), ": cluster 'one' names no server"),
    "no address": (config(cluster={"server": "cluster.example.com"}), ": server is no https:// address"),
    "file": (config(cluster={"server": "file:///etc/passwd"}), ": server is no https:// address"),
    "port": (config(cluster={"server": "https://a:99999"}), ": server is no address"),
    "nobody": (config(cluster={"server": "https://"}), ": server is no https:// address"),
    "password": (config(cluster={"server": f"https://ann:{SECRET}@a"}), ": server has a name and a password in it"),
    "base64": (config({"client-key-data": f"{SECRET}!", "client-certificate-data": "eA=="}), "client-key-data is not"),
    "base64 of another alphabet": (config(cluster={"certificate-authority-data": "é"}), "authority-data is not base64"),
    "missing file": (config(cluster={"certificate-authority": "gone"}), "gone: certificate-authority cannot be read"),
    "no file": (config(cluster={"certificate-authority": "a\0b"}), "certificate-authority cannot be read: no path"),
    "folder": (config(cluster={"certificate-authority": "."}), "certificate-authority cannot be read: Is a directory"),
    "half": (
        config({"client-key-data": base64.b64encode(SECRET.encode()).decode()}),
        "'ann' has a client certificate or",
    ),
    "provider": (config({"auth-provider": {"name": "gcp", "config": {"t": SECRET}}}), "auth-provider 'gcp', which"),
    "no token": (config({"auth-provider": {"name": "oidc"}}), "auth-provider 'oidc', which holds no id-token"),
    "alpha": (config({"exec": EXEC | {"apiVersion": "client.authentication.k8s.io/v1alpha1"}}), "exec plugins speak"),
    "interactive": (config({"exec": EXEC | {"interactiveMode": "Sometimes"}}), "interactiveMode is Never, IfAvailable"),
    "commandless": (config({"exec": {"apiVersion": EXEC["apiVersion"]}}), "missing required field `command`"),
    "groups": (config({"token": SECRET, "as-groups": ["viewers"]}), "as-groups and as-user-extra need as"),
    "env": (config({"exec": EXEC | {"env": [{"name": "A", "value": [SECRET]}]}}), "Expected `str`, got `array`"),
}


@pytest.mark.parametrize(("document", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_the_file(tmp_path: Path, document: Any, message: str) -> None:
    path = written(tmp_path / "config", document)
    with pytest.raises(KubeconfigError, match=message) as found:
        Kubeconfig([path]).access()
    assert str(tmp_path) in str(found.value)
    assert SECRET not in str(found.value)


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(KubeconfigError, match="/dev/zero: larger than"):
        Kubeconfig(["/dev/zero"])


def test_a_folder_is_no_kubeconfig(tmp_path: Path) -> None:
    with pytest.raises(KubeconfigError, match="Is a directory"):
        Kubeconfig([str(tmp_path)])


def test_names_steer_no_terminal(tmp_path: Path) -> None:
    path = written(tmp_path / "config", config(contexts=[{"name": "a\x1b[31mred", "context": {}}]))
    with pytest.raises(KubeconfigError, match="there are") as found:
        Kubeconfig([path]).access("b\x1b[0m")
    assert "\x1b" not in str(found.value)


def test_nothing_secret_is_shown_of_what_was_read(tmp_path: Path) -> None:
    pair = {name: base64.b64encode(SECRET.encode()).decode() for name in ("client-certificate-data", "client-key-data")}
    user: dict[str, Any] = {"token": SECRET, "username": "ann", "password": SECRET, **pair}
    user["exec"] = EXEC | {"args": [SECRET], "env": [{"name": "A", "value": SECRET}]}
    found = access(tmp_path, user=user, cluster={"proxy-url": f"http://ann:{SECRET}@proxy.example.com"})
    for value in (found, found.login, found.login.certificate, found.login.plugin):
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
def test_the_files_that_kubectl_reads(variable: str | None, home: str | None, paths: tuple[str, ...]) -> None:
    assert list_kubeconfig_paths(variable, home) == paths
