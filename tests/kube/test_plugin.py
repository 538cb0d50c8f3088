"""Programs that hand out credentials: real ones, that do it well, badly, late and not at all."""

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
SECRET = "do-not-tell-Zm9vYmFy"  # noqa: S105 - of nobody
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def program(folder: Path, text: str, name: str = "login") -> str:
    """A shell script; gives its path."""
    file = folder / name
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return str(file)


def says(status: Any, version: str = V1) -> str:
    """The line that hands out a status."""
    document = {"apiVersion": version, "kind": "ExecCredential", "status": status}
    return f"cat <<'END'\n{json.dumps(document)}\nEND"


def handed(
    plugin: Plugin, environment: Mapping[str, str] = ENVIRONMENT, *, terminal: bool = False
) -> PluginCredentials:
    return run_plugin(plugin, environment, terminal=terminal, stop=threading.Event())


def asked(folder: Path, text: str, *, terminal: bool = False, **fields: Any) -> PluginCredentials:
    fields = {"api_version": V1, "command": program(folder, text)} | fields
    return handed(Plugin(**fields), terminal=terminal)


@pytest.mark.parametrize("version", [V1, V1BETA1])
def test_a_token_until_some_time(tmp_path: Path, version: str) -> None:
    status = {"token": SECRET, "expirationTimestamp": "2030-01-02T03:04:05Z", "clientKeyData": None}
    found = asked(tmp_path, says(status, version), api_version=version)
    assert (found.token, found.certificate) == (SECRET, None)
    assert found.until == dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    assert SECRET not in repr(found)


def test_a_certificate_with_its_key(tmp_path: Path) -> None:
    found = asked(tmp_path, says({"clientCertificateData": "pem\n", "clientKeyData": SECRET}))
    assert (found.token, found.until) == ("", None)
    assert found.certificate == Certificate(b"pem\n", SECRET.encode())


def test_what_a_program_is_told(tmp_path: Path) -> None:
    copied = tmp_path / "told"
    text = f'printf "%s|%s|%s" "$KUBERNETES_EXEC_INFO" "$1" "$REGION" > {copied}\n{says({"token": "a"})}'
    cluster: dict[str, object] = {"server": "https://a", "config": {"audience": "x"}}
    given = {"args": ("two words; $(id)",), "env": (("REGION", "north"),), "cluster": cluster}
    asked(tmp_path, text, terminal=False, **given)
    told, argument, region = copied.read_text().split("|")
    assert json.loads(told) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {"cluster": cluster, "interactive": False},
    }
    assert (argument, region) == ("two words; $(id)", "north")


@pytest.mark.parametrize(
    ("mode", "terminal", "interactive"),
    [("IfAvailable", True, True), ("IfAvailable", False, False), ("Never", True, False), ("Always", True, True)],
)
def test_whether_a_program_may_ask(tmp_path: Path, mode: str, *, terminal: bool, interactive: bool) -> None:
    copied = tmp_path / "told"
    text = f'printf "%s" "$KUBERNETES_EXEC_INFO" > {copied}\n{says({"token": "a"})}'
    asked(tmp_path, text, terminal=terminal, interactive=mode)
    assert json.loads(copied.read_text())["spec"] == {"interactive": interactive}


def test_without_a_terminal_it_has_nothing_to_read(tmp_path: Path) -> None:
    assert asked(tmp_path, f"cat > {tmp_path}/read\n{says({'token': 'a'})}").token == "a"  # noqa: S105
    assert (tmp_path / "read").read_text() == ""


def test_a_program_is_looked_for_where_the_user_has_his(tmp_path: Path) -> None:
    program(tmp_path, says({"token": "a"}), "our-login")
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    bare = Plugin(api_version=V1, command="our-login")
    assert handed(bare, path).token == "a"  # noqa: S105
    with pytest.raises(LoginError, match="'our-login', which gives the credentials, is not installed"):
        handed(bare)


