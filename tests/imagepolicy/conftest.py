"""Fixture of the tests of imported policies: signed images, once for all tests of a process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.imagepolicy.signed_images import SignedImages
from tests.signatures.authority import PrivateSigstore
from tests.signatures.conftest import referrers_registry, sigstore

__all__ = ("referrers_registry", "sigstore")


@pytest.fixture(scope="session")
def images(referrers_registry: str, sigstore: PrivateSigstore) -> Iterator[SignedImages]:
    with contextlib.closing(SignedImages(referrers_registry, sigstore)) as signed_images:
        yield signed_images
