"""`kubekeep scan` of a cluster: real processes, a real API server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.cluster import Cluster, eventually
from tests.command_line import run_command_line
from tests.kube.faults import Exchange, always, front, page_of
from tests.kube.proxies import proxy
from tests.sources.cluster import objects

SECRET = "do-not-tell-Zm9vYmFy"  # noqa: S105 - made up


def environment(home: Path, **more: str) -> dict[str, str]:
    """Return the environment of this process without variables about clusters, and with another home."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}
    return variables | {"HOME": str(home)} | more


def kubekeep(home: Path, *arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    others = {name: None for name in os.environ if name.startswith("KUBE")}
    return run_command_line("scan", *arguments, variables={**others, "HOME": str(home), **more})


def kubeconfig(file: Path, server: str, user: dict[str, Any], **cluster: Any) -> Path:
    document = {
        "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server} | cluster}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }
    file.write_text(yaml.safe_dump(document))
    return file


PRIVILEGED = ("control", "C-0057")


def privileged(namespace: str) -> dict[str, Any]:
    result = objects.replicated("Deployment", namespace, "web")
    result["spec"]["template"]["spec"]["containers"][0]["securityContext"] = {"privileged": True}
    return result


def failed(text: str) -> set[str]:
    """Return the resources with a failure in a JSON report."""
    report = json.loads(text)
    names = {entry["resourceID"]: entry["object"]["metadata"] for entry in report["resources"]}
    return {
        f"{names[entry['resourceID']].get('namespace')}/{names[entry['resourceID']]['name']}"
        for entry in report["results"]
        if any(control["status"]["status"] == "failed" for control in entry["controls"])
    }


def test_without_a_path_the_cluster_is_scanned(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.apply([privileged(namespace)])
    config = str(cluster.kubeconfig)
    for result in (
        kubekeep(tmp_path, *PRIVILEGED, "-f", "json", KUBECONFIG=config),
        kubekeep(tmp_path, *PRIVILEGED, "-f", "json", "--kubeconfig", config),
        kubekeep(tmp_path, *PRIVILEGED, "-f", "json", KUBECONFIG=f"{tmp_path}/missing{os.pathsep}{config}"),
    ):
        assert (result.returncode, result.stderr) == (0, "")
        assert f"{namespace}/web" in failed(result.stdout)


def test_default_kubeconfig_is_in_home(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.apply([privileged(namespace)])
    (tmp_path / ".kube").mkdir()
    (tmp_path / ".kube" / "config").write_bytes(cluster.kubeconfig.read_bytes())
    result = kubekeep(tmp_path, *PRIVILEGED, "-f", "json")
    assert f"{namespace}/web" in failed(result.stdout)


def test_missing_permissions_are_reported(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.apply([privileged(namespace)])
    result = kubekeep(
        tmp_path, *PRIVILEGED, "--kube-context", "viewer", "--format", "pretty", KUBECONFIG=str(cluster.kubeconfig)
    )
    assert result.returncode == 3
    text = " ".join(result.stdout.split())
    assert "forbidden for viewer list customresourcedefinitions.apiextensions.k8s.io, nodes" in text
    assert "to print the required roles and the missing permissions" in text
    assert (
        result.stderr
        == "incomplete: some resources could not be listed; use --dry-run to print the missing permissions\n"
    )


def test_namespaced_permissions_are_enough_for_namespaced_controls(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    """Use the built-in role `view`."""
    user = f"{namespace}-viewer"
    config = str(cluster.user(user, []))
    rbac = "rbac.authorization.k8s.io"
    binding = {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "view", "namespace": namespace},
        "subjects": [{"kind": "User", "apiGroup": rbac, "name": user}],
        "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": "view"},
    }
    cluster.apply([binding, privileged(namespace)])
    only = ("--include-namespaces", namespace)
    standard = ("framework", "pss-restricted", *only)
    eventually(lambda: kubekeep(tmp_path, *standard, "--dry-run", KUBECONFIG=config).returncode == 0)
    scan = kubekeep(tmp_path, *standard, "-f", "json", KUBECONFIG=config)
    assert (scan.returncode, scan.stderr) == (0, "")
    assert failed(scan.stdout) == {f"{namespace}/web"}
    typo = kubekeep(tmp_path, *standard[:-1], f"{namespace}-not", KUBECONFIG=config)
    assert typo.returncode == 3
    assert f"no resource in the input has namespace {namespace}-not" in typo.stderr
    more = kubekeep(tmp_path, "framework", "nsa", *only, KUBECONFIG=config)
    assert more.returncode == 3
    assert "--dry-run" in more.stderr


def test_user_without_permissions_gets_an_error(cluster: Cluster, tmp_path: Path) -> None:
    result = kubekeep(tmp_path, *PRIVILEGED, "--kube-context", "nobody", KUBECONFIG=str(cluster.kubeconfig))
    assert result.returncode == 3
    assert "nothing was assessed" in result.stderr


def test_impersonation(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.apply([privileged(namespace)])
    config = {"KUBECONFIG": str(cluster.kubeconfig)}
    result = kubekeep(tmp_path, *PRIVILEGED, "--as", "jane", "--as-group", "auditors", **config)
    assert result.returncode == 3
    assert "forbidden for jane" in " ".join(result.stdout.split())
    assert kubekeep(tmp_path, *PRIVILEGED, "--as", "jane", "--as-group", "system:masters", **config).returncode == 0
    refused = kubekeep(tmp_path, *PRIVILEGED, "--as", "jane", "--kube-context", "viewer", **config)
    assert refused.returncode == 3
    assert 'cannot impersonate resource "users"' in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--kube-context", "gone"), 2, "context 'gone' does not exist; available: admin, "),
        (("--as-group", "a"), 2, "--as-group requires --as"),
        (("--as-uid", "a"), 2, "--as-uid requires --as"),
        (("--kube-context", "admin", "."), 2, "--kube-context requires a live cluster"),
        (("--as", "a", "."), 2, "--as requires a live cluster"),
        (("--insecure-skip-tls-verify", "."), 2, "--insecure-skip-tls-verify requires a live cluster"),
        (("--dry-run", "."), 2, "--dry-run requires a live cluster"),
        (("--kubeconfig", "/missing"), 2, "'/missing' does not exist"),
    ],
    ids=str,
)
def test_usage_errors(cluster: Cluster, tmp_path: Path, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = kubekeep(tmp_path, *PRIVILEGED, *arguments, KUBECONFIG=str(cluster.kubeconfig))
    assert result.returncode == code
    assert words in " ".join(result.stderr.split())


def test_scan_without_kubeconfig_and_path_is_an_error(tmp_path: Path) -> None:
    result = kubekeep(tmp_path)
    assert result.returncode == 2
    assert f"no kubeconfig at {tmp_path}/.kube/config" in " ".join(result.stderr.split())


def test_invalid_kubeconfig_is_reported_with_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text(f"users:\n- name: ann\n  user: {{token: {SECRET}\n")
    result = kubekeep(tmp_path, KUBECONFIG=str(file))
    assert result.returncode == 2
    assert f"{file}:4:1: not YAML" in result.stderr
    assert SECRET not in result.stderr


@pytest.mark.parametrize(
    ("user", "words"),
    [
        ({"token": SECRET}, "rejects the credentials (401)"),
        ({"token": f"{SECRET}\0"}, "the token contains invalid characters"),
        (
            {
                "exec": {
                    "command": "kubekeep-no-login",
                    "apiVersion": "client.authentication.k8s.io/v1",
                    "args": [SECRET],
                }
            },
            "the program 'kubekeep-no-login', a credential plugin of the kubeconfig, is not installed",
        ),
        (
            {"exec": {"command": "false", "apiVersion": "client.authentication.k8s.io/v1", "args": [SECRET]}},
            "the program 'false' returned no credentials: exit code 1",
        ),
    ],
    ids=["unknown token", "broken token", "no program", "program fails"],
)
def test_invalid_credentials_are_errors(cluster: Cluster, tmp_path: Path, user: dict[str, Any], words: str) -> None:
    file = kubeconfig(tmp_path / "config", cluster.address, user, **{"certificate-authority": str(cluster.authority)})
    result = kubekeep(tmp_path, KUBECONFIG=str(file))
    assert result.returncode == 3
    assert words in " ".join(result.stderr.split())
    assert SECRET not in result.stderr + result.stdout


def test_server_certificate_is_verified(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.apply([privileged(namespace)])
    files = cluster.layout.pair("admin")
    user = {"client-certificate": str(files.certificate), "client-key": str(files.key)}
    file = kubeconfig(tmp_path / "config", cluster.address, user)
    result = kubekeep(tmp_path, *PRIVILEGED, KUBECONFIG=str(file))
    assert result.returncode == 3
    assert "certificate verify failed" in result.stderr
    assert kubekeep(tmp_path, *PRIVILEGED, "--insecure-skip-tls-verify", KUBECONFIG=str(file)).returncode == 0


def test_proxy_of_the_environment_is_used(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.apply([privileged(namespace)])
    files = cluster.layout.pair("admin")
    user = {"client-certificate": str(files.certificate), "client-key": str(files.key)}
    port = urllib.parse.urlsplit(cluster.address).port
    authority = {"certificate-authority": str(cluster.authority)}
    file = kubeconfig(tmp_path / "config", f"https://kubernetes.default:{port}", user, **authority)
    with proxy({"kubernetes.default": "127.0.0.1"}) as result:
        variables = {"KUBECONFIG": str(file), "HTTPS_PROXY": result.address, "NO_PROXY": "10.0.0.0/8"}
        assert kubekeep(tmp_path, *PRIVILEGED, **variables).returncode == 0
        assert {*result.targets} == {f"kubernetes.default:{port}"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("wait", ["pages", "definitions", "discovery", "permissions"])
def test_interrupt_ends_scan_immediately(cluster: Cluster, tmp_path: Path, number: signal.Signals, wait: str) -> None:
    """Interrupt a scan of a silent API server, which would otherwise wait a minute for each list."""
    silent_server, reached = threading.Event(), threading.Event()
    matches = {
        "pages": lambda request: "limit" in request.query and request.kind != "customresourcedefinitions",
        "definitions": page_of("customresourcedefinitions"),
        "discovery": lambda request: request.path == "/apis",
        "permissions": page_of("selfsubjectaccessreviews"),
    }[wait]

    def hang(_: Exchange) -> None:
        reached.set()
        silent_server.wait(100)

    with front(cluster, always(matches, hang)) as result:
        file = kubeconfig(tmp_path / "config", result.url, {})
        options = ["--dry-run"] if wait == "permissions" else []
        with subprocess.Popen(
            [sys.executable, "-m", "kubekeep", "scan", "framework", "nsa", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(tmp_path, KUBECONFIG=str(file)),
        ) as process:
            try:
                assert reached.wait(60)
                process.send_signal(number)
                # Below the timeout of a silent server (one minute), far above the expected time.
                output, errors = process.communicate(timeout=120)
            finally:
                process.kill()
        silent_server.set()
    assert "Traceback" not in errors
    assert output == ""
    assert process.returncode in ({130} if number == signal.SIGINT else {143, -15})


def test_printed_role_has_all_permissions(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    user = f"{namespace}-scanner"
    config = cluster.user(user, [])
    before = kubekeep(tmp_path, "framework", "nsa", "--dry-run", KUBECONFIG=str(config))
    assert before.returncode == 3
    role = yaml.safe_load(before.stdout)
    refused = "missing permission: list "
    missing = {line.removeprefix(refused) for line in before.stderr.splitlines() if line.startswith(refused)}
    granted = {
        ".".join(filter(None, (resource, group)))
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert missing == granted
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"list"}
    role["metadata"]["name"] = user
    cluster.apply([role])
    cluster.bind(user, user)
    after = kubekeep(tmp_path, "framework", "nsa", "--dry-run", KUBECONFIG=str(config))
    assert (after.returncode, after.stdout) == (0, before.stdout)
    assert f"all {len(granted)} permissions are granted" in after.stderr
    scan = kubekeep(tmp_path, "framework", "nsa", KUBECONFIG=str(config))
    assert (scan.returncode, scan.stderr) == (0, "")
    for resource in (
        role,
        {"kind": "ClusterRoleBinding", "apiVersion": role["apiVersion"], "metadata": {"name": f"{user}:{user}"}},
    ):
        cluster.delete(resource)