WRONG: dict[str, tuple[str, str]] = {
    "fails": (f"echo {SECRET}; exit 3", "gave no credentials: exit code 3"),
    "is killed": ("kill -9 $$", "gave no credentials: exit code -9"),
    "says nothing": ("exit 0", "said no ExecCredential: Input data was truncated"),
    "garbage": (f"echo 'token: {SECRET}'", "said no ExecCredential: JSON is malformed"),
    "bytes": (r"printf '\377\376'", "said no ExecCredential"),
    "list": (f"echo '[\"{SECRET}\"]'", "said no ExecCredential: Expected `object`"),
    "deep": ("head -c 100000 /dev/zero | tr '\\0' '['", "said no ExecCredential"),
    "other version": (says({"token": SECRET}, V1BETA1), f"said no ExecCredential of {V1}$"),
    "other kind": (
        f'echo \'{{"apiVersion":"{V1}","kind":"Pod","status":{{"token":"{SECRET}"}}}}\'',
        "no ExecCredential of",
    ),
    "no status": (f'echo \'{{"apiVersion":"{V1}","kind":"ExecCredential"}}\'', "neither a token nor a certificate"),
    "empty": (says({"token": ""}), "neither a token nor a certificate"),
    "half": (says({"token": "a", "clientKeyData": SECRET}), "neither a token nor a certificate with its key"),
    "without end": (f"exec yes {SECRET}", "it says more than 1048576 bytes"),
    "date": (says({"token": SECRET, "expirationTimestamp": "tomorrow"}), "Invalid RFC3339 encoded datetime"),
    "number": (says({"token": 7}), r"Expected `str \| null`, got `int`"),
}


@pytest.mark.parametrize(("text", "message"), WRONG.values(), ids=WRONG)
def test_what_hands_out_nothing_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(LoginError, match=message) as found:
        asked(tmp_path, text)
    assert str(found.value).startswith(f"the program '{tmp_path}/login' ")
    assert SECRET not in str(found.value)


def test_a_hint_where_it_is_not_installed(tmp_path: Path) -> None:
    missing = Plugin(api_version=V1, command=str(tmp_path / "gone"), install_hint="get it at\x1b https://example.com")
    with pytest.raises(LoginError, match=r"is not installed\nget it at.* https://example\.com") as found:
        handed(missing)
    assert "\x1b" not in str(found.value)


def test_who_has_to_ask_needs_a_terminal(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match="has to ask a person, and there is no terminal"):
        asked(tmp_path, f"touch {tmp_path}/ran", interactive="Always")
    assert not (tmp_path / "ran").exists()


def test_what_cannot_be_run(tmp_path: Path) -> None:
    file = tmp_path / "login"
    file.write_bytes(b"\x7fELF nothing")
    file.chmod(0o755)
    with pytest.raises(LoginError, match="cannot be run: Exec format error"):
        handed(Plugin(api_version=V1, command=str(file)))
    with pytest.raises(LoginError, match="cannot be run: a character in what it is given is zero"):
        handed(Plugin(api_version=V1, command=str(file), args=("a\0",)))


def test_a_program_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials_module, "_TIMEOUT", 1)
    with pytest.raises(LoginError, match="gave no credentials within 1 seconds"):
        asked(tmp_path, f"echo $$ > {tmp_path}/pid; exec sleep 600")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_a_program_ends_with_the_connection(tmp_path: Path) -> None:
    """And with it who waits for it, though what it has started goes on and holds its output."""
    text = f"sleep 600 & echo $! > {tmp_path}/child\necho $$ > {tmp_path}/new && mv {tmp_path}/new {tmp_path}/pid; wait"
    login = ClusterLogin(plugin=Plugin(api_version=V1, command=program(tmp_path, text)))
    ended = threading.Event()
    credentials = Credentials(login, ENVIRONMENT, terminal=False, stop=ended)
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(credentials.current)
        eventually((tmp_path / "pid").exists)
        ended.set()
        error = waiting.exception(timeout=20)
    os.kill(int((tmp_path / "child").read_text()), 9)
    assert isinstance(error, LoginError)
    assert "the connection was closed" in str(error)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def counting(folder: Path, until: str) -> Plugin:
    """A program whose token says how often it was run."""
    status = json.dumps({"token": "token-NUMBER", "expirationTimestamp": until})
    document = f'{{"apiVersion":"{V1}","kind":"ExecCredential","status":{status}}}'
    text = f"echo run >> {folder}/runs\ncat <<END | sed s/NUMBER/$(wc -l < {folder}/runs | tr -d ' ')/\n{document}\nEND"
    return Plugin(api_version=V1, command=program(folder, text))


def test_a_program_is_asked_once_while_its_answer_is_good(tmp_path: Path) -> None:
    credentials = Credentials(
        ClusterLogin(plugin=counting(tmp_path, "2999-01-01T00:00:00Z")), ENVIRONMENT, terminal=False
    )
    assert [credentials.current().header for _ in range(3)] == ["Bearer token-1"] * 3


