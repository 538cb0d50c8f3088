"""What the tests of git share: an environment without a user's configuration, repositories, and servers for them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from tests.sources.git.service import Backend, Proxy, Repo, certificates, running


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment of a user who has configured nothing, with a folder for temporary files of its own."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary)}


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """The folder whose repositories the servers serve."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def make(served: Path, environment: dict[str, str]) -> Callable[..., Repo]:
    """Makes an empty repository of some name, with options of `git init`, below the served folder."""
    return lambda name, *options: Repo(served / name, environment, *options)


@pytest.fixture
def repo(make: Callable[..., Repo]) -> Repo:
    return make("team/shop.git")


@pytest.fixture
def backend(served: Path) -> Iterator[Backend]:
    """Repositories over plain http at an address of this machine."""
    server = Backend(served)
    with running(server):
        yield server


class World(msgspec.Struct):
    """A network in which every host of HOSTS is the same server, behind TLS, and how to get there."""

    server: Backend
    proxy: Proxy
    environment: dict[str, str]


@pytest.fixture
def world(served: Path, environment: dict[str, str], tmp_path: Path) -> Iterator[World]:
    context, authority = certificates(tmp_path)
    server = Backend(served, context)
    with running(server):
        proxy = Proxy(server.server_port)
        with running(proxy):
            yield World(server, proxy, environment | {"https_proxy": proxy.url, "SSL_CERT_FILE": str(authority)})
