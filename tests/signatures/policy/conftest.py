"""Fixture of the tests of imported policies: signed images, once for all tests of a process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.signatures.authority import PrivateSigstore
from tests.signatures.policy.signed_images import SignedImages


@pytest.fixture(scope="session")
def images(referrers_registry: str, sigstore: PrivateSigstore) -> Iterator[SignedImages]:
    with contextlib.closing(SignedImages(referrers_registry, sigstore)) as signed_images:
        yield signed_images
