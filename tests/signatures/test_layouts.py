"""The matrix of layouts, signers and kinds, in real registries: every valid signature is verified in every layout."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from kubekeep.images.access.options import AccessOptions
from kubekeep.registry.keys import load_public_key
from kubekeep.signatures.access import SignatureAccess
from kubekeep.signatures.sigstore.certificates import CertificateIdentity
from kubekeep.signatures.sigstore.trusted_root import TrustedRoot
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verification import SignatureReport
from kubekeep.usecases.image_signatures import verify_image
from tests.signatures.authority import IDENTITY, ISSUER, PrivateSigstore, encode, to_pem
from tests.signatures.making import (
    BUNDLE,
    SPDX,
    Signing,
    envelope,
    key_bundle,
    sign,
    simple_payload,
    statement,
)
from tests.signatures.registries import SignedRepository, decode

Create = Callable[[str], SignedRepository]
PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
ENVELOPE = "application/vnd.dsse.envelope.v1+json"
SIGNATURE = "dev.cosignproject.cosign/signature"
PREDICATE = {"spdxVersion": "SPDX-2.3"}


class Signer:
    """A signer with its trust; makes the content of each layout."""

    def __init__(self, kind: str, sigstore: PrivateSigstore, root: TrustedRoot) -> None:
        self.identity = ""
        if kind == "keyless":
            self.certified = Signing(sigstore)
            self.key: Any = self.certified.key
            identity = CertificateIdentity(identity=IDENTITY, issuer=ISSUER)
            self.trust = Trust(identities=(identity,), root=root)
            self.identity = IDENTITY
        else:
            self.certified = None  # type: ignore[assignment]  # keys have no certificate
            self.key = _KEYS[kind]()
            self.trust = Trust(keys=(load_public_key(to_pem(self.key)),))

    def bundle(self, payload: bytes) -> bytes:
        document = self.certified.bundle(payload) if self.identity else key_bundle(self.key, payload)
        return json.dumps(document).encode()

    def layer(self, digest: str, *, is_attestation: bool) -> tuple[bytes, str, dict[str, str]]:
        """Return content, type and annotations of a layer of cosign 2."""
        if is_attestation:
            document = envelope(self.key, statement(digest, SPDX, PREDICATE))
            content, signature = json.dumps(document).encode(), decode(document["signatures"][0]["sig"])
            annotations = {SIGNATURE: "", "predicateType": SPDX}
        else:
            content = simple_payload(digest)
            signature = sign(self.key, content)
            annotations = {SIGNATURE: encode(signature)}
        if self.identity:
            annotations |= self.certified.annotate(content, signature, is_envelope=is_attestation)
        return content, ENVELOPE if is_attestation else PAYLOAD, annotations


_KEYS: dict[str, Callable[[], Any]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
}
SIGNERS = (*_KEYS, "keyless")
LAYOUTS = ("legacy-tag", "referrers", "referrers-tag")
REGISTRIES = {"legacy-tag": "plain_registry", "referrers": "referrers_registry", "referrers-tag": "plain_registry"}


def verify(image: SignedRepository, trust: Trust, repository: str = "", platform: str = "") -> SignatureReport:
    access = AccessOptions(platform=platform)
    return verify_image(image.reference, SignatureAccess(images=access, repository=repository), trust)


@pytest.fixture(params=SIGNERS)
def signer(request: pytest.FixtureRequest, sigstore: PrivateSigstore, root: TrustedRoot) -> Signer:
    return Signer(request.param, sigstore, root)


@pytest.mark.parametrize("is_attestation", [False, True], ids=["signature", "attestation"])
@pytest.mark.parametrize("is_separate", [False, True], ids=["own", "separate"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout(
    create_image: Create, signer: Signer, layout: str, *, is_separate: bool, is_attestation: bool
) -> None:
    image = create_image(REGISTRIES[layout])
    target = create_image(REGISTRIES[layout]) if is_separate else image
    target.image = image.image
    if layout == "legacy-tag":
        suffix = "att" if is_attestation else "sig"
        target.put_legacy(suffix, signer.layer(image.digest, is_attestation=is_attestation))
    else:
        payload = statement(image.digest, SPDX, PREDICATE) if is_attestation else statement(image.digest)
        target.put_referrer(signer.bundle(payload), BUNDLE)
    report = verify(image, signer.trust, f"{target.address}/{target.name}" if is_separate else "")
    assert report.problems == ()
    (signature,) = report.verified
    assert (signature.layout, signature.digest) == (layout, image.digest)
    assert signature.signer.identity == signer.identity
    assert bool(signature.signer.time) == bool(signer.identity)
    assert signature.predicate_type == (SPDX if is_attestation else "")
    if is_attestation:
        assert msgspec.json.decode(signature.predicate) == PREDICATE
    if is_separate:
        assert verify(image, signer.trust) == SignatureReport(image.reference, image.digest)
