"""Images of the tests of imported policies, in a real registry: signed by keys, by identities, tampered and unsigned."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.registry.simple_signing import PAYLOAD, SIGNATURE
from kubekeep.signatures.envelope import ENVELOPE
from tests.signatures.authority import PrivateSigstore, certificate_pem, encode, to_pem
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
from tests.signatures.registries import SignedRepository

CUSTOM = "https://cosign.sigstore.dev/attestation/v1"
Layer = tuple[bytes, str, dict[str, str]]


class SignedImages:
    """The images by name, and the keys and objects that policies name."""

    def __init__(self, address: str, sigstore: PrivateSigstore) -> None:
        self.address = address
        self.sigstore = sigstore
        self.team, self.second, self.stranger = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        self.ci = Signing(sigstore)
        self._repositories: dict[str, SignedRepository] = {}
        self._put_signed_by_keys()
        self._put_attested()
        self._put_signed_by_identity()

    def close(self) -> None:
        for repository in self._repositories.values():
            repository.client.close()

    def reference(self, name: str) -> str:
        return self._repositories[name].reference if name in self._repositories else f"{self.address}/{name}"

    def pinned(self, name: str) -> str:
        repository = self._repositories[name]
        return f"{self.address}/{repository.name}@{repository.digest}"

    def _create(self, name: str) -> SignedRepository:
        self._repositories[name] = SignedRepository(self.address, f"team/{name}")
        return self._repositories[name]

    def _put_signed_by_keys(self) -> None:
        self._create("unsigned")
        for name, keys in {"signed": [self.team], "strange": [self.stranger], "both": [self.team, self.second]}.items():
            repository = self._create(name)
            repository.put_legacy("sig", *(sign_payload(key, repository.digest) for key in keys))
        tampered = self._create("tampered")
        tampered.put_legacy("sig", sign_payload(self.team, "sha256:" + "0" * 64))
        annotated = self._create("annotated")
        content = simple_payload(annotated.digest, optional={"env": "prod"})
        annotated.put_legacy("sig", (content, PAYLOAD, {SIGNATURE: encode(sign(self.team, content))}))
        strong = self._create("sha512")
        content = simple_payload(strong.digest)
        signature = self.team.sign(content, ec.ECDSA(hashes.SHA512()))
        strong.put_legacy("sig", (content, PAYLOAD, {SIGNATURE: encode(signature)}))
        # Signatures of `moved` are in the repository `signatures`.
        moved, place = self._create("moved"), self._create("signatures")
        place.image = moved.image
        place.put_legacy("sig", sign_payload(self.team, moved.digest))
        bundled = self._create("bundled")
        bundled.put_referrer(json.dumps(key_bundle(self.team, statement(bundled.digest))).encode(), BUNDLE)

    def _put_attested(self) -> None:
        attested = self._create("attested")
        attested.put_legacy(
            "att",
            attest(self.team, attested.digest, SPDX, {"name": "shop"}),
            attest(self.team, attested.digest, CUSTOM, {"Data": "ok"}),
        )
        forged = self._create("forged")
        layer = attest(self.team, forged.digest, SPDX, {"name": "shop"})
        content = json.loads(layer[0])
        content["payload"] = encode(statement(forged.digest, SPDX, {"name": "other"}))
        forged.put_legacy("att", (json.dumps(content).encode(), *layer[1:]))

    def _put_signed_by_identity(self) -> None:
        keyless = self._create("keyless")
        content = simple_payload(keyless.digest)
        signature = sign(self.ci.key, content)
        keyless.put_legacy(
            "sig", (content, PAYLOAD, {SIGNATURE: encode(signature), **self.ci.annotate(content, signature)})
        )
        message, kind, _ = attest(self.ci.key, keyless.digest, SPDX, {"name": "shop"})
        signed = base64.b64decode(json.loads(message)["signatures"][0]["sig"])
        keyless.put_legacy(
            "att", (message, kind, {SIGNATURE: "", **self.ci.annotate(message, signed, is_envelope=True)})
        )
        bundle = self._create("keyless-bundle")
        content = json.dumps(self.ci.bundle(statement(bundle.digest, SPDX, {"name": "shop"}))).encode()
        bundle.put_referrer(content, BUNDLE)

    def pem(self, name: str = "team") -> str:
        return to_pem(getattr(self, name)).decode()

    def trust_root(self, *, has_certificate_log: bool = True, name: str = "private") -> dict[str, Any]:
        """Return the TrustRoot of the private Sigstore."""
        authority = self.sigstore.authority
        chain = certificate_pem(authority.intermediate) + certificate_pem(authority.root)
        keys = {
            "certificateAuthorities": [
                {"subject": {"organization": "o", "commonName": "c"}, "uri": "https://ca", "certChain": encode(chain)}
            ],
            "tLogs": [self._describe_log(self.sigstore.log)],
        }
        if has_certificate_log:
            keys["ctLogs"] = [self._describe_log(self.sigstore.certificate_log)]
        return {
            "apiVersion": "policy.sigstore.dev/v1alpha1",
            "kind": "TrustRoot",
            "metadata": {"name": name},
            "spec": {"sigstoreKeys": keys},
        }

    def _describe_log(self, log: Any) -> dict[str, str]:
        return {"baseURL": "https://log", "hashAlgorithm": "sha-256", "publicKey": encode(self.log_key(log).encode())}

    def log_key(self, log: Any) -> str:
        return to_pem(log.key).decode()


def sign_payload(key: Any, digest: str) -> Layer:
    content = simple_payload(digest)
    return content, PAYLOAD, {SIGNATURE: encode(sign(key, content))}


def attest(key: Any, digest: str, predicate_type: str, predicate: Any) -> Layer:
    content = json.dumps(envelope(key, statement(digest, predicate_type, predicate))).encode()
    return content, ENVELOPE, {SIGNATURE: ""}
