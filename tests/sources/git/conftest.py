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
def served(tmp_path: Path) -> Path:
    """The folder of the repositories on the servers."""
    folder = tmp_path / "served"
    folder.mkdir()
    return folder


@pytest.fixture
def make(served: Path, environment: dict[str, str]) -> Callable[..., Repo]:
    """Create an empty repository below the served folder, with options of `git init`."""
    return lambda name, *options: Repo(served / name, environment, *options)


@pytest.fixture
def repo(make: Callable[..., Repo]) -> Repo:
    return make("team/shop.git")


@pytest.fixture
def backend(served: Path) -> Iterator[Backend]:
    """Repositories over plain http on the loopback address."""
    server = Backend(served)
    with running(server):
        yield server


class World(msgspec.Struct):
    """A network in which every host of HOSTS is the same server, behind TLS."""

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
