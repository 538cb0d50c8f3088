"""Credential plugins as real programs: correct, faulty, slow and missing ones."""

from __future__ import annotations

import datetime as dt
import json
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from kubekeep.kube import credentials as credentials_module
from kubekeep.kube.access import Certificate, ClusterLogin, Plugin
from kubekeep.kube.credentials import Credentials, PluginCredentials, run_plugin
from kubekeep.kube.errors import LoginError
from tests.cluster.cluster import eventually

V1, V1BETA1 = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"
SECRET = "do-not-tell-Zm9vYmFy"  # noqa: S105 - not a real secret
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def program(folder: Path, text: str, name: str = "login") -> str:
    """Write a shell script and return its path."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def print_credential(status: Any, version: str = V1) -> str:
    """Return the shell command that prints a credential."""
    document = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(document)}\nEND"


def run(plugin: Plugin, environment: Mapping[str, str] = ENVIRONMENT, *, terminal: bool = False) -> PluginCredentials:
    return run_plugin(plugin, environment, terminal=terminal, stop=threading.Event())


def run_script(folder: Path, text: str, *, terminal: bool = False, **fields: Any) -> PluginCredentials:
    fields = {"api_version": V1, "command": program(folder, text)} | fields
    return run(Plugin(**fields), terminal=terminal)


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_token_with_expiry(tmp_path: Path, version: str) -> None:
    status = {"token": SECRET, "expirationTimestamp": "2030-01-02T03:04:05Z", "clientKeyData": None}
    credentials = run_script(tmp_path, print_credential(status, version), api_version=version)
    assert (credentials.token, credentials.certificate) == (SECRET, None)
    assert credentials.expires == dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    assert SECRET not in repr(credentials)


def test_certificate_with_key(tmp_path: Path) -> None:
    credentials = run_script(tmp_path, print_credential({"clientCertificateData": "pem\n", "clientKeyData": SECRET}))
    assert (credentials.token, credentials.expires) == ("", None)
    assert credentials.certificate == Certificate(b"pem\n", SECRET.encode())


def test_input_of_plugin(tmp_path: Path) -> None:
    copied = tmp_path / "told"
    text = f'printf "%s|%s|%s" "$KUBERNETES_EXEC_INFO" "$1" "$REGION" > {copied}\n{print_credential({"token": "a"})}'
    cluster: dict[str, object] = {"server": "https://a", "config": {"audience": "x"}}
    fields = {"args": ("two words; $(id)",), "env": (("REGION", "north"),), "cluster": cluster}
    run_script(tmp_path, text, terminal=False, **fields)
    exec_info, argument, region = copied.read_text().split("|")
    assert json.loads(exec_info) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {"cluster": cluster, "interactive": False},
    }
    assert (argument, region) == ("two words; $(id)", "north")


@pytest.mark.parametrize(
    ("mode", "terminal", "interactive"),
    [("IfAvailable", True, True), ("IfAvailable", False, False), ("Never", True, False), ("Always", True, True)],
)
def test_interactive_mode(tmp_path: Path, mode: str, *, terminal: bool, interactive: bool) -> None:
    copied = tmp_path / "told"
    text = f'printf "%s" "$KUBERNETES_EXEC_INFO" > {copied}\n{print_credential({"token": "a"})}'
    run_script(tmp_path, text, terminal=terminal, interactive=mode)
    assert json.loads(copied.read_text())["spec"] == {"interactive": interactive}


def test_stdin_is_empty_without_terminal(tmp_path: Path) -> None:
    assert run_script(tmp_path, f"cat > {tmp_path}/read\n{print_credential({'token': 'a'})}").token == "a"  # noqa: S105
    assert (tmp_path / "read").read_text() == ""


def test_program_is_searched_on_path_of_environment(tmp_path: Path) -> None:
    program(tmp_path, print_credential({"token": "a"}), "our-login")
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    bare = Plugin(api_version=V1, command="our-login")
    assert run(bare, path).token == "a"  # noqa: S105
    with pytest.raises(LoginError, match="'our-login', a credential plugin of the kubeconfig, is not installed"):
        run(bare)


WRONG: dict[str, tuple[str, str]] = {
    "fails": (f"echo {SECRET}; exit 3", "returned no credentials: exit code 3"),
    "is killed": ("kill -9 $$", "returned no credentials: exit code -9"),
    "says nothing": ("exit 0", "did not return an ExecCredential: Input data was truncated"),
    "garbage": (f"echo 'token: {SECRET}'", "did not return an ExecCredential: JSON is malformed"),
    "bytes": (r"printf '\377\376'", "did not return an ExecCredential"),
    "list": (f"echo '[\"{SECRET}\"]'", "did not return an ExecCredential: Expected `object`"),
    "deep": ("head -c 100000 /dev/zero | tr '\\0' '['", "did not return an ExecCredential"),
    "other version": (print_credential({"token": SECRET}, V1BETA1), f"did not return an ExecCredential of {V1}$"),
    "other kind": (
        f'echo \'{{"apiVersion":"{V1}","kind":"Pod","status":{{"token":"{SECRET}"}}}}\'',
        "not return an ExecCredential of",
    ),
    "no status": (f'echo \'{{"apiVersion":"{V1}","kind":"ExecCredential"}}\'', "neither a token nor a certificate"),
    "empty": (print_credential({"token": ""}), "neither a token nor a certificate"),
    "half": (
        print_credential({"token": "a", "clientKeyData": SECRET}),
        "neither a token nor a certificate with its key",
    ),
    "without end": (f"exec yes {SECRET}", "its output exceeds 1048576 bytes"),
    "date": (
        print_credential({"token": SECRET, "expirationTimestamp": "tomorrow"}),
        "Invalid RFC3339 encoded datetime",
    ),
    "number": (print_credential({"token": 7}), r"Expected `str \| null`, got `int`"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_plugin_without_credentials(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LoginError, match=message) as caught:
        run_script(tmp_path, text)
    assert str(caught.value).startswith(f"the program '{tmp_path}/login' ")
    assert SECRET not in str(caught.value)


def test_install_hint(tmp_path: Path) -> None:
    missing = Plugin(api_version=V1, command=str(tmp_path / "gone"), install_hint="get it at\x1b https://example.com")
    with pytest.raises(LoginError, match=r"is not installed\nget it at.* https://example\.com") as caught:
        run(missing)
    assert "\x1b" not in str(caught.value)


def test_interactive_plugin_needs_terminal(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match="requires interaction, but there is no terminal"):
        run_script(tmp_path, f"touch {tmp_path}/ran", interactive="Always")
    assert not (tmp_path / "ran").exists()


def test_program_cannot_be_executed(tmp_path: Path) -> None:
    file = tmp_path / "login"
    file.write_bytes(b"\x7fELF nothing")
    file.chmod(0o755)
    with pytest.raises(LoginError, match="cannot be run: Exec format error"):
        run(Plugin(api_version=V1, command=str(file)))
    with pytest.raises(LoginError, match="cannot be run: its arguments or variables contain a NUL character"):
        run(Plugin(api_version=V1, command=str(file), args=("a\0",)))


def test_program_times_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials_module, "_TIMEOUT_SECONDS", 1)
    with pytest.raises(LoginError, match="returned no credentials within 1 seconds"):
        run_script(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_program_ends_with_connection(tmp_path: Path) -> None:
    """The waiting caller returns too, although a child of the program still holds the pipe."""
    text = f"sleep 600 & echo $! > {tmp_path}/child\necho $$ > {tmp_path}/new && mv {tmp_path}/new {tmp_path}/pid; wait"
    login = ClusterLogin(plugin=Plugin(api_version=V1, command=program(tmp_path, text)))
    stop = threading.Event()
    credentials = Credentials(login, ENVIRONMENT, terminal=False, stop=stop)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(credentials.get_current)
        eventually((tmp_path / "pid").exists)
        stop.set()
        error = waiting.exception(timeout=20)
    os.kill(int((tmp_path / "child").read_text()), 9)
    assert isinstance(error, LoginError)
    assert "the connection was closed" in str(error)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def counting(folder: Path, until: str) -> Plugin:
    """Return a plugin whose token contains the number of its runs."""
    status = json.dumps({"token": "token-NUMBER", "expirationTimestamp": until})
    document = f'{{"apiVersion":"{V1}","kind":"ExecCredential","status":{status}}}'
    text = f"echo run >> {folder}/runs\ncat <<END | sed s/NUMBER/$(wc -l < {folder}/runs | tr -d ' ')/\n{document}\nEND"
    return Plugin(api_version=V1, command=program(folder, text))


def test_program_runs_once_until_expiry(tmp_path: Path) -> None:
    credentials = Credentials(
        ClusterLogin(plugin=counting(tmp_path, "2999-01-01T00:00:00Z")), ENVIRONMENT, terminal=False
    )
    assert [credentials.get_current().header for _ in range(3)] == ["Bearer token-1"] * 3


def test_program_runs_again_after_expiry(tmp_path: Path) -> None:
    credentials = Credentials(
        ClusterLogin(plugin=counting(tmp_path, "2001-01-01T00:00:00Z")), ENVIRONMENT, terminal=False
    )
    assert [credentials.get_current().header for _ in range(2)] == ["Bearer token-1", "Bearer token-2"]


def test_refused_credentials_are_renewed_once(tmp_path: Path) -> None:
    credentials = Credentials(
        ClusterLogin(plugin=counting(tmp_path, "2999-01-01T00:00:00Z")), ENVIRONMENT, terminal=False
    )
    refused = credentials.get_current()
    renewed = [credentials.renew(refused) for _ in range(3)]
    assert [credential and credential.header for credential in renewed] == ["Bearer token-2"] * 3
    assert (tmp_path / "runs").read_text() == "run\n" * 2


def test_failed_program_runs_once_for_many_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Plugin(api_version=V1, command=program(tmp_path, f"echo run >> {tmp_path}/runs; exit 7"))
    credentials = Credentials(ClusterLogin(plugin=plugin), ENVIRONMENT, terminal=False)
    with ThreadPoolExecutor(8) as pool:
        errors = [str(future.exception()) for future in [pool.submit(credentials.get_current) for _ in range(8)]]
    assert errors == [f"the program {plugin.command!r} returned no credentials: exit code 7"] * 8
    assert (tmp_path / "runs").read_text() == "run\n"
    monkeypatch.setattr(credentials_module, "_RERUN_SECONDS", -1.0)
    again = Credentials(ClusterLogin(plugin=plugin), ENVIRONMENT, terminal=False)
    for _ in range(2):
        with pytest.raises(LoginError):
            again.get_current()
    assert (tmp_path / "runs").read_text() == "run\n" * 3


def test_program_with_same_token_runs_again_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"echo run >> {tmp_path}/runs\n{print_credential({'token': 'same'})}"
    login = ClusterLogin(plugin=Plugin(api_version=V1, command=program(tmp_path, text)))
    credentials = Credentials(login, ENVIRONMENT, terminal=False)
    refused = credentials.get_current()
    assert [credentials.renew(refused) for _ in range(3)] == [None] * 3
    assert (tmp_path / "runs").read_text() == "run\n" * 2
    monkeypatch.setattr(credentials_module, "_RERUN_SECONDS", -1.0)
    credentials = Credentials(login, ENVIRONMENT, terminal=False)
    refused = credentials.get_current()
    assert [credentials.renew(refused) for _ in range(2)] == [None] * 2
    assert (tmp_path / "runs").read_text() == "run\n" * 5


def test_token_takes_precedence_over_plugin(tmp_path: Path) -> None:
    """Same precedence as in kubectl."""
    login = ClusterLogin(token="own", plugin=counting(tmp_path, "2999-01-01T00:00:00Z"))  # noqa: S106
    assert Credentials(login, ENVIRONMENT, terminal=False).get_current().header == "Bearer own"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("token", ["a\nb", "a\x00b", "a\x7fb", "é", "a\tb"])
def test_invalid_token_is_not_quoted(token: str) -> None:
    credentials = Credentials(ClusterLogin(token=f"{SECRET}{token}"), {}, terminal=False)
    with pytest.raises(LoginError, match="the token contains invalid characters") as caught:
        credentials.get_current()
    assert SECRET not in str(caught.value)


def test_token_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    login = ClusterLogin(token_file=str(file))
    with pytest.raises(LoginError, match=f"{file}: no readable token in this file"):
        Credentials(login, {}, terminal=False).get_current()
    os.mkfifo(file)
    with pytest.raises(LoginError, match=f"{file}: no readable token in this file"):
        Credentials(login, {}, terminal=False).get_current()
    file.unlink()
    file.write_text("first\n")
    credentials = Credentials(login, {}, terminal=False)
    current = credentials.get_current()
    assert current.header == "Bearer first"
    assert "first" not in repr(current)
    file.write_text("second")
    renewed = credentials.renew(current)
    assert renewed is not None
    assert renewed.header == "Bearer second"
    file.unlink()
    # No new token and no other source: the rejected token is all there is.
    assert credentials.renew(renewed) is None


def test_token_file_takes_precedence_over_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    login = ClusterLogin(token="static", token_file=str(file))  # noqa: S106
    assert Credentials(login, {}, terminal=False).get_current().header == "Bearer static"
    file.write_text("rotated")
    assert Credentials(login, {}, terminal=False).get_current().header == "Bearer rotated"


def test_user_name_and_password() -> None:
    current = Credentials(ClusterLogin(username="ann", password="pässword"), {}, terminal=False).get_current()  # noqa: S106
    assert current.header == "Basic YW5uOnDDpHNzd29yZA=="
    assert "YW5u" not in repr(current)
