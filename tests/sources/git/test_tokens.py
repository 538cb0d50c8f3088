"""Destinations of tokens: every host is a real server that records requests."""

from __future__ import annotations

import base64
import contextlib
import logging
import secrets
import sys
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.sources.git.address import parse_address
from kubekeep.sources.git.checkout import checkout
from kubekeep.sources.git.errors import GitError
from kubekeep.sources.git.tokens import find_login
from tests.sources.git.conftest import Network
from tests.sources.git.service import POD, Backend, Repo

SECRET = f"token-{secrets.token_hex(12)}"


def encode_login(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def headers_sent(network: Network) -> set[tuple[str, str]]:
    """Return host and header of all requests with credentials."""
    return {(entry.host, entry.authorization) for entry in network.server.requests if entry.authorization is not None}


@pytest.mark.parametrize(
    ("path", "url", "token", "user"),
    [
        ("o/r.git", "https://github.com/o/r", "GITHUB_TOKEN", "x-access-token"),
        ("o/r.git", "https://github.com/o/r/tree/main/app", "GITHUB_TOKEN", "x-access-token"),
        ("a/b/r.git", "https://gitlab.com/a/b/r/-/tree/main/app", "GITLAB_TOKEN", "oauth2"),
        ("o/r.git", "https://bitbucket.org/o/r/src/main/app", "BITBUCKET_TOKEN", "x-token-auth"),
        ("o/p/_git/r", "https://dev.azure.com/o/p/_git/r?version=GBmain&path=/app", "AZURE_TOKEN", "token"),
        ("o/p/_git/r", "https://o@dev.azure.com/o/p/_git/r", "AZURE_TOKEN", "o"),
        ("p/_git/r", "https://acme.visualstudio.com/p/_git/r?path=/app", "AZURE_TOKEN", "token"),
    ],
)
def test_each_token_is_sent_to_its_host(
    path: str, url: str, token: str, user: str, network: Network, server_folder: Path, environment: dict[str, str]
) -> None:
    repo = Repo(server_folder / path, environment)
    commit = repo.commit({"app/pod.yaml": POD.format("a")})
    network.server.login = encode_login(user, SECRET)
    with (
        pytest.raises(GitError, match=r"Authentication failed|could not read (Username|Password)"),
        checkout(url, environment=network.environment, tokens={}),
    ):
        pass
    with checkout(url, environment=network.environment, tokens={token: SECRET}) as result:
        assert result.commit == commit
        assert SECRET not in repr(result)
    assert headers_sent(network) <= {
        (parse_address(url).host, encode_login(user, SECRET)),
        (parse_address(url).host, encode_login(user, "")),
    }


@pytest.mark.parametrize(
    "host", ["elsewhere.example", "github.com.evil.example", "evil-github.com", "git.corp.example", "gitlab.com"]
)
def test_token_is_not_sent_to_another_host(host: str, network: Network, repo: Repo) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    network.server.login = "Basic never"
    tokens = {"GITHUB_TOKEN": SECRET, "AZURE_TOKEN": SECRET, "BITBUCKET_TOKEN": SECRET}
    with pytest.raises(GitError), checkout(f"https://{host}/team/shop", environment=network.environment, tokens=tokens):
        pass
    assert network.server.requests
    assert headers_sent(network) == set()


def test_redirect_does_not_forward_the_token(network: Network, repo: Repo) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    network.server.login = encode_login("x-access-token", SECRET)
    network.server.redirects = {"github.com/team/": "https://elsewhere.example/team/"}
    with (
        pytest.raises(GitError),
        checkout("https://github.com/team/shop", environment=network.environment, tokens={"GITHUB_TOKEN": SECRET}),
    ):
        pass
    assert {entry.host for entry in network.server.requests} == {"github.com", "elsewhere.example"}
    assert headers_sent(network) == set()


def test_redirect_after_login_does_not_forward_the_token(
    network: Network, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host that receives the token and then redirects."""
    repo.commit({"pod.yaml": POD.format("a")})
    handler = network.server.RequestHandlerClass
    original_answer = handler._answer  # type: ignore[attr-defined]  # noqa: SLF001 - the test's own server

    def answer(self: object, body: bytes) -> None:
        if self.headers.get("Host") == "github.com" and self.headers.get("Authorization"):  # type: ignore[attr-defined]
            self._head(302, {"Location": f"https://elsewhere.example{self.path}"})  # type: ignore[attr-defined]
        else:
            original_answer(self, body)

    monkeypatch.setattr(handler, "_answer", answer)
    network.server.login = "Basic never"
    with (
        pytest.raises(GitError),
        checkout("https://github.com/team/shop", environment=network.environment, tokens={"GITHUB_TOKEN": SECRET}),
    ):
        pass
    assert "elsewhere.example" in {entry.host for entry in network.server.requests}
    assert "elsewhere.example" not in {host for host, _ in headers_sent(network)}


def test_redirect_within_host_is_followed(network: Network, repo: Repo) -> None:
    commit = repo.commit({"app/pod.yaml": POD.format("a")})
    network.server.login = encode_login("x-access-token", SECRET)
    network.server.redirects = {"github.com/former/": "https://github.com/team/"}
    with checkout(
        "https://github.com/former/shop/tree/main/app", environment=network.environment, tokens={"GITHUB_TOKEN": SECRET}
    ) as result:
        assert result.commit == commit


def test_redirect_to_plain_http_is_not_followed(network: Network, backend: Backend, repo: Repo) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    network.server.redirects = {"github.com/": f"{backend.url}/"}
    with pytest.raises(GitError), checkout("https://github.com/team/shop", environment=network.environment, tokens={}):
        pass
    assert backend.requests == []


def test_untrusted_certificate_is_rejected(network: Network, repo: Repo) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    del network.environment["SSL_CERT_FILE"]
    with (
        pytest.raises(GitError, match=r"(?i)certificate"),
        checkout("https://github.com/team/shop", environment=network.environment, tokens={"GITHUB_TOKEN": SECRET}),
    ):
        pass
    assert network.server.requests == []


def test_login_in_the_address_is_used(backend: Backend, repo: Repo, environment: dict[str, str]) -> None:
    repo.commit({"pod.yaml": POD.format("a")})
    backend.login = encode_login("ada", SECRET)
    address = backend.url.removeprefix("http://")
    with checkout(f"http://ada:{SECRET}@{address}/team/shop", environment=environment, tokens={}) as result:
        assert SECRET not in repr(result)
        assert (result.url, result.display_url) == (f"{backend.url}/team/shop", f"{backend.url}/team/shop")
    backend.login = "Basic never"
    with (
        pytest.raises(GitError) as caught,
        checkout(f"http://{SECRET}@{address}/team/shop", environment=environment, tokens={}),
    ):
        pass
    assert SECRET not in str(caught.value)


@contextlib.contextmanager
def record_commands() -> Iterator[set[bytes]]:
    """Return the command lines of all processes while a function runs."""
    commands: set[bytes] = set()
    ended = threading.Event()

    def sample() -> None:
        while not ended.is_set():
            for process in Path("/proc").iterdir():
                if process.name.isdigit():
                    with contextlib.suppress(OSError):
                        commands.add((process / "cmdline").read_bytes())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield commands
    finally:
        ended.set()
        thread.join()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")
def test_token_appears_in_no_command_line_file_log_or_error(
    network: Network, repo: Repo, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    repo.commit({f"app/{n}.yaml": POD.format(n) for n in range(5)})
    network.server.login = encode_login("x-access-token", SECRET)
    url = "https://github.com/team/shop/tree/main/app"
    with record_commands() as commands:
        with checkout(url, environment=network.environment, tokens={"GITHUB_TOKEN": SECRET}) as result:
            content = b"".join(path.read_bytes() for path in Path(result.root).rglob("*") if path.is_file())
        network.server.login = "Basic never"
        with (
            pytest.raises(GitError) as caught,
            checkout(url, environment=network.environment, tokens={"GITHUB_TOKEN": SECRET}),
        ):
            pass
    assert any(b"ls-remote" in line for line in commands)
    assert any(b"remote-https" in line for line in commands)
    encoded = base64.b64encode(f"x-access-token:{SECRET}".encode())
    output = "".join((*traceback.format_exception(caught.value), caplog.text, *capfd.readouterr())).encode()
    for text in (*commands, content, output):
        assert SECRET.encode() not in text
        assert encoded not in text


@pytest.mark.parametrize(
    ("url", "tokens", "user"),
    [
        ("https://github.com/o/r", {"GITHUB_TOKEN": "t"}, "x-access-token"),
        ("https://github.com:443/o/r", {"GITHUB_TOKEN": "t"}, "x-access-token"),
        ("https://github.com:444/o/r", {"GITHUB_TOKEN": "t"}, None),
        ("http://github.com/o/r", {"GITHUB_TOKEN": "t"}, None),
        ("ssh://git@github.com/o/r", {"GITHUB_TOKEN": "t"}, None),
        ("git@github.com:o/r.git", {"GITHUB_TOKEN": "t"}, None),
        ("https://gist.github.com/o/r", {"GITHUB_TOKEN": "t"}, None),
        ("https://github.com/o/r", {"GITHUB_TOKEN": " "}, None),
        ("https://github.com/o/r", {"GITHUB_TOKEN": "t", "GITHUB_SERVER_URL": "https://github.com"}, "x-access-token"),
        ("https://github.com/o/r", {"GITHUB_TOKEN": "t", "GITHUB_SERVER_URL": "https://ghe.corp.example"}, None),
        (
            "https://ghe.corp.example:8443/o/r",
            {"GITHUB_TOKEN": "t", "GITHUB_SERVER_URL": "https://GHE.corp.example:8443/"},
            "x-access-token",
        ),
        ("https://ghe.corp.example/o/r", {"GITHUB_TOKEN": "t", "GITHUB_SERVER_URL": "http://ghe.corp.example"}, None),
        ("https://a.example/o/r", {"GITHUB_TOKEN": "t", "GITHUB_SERVER_URL": ".example"}, None),
        ("https://gitlab.corp.example/o/r", {"GITLAB_TOKEN": "t", "GITLAB_HOST": "gitlab.corp.example"}, "oauth2"),
        ("https://gitlab.corp.example/o/r", {"GITLAB_TOKEN": "t"}, None),
        ("https://gitlab.com/o/r", {"GITLAB_TOKEN": "t", "GITLAB_HOST": "https://["}, None),
        ("https://visualstudio.com/p/_git/r", {"AZURE_TOKEN": "t"}, None),
        ("https://a.evil-visualstudio.com/p/_git/r", {"AZURE_TOKEN": "t"}, None),
        ("https://ada:pw@github.com/o/r", {"GITHUB_TOKEN": "t"}, "ada"),
    ],
)
def test_token_of_each_host(url: str, tokens: dict[str, str], user: str | None) -> None:
    result = find_login(parse_address(url), tokens)
    assert (result.username if result else None) == user
    if user == "ada":
        assert result is not None
        assert result.password == "pw"  # noqa: S105 - made up


def test_token_with_line_break_is_rejected() -> None:
    with pytest.raises(GitError, match="GITHUB_TOKEN contains control characters") as caught:
        find_login(parse_address("https://github.com/o/r"), {"GITHUB_TOKEN": "a\nusername=b"})
    assert "username" not in str(caught.value)
