"""A private Sigstore of real services, once for all tests of this folder in a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.signatures.keyless.instance import SigstoreInstance, run_instance


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SigstoreInstance]:
    with run_instance(tmp_path_factory.mktemp("instance")) as instance:
        yield instance
