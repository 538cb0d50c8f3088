"""Fixtures for tests of git: an environment without user configuration, repositories, and servers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.sources.git.service import Backend, Proxy, Repo, certificates, running


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a user without configuration, with its own folder for temporary files."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary)}


@pytest.fixture
def server_folder(tmp_path: Path) -> Path:
    """The folder of the repositories on the servers."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def create_repo(server_folder: Path, environment: dict[str, str]) -> Callable[..., Repo]:
    """Create an empty repository below the served folder, with options of `git init`."""
    return lambda name, *options: Repo(server_folder / name, environment, *options)


@pytest.fixture
def repo(create_repo: Callable[..., Repo]) -> Repo:
    return create_repo("team/shop.git")


@pytest.fixture
def backend(server_folder: Path) -> Iterator[Backend]:
    """Repositories over plain http on the loopback address."""
    server = Backend(server_folder)
    with running(server):
        yield server


class Network(msgspec.Struct):
    """A network in which every host of HOSTS is the same server, behind TLS."""

    server: Backend
    proxy: Proxy
    environment: dict[str, str]


@pytest.fixture
def network(server_folder: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[Network]:
    context, authority = certificates(tmp_path)
    server = Backend(server_folder, context)
    with running(server):
        proxy = Proxy(server.server_port)
        with running(proxy):
            yield Network(server, proxy, environment | {"https_proxy": proxy.url, "SSL_CERT_FILE": str(authority)})
