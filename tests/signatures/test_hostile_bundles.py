"""Bundles that must be refused, each with its reason: a change of one part of a valid bundle, certificate or root."""

from __future__ import annotations

import base64
import copy
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from kubekeep.registry.keys import load_public_key
from kubekeep.signatures.errors import SignatureError, TrustError
from kubekeep.signatures.sigstore.certificates import CertificateIdentity
from kubekeep.signatures.sigstore.trusted_root import read_trusted_root
from kubekeep.signatures.sigstore.verify import verify_signer
from kubekeep.signatures.stored_signature import StoredSignature, decode_signed_bundle
from kubekeep.signatures.trust import LogPolicy, Trust
from kubekeep.signatures.verification import Signer
from kubekeep.signatures.verify import verify_signatures
from tests.signatures.authority import (
    IDENTITY,
    ISSUER,
    NOW,
    PrivateSigstore,
    TransparencyLog,
    certificate_der,
    encode,
    to_pem,
)
from tests.signatures.making import (
    Json,
    Signing,
    dsse_entry,
    dsse_entry_2,
    envelope,
    hashedrekord,
    hashedrekord_2,
    intoto_entry,
    key_bundle,
    pae,
    sign,
    statement,
)

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
HOUR = dt.timedelta(hours=1)
EXPECTED = CertificateIdentity(identity=IDENTITY, issuer=ISSUER)


def verify(
    bundle: Json, root: Json, identity: CertificateIdentity = EXPECTED, digest: str = DIGEST, **trust: Any
) -> Signer:
    """Verify a bundle as that of an image; return the signer. Raises SignatureError."""
    settings = Trust(identities=(identity,), root=read_trusted_root(json.dumps(root).encode(), "root.json"), **trust)
    signed = decode_signed_bundle(json.dumps(bundle).encode(), None, bytes.fromhex(digest.partition(":")[2]))
    stored = StoredSignature(format="sigstore-bundle", layout="referrers", reference="x", subject=digest, signed=signed)
    report = verify_signatures("app", (digest,), [stored], settings)
    if report.problems:
        raise SignatureError(report.problems[0].reason)
    return report.verified[0].signer


def entry_of(bundle: Json) -> Json:
    entry: Json = bundle["verificationMaterial"]["tlogEntries"][0]
    return entry


def change_text(text: str) -> str:
    """Return Base64 with another first byte."""
    content = base64.b64decode(text)
    return encode(bytes([content[0] ^ 1]) + content[1:])


def test_unchanged_bundles_are_accepted(sigstore: PrivateSigstore) -> None:
    signing = Signing(sigstore)
    for kind in ("dsse", "dsse-2", "intoto", "hashedrekord", "hashedrekord-2"):
        assert verify(signing.bundle(statement(DIGEST), kind=kind), sigstore.describe()).identity == IDENTITY


def _set(*path: Any) -> Callable[[Json], None]:
    """Return a change that sets the value at the path (the last part) in a bundle."""
    *keys, last, value = path

    def change(bundle: Json) -> None:
        part: Any = bundle
        for key in keys:
            part = part[key]
        part[last] = value(part[last]) if callable(value) else value

    return change


