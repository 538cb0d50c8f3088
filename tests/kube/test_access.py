"""Authentication at a real API server by every kind of credentials, and verification of its certificate."""

from __future__ import annotations

import base64
import json
import os
import ssl
import tempfile
import traceback
import urllib.parse
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
import yaml

from kubekeep.kube.access import ClusterAccess, ClusterRequest, Impersonation
from kubekeep.kube.connection import KubeConnection
from kubekeep.kube.errors import ApiError, ConnectionLostError, KubeconfigError, KubeError, LoginError, UnreachableError
from kubekeep.kube.kubeconfig import Kubeconfig
from kubekeep.kube.settings import load_in_cluster_access
from tests.cluster.cluster import Cluster
from tests.kube import connecting
from tests.kube.faults import front

REVIEW = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
PATH = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
EXEC = "client.authentication.k8s.io/v1"


def identify(access: ClusterAccess, **environment: str) -> dict[str, Any]:
    """Return the user info of `access` from the API server."""
    environment = {"PATH": os.environ["PATH"]} | environment
    request = ClusterRequest(access=access, environment=environment, retry_policy=connecting.HURRIED)
    with KubeConnection(request) as connection:
        review: dict[str, Any] = connection.post(PATH, REVIEW, dict[str, Any])
    user_info: dict[str, Any] = review["status"]["userInfo"]
    return user_info


