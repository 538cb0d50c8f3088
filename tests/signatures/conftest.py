"""Fixtures of signature tests: registries and a private Sigstore, each once for all tests of a process."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator

import pytest

from kubekeep.signatures.sigstore.trusted_root import TrustedRoot, read_trusted_root
from tests.registry.service import run_registry
from tests.signatures.authority import PrivateSigstore
from tests.signatures.registries import SignedRepository, run_referrers_registry

_numbers = itertools.count()


@pytest.fixture(scope="session")
def plain_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a registry without the referrers API."""
    with run_registry(tmp_path_factory.mktemp("registry")) as service:
        yield service.address


@pytest.fixture(scope="session")
def referrers_registry() -> Iterator[str]:
    """Return the address of a registry with the referrers API."""
    with run_referrers_registry() as address:
        yield address


@pytest.fixture(scope="session")
def sigstore(tmp_path_factory: pytest.TempPathFactory) -> PrivateSigstore:
    return PrivateSigstore(tmp_path_factory.mktemp("sigstore"))


@pytest.fixture(scope="session")
def root(sigstore: PrivateSigstore) -> TrustedRoot:
    return read_trusted_root(sigstore.encode_root(), "root.json")


@pytest.fixture
def create_image(request: pytest.FixtureRequest) -> Iterator[Callable[[str], SignedRepository]]:
    """Return a function that puts a new image into one of the registries, by the name of its fixture."""
    with contextlib.ExitStack() as stack:

        def create(registry: str = "referrers_registry") -> SignedRepository:
            address: str = request.getfixturevalue(registry)
            image = SignedRepository(address, f"team/app{next(_numbers)}")
            stack.callback(image.client.close)
            return image

        yield create