_ENTRY = ("verificationMaterial", "tlogEntries", 0)
_PROOF = (*_ENTRY, "inclusionProof")
_CHECKPOINT = (*_PROOF, "checkpoint", "envelope")
CHANGES: dict[str, tuple[Callable[[Json], None], str]] = {
    "payload": (_set("dsseEnvelope", "payload", encode(statement(OTHER))), "does not fit"),
    "payload type": (_set("dsseEnvelope", "payloadType", "text/plain"), "does not fit"),
    "signature": (_set("dsseEnvelope", "signatures", 0, "sig", change_text), "does not fit"),
    "no signature": (_set("dsseEnvelope", "signatures", []), "0 signatures instead of one"),
    "two signatures": (_set("dsseEnvelope", "signatures", lambda old: old * 2), "2 signatures instead of one"),
    "media type": (_set("mediaType", "application/vnd.dev.sigstore.bundle.v9+json"), "unsupported type"),
    "two contents": (_set("messageSignature", lambda _: {"signature": "AAAA"}), "exactly one of messageSignature"),
    "no certificate": (_set("verificationMaterial", "certificate", {"rawBytes": ""}), "no certificate"),
    "broken certificate": (_set("verificationMaterial", "certificate", {"rawBytes": "AAAA"}), "cannot be read"),
    "key and certificate": (_set("verificationMaterial", "publicKey", lambda _: {"hint": "x"}), "exactly one of"),
    "no log entry": (_set("verificationMaterial", "tlogEntries", []), "no entry of a transparency log"),
    "too many log entries": (_set("verificationMaterial", "tlogEntries", lambda old: old * 9), "more than 8"),
    "integrated time": (_set(*_ENTRY, "integratedTime", str(int(NOW.timestamp()) + 1)), "SET"),
    "log index": (_set(*_ENTRY, "logIndex", "99"), "SET"),
    "signed entry timestamp": (_set(*_ENTRY, "inclusionPromise", "signedEntryTimestamp", change_text), "SET"),
    "no signed timestamp": (_set(*_ENTRY, "inclusionPromise", None), "time of signing is not proven"),
    "unknown log": (_set(*_ENTRY, "logId", "keyId", change_text), "unknown log"),
    "no log": (_set(*_ENTRY, "logId", None), "not a bundle"),
    "declared type": (_set(*_ENTRY, "kindVersion", "kind", "intoto"), "another type"),
    "log body": (_set(*_ENTRY, "canonicalizedBody", change_text), "SET"),
    "no proof": (_set(*_ENTRY, "inclusionProof", None), "no proof of inclusion"),
    "no checkpoint": (_set(*_PROOF, "checkpoint", None), "no checkpoint"),
    "path": (_set(*_PROOF, "hashes", 0, change_text), "another root hash"),
    "short path": (_set(*_PROOF, "hashes", lambda old: old[:-1]), "too short"),
    "long path": (_set(*_PROOF, "hashes", lambda old: old * 8), "too long"),
    "proof of another tree": (_set(*_PROOF, "treeSize", "3"), "another checkpoint"),
    "proof of another root": (_set(*_PROOF, "rootHash", change_text), "another checkpoint"),
    "index beyond the tree": (_set(*_PROOF, "logIndex", "999999"), "not valid"),
    "checkpoint size": (_set(*_CHECKPOINT, lambda old: old.replace("\n", "\n1", 1)), "no valid signature"),
    "checkpoint without signature": (_set(*_CHECKPOINT, lambda old: old.partition("\u2014")[0]), "no valid signature"),
    "checkpoint without lines": (_set(*_CHECKPOINT, "rekor.example.com"), "not a signed note"),
    "checkpoint without size": (_set(*_CHECKPOINT, "a\nb\nAAAA\n\n\u2014 a AAAAAAAA\n"), "not valid"),
    "huge time": (_set(*_ENTRY, "integratedTime", "9" * 30), "not a bundle"),
    "late time": (_set(*_ENTRY, "integratedTime", str((1 << 63) - 1)), "SET"),
    "negative index": (_set(*_PROOF, "logIndex", "-1"), "not a bundle"),
}


@pytest.fixture(scope="module")
def valid(sigstore: PrivateSigstore) -> Json:
    return Signing(sigstore).bundle(statement(DIGEST))


@pytest.mark.parametrize("name", CHANGES)
def test_changed_bundle(sigstore: PrivateSigstore, valid: Json, name: str) -> None:
    change, reason = CHANGES[name]
    bundle = copy.deepcopy(valid)
    bundle.setdefault("messageSignature", None)
    bundle["verificationMaterial"].setdefault("publicKey", None)
    change(bundle)
    with pytest.raises(SignatureError, match=reason):
        verify(bundle, sigstore.describe())