def test_a_program_is_asked_again_when_its_answer_is_old(tmp_path: Path) -> None:
    credentials = Credentials(
        ClusterLogin(plugin=counting(tmp_path, "2001-01-01T00:00:00Z")), ENVIRONMENT, terminal=False
    )
    assert [credentials.current().header for _ in range(2)] == ["Bearer token-1", "Bearer token-2"]


def test_what_was_refused_is_renewed_once_for_all_who_had_it(tmp_path: Path) -> None:
    credentials = Credentials(
        ClusterLogin(plugin=counting(tmp_path, "2999-01-01T00:00:00Z")), ENVIRONMENT, terminal=False
    )
    refused = credentials.current()
    renewed = [credentials.renew(refused) for _ in range(3)]
    assert [held and held.header for held in renewed] == ["Bearer token-2"] * 3
    assert (tmp_path / "runs").read_text() == "run\n" * 2


def test_a_program_that_fails_is_not_run_for_each_who_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = Plugin(api_version=V1, command=program(tmp_path, f"echo run >> {tmp_path}/runs; exit 7"))
    credentials = Credentials(ClusterLogin(plugin=plugin), ENVIRONMENT, terminal=False)
    with ThreadPoolExecutor(8) as pool:
        errors = [str(asked.exception()) for asked in [pool.submit(credentials.current) for _ in range(8)]]
    assert errors == [f"the program {plugin.command!r} gave no credentials: exit code 7"] * 8
    assert (tmp_path / "runs").read_text() == "run\n"
    monkeypatch.setattr(credentials_module, "_RERUN_SECONDS", -1.0)
    again = Credentials(ClusterLogin(plugin=plugin), ENVIRONMENT, terminal=False)
    for _ in range(2):
        with pytest.raises(LoginError):
            again.current()
    assert (tmp_path / "runs").read_text() == "run\n" * 3


def test_a_program_that_gives_what_was_refused_is_run_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"echo run >> {tmp_path}/runs\n{says({'token': 'same'})}"
    login = ClusterLogin(plugin=Plugin(api_version=V1, command=program(tmp_path, text)))
    credentials = Credentials(login, ENVIRONMENT, terminal=False)
    refused = credentials.current()
    assert [credentials.renew(refused) for _ in range(3)] == [None] * 3
    assert (tmp_path / "runs").read_text() == "run\n" * 2
    monkeypatch.setattr(credentials_module, "_RERUN_SECONDS", -1.0)
    credentials = Credentials(login, ENVIRONMENT, terminal=False)
    refused = credentials.current()
    assert [credentials.renew(refused) for _ in range(2)] == [None] * 2
    assert (tmp_path / "runs").read_text() == "run\n" * 5


def test_a_token_of_ones_own_goes_before_a_program(tmp_path: Path) -> None:
    """As kubectl has it."""
    login = ClusterLogin(token="own", plugin=counting(tmp_path, "2999-01-01T00:00:00Z"))  # noqa: S106
    assert Credentials(login, ENVIRONMENT, terminal=False).current().header == "Bearer own"
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("token", ["a\nb", "a\x00b", "a\x7fb", "é", "a\tb"])
def test_a_token_that_cannot_be_sent_is_not_cited(token: str) -> None:
    credentials = Credentials(ClusterLogin(token=f"{SECRET}{token}"), {}, terminal=False)
    with pytest.raises(LoginError, match="a token has characters that cannot be sent") as found:
        credentials.current()
    assert SECRET not in str(found.value)


def test_a_file_of_a_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    login = ClusterLogin(token_file=str(file))
    with pytest.raises(LoginError, match=f"{file}: no token can be read there"):
        Credentials(login, {}, terminal=False).current()
    file.write_text("first\n")
    credentials = Credentials(login, {}, terminal=False)
    held = credentials.current()
    assert held.header == "Bearer first"
    assert "first" not in repr(held)
    file.write_text("second")
    renewed = credentials.renew(held)
    assert renewed is not None
    assert renewed.header == "Bearer second"
    file.unlink()
    # Nothing new, and nobody who knows better: what there is has been refused.
    assert credentials.renew(renewed) is None


def test_a_file_goes_before_the_token_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "token"
    login = ClusterLogin(token="static", token_file=str(file))  # noqa: S106
    assert Credentials(login, {}, terminal=False).current().header == "Bearer static"
    file.write_text("rotated")
    assert Credentials(login, {}, terminal=False).current().header == "Bearer rotated"


def test_a_name_and_a_password() -> None:
    held = Credentials(ClusterLogin(username="ann", password="pässword"), {}, terminal=False).current()  # noqa: S106
    assert held.header == "Basic YW5uOnDDpHNzd29yZA=="
    assert "YW5u" not in repr(held)
