"""Logins are verified, stored privately, and used only for their server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kubekeep.uplink.address import parse_server_address
from kubekeep.uplink.connection import ServerAccess, ServerConnection
from kubekeep.uplink.errors import ServerAddressError, ServerLoginError, UnreachableServerError
from kubekeep.uplink.identity import request_code, wait_for_token
from kubekeep.uplink.logins import LoginStore, StoredLogin
from kubekeep.uplink.selection import SelectedServer, ServerOptions, select_server
from kubekeep.uplink.settings import ServerVariables
from tests.command_line import run_command_line
from tests.uplink.service import TOKEN, Handler, Service, create_certificates, serve

CODE = {
    "device_code": "secret-code",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://kubekeep.example.com/device",
    "expires_in": 600,
    "interval": 5,
}


@pytest.fixture
def service() -> Iterator[Service]:
    with serve() as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set an own folder for configuration, and return it."""
    for name in ("KUBEKEEP_SERVER", "KUBEKEEP_TOKEN", "KUBEKEEP_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "kubekeep" / "logins"


# --- addresses


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://kubekeep.example.com", "https://kubekeep.example.com"),
        ("HTTPS://Kubekeep.Example.com:443/", "https://kubekeep.example.com"),
        ("https://example.com/kubekeep/", "https://example.com/kubekeep"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_address_has_one_spelling(text: str, address: str) -> None:
    assert parse_server_address(text) == address


@pytest.mark.parametrize(
    "text",
    [
        *("", "kubekeep.example.com", "ftp://example.com", "https://", "https://example.com:0", "file:///etc/passwd"),
        *("https://user:secret@example.com", "https://example.com?token=secret", "https://example.com#a"),
        *("http://example.com", "http://localhost.example.com", "http://10.0.0.1", "https://a b", "http://[fe80::1]"),
    ],
)
def test_unsuitable_address_is_refused(text: str) -> None:
    with pytest.raises(ServerAddressError) as error:
        parse_server_address(text)
    assert "secret" not in str(error.value)


def test_plain_http_is_permitted_on_request() -> None:
    assert parse_server_address("http://kubekeep.kubekeep:80", plain_http=True) == "http://kubekeep.kubekeep"


# --- the command


def test_token_is_verified_and_stored_for_its_user_only(service: Service, home: Path) -> None:
    result = run_command_line("login", "--server", service.address, "--token-file", "-", stdin=f"{TOKEN}\n".encode())
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"Logged in at {service.address} as ci of shop (agent for shop)\n"
    assert home.stat().st_mode & 0o777 == 0o700
    files = sorted(home.iterdir())
    assert len(files) == 2
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
    login = LoginStore(home).find_default()
    assert login is not None
    assert (login.server, login.token) == (service.address, TOKEN)
    assert TOKEN not in repr(login)
    assert run_command_line("logout").stdout == f"logged out of {service.address}\n"
    assert LoginStore(home).find_default() is None
    assert run_command_line("logout").stdout == "not logged in at any server\n"


def test_refused_token_is_not_stored(service: Service, home: Path) -> None:
    result = run_command_line("login", "--server", service.address, "--token-file", "-", stdin=b"another\n")
    assert result.returncode == 3
    assert "does not accept the token (401: the token is unknown)" in result.stderr
    assert "another" not in result.stderr.replace("use another one", "")
    assert not home.exists()


@pytest.mark.parametrize(
    ("arguments", "stdin", "code", "message"),
    [
        (("--server", "http://example.com", "--token-file", "-"), b"a", 2, "without TLS"),
        (("--token-file", "-"), b"a", 2, "no server: use --server URL"),
        (("--server", "http://localhost:1", "--token-file", "-"), b"", 3, "standard input is empty"),
        (("--server", "http://localhost:1", "--token-file", "-"), b"two words", 3, "standard input is not a token"),
        (("--server", "http://localhost:1", "--token-file", "missing"), b"", 3, "missing: the token cannot be read"),
        (("--server", "http://localhost:1", "--token-file", "-"), b"a", 3, "cannot be reached"),
        (("--server", "http://localhost:1"), b"", 2, "no terminal for a login in the browser"),
    ],
)
def test_failed_login_names_the_cause(arguments: tuple[str, ...], stdin: bytes, code: int, message: str) -> None:
    result = run_command_line("login", *arguments, stdin=stdin)
    assert result.returncode == code
    assert message in result.stderr


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"name":1}', b"[" * 100_000])
def test_answer_of_another_server_is_no_login(service: Service, home: Path, answer: bytes) -> None:
    service.fail(200, answer)
    result = run_command_line("login", "--server", service.address, "--token-file", "-", stdin=b"a")
    assert result.returncode == 3
    assert "is it the address of a Kubekeep server?" in result.stderr
    assert not home.exists()


def test_private_authority_is_stored_with_the_login(tmp_path: Path, home: Path) -> None:
    authority, context = create_certificates(tmp_path)
    with serve(context=context) as service:
        arguments = ("login", "--server", service.address, "--token-file", "-")
        assert "certificate verify failed" in run_command_line(*arguments, stdin=TOKEN.encode()).stderr
        result = run_command_line(*arguments, "--server-ca", "ca.pem", stdin=TOKEN.encode(), folder=tmp_path)
        assert result.returncode == 0, result.stderr
    assert select_server(ServerOptions(), ServerVariables(), home).access.authority_file == str(authority)


def test_damaged_login_is_named(home: Path) -> None:
    store = LoginStore(home)
    store.save(StoredLogin("https://example.com", "a"))
    for content in (b"", b"{", b"\xff", b"[]"):
        for file in home.glob("server-*"):
            file.write_bytes(content)
        with pytest.raises(ServerLoginError, match="delete the file and run `kubekeep login`"):
            store.find("https://example.com")


# --- the device flow


def connect(service: Service) -> ServerConnection:
    return ServerConnection(ServerAccess(address=service.address))


def test_browser_login_waits_as_requested(service: Service) -> None:
    pauses: list[float] = []
    service.fail(200, CODE)
    service.fail(400, {"error": "authorization_pending"})
    service.fail(400, {"error": "slow_down"})
    service.fail(400, {"error": "authorization_pending"})
    service.fail(200, {"access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600})
    with connect(service) as connection:
        code = request_code(connection, "kubekeep on web")
        assert "secret-code" not in repr(code)
        assert wait_for_token(connection, code, pauses.append) == TOKEN
    assert pauses == [5, 5, 10, 10]
    assert all("Authorization" not in headers for _, _, headers in service.requests)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("access_denied", "was refused in the browser"),
        ("expired_token", "the code WDJB-MJHT has expired"),
        ("invalid_grant", "responded with 400"),
    ],
)
def test_failed_browser_login_ends(service: Service, error: str, message: str) -> None:
    service.fail(200, CODE)
    service.fail(400, {"error": error})
    with connect(service) as connection, pytest.raises(ServerLoginError, match=message):
        wait_for_token(connection, request_code(connection, "kubekeep"), lambda _: None)


def test_browser_login_survives_a_cut_connection(service: Service) -> None:
    def cut(handler: Handler) -> None:
        handler.read_body()
        handler.close_connection = True

    service.fail(200, CODE)
    service.replies.append(cut)
    service.fail(200, {"access_token": TOKEN})
    with connect(service) as connection:
        assert wait_for_token(connection, request_code(connection, "kubekeep"), lambda _: None) == TOKEN


def test_expired_code_ends_the_wait(service: Service) -> None:
    service.fail(200, {**CODE, "expires_in": 0})
    with connect(service) as connection, pytest.raises(ServerLoginError, match="has expired"):
        wait_for_token(connection, request_code(connection, "kubekeep"), lambda _: None)


def test_code_leads_to_web_pages_only(service: Service) -> None:
    service.fail(200, {**CODE, "verification_uri_complete": "file:///etc/passwd"})
    with connect(service) as connection, pytest.raises(ServerLoginError, match="no web address"):
        request_code(connection, "kubekeep")


def test_absent_server_has_no_code() -> None:
    access = ServerAccess(address="http://127.0.0.1:1")
    with ServerConnection(access) as connection, pytest.raises(UnreachableServerError, match="cannot be reached"):
        request_code(connection, "kubekeep")


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_browser_login_in_a_terminal(service: Service, home: Path) -> None:
    import pty  # noqa: PLC0415 - not on Windows

    service.fail(200, {**CODE, "interval": 1})
    service.fail(200, {"access_token": TOKEN})
    primary, secondary = pty.openpty()
    command = [sys.executable, "-m", "kubekeep", "login", "--server", service.address]
    try:
        process = subprocess.run(
            command, stdin=secondary, capture_output=True, text=True, check=False, env=dict(os.environ)
        )
    finally:
        os.close(secondary)
        os.close(primary)
    assert process.returncode == 0, process.stderr
    assert "Open https://kubekeep.example.com/device\n" in process.stderr
    assert "WDJB-MJHT" in process.stderr
    assert TOKEN not in process.stdout + process.stderr
    login = LoginStore(home).find(service.address)
    assert login is not None
    assert login.token == TOKEN


# --- selection


def select(home: Path, variables: ServerVariables | None = None, **options: Any) -> SelectedServer:
    return select_server(ServerOptions(**options), variables or ServerVariables(), home)


def test_options_precede_variables_and_logins(home: Path, tmp_path: Path) -> None:
    store = LoginStore(home)
    store.save(StoredLogin("https://first.example", "first"))
    store.save(StoredLogin("https://second.example", "second"))
    variables = ServerVariables("https://third.example", "third")
    file = tmp_path / "token"
    file.write_text("fourth")

    def show(selected: SelectedServer) -> tuple[str, str]:
        return selected.access.address, selected.token.read()

    assert show(select(home)) == ("https://second.example", "second")
    assert show(select(home, variables)) == ("https://third.example", "third")
    assert show(select(home, variables, server="https://first.example/")) == ("https://first.example", "first")
    assert show(select(home, variables, token_file=str(file))) == ("https://third.example", "fourth")
    assert show(select(home, ServerVariables("", "fifth"), server="https://fifth.example"))[1] == "fifth"
    assert show(select(home, ServerVariables("", "", str(file)), server="https://fifth.example"))[1] == "fourth"
    with pytest.raises(ServerLoginError, match=r"no token for https://fourth\.example"):
        select(home, variables, server="https://fourth.example")
    store.remove("https://second.example")
    assert show(select(home)) == ("https://first.example", "first")
    store.remove("https://first.example")
    with pytest.raises(ServerLoginError, match="run `kubekeep login --server URL`"):
        select(home)


def test_last_login_is_the_default(home: Path) -> None:
    store = LoginStore(home)
    for name in ("a", "b", "a"):
        store.save(StoredLogin(f"https://{name}.example", name))
    assert select(home).access.address == "https://a.example"
    default = json.loads((home / "default.json").read_bytes())
    assert default == {"server": "https://a.example"}
