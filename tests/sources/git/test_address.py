"""Repository, branch and path of addresses, and rejected addresses."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubekeep.sources.git.address import Address, Login, is_repository, parse_address
from kubekeep.sources.git.errors import GitError


def get_parts(text: str) -> tuple[str, str, str, str]:
    address = parse_address(text)
    return address.remote, address.ref, address.tail, address.subpath


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://github.com/o/r", ("https://github.com/o/r", "", "", "")),
        ("https://GitHub.com/o/r.git/", ("https://github.com/o/r.git", "", "", "")),
        ("https://github.com/o/r/tree/main", ("https://github.com/o/r.git", "", "main", "")),
        ("https://github.com/o/r/tree/a/b/deploy", ("https://github.com/o/r.git", "", "a/b/deploy", "")),
        ("https://github.com/o/r/blob/main/x.yaml", ("https://github.com/o/r.git", "", "main/x.yaml", "")),
        ("https://github.com/o/r/blob/main/x.yaml#L3", ("https://github.com/o/r.git", "", "main/x.yaml", "")),
        ("https://github.com/o/r/tree/main/a%20b?tab=x", ("https://github.com/o/r.git", "", "main/a b", "")),
        ("https://ghe.corp.example:8443/o/r/tree/m/x", ("https://ghe.corp.example:8443/o/r.git", "", "m/x", "")),
        ("https://gitlab.com/a/b/c/d/-/tree/main/x/y", ("https://gitlab.com/a/b/c/d.git", "", "main/x/y", "")),
        ("https://gitlab.com/a/b/-/blob/main/x.yaml", ("https://gitlab.com/a/b.git", "", "main/x.yaml", "")),
        ("https://gitlab.com/a/b/c", ("https://gitlab.com/a/b/c", "", "", "")),
        ("https://bitbucket.org/o/r/src/main/deploy/", ("https://bitbucket.org/o/r.git", "", "main/deploy", "")),
        ("https://codeberg.org/o/r/src/branch/main/x", ("https://codeberg.org/o/r.git", "", "main/x", "")),
        (
            "https://dev.azure.com/org/my%20project/_git/repo?version=GBrelease/1&path=/deploy/base",
            ("https://dev.azure.com/org/my%20project/_git/repo", "refs/heads/release/1", "", "deploy/base"),
        ),
        (
            "https://acme.visualstudio.com/p/_git/repo?path=%2Fdeploy&version=GTv1&_a=contents",
            ("https://acme.visualstudio.com/p/_git/repo", "refs/tags/v1", "", "deploy"),
        ),
        ("https://host.example/x/r.git//deploy/a?ref=v1", ("https://host.example/x/r.git", "v1", "", "deploy/a")),
        ("git+https://host.example/r.git", ("https://host.example/r.git", "", "", "")),
        ("ssh://git@host.example:2222/o/r.git", ("ssh://git@host.example:2222/o/r.git", "", "", "")),
        ("git+ssh://git@host.example/o/r.git//x", ("ssh://git@host.example/o/r.git", "", "", "x")),
        ("git@github.com:o/r.git", ("git@github.com:o/r.git", "", "", "")),
        ("file:///srv/a b/r", ("file:///srv/a b/r", "", "", "")),
        ("http://[::1]:8080/r", ("http://[::1]:8080/r", "", "", "")),
    ],
)
def test_address_has_repository_ref_and_path(text: str, expected: tuple[str, str, str, str]) -> None:
    assert get_parts(text) == expected
    assert is_repository(text)


def test_login_is_separated_from_url() -> None:
    address = parse_address("https://ada:s%40cret@Host.example:444/o/r.git")
    assert address.login == Login("ada", "s@cret")
    assert "cret" not in repr(address)
    assert (address.remote, address.host) == ("https://host.example:444/o/r.git", "host.example:444")


@pytest.mark.parametrize(
    "text",
    [
        "ext::sh -c touch% /tmp/x",
        "fd::17",
        "git://host.example/o/r.git",
        "ftp://host.example/o/r.git",
        "git+ext://host/x",
        "ssh://-oProxyCommand=touch/x",
        "ssh://-oProxyCommand=touch@host.example/x",
        "ssh://git:secret-word@host.example/o/r.git",
        "git@-oProxyCommand=x:o/r.git",
        "-oProxyCommand=x@host.example:o/r.git",
        "git@host.example:-x.git",
        "--upload-pack=touch /tmp/x",
        "https://host.example",
        "https://host.example/",
        "https:///o/r",
        "https://ho st.example/o/r",
        "https://host.example:99999/o/r",
        "https://[::1/o/r",
        "https://b\u00fccher.example/o/r",
        "https://host.example/o/r\n",
        "https://host.example/o/r%0a--upload-pack=x",
        "ada:secret-word@host.example/o/r",
        "https://ada:se%0acret-word@host.example/o/r",
        "https://host.example/o/r?x=secret-word",
        "https://host.example/o/r#fragment",
        "https://host.example/o/r.git//a/../../b",
        "https://github.com/o/r/tree/main/../..",
        "https://github.com/o/r/tree/main/%2e%2e/x",
        "https://github.com/o/r/issues/3",
        "https://github.com/o",
        "https://dev.azure.com/o/p/_git/r?version=XXmain",
        "https://dev.azure.com/o/p/_git/r?path=/../x",
        "file://host.example/srv/r",
        "file:///srv/r?x",
        "",
    ],
)
def test_invalid_address_is_rejected(text: str) -> None:
    with pytest.raises(GitError) as caught:
        parse_address(text)
    assert "secret-word" not in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://host.example/pod.yaml", False),
        ("https://raw.githubusercontent.com/o/r/main/pod.yml", False),
        ("https://host.example/list.JSON?token=x", False),
        ("http://host.example/charts/x-1.0.tgz", False),
        ("https://github.com/o/r/blob/main/pod.yaml", True),
        ("https://gitlab.com/o/r/-/blob/main/pod.yaml", True),
        ("https://gitlab.com/o/r/-/raw/main/pod.yaml", False),
        ("https://dev.azure.com/o/p/_git/r?path=/pod.yaml", True),
        ("ext::sh -c x", True),
        ("git://host.example/r", True),
        ("git@host.example:o/r", True),
        ("host:deploy.git", True),
        ("C:\\deploy", False),
        ("c:/deploy", False),
        ("deploy", False),
        ("deploy/a:b", False),
        ("-", False),
        ("oci://registry.example/x", False),
        ("https://[", True),
    ],
)
def test_repository_or_path(text: str, expected: bool) -> None:  # noqa: FBT001 - a case, not an option
    assert is_repository(text) is expected


def test_existing_path_is_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "git@host.example:r.git").mkdir()
    assert not is_repository("git@host.example:r.git")


@given(st.text())
def test_any_text_is_an_address_or_rejected(text: str) -> None:
    is_repository(text)
    try:
        remote = parse_address(text).remote
    except GitError as error:
        remote = str(error)
    assert remote.isprintable()
    assert not remote.startswith("-")


@given(st.sampled_from(["https", "ssh", "http"]), st.text(min_size=1), st.text(min_size=1))
def test_remote_has_no_password(scheme: str, user: str, password: str) -> None:
    try:
        address: Address | None = parse_address(f"{scheme}://{user}:{password}@host.example/o/r")
    except GitError:
        address = None
    if address is not None and address.login is not None and address.login.password:
        assert "@" not in address.remote
        assert "@" not in address.display_url