def test_statement_about_another_image(sigstore: PrivateSigstore) -> None:
    with pytest.raises(SignatureError, match="another subject: sha256:cdcd"):
        verify(Signing(sigstore).bundle(statement(OTHER)), sigstore.describe())


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (statement(DIGEST, _type="https://in-toto.io/Statement/v2"), "unknown type"),
        (statement(DIGEST, _type=None), "not an in-toto statement"),
        (statement(DIGEST, subject=[]), "another subject: none"),
        (statement(DIGEST, subject=[{"digest": {"sha512": "ab" * 32}}]), "another subject: sha512"),
        (b"[]", "not an in-toto statement"),
        (b"[" * 100_000, "not an in-toto statement"),
    ],
)
def test_statement_of_another_form(sigstore: PrivateSigstore, payload: bytes, reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(Signing(sigstore).bundle(payload), sigstore.describe())


def test_log_entry_of_another_signature(sigstore: PrivateSigstore) -> None:
    """Refuse an entry that is valid and about other content, another signature or another signer (CVE-2022-36056)."""
    signing, other = Signing(sigstore), Signing(sigstore)
    payload = statement(DIGEST)
    bundle = signing.bundle(payload)
    signature = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    second = sign(signing.key, pae(payload))
    for body, part in (
        (dsse_entry(statement(OTHER), signature, signing.pem), "the hash of the payload"),
        (dsse_entry(payload, second, signing.pem), "the signature"),
        (dsse_entry(payload, signature, other.pem), "the signer"),
        (dsse_entry(payload, signature, to_pem(signing.key)), "the signer"),
        (hashedrekord(payload, signature, signing.pem), "the hash of the signed content"),
        (hashedrekord(pae(payload), second, signing.pem), "the signature"),
        (hashedrekord(pae(payload), signature, other.pem), "the signer"),
    ):
        bundle["verificationMaterial"]["tlogEntries"] = [sigstore.log.add(body)]
        with pytest.raises(SignatureError, match=f"about another signature: {part} differs"):
            verify(bundle, sigstore.describe())
    verifier = {"x509Certificate": {"rawBytes": encode(certificate_der(signing.certificate))}}
    others = {"x509Certificate": {"rawBytes": encode(certificate_der(other.certificate))}}
    for body, part in (
        (dsse_entry_2(statement(OTHER), signature, verifier), "the hash of the payload"),
        (dsse_entry_2(payload, second, verifier), "the signature"),
        (dsse_entry_2(payload, signature, others), "the signer"),
        (hashedrekord_2(payload, signature, verifier), "the hash of the signed content"),
        (hashedrekord_2(pae(payload), second, verifier), "the signature"),
        (hashedrekord_2(pae(payload), signature, others), "the signer"),
        (intoto_entry(statement(OTHER), signature, signing.pem), "the hash of the payload"),
        (intoto_entry(payload, second, signing.pem), "the signature"),
        (intoto_entry(payload, signature, other.pem), "the signer"),
    ):
        bundle["verificationMaterial"]["tlogEntries"] = [sigstore.log.add(body)]
        with pytest.raises(SignatureError, match=f"about another signature: {part} differs"):
            verify(bundle, sigstore.describe())
    for body, reason in (
        ({"apiVersion": "0.0.1", "kind": "rekord", "spec": {}}, "unsupported type"),
        ({"apiVersion": "0.0.1", "kind": "dsse", "spec": {}}, "not valid"),
        ({"apiVersion": "0.0.1", "kind": "dsse", "spec": {"payloadHash": []}}, "not valid"),
    ):
        bundle["verificationMaterial"]["tlogEntries"] = [sigstore.log.add(body)]
        with pytest.raises(SignatureError, match=reason):
            verify(bundle, sigstore.describe())


def test_forged_log(sigstore: PrivateSigstore) -> None:
    """Refuse a log with the identity of a trusted one and another key."""
    forged = TransparencyLog(sigstore.log.name)
    forged.log_id = sigstore.log.log_id
    bundle = Signing(sigstore).bundle(statement(DIGEST), log=forged)
    with pytest.raises(SignatureError, match="SET"):
        verify(bundle, sigstore.describe())
    entry_of(bundle)["inclusionPromise"] = None
    with pytest.raises(SignatureError, match="no valid signature of its log"):
        verify(bundle, sigstore.describe())


CERTIFICATES: dict[str, tuple[dict[str, Any], str]] = {
    "expired": ({"start": NOW - 3 * HOUR, "end": NOW - 2 * HOUR}, "was valid from .* signed at"),
    "not yet valid": ({"start": NOW + HOUR, "end": NOW + 2 * HOUR}, "was valid from"),
    "identity": ({"names": (x509.UniformResourceIdentifier(f"{IDENTITY}x"),)}, "trusted is the identity"),
    "DNS name": ({"names": (x509.DNSName("ci.example.com"),)}, "unnamed identity"),
    "issuer": ({"issuer": "https://other.example.com"}, "trusted is the issuer"),
    "usage": ({"usage": ExtendedKeyUsageOID.SERVER_AUTH}, "not for code signing"),
    "not in a certificate log": ({"is_logged": False}, r"\(SCT\)"),
}


@pytest.mark.parametrize("name", CERTIFICATES)
def test_certificate(sigstore: PrivateSigstore, name: str) -> None:
    settings, reason = CERTIFICATES[name]
    with pytest.raises(SignatureError, match=reason):
        verify(Signing(sigstore, **settings).bundle(statement(DIGEST)), sigstore.describe())


def test_same_text_in_another_kind_of_name(sigstore: PrivateSigstore) -> None:
    """Refuse a DNS name with the text of an identity."""
    signing = Signing(sigstore, names=(x509.DNSName("dev.example.com"), x509.RFC822Name("other@example.com")))
    identity = CertificateIdentity(identity="dev.example.com", issuer=ISSUER)
    with pytest.raises(SignatureError, match=r"signed by other@example\.com"):
        verify(signing.bundle(statement(DIGEST)), sigstore.describe(), identity)


def test_certificate_of_another_authority(sigstore: PrivateSigstore, tmp_path: Path) -> None:
    stranger = PrivateSigstore(tmp_path / "stranger")
    stranger.log, stranger.certificate_log = sigstore.log, sigstore.certificate_log
    bundle = Signing(stranger).bundle(statement(DIGEST))
    with pytest.raises(SignatureError, match="no trusted authority"):
        verify(bundle, sigstore.describe())
    stranger.certificate_log = TransparencyLog("other")
    stranger.authority = sigstore.authority
    with pytest.raises(SignatureError, match="no trusted certificate log"):
        verify(Signing(stranger).bundle(statement(DIGEST)), sigstore.describe())


def test_patterns_and_claims(sigstore: PrivateSigstore) -> None:
    repository = "https://ci.example.com/team/app"
    bundle = Signing(sigstore, claims={12: repository}).bundle(statement(DIGEST))
    root = sigstore.describe()
    pattern = CertificateIdentity(
        identity_pattern=r"https://ci\.example\.com/team/.*",
        issuer_pattern="https://.*",
        claims=(("source-repository", repository),),
    )
    assert verify(bundle, root, pattern).issuer == ISSUER
    for identity, reason in (
        (CertificateIdentity(identity_pattern="https://ci", issuer=ISSUER), "trusted is the identity"),
        (CertificateIdentity(identity=IDENTITY, issuer_pattern="https://"), "trusted is the issuer"),
        (CertificateIdentity(IDENTITY, ISSUER, claims=(("source-ref", "refs/heads/main"),)), "source-ref is missing"),
        (CertificateIdentity(IDENTITY, ISSUER, claims=(("source-repository", "x"),)), "is https://ci.example"),
    ):
        with pytest.raises(SignatureError, match=reason):
            verify(bundle, root, identity)
    for invalid, reason in (
        (CertificateIdentity(identity=IDENTITY), "needs an identity and an issuer"),
        (CertificateIdentity(issuer=ISSUER), "needs an identity and an issuer"),
        (CertificateIdentity(identity_pattern="(", issuer=ISSUER), "not a regular expression"),
        (CertificateIdentity(IDENTITY, ISSUER, claims=(("colour", "red"),)), "unknown claim"),
    ):
        with pytest.raises(TrustError, match=reason):
            verify(bundle, root, invalid)


def test_timestamps(sigstore: PrivateSigstore, tmp_path: Path) -> None:
    """A timestamp proves the time only if it is of a trusted authority in use then, and about this signature."""
    signing = Signing(sigstore)
    root = sigstore.describe()
    bundle = signing.bundle(statement(DIGEST), kind="hashedrekord-2")
    time = verify(bundle, root).time
    data = bundle["verificationMaterial"]["timestampVerificationData"]

    # The period of an authority includes its end.
    root["timestampAuthorities"][0]["validFor"]["end"] = time
    assert verify(bundle, root).time == time
    root["timestampAuthorities"][0]["validFor"]["end"] = "2020-01-02T00:00:00Z"
    # An authority without certificates, which is in use, lends its period to no other.
    root["timestampAuthorities"].append({"validFor": {"start": "2020-01-01T00:00:00Z"}})
    with pytest.raises(SignatureError, match=r"not proven: .* not in use"):
        verify(bundle, root)
    with pytest.raises(SignatureError, match="no timestamp authority"):
        verify(bundle, root | {"timestampAuthorities": []})

    root = sigstore.describe()
    for content, reason in (
        (sigstore.stamp(b"another signature"), "Mismatch"),
        (PrivateSigstore(tmp_path / "stranger").stamp(b"x"), "not trusted"),
        (b"\x30\x00", "cannot be read"),
        (b"", "cannot be read"),
    ):
        changed = copy.deepcopy(bundle)
        stamps = [{"signedTimestamp": encode(content)}]
        changed["verificationMaterial"]["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
        with pytest.raises(SignatureError, match=f"not proven: .*{reason}"):
            verify(changed, root)
    data["rfc3161Timestamps"] *= 2
    with pytest.raises(SignatureError, match="repeated"):
        verify(bundle, root)
    bundle["verificationMaterial"]["timestampVerificationData"] = None
    with pytest.raises(SignatureError, match="not proven"):
        verify(bundle, root)


def test_timestamp_outside_of_the_certificate(sigstore: PrivateSigstore) -> None:
    """Each proven time must be in the certificate's period: the log's time is, that of the timestamp is not."""
    then = NOW - 24 * HOUR
    signing = Signing(sigstore, start=then, end=then + HOUR)
    assert verify(signing.bundle(statement(DIGEST), time=then), sigstore.describe()).time.startswith(f"{then:%Y-%m-%d}")
    with pytest.raises(SignatureError, match="was valid from"):
        verify(signing.bundle(statement(DIGEST), time=then, has_stamp=True), sigstore.describe())


def test_periods_of_the_trusted_root(sigstore: PrivateSigstore) -> None:
    bundle = Signing(sigstore).bundle(statement(DIGEST))
    end = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    past = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}
    root = sigstore.describe()
    root["tlogs"][0]["publicKey"]["validFor"]["end"] = end
    assert verify(bundle, root).identity == IDENTITY
    for part, reason in (("tlogs", "the log was not in use"), ("ctlogs", "certificate log")):
        root = sigstore.describe()
        root[part][0]["publicKey"]["validFor"] = past
        with pytest.raises(SignatureError, match=reason):
            verify(bundle, root)
    root = sigstore.describe()
    root["certificateAuthorities"][0]["validFor"] = past
    with pytest.raises(SignatureError, match="no trusted authority"):
        verify(bundle, root)
    # The log of a timestamped entry must have been in use at the time of the timestamp.
    second = Signing(sigstore).bundle(statement(DIGEST), kind="hashedrekord-2")
    root = sigstore.describe()
    root["tlogs"][1]["publicKey"]["validFor"] = past
    with pytest.raises(SignatureError, match="the log was not in use"):
        verify(second, root)


def test_root_without_intermediate(sigstore: PrivateSigstore) -> None:
    root = sigstore.describe()
    del root["certificateAuthorities"][0]["certChain"]["certificates"][0]
    with pytest.raises(SignatureError, match="no trusted authority"):
        verify(Signing(sigstore).bundle(statement(DIGEST)), root)


def test_root_without_logs(sigstore: PrivateSigstore) -> None:
    """A root without logs demands none: a timestamp proves the time then."""
    root = sigstore.describe() | {"tlogs": [], "ctlogs": []}
    bundle = Signing(sigstore, is_logged=False).bundle(statement(DIGEST), has_stamp=True)
    with pytest.raises(SignatureError, match="unknown log"):
        verify(bundle, root)
    assert verify(bundle, root, log=LogPolicy.IGNORED).identity == IDENTITY
    bundle["verificationMaterial"]["tlogEntries"] = []
    assert verify(bundle, root).identity == IDENTITY
    with pytest.raises(SignatureError, match="no entry of a transparency log"):
        verify(bundle, root, log=LogPolicy.REQUIRED)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mediaType": "x"}, "unsupported type"),
        ({"mediaType": None}, "not a trusted root"),
        (
            {"tlogs": [{"publicKey": {"rawBytes": "AAAA", "validFor": {"start": "2020-01-01T00:00:00Z"}}}]},
            "invalid key",
        ),
        ({"certificateAuthorities": [{"certChain": {"certificates": [{"rawBytes": "AAAA"}]}}]}, "invalid certificate"),
        ({"timestampAuthorities": [{}] * 300}, "more than 256"),
        ({"timestampAuthorities": [{}]}, "validFor has no start"),
    ],
)
def test_invalid_root(sigstore: PrivateSigstore, change: Json, reason: str) -> None:
    with pytest.raises(TrustError, match=f"root.json.*{reason}"):
        read_trusted_root(json.dumps(sigstore.describe() | change).encode(), "root.json")
    root = sigstore.describe()
    del root["tlogs"][0]["publicKey"]["validFor"]["start"]
    with pytest.raises(TrustError, match="no start"):
        read_trusted_root(json.dumps(root).encode(), "root.json")


