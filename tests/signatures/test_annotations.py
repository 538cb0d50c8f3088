"""Signatures of cosign 2 in annotations, in a real registry: those that must be refused, and several beside each other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.registry.keys import load_public_key
from kubekeep.signatures.sigstore.certificates import CertificateIdentity
from kubekeep.signatures.sigstore.trusted_root import TrustedRoot, read_trusted_root
from kubekeep.signatures.trust import LogPolicy, Trust
from tests.signatures.authority import IDENTITY, ISSUER, PrivateSigstore, encode, to_pem
from tests.signatures.making import Json, Signing, envelope, log_annotation, sign, simple_payload, statement
from tests.signatures.registries import SignedRepository
from tests.signatures.test_layouts import ENVELOPE, PAYLOAD, SIGNATURE, verify

Create = Callable[..., SignedRepository]
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"
LOG = "dev.sigstore.cosign/bundle"
STAMP = "dev.sigstore.cosign/rfc3161timestamp"
OTHER = "sha256:" + "cd" * 32


@pytest.fixture
def image(create_image: Create) -> SignedRepository:
    return create_image("plain_registry")


@pytest.fixture
def trust(root: TrustedRoot) -> Trust:
    return Trust(identities=(CertificateIdentity(identity=IDENTITY, issuer=ISSUER),), root=root)


def sign_payload(signing: Signing, payload: bytes) -> dict[str, str]:
    signature = sign(signing.key, payload)
    return {SIGNATURE: encode(signature), **signing.annotate(payload, signature)}


def list_reasons(image: SignedRepository, trust: Trust) -> list[str]:
    report = verify(image, trust)
    assert report.verified == ()
    return [problem.reason for problem in report.problems]


def change_log(annotations: dict[str, str], **payload: Any) -> dict[str, str]:
    entry = json.loads(annotations[LOG])
    entry["Payload"] |= payload
    return annotations | {LOG: json.dumps(entry)}


CHANGES: dict[str, tuple[Callable[[dict[str, str], Signing], dict[str, str]], str]] = {
    "no signature": (lambda old, _: old | {SIGNATURE: ""}, "no signature"),
    "not Base64": (lambda old, _: old | {SIGNATURE: "?"}, "not Base64"),
    "another signature": (lambda old, other: old | {SIGNATURE: encode(sign(other.key, b"x"))}, "does not fit"),
    "another certificate": (lambda old, other: old | {CERTIFICATE: other.pem.decode()}, "does not fit"),
    "two certificates": (
        lambda old, other: old | {CERTIFICATE: old[CERTIFICATE] + other.pem.decode()},
        "2 certificates",
    ),
    "no PEM": (lambda old, _: old | {CERTIFICATE: "x"}, "no valid certificate"),
    "long chain": (lambda old, _: old | {CHAIN: old[CERTIFICATE] * 17}, "17 certificates"),
    "no certificate": (lambda old, _: old | {CERTIFICATE: "", CHAIN: ""}, "only certificates are trusted"),
    "no log entry": (lambda old, _: old | {LOG: ""}, "no entry of a transparency log"),
    "broken log entry": (lambda old, _: old | {LOG: "{}"}, "is not valid"),
    "time of the log": (lambda old, _: change_log(old, integratedTime=1_700_000_000), "SET"),
    "unknown log": (lambda old, _: change_log(old, logID="00"), "unknown log"),
    "log identity": (lambda old, _: change_log(old, logID="xyz"), "is not valid"),
    "broken timestamp": (lambda old, _: old | {STAMP: "[]"}, "is not valid"),
    "entry of another": (lambda old, other: old | {LOG: sign_payload(other, b"x")[LOG]}, "about another signature"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_changed_annotation(image: SignedRepository, sigstore: PrivateSigstore, trust: Trust, name: str) -> None:
    change, reason = CHANGES[name]
    payload = simple_payload(image.digest)
    annotations = change(sign_payload(Signing(sigstore), payload), Signing(sigstore))
    image.put_legacy("sig", (payload, PAYLOAD, annotations))
    (problem,) = list_reasons(image, trust)
    assert reason in problem


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {"critical": {"image": {"docker-manifest-digest": OTHER}, "type": "cosign container image signature"}},
            "another digest",
        ),
        ({"critical": {"image": {"docker-manifest-digest": OTHER}, "type": "other"}}, "unknown type 'other'"),
        ({"critical": {}}, "not a payload"),
    ],
)
def test_payload(image: SignedRepository, sigstore: PrivateSigstore, trust: Trust, change: Json, reason: str) -> None:
    payload = simple_payload(image.digest, **change)
    image.put_legacy("sig", (payload, PAYLOAD, sign_payload(Signing(sigstore), payload)))
    (problem,) = list_reasons(image, trust)
    assert reason in problem


def test_payload_of_another_type(image: SignedRepository, sigstore: PrivateSigstore, trust: Trust) -> None:
    payload = simple_payload(image.digest)
    image.put_legacy("sig", (payload, "text/plain", sign_payload(Signing(sigstore), payload)))
    assert list_reasons(image, trust) == []


def test_huge_annotation(image: SignedRepository, sigstore: PrivateSigstore, trust: Trust) -> None:
    payload = simple_payload(image.digest)
    annotations = sign_payload(Signing(sigstore), payload)
    image.put_legacy("sig", (payload, PAYLOAD, annotations | {"x": "y" * 200_000}))
    (problem,) = list_reasons(image, trust)
    assert "at most 131,072 are read" in problem


def test_one_valid_signature_is_enough(image: SignedRepository, sigstore: PrivateSigstore, trust: Trust) -> None:
    """Accept the image for one valid signature, and report the others with reasons and places."""
    payload, other = simple_payload(image.digest), simple_payload(OTHER)
    key = ec.generate_private_key(ec.SECP256R1())
    layers = [
        (payload, PAYLOAD, {SIGNATURE: encode(sign(key, payload))}),
        (other, PAYLOAD, sign_payload(Signing(sigstore), other)),
        (payload, PAYLOAD, sign_payload(Signing(sigstore), payload)),
    ]
    image.put_legacy("sig", *layers)
    image.put_legacy("att", (b"{}", ENVELOPE, {SIGNATURE: ""}))
    report = verify(image, trust)
    tag = image.digest.replace(":", "-")
    assert [signature.signer.identity for signature in report.verified] == [IDENTITY]
    assert [problem.reference for problem in report.problems] == [f"{tag}.sig[0]", f"{tag}.sig[1]", f"{tag}.att[0]"]


def test_chain_in_the_annotation(image: SignedRepository, sigstore: PrivateSigstore, trust: Trust) -> None:
    """The annotation may contain the intermediate certificate that the trusted root does not have."""
    document = sigstore.describe()
    del document["certificateAuthorities"][0]["certChain"]["certificates"][0]
    root = read_trusted_root(json.dumps(document).encode(), "root.json")
    payload = simple_payload(image.digest)
    annotations = sign_payload(Signing(sigstore), payload)
    image.put_legacy("sig", (payload, PAYLOAD, annotations))
    assert verify(image, Trust(identities=trust.identities, root=root)).verified
    image.put_legacy("sig", (payload, PAYLOAD, annotations | {CHAIN: ""}))
    (problem,) = list_reasons(image, Trust(identities=trust.identities, root=root))
    assert "no trusted authority" in problem


def test_timestamps(image: SignedRepository, sigstore: PrivateSigstore, trust: Trust) -> None:
    """A timestamp replaces the log: it covers the signature, and the whole envelope of an attestation."""
    signing, payload = Signing(sigstore), simple_payload(image.digest)
    signature = sign(signing.key, payload)
    content = json.dumps(envelope(signing.key, statement(image.digest, "https://example.com/type"))).encode()

    def annotate(stamped: bytes, text: str) -> dict[str, str]:
        stamp = json.dumps({"SignedRFC3161Timestamp": encode(sigstore.stamp(stamped))})
        return {SIGNATURE: text, CERTIFICATE: signing.pem.decode(), STAMP: stamp}

    without_log = Trust(identities=trust.identities, root=trust.root, log=LogPolicy.IGNORED)
    image.put_legacy("sig", (payload, PAYLOAD, annotate(signature, encode(signature))))
    image.put_legacy("att", (content, ENVELOPE, annotate(content, "")))
    assert [bool(entry.signer.time) for entry in verify(image, without_log).verified] == [True, True]
    image.put_legacy("sig", (payload, PAYLOAD, annotate(payload, encode(signature))))
    image.put_legacy("att", (content, ENVELOPE, annotate(payload, "")))
    assert all("not proven" in reason for reason in list_reasons(image, without_log))


def test_old_log_entry_of_an_attestation(image: SignedRepository, sigstore: PrivateSigstore, trust: Trust) -> None:
    """Entries of type intoto 0.0.1 hash the stored envelope and have no signature."""
    signing = Signing(sigstore)
    content = json.dumps(envelope(signing.key, statement(image.digest, "https://example.com/type"))).encode()
    for stored, is_valid in ((content, True), (content + b" ", False)):
        digest = hashlib.sha256(stored).hexdigest()
        spec = {"content": {"hash": {"algorithm": "sha256", "value": digest}}, "publicKey": encode(signing.pem)}
        entry = sigstore.log.add({"apiVersion": "0.0.1", "kind": "intoto", "spec": spec})
        annotations = {CERTIFICATE: signing.pem.decode(), LOG: json.dumps(log_annotation(entry))}
        image.put_legacy("att", (content, ENVELOPE, annotations))
        report = verify(image, trust)
        assert bool(report.verified) == is_valid, report


def test_required_annotations(image: SignedRepository) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    payload = simple_payload(image.digest, optional={"team": "blue", "build": 7})
    image.put_legacy("sig", (payload, PAYLOAD, {SIGNATURE: encode(sign(key, payload))}))
    keys = (load_public_key(to_pem(key)),)
    assert verify(image, Trust(keys=keys, annotations=(("team", "blue"),))).verified[0].annotations == (
        ("team", "blue"),
    )
    (problem,) = list_reasons(image, Trust(keys=keys, annotations=(("team", "red"),)))
    assert "does not cover the annotation team=red" in problem