def kubeconfig(
    cluster: Cluster, tmp_path: Path, user: dict[str, Any], changes: dict[str, Any] | None = None
) -> ClusterAccess:
    """Return the access of a kubeconfig with one user."""
    there = {"server": cluster.address, "certificate-authority": str(cluster.authority)} | (changes or {})
    document = {
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": there}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(document))
    return Kubeconfig([str(file)]).get_access()


def pair(cluster: Cluster, user: str) -> dict[str, str]:
    files = cluster.layout.pair(user)
    return {"client-certificate": str(files.certificate), "client-key": str(files.key)}


def program(file: Path, status: dict[str, Any]) -> dict[str, Any]:
    """Write a credential plugin that returns `status`; return its kubeconfig user."""
    document = {"apiVersion": EXEC, "kind": "ExecCredential", "status": status}
    file.write_text(f"#!/bin/sh\ncat <<'END'\n{json.dumps(document)}\nEND\n")
    file.chmod(0o755)
    return {"exec": {"apiVersion": EXEC, "command": str(file), "interactiveMode": "Never"}}


@pytest.mark.parametrize("user", ["admin", "viewer", "nobody", "robot"])
def test_users_of_kubeconfig(cluster: Cluster, user: str) -> None:
    assert identify(Kubeconfig([str(cluster.kubeconfig)]).get_access(user))["username"] == user


def test_client_certificate_files(cluster: Cluster, tmp_path: Path) -> None:
    user_info = identify(kubeconfig(cluster, tmp_path, pair(cluster, "admin")))
    assert (user_info["username"], user_info["groups"]) == ("admin", ["system:masters", "system:authenticated"])


def test_token_file(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(cluster.service_account_token(namespace, "scanner") + "\n")
    user_info = identify(kubeconfig(cluster, tmp_path, {"tokenFile": "token"}))
    assert user_info["username"] == f"system:serviceaccount:{namespace}:scanner"


def test_plugin_with_token(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    status = {"token": cluster.service_account_token(namespace, "scanner")}
    user_info = identify(kubeconfig(cluster, tmp_path, program(tmp_path / "login", status)))
    assert user_info["username"] == f"system:serviceaccount:{namespace}:scanner"


def test_plugin_with_certificate(cluster: Cluster, tmp_path: Path) -> None:
    files = cluster.layout.pair("viewer")
    status = {"clientCertificateData": files.certificate.read_text(), "clientKeyData": files.key.read_text()}
    assert identify(kubeconfig(cluster, tmp_path, program(tmp_path / "login", status)))["username"] == "viewer"


def test_plugin_runs_again_after_401(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """The first token is invalid: the API server responds 401, and the second token is accepted."""
    good = cluster.service_account_token(namespace, "scanner")
    first, second = (
        json.dumps({"apiVersion": EXEC, "kind": "ExecCredential", "status": {"token": token}})
        for token in ("revoked", good)
    )
    file = tmp_path / "login"
    file.write_text(f"#!/bin/sh\nif mkdir {tmp_path}/ran 2>/dev/null; then echo '{first}'; else echo '{second}'; fi\n")
    file.chmod(0o755)
    access = kubeconfig(cluster, tmp_path, {"exec": {"apiVersion": EXEC, "command": str(file)}})
    assert identify(access)["username"] == f"system:serviceaccount:{namespace}:scanner"


def rotating_certificates(cluster: Cluster, folder: Path, second: str = ":") -> ClusterRequest:
    """Return a request whose plugin returns certificates of `viewer`, then `nobody`.

    Each credential is expired at once, so every request runs the plugin. The command `second` runs on later calls and
    may reset the order.
    """
    texts = []
    for user in ("viewer", "nobody"):
        files = cluster.layout.pair(user)
        status = {"clientCertificateData": files.certificate.read_text(), "clientKeyData": files.key.read_text()}
        status["expirationTimestamp"] = "2001-01-01T00:00:00Z"
        texts.append(json.dumps({"apiVersion": EXEC, "kind": "ExecCredential", "status": status}))
    file = folder / "login"
    script = (
        f"if mkdir {folder}/ran 2>/dev/null\nthen cat <<'END'\n{texts[0]}\nEND\n"
        f"else {second}; cat <<'END'\n{texts[1]}\nEND\nfi"
    )
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    access = kubeconfig(cluster, folder, {"exec": {"apiVersion": EXEC, "command": str(file)}})
    return ClusterRequest(access=access, environment={"PATH": os.environ["PATH"]}, retry_policy=connecting.HURRIED)


def test_new_credentials_replace_client_certificate(cluster: Cluster, tmp_path: Path) -> None:
    """The credentials are expired: every request uses what the plugin returns for it."""
    request = rotating_certificates(cluster, tmp_path)
    with KubeConnection(request) as connection:
        answers = [connection.post(PATH, REVIEW, dict[str, Any]) for _ in range(2)]
    assert [answer["status"]["userInfo"]["username"] for answer in answers] == ["viewer", "nobody"]


def test_replaced_client_closes_after_last_request(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Plugins return certificates for some hours, and a watch runs for weeks."""
    closed: list[httpx2.Client] = []
    close = httpx2.Client.close

    def closing(client: httpx2.Client) -> None:
        closed.append(client)
        close(client)

    monkeypatch.setattr(httpx2.Client, "close", closing)
    request = rotating_certificates(cluster, tmp_path, second=f"rmdir {tmp_path}/ran")
    with KubeConnection(request) as connection:
        with connection.stream("/version", {}, read_timeout=20) as pieces:
            answers = [connection.post(PATH, REVIEW, dict[str, Any]) for _ in range(4)]
            assert len(closed) == 3
            assert json.loads(b"".join(pieces))["gitVersion"]
        assert len(closed) == 4
    assert len({*closed}) == len(closed) == 5
    assert [answer["status"]["userInfo"]["username"] for answer in answers] == ["nobody", "viewer"] * 2


def test_password_is_sent(cluster: Cluster, tmp_path: Path) -> None:
    """The API server has had no passwords since 1.19 and treats the user as anonymous; proxies may check them."""
    user = {"username": "ann", "password": "do-not-tell"}
    with pytest.raises(ApiError, match='User "system:anonymous" cannot create') as refused:
        identify(kubeconfig(cluster, tmp_path, user))
    assert "do-not-tell" not in str(refused.value)
    with front(cluster) as proxy:
        access = kubeconfig(cluster, tmp_path, user, {"server": proxy.url})
        with pytest.raises(ApiError):
            identify(access)
    sent = proxy.requests[0].headers["authorization"]
    assert base64.b64decode(sent.removeprefix("Basic ")) == b"ann:do-not-tell"


def test_impersonation(cluster: Cluster, tmp_path: Path) -> None:
    user = pair(cluster, "admin") | {
        "as": "zoë ☸",
        "as-uid": "7",
        "as-groups": ["auditors", "größe"],
        "as-user-extra": {"example.com/Reason%": ["a", "b"]},
    }
    assert identify(kubeconfig(cluster, tmp_path, user)) == {
        "username": "zoë ☸",
        "uid": "7",
        "groups": ["auditors", "größe", "system:authenticated"],
        "extra": {"example.com/reason%": ["a", "b"]},
    }


def test_impersonation_needs_permission(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ApiError, match='cannot impersonate resource "users"') as refused:
        identify(kubeconfig(cluster, tmp_path, pair(cluster, "viewer") | {"as": "admin"}))
    assert (refused.value.status, refused.value.reason) == (403, "Forbidden")


@pytest.mark.parametrize("name", ["a\r\nImpersonate-Group: system:masters", "a\x00b", "a\n"])
def test_impersonated_name_cannot_inject_header(cluster: Cluster, tmp_path: Path, name: str) -> None:
    access = kubeconfig(cluster, tmp_path, pair(cluster, "admin"))
    acting = msgspec.structs.replace(access, impersonation=Impersonation(user=name))
    with pytest.raises(UnreachableError, match="contains invalid characters"):
        identify(acting)


def test_untrusted_authority_fails_at_once(cluster: Cluster, tmp_path: Path) -> None:
    other = str(cluster.layout.kubelets.pair.certificate)
    access = kubeconfig(cluster, tmp_path, pair(cluster, "admin"), {"certificate-authority": other})
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        identify(access)
    system = msgspec.structs.replace(access, authority=None)
    with pytest.raises(UnreachableError, match="certificate verify failed"):
        identify(system)
    assert identify(msgspec.structs.replace(access, insecure=True))["username"] == "admin"


def test_server_name_override(cluster: Cluster, tmp_path: Path) -> None:
    user = pair(cluster, "admin")
    with pytest.raises(UnreachableError, match=r"not valid for 'other\.example\.com'"):
        identify(kubeconfig(cluster, tmp_path, user, {"tls-server-name": "other.example.com"}))
    renamed = kubeconfig(cluster, tmp_path, user, {"tls-server-name": "kubernetes.default.svc"})
    assert identify(renamed)["username"] == "admin"


@pytest.mark.parametrize(
    "authority", [b"", b" \n", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"text"]
)
def test_invalid_authority_is_rejected(cluster: Cluster, tmp_path: Path, authority: bytes) -> None:
    """Invalid PEM must not fall back to the authorities of the system."""
    access = kubeconfig(cluster, tmp_path, pair(cluster, "admin"))
    with pytest.raises(KubeconfigError, match="invalid certificate authority"):
        identify(msgspec.structs.replace(access, authority=authority))


def test_client_certificate_needs_temporary_folder(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    access = kubeconfig(cluster, tmp_path, pair(cluster, "admin"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(LoginError, match="cannot create a temporary file: No such file"):
        identify(access)


@pytest.mark.parametrize("name", [".example.com", "a" * 64])
def test_invalid_server_name(cluster: Cluster, tmp_path: Path, name: str) -> None:
    changes = {"tls-server-name": name}
    with pytest.raises(KubeconfigError, match=f"invalid tls-server-name '{name}'"):
        identify(kubeconfig(cluster, tmp_path, pair(cluster, "admin"), changes))
    with pytest.raises(KubeconfigError, match="the address of the server is invalid"):
        identify(kubeconfig(cluster, tmp_path, pair(cluster, "admin"), {"server": f"https://{name}"}))


def test_authority_bundle_with_comments(cluster: Cluster, tmp_path: Path) -> None:
    access = kubeconfig(cluster, tmp_path, pair(cluster, "admin"))
    other = cluster.layout.kubelets.pair.certificate.read_bytes()
    bundle = "# Größte Autorität\n".encode() + other + b"\n# ours\n" + cluster.authority.read_bytes()
    assert identify(msgspec.structs.replace(access, authority=bundle))["username"] == "admin"


def test_key_of_another_certificate(cluster: Cluster, tmp_path: Path) -> None:
    user = {"client-key": str(cluster.layout.pair("viewer").key)}
    with pytest.raises(LoginError, match="invalid client certificate or key") as refused:
        identify(kubeconfig(cluster, tmp_path, pair(cluster, "admin") | user))
    assert "PRIVATE" not in str(refused.value)


def test_server_certificate_as_authority(cluster: Cluster, tmp_path: Path) -> None:
    """As in Go: every certificate in the kubeconfig is trusted."""
    url = urllib.parse.urlsplit(cluster.address)
    own = ssl.get_server_certificate((str(url.hostname), url.port or 443)).encode()
    access = kubeconfig(cluster, tmp_path, pair(cluster, "admin"))
    assert identify(msgspec.structs.replace(access, authority=own))["username"] == "admin"


def test_client_certificate_of_another_authority(cluster: Cluster, tmp_path: Path) -> None:
    other = cluster.layout.kubelets.issue(f"stranger-{tmp_path.name}")
    user = {"client-certificate": str(other.certificate), "client-key": str(other.key)}
    with pytest.raises(KubeError):
        identify(kubeconfig(cluster, tmp_path, user))


def test_plain_http_to_tls_server(cluster: Cluster, tmp_path: Path) -> None:
    plain = cluster.address.replace("https://", "http://")
    with pytest.raises(ApiError, match="400 Bad Request"):
        identify(kubeconfig(cluster, tmp_path, {}, {"server": plain}))


def test_tls_to_plain_http_server(cluster: Cluster, tmp_path: Path) -> None:
    with front(cluster) as proxy:
        access = kubeconfig(cluster, tmp_path, {}, {"server": proxy.url.replace("http://", "https://")})
        with pytest.raises(UnreachableError, match="cannot be reached"):
            identify(access)


def test_unknown_host(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(KubeError, match=r"https://nobody\.invalid cannot be reached"):
        identify(kubeconfig(cluster, tmp_path, {}, {"server": "https://nobody.invalid"}))


def test_closed_port(cluster: Cluster, tmp_path: Path) -> None:
    with pytest.raises(ConnectionLostError, match=r"https://127\.0\.0\.1:9 cannot be reached: .*refused"):
        identify(kubeconfig(cluster, tmp_path, {}, {"server": "https://127.0.0.1:9"}))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "cannot be reached"),
        ({"server": "https://127.0.0.1:9", "authority": b"text"}, "invalid certificate authority"),
        ({"proxy": "ftp://127.0.0.1:9"}, "invalid proxy"),
        ({"server": "https://a\x1b.invalid"}, "the address of the server is invalid"),
    ],
)
def test_context_name_is_escaped(change: dict[str, Any], message: str) -> None:
    access = ClusterAccess(name="shop\x1b[2J", server="http://127.0.0.1:9")
    with pytest.raises(KubeError, match=message) as caught:
        identify(msgspec.structs.replace(access, **change))
    assert str(caught.value).startswith(r"shop\x1b[2J: ")
    assert "\x1b" not in str(caught.value)


def account(cluster: Cluster, namespace: str, folder: Path) -> dict[str, str]:
    """Write the files that the kubelet mounts for a service account; return the environment of the pod."""
    (folder / "token").write_text(cluster.service_account_token(namespace, "scanner"))
    (folder / "ca.crt").write_bytes(cluster.authority.read_bytes())
    (folder / "namespace").write_text(f"{namespace}\n")
    url = urllib.parse.urlsplit(cluster.address)
    return {"KUBERNETES_SERVICE_HOST": str(url.hostname), "KUBERNETES_SERVICE_PORT": str(url.port)}


def test_inside_cluster(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    environment = account(cluster, namespace, tmp_path)
    access = load_in_cluster_access(environment, tmp_path)
    assert access is not None
    assert (access.name, access.namespace) == ("in-cluster", namespace)
    assert identify(access)["username"] == f"system:serviceaccount:{namespace}:scanner"
    (tmp_path / "token").write_text("guessed-token")
    with pytest.raises(LoginError) as refused:
        identify(access)
    assert "guessed" not in f"{refused.value}{access!r}"


def test_outside_cluster(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    environment = account(cluster, namespace, tmp_path)
    assert load_in_cluster_access({}, tmp_path) is None
    assert load_in_cluster_access(environment | {"KUBERNETES_SERVICE_HOST": ""}, tmp_path) is None
    assert load_in_cluster_access(environment, tmp_path / "gone") is None
    ipv6_access = load_in_cluster_access(environment | {"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path)
    assert ipv6_access is not None
    assert ipv6_access.server.startswith("https://[fd00::1]:")
    with pytest.raises(KubeconfigError, match="KUBERNETES_SERVICE_PORT is not a number: 'tcp"):
        load_in_cluster_access(environment | {"KUBERNETES_SERVICE_PORT": "tcp://10.0.0.1:443"}, tmp_path)
    (tmp_path / "ca.crt").unlink()
    with pytest.raises(KubeconfigError, match=f"{tmp_path}: No such file"):
        load_in_cluster_access(environment, tmp_path)
    os.mkfifo(tmp_path / "ca.crt")
    with pytest.raises(KubeconfigError, match=f"{tmp_path}: not a regular file"):
        load_in_cluster_access(environment, tmp_path)


def test_traceback_contains_no_secret(cluster: Cluster, tmp_path: Path) -> None:
    """Secrets are hidden even if the traceback shows local variables."""
    access = kubeconfig(cluster, tmp_path, {"token": "do-not-tell"})
    with pytest.raises(LoginError) as refused:
        identify(access)
    recorded = traceback.TracebackException.from_exception(refused.value, capture_locals=True)
    assert "_open_response" in {frame.name for frame in recorded.stack}
    assert "do-not-tell" not in "".join(recorded.format())