def test_keys_and_logs(sigstore: PrivateSigstore) -> None:
    """With a key, a log entry is optional by default, and is always verified if it is there."""
    key, payload = ec.generate_private_key(ec.SECP256R1()), statement(DIGEST)
    signature = sign(key, pae(payload))
    entry = sigstore.log.add(dsse_entry(payload, signature, to_pem(key)))
    bundle = key_bundle(key, payload)
    bundle["dsseEnvelope"]["signatures"][0]["sig"] = encode(signature)
    root = read_trusted_root(sigstore.encode_root(), "root.json")

    def check(log: LogPolicy = LogPolicy.DEFAULT, keys: tuple[Any, ...] = (load_public_key(to_pem(key)),)) -> Signer:
        signed = decode_signed_bundle(json.dumps(bundle).encode(), None, b"")
        return verify_signer(signed, Trust(keys=keys, root=root, log=log))

    assert check().time == ""
    with pytest.raises(SignatureError, match="no entry of a transparency log"):
        check(LogPolicy.REQUIRED)
    bundle["verificationMaterial"]["tlogEntries"] = [entry]
    assert check(LogPolicy.REQUIRED).time
    entry["integratedTime"] = "1"
    with pytest.raises(SignatureError, match="the log was not in use at 1970"):
        check()
    assert check(LogPolicy.IGNORED).time == ""
    bundle["verificationMaterial"]["tlogEntries"] = [
        sigstore.log.add(dsse_entry(payload, signature, to_pem(key)), None)
    ]
    assert check(LogPolicy.REQUIRED).time == ""
    other = load_public_key(to_pem(ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(SignatureError, match="another key"):
        check(keys=(other,))
    bundle["dsseEnvelope"] = envelope(ec.generate_private_key(ec.SECP256R1()), payload)
    with pytest.raises(SignatureError, match="another key"):
        check()


def test_trust_needs_a_signer() -> None:
    with pytest.raises(TrustError, match="no signer is trusted"):
        verify_signatures("app", (DIGEST,), [], Trust())
