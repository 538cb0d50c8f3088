"""Agreement with the library `sigstore` on bundles that it supports: the same ones are valid, the same ones are not."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from sigstore.errors import Error
from sigstore.models import Bundle, InvalidBundle, TrustedRoot
from sigstore.verify import Verifier, policy

from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.sigstore.trusted_root import load_public_root, read_public_document, read_trusted_root
from tests.signatures.authority import IDENTITY, ISSUER, PrivateSigstore
from tests.signatures.making import Json, Signing, statement
from tests.signatures.test_hostile_bundles import CERTIFICATES, CHANGES, DIGEST, verify

_UNLIKE = {
    "checkpoint without signature",
    "two contents",
    "key and certificate",
    "too many log entries",
    "negative index",
    "index beyond the tree",
    "proof of another tree",
    "no certificate",
    "broken certificate",
    "late time",
}
"""Changes that the library does not notice, or reports by another exception."""


@pytest.fixture(scope="module")
def verifier(sigstore: PrivateSigstore, tmp_path_factory: pytest.TempPathFactory) -> Verifier:
    file = tmp_path_factory.mktemp("root") / "root.json"
    file.write_bytes(sigstore.encode_root())
    return Verifier(trusted_root=TrustedRoot.from_file(str(file)))


def is_valid_there(verifier: Verifier, bundle: Json) -> bool:
    try:
        parsed = Bundle.from_json(json.dumps(bundle))
        verifier.verify_dsse(parsed, policy.Identity(identity=IDENTITY, issuer=ISSUER))
    except (Error, InvalidBundle):
        return False
    return True


def is_valid_here(sigstore: PrivateSigstore, bundle: Json) -> bool:
    try:
        verify(bundle, sigstore.describe())
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize("kind", ["dsse", "hashedrekord-2"])
def test_valid(sigstore: PrivateSigstore, verifier: Verifier, kind: str) -> None:
    bundle = Signing(sigstore).bundle(statement(DIGEST), kind=kind)
    assert is_valid_there(verifier, bundle)
    assert is_valid_here(sigstore, bundle)


@pytest.mark.parametrize("name", sorted(CHANGES.keys() - _UNLIKE))
def test_changed(sigstore: PrivateSigstore, verifier: Verifier, name: str) -> None:
    bundle = copy.deepcopy(Signing(sigstore).bundle(statement(DIGEST)))
    CHANGES[name][0](bundle)
    assert is_valid_there(verifier, bundle) == is_valid_here(sigstore, bundle) == False  # noqa: E712 - both are compared


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificate(sigstore: PrivateSigstore, verifier: Verifier, name: str) -> None:
    bundle = Signing(sigstore, **CERTIFICATES[name][0]).bundle(statement(DIGEST))
    assert not is_valid_there(verifier, bundle)
    assert not is_valid_here(sigstore, bundle)


def test_public_root() -> None:
    """The built-in root is that of the installed library: both come from Sigstore's repository of roots."""
    import sigstore as library  # noqa: PLC0415 - the name is a fixture elsewhere

    folder = Path(library.__file__).parent / "_store" / "https%3A%2F%2Ftuf-repo-cdn.sigstore.dev"
    root = read_trusted_root((folder / "trusted_root.json").read_bytes(), "the built-in trusted root", kind="built-in")
    assert root == load_public_root()
    assert (folder / "root.json").read_bytes() == read_public_document("public_good.root.json")
    services = (folder / "signing_config.v0.2.json").read_bytes()
    assert services == read_public_document("public_good.signing_config.json")
