"""Cases of notation signatures with the expected reason, shared by the tests and the comparison with the reference library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from kubekeep.signatures.notation.envelope import TargetArtifact
from tests.signatures.notation.signing import (
    AUTHENTIC,
    COSE,
    CRITICAL_CA,
    DAY,
    EXPIRY,
    JWS,
    NOW,
    SCHEME,
    SIGNER,
    SUBJECT,
    TARGET,
    TIME,
    Identity,
    create_authority,
    create_key,
    create_root,
    create_signer,
    default_headers,
    encode_cose,
    issue,
    payload_of,
    policy,
    sign,
    sign_cose,
    sign_jws,
    url_safe,
    usage,
)

Json = dict[str, Any]


class SignatureCase(msgspec.Struct, frozen=True):
    """An envelope with its trust configuration. reason: a part of the expected reason; empty if the signature is valid.

    stores: certificates by store; policies: trust policies.
    """

    name: str
    content: bytes
    media_type: str = JWS
    reason: str = ""
    stores: Mapping[str, Sequence[x509.Certificate]] = {}
    policies: Sequence[Json] = ()
    target: TargetArtifact = TARGET


STRICTER = {
    f"authentic time of a user {COSE}": "only the signing authority may state the time",
    f"unknown critical header {JWS}": "the library ignores unknown critical headers, against its specification",
    f"unknown critical header {COSE}": "the library ignores unknown critical headers, against its specification",
    "jws unknown member": "the specification allows no other members",
    "cose two chains": "the library reads one of them",
    "cose hash envelope": "an envelope of another format with the payload of an image",
    "leaf 2.5.29.37.0": "the specification forbids anyExtendedKeyUsage",
    "authority basic constraints not critical": "the specification requires it",
    "audit": "an untrusted signer is never reported as verified",
    "authenticity logged": "an untrusted signer is never reported as verified",
}
"""Cases that Kubekeep refuses and the reference library accepts, with the reason."""


def _default(name: str, content: bytes, reason: str = "", **fields: Any) -> SignatureCase:
    fields.setdefault("stores", {"ca:example": [create_root().certificate]})
    fields.setdefault("policies", [policy()])
    return SignatureCase(name, content, reason=reason, **fields)


def list_cases() -> Iterator[SignatureCase]:
    """Yield all cases."""
    for list_group in (
        _algorithms,
        _headers,
        _encodings,
        _jws,
        _cose,
        _targets,
        _leaf_certificates,
        _chains,
        _trust,
        _times,
    ):
        yield from list_group()


def _algorithms() -> Iterator[SignatureCase]:
    for kind in ("rsa2048", "rsa3072", "rsa4096", "p256", "p384", "p521"):
        signer = create_signer(f"{kind}" if kind.startswith("rsa") else f"{kind} signer")
        for media_type in (JWS, COSE):
            yield _default(f"{kind} {media_type}", sign(signer, media_type), media_type=media_type)
    for kind, reason in (("rsa1024", "1024 bits"), ("k256", "curve secp256k1"), ("ed25519", "neither RSA nor ECDSA")):
        yield _default(kind, sign(issue(SUBJECT, create_key(kind), create_authority())), reason)
    self_signed = issue(SUBJECT, create_key("p256 self"))
    yield _default("self-signed signer", sign(self_signed), stores={"ca:example": [self_signed.certificate]})
    yield _default("self-signed stranger", sign(self_signed), "no certificate of the signature is in the trust stores")


def _headers() -> Iterator[SignatureCase]:
    signer = create_signer()
    plugin = "io.cncf.notary.verificationPlugin"
    changes: tuple[tuple[str, Json, str], ...] = (
        ("another algorithm", {"alg": "ES384"}, "the key requires ES256"),
        ("other content type", {"cty": "application/json"}, "the content type is 'application/json'"),
        ("unknown scheme", {SCHEME: "notary.x509.v2"}, "scheme 'notary.x509.v2' is unknown"),
        ("no scheme", {SCHEME: None}, "scheme None is unknown"),
        ("no signing time", {TIME: None}, f"{TIME} is missing"),
        ("authentic time of a user", {AUTHENTIC: NOW, "crit": [SCHEME, AUTHENTIC]}, f"{AUTHENTIC} is not allowed"),
        ("no critical headers", {"crit": None}, "crit"),
        ("empty critical headers", {"crit": []}, "crit"),
        ("scheme not critical", {EXPIRY: NOW + DAY, "crit": [EXPIRY]}, f"{SCHEME} is not marked as critical"),
        ("expiry not critical", {EXPIRY: NOW + DAY}, f"{EXPIRY} is not marked as critical"),
        ("critical header without value", {"crit": [SCHEME, EXPIRY]}, f"'{EXPIRY}' is missing"),
        ("unknown critical header", {"example": 1, "crit": [SCHEME, "example"]}, "header 'example' is unknown"),
        ("plugin", {plugin: "example", "crit": [SCHEME, plugin]}, "requires a plugin"),
        ("extended header", {"example": 1}, ""),
        ("expiry", {EXPIRY: NOW + DAY, "crit": [SCHEME, EXPIRY]}, ""),
        ("expired", {EXPIRY: NOW - DAY / 2, "crit": [SCHEME, EXPIRY]}, "the signature expired"),
    )
    for name, change, reason in changes:
        fields = {key: value for key, value in (default_headers(signer) | change).items() if value is not None}
        for media_type in (JWS, COSE):
            yield _default(
                f"{name} {media_type}", sign(signer, media_type, headers=fields), reason, media_type=media_type
            )


def _encodings() -> Iterator[SignatureCase]:
    signer = create_signer()
    for media_type in (JWS, COSE):
        yield _default(f"no content {media_type}", b"", "not a valid", media_type=media_type)
        content = sign(signer, media_type)
        yield _default(f"truncated {media_type}", content[:-1], "not a valid", media_type=media_type)
        yield _default(f"data after the end {media_type}", content + b"\0", "not a valid", media_type=media_type)
        yield _default(
            f"no certificates {media_type}",
            sign(signer, media_type, chain=[]),
            "no certificates",
            media_type=media_type,
        )
        chain = [b"\x30\x00", *signer.chain[1:]]
        yield _default(
            f"damaged certificate {media_type}",
            sign(signer, media_type, chain=chain),
            "cannot be read",
            media_type=media_type,
        )
        chain = signer.chain[:1] * 17
        yield _default(
            f"many certificates {media_type}",
            sign(signer, media_type, chain=chain),
            "the limit is 16",
            media_type=media_type,
        )
    yield _default("other type", sign(signer), "the envelope has the type text/plain", media_type="text/plain")


def _jws() -> Iterator[SignatureCase]:
    signer = create_signer()

    def change(name: str, reason: str, edit: Callable[[Json], object]) -> SignatureCase:
        envelope = sign_jws(signer)
        edit(envelope)
        return _default(f"jws {name}", json.dumps(envelope).encode(), reason)

    other = url_safe(payload_of(TargetArtifact(TARGET.media_type, "sha256:" + "cd" * 32, 1234)))
    yield change("payload swapped", "does not match", lambda envelope: envelope.update(payload=other))
    short = sign_jws(signer)["signature"][:-8]
    yield change("short signature", "bytes; ES256 needs 64", lambda envelope: envelope.update(signature=short))
    yield change("empty signature", "0 bytes", lambda envelope: envelope.update(signature=""))
    yield change("zero signature", "does not match", lambda envelope: envelope.update(signature=url_safe(bytes(64))))
    yield change("padding", "not base64url", lambda envelope: envelope.update(payload=envelope["payload"] + "="))
    yield change("unknown member", "not a valid JWS", lambda envelope: envelope.update(signatures=[]))
    yield change("no header", "not a valid JWS", lambda envelope: envelope.pop("header"))
    yield change("certificate not base64", "x5c is not base64", lambda envelope: envelope["header"].update(x5c=["%"]))
    none = url_safe(json.dumps(default_headers(signer) | {"alg": "none"}, default=str).encode())
    yield change("unsigned", "time of RFC 3339", lambda envelope: envelope.update(protected=none))
    envelope = sign_jws(signer, default_headers(signer) | {"alg": "none"})
    yield _default("jws none", json.dumps(envelope).encode(), "the algorithm is none")
    envelope = sign_jws(signer, default_headers(signer) | {"alg": "HS256"})
    yield _default("jws symmetric", json.dumps(envelope).encode(), "the algorithm is HS256")
    envelope = sign_jws(signer, default_headers(signer) | {TIME: "yesterday"})
    yield _default("jws time", json.dumps(envelope).encode(), "not a time of RFC 3339")


def _cose() -> Iterator[SignatureCase]:
    signer = create_signer()
    parts = sign_cose(signer)
    cases: tuple[tuple[str, bytes, str], ...] = (
        ("untagged", encode_cose(parts, None), "not tagged as COSE_Sign1"),
        ("other tag", encode_cose(parts, 98), "not tagged as COSE_Sign1"),
        ("three parts", encode_cose(parts[:3]), "not the four parts"),
        ("detached payload", encode_cose([*parts[:2], None, parts[3]]), "not the four parts"),
        ("payload swapped", encode_cose([*parts[:2], payload_of()[:-1] + b" }", parts[3]]), "does not match"),
        ("protected not a map", encode_cose([b"\x80", *parts[1:]]), "not a map"),
        ("deep", encode_cose([b"\x81" * 20 + b"\x01", *parts[1:]]), "not a valid COSE envelope"),
        ("indefinite length", b"\xd2\x9f" + encode_cose(parts)[2:] + b"\xff", "not a valid COSE envelope"),
        ("duplicate header", encode_cose([b"\xa2\x01\x26\x01\x26", *parts[1:]]), "not a valid COSE envelope"),
        ("two chains", sign_with(signer, {33: signer.chain}, signer.chain), "two certificate chains"),
        ("hash envelope", sign_with(signer, {258: -16}), "signs a hash"),
        ("unknown number", sign_with(signer, {"alg": -999}), "the key requires ES256"),
        ("untagged time", sign_with(signer, {TIME: 1667411812}), "not a tagged time"),
    )
    for name, content, reason in cases:
        yield _default(f"cose {name}", content, reason, media_type=COSE)


def sign_with(signer: Identity, change: Mapping[Any, Any], chain: Sequence[bytes] | None = None) -> bytes:
    """Return a COSE envelope with other protected headers."""
    headers: dict[Any, Any] = {**default_headers(signer), **change}
    return encode_cose(sign_cose(signer, headers, chain=chain))


def _targets() -> Iterator[SignatureCase]:
    signer = create_signer()
    yield _default(
        "other digest",
        sign(signer),
        "another image: digest",
        target=TargetArtifact(TARGET.media_type, "sha256:" + "cd" * 32, 1234),
    )
    yield _default(
        "other size", sign(signer), "another image: size", target=TargetArtifact(TARGET.media_type, TARGET.digest, 1235)
    )
    yield _default(
        "other media type",
        sign(signer),
        "another image: media type",
        target=TargetArtifact("application/json", TARGET.digest, 1234),
    )
    for name, payload in (("empty payload", b""), ("no target", b"{}"), ("not JSON", b"\xff")):
        yield _default(name, sign(signer, payload=payload), "no valid targetArtifact")


def _leaf_certificates() -> Iterator[SignatureCase]:
    code_signing = SIGNER[1]
    variants: tuple[tuple[str, Sequence[tuple[x509.ExtensionType, bool]], str], ...] = (
        ("no extended key usage", SIGNER[:1], ""),
        ("critical extended key usage", (SIGNER[0], (code_signing[0], True)), ""),
        ("not an authority", (*SIGNER, (x509.BasicConstraints(ca=False, path_length=None), False)), ""),
        ("authority", (*SIGNER, (x509.BasicConstraints(ca=True, path_length=None), True)), "must not sign"),
        ("no key usage", (code_signing,), "no digitalSignature"),
        ("key usage not critical", ((SIGNER[0][0], False), code_signing), "not critical"),
        ("no digital signature", ((usage("content_commitment"), True), code_signing), "no digitalSignature"),
        ("content commitment", ((usage("digital_signature", "content_commitment"), True), code_signing), ""),
    )
    for name, extensions, reason in variants:
        yield _default(
            f"leaf {name}", sign(issue(SUBJECT, create_key("p256 signer"), create_authority(), extensions)), reason
        )
    for name in ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign"):
        extensions = ((usage("digital_signature", name), True), code_signing)
        yield _default(
            f"leaf {name}",
            sign(issue(SUBJECT, create_key("p256 signer"), create_authority(), extensions)),
            "keyUsage must not have",
        )
    for purpose in (
        *(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.EMAIL_PROTECTION),
        *(ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE),
    ):
        purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING, purpose])
        signer = issue(SUBJECT, create_key("p256 signer"), create_authority(), (SIGNER[0], (purposes, False)))
        yield _default(f"leaf {purpose.dotted_string}", sign(signer), "extendedKeyUsage must not have")


def _chains() -> Iterator[SignatureCase]:
    signer = create_signer()
    leaf, authority, root = signer.chain
    other_root = create_root("other").chain[0]
    for name, chain, reason in (
        ("without root", [leaf, authority], "does not end with a root"),
        ("without authority", [leaf, root], "not issued by the next certificate"),
        ("leaf alone", [leaf], "does not end with a root"),
        ("reversed", [leaf, root, authority], "is not issued by the next certificate"),
        ("two roots", [leaf, authority, root, root], "not the last certificate"),
        ("stranger at the end", [leaf, authority, root, other_root], "is not issued by the next certificate"),
        ("other leaf first", [create_signer("p256 second").chain[0], authority, root], "does not match"),
    ):
        yield _default(f"chain {name}", sign(signer, chain=chain), reason)
    for name, extensions, reason in (
        ("no basic constraints", CRITICAL_CA[1:], "basicConstraints"),
        ("basic constraints not critical", ((CRITICAL_CA[0][0], False), CRITICAL_CA[1]), "basicConstraints"),
        (
            "no authority",
            ((x509.BasicConstraints(ca=False, path_length=None), True), CRITICAL_CA[1]),
            "basicConstraints",
        ),
        ("no key usage", CRITICAL_CA[:1], "no keyCertSign"),
        ("no certificate signing", (CRITICAL_CA[0], (usage("crl_sign"), True)), "no keyCertSign"),
        ("key usage not critical", (CRITICAL_CA[0], (CRITICAL_CA[1][0], False)), "no keyCertSign"),
    ):
        middle = issue("C=US, O=Example, CN=middle", create_key("p256 middle"), create_root(), extensions)
        yield _default(f"authority {name}", sign(issue(SUBJECT, create_key("p256 signer"), middle)), reason)
    for limit, reason in ((0, "pathLenConstraint 0"), (1, "")):
        constraints = (x509.BasicConstraints(ca=True, path_length=limit), True)
        top = issue("C=US, O=Example, CN=top", create_key("p256 top"), extensions=(constraints, CRITICAL_CA[1]))
        middle = issue("C=US, O=Example, CN=middle", create_key("p256 middle"), top, CRITICAL_CA)
        signer = issue(SUBJECT, create_key("p256 signer"), middle)
        yield _default(f"path length {limit}", sign(signer), reason, stores={"ca:example": [top.certificate]})
    # The forged authority has the name of the real one, and another key.
    forged = issue("C=US, O=Example, CN=authority", create_key("p256 forged"), extensions=CRITICAL_CA)
    signer = issue(SUBJECT, create_key("p256 signer"), forged)
    chain = [signer.chain[0], authority, root]
    yield _default("forged authority", sign(signer, chain=chain), "no valid signature of")


def _trust() -> Iterator[SignatureCase]:
    signer = create_signer()
    content = sign(signer)
    untrusted = "not a trusted identity"
    for name, identity, reason in (
        ("exact", SUBJECT, ""),
        ("partial", "C=US, ST=WA, O=Example", ""),
        ("other order", "O=Example, ST=WA, C=US, OU=Builds", ""),
        ("synonym", "C=US, S=WA, O=Example", ""),
        ("other organisation", "C=US, ST=WA, O=Examples", untrusted),
        ("other case", "C=US, ST=WA, O=example", untrusted),
        ("more attributes", f"{SUBJECT}, STREET=Main", untrusted),
    ):
        yield _default(f"identity {name}", content, reason, policies=[policy(identities=[f"x509.subject: {identity}"])])
    second = policy(identities=["x509.subject: C=US, ST=WA, O=Other", f"x509.subject: {SUBJECT}"])
    yield _default("second identity", content, policies=[second])
    double = issue("C=US, ST=WA, O=Example, OU=Builds, OU=Other", create_key("p256 signer"), create_authority())
    builds = policy(identities=["x509.subject: C=US, ST=WA, O=Example, OU=Builds"])
    yield _default("two units", sign(double), "several values of one type", policies=[builds])
    other = {"ca:example": [create_root("other").certificate]}
    yield _default("other store", content, "in the trust stores ca:example", stores=other)
    anchor = {"ca:example": [create_authority().certificate]}
    yield _default("authority as anchor", content, stores=anchor)
    both = {"ca:example": [create_root("other").certificate], "ca:second": [create_root().certificate]}
    yield _default("second store", content, stores=both, policies=[policy(stores=["ca:example", "ca:second"])])
    yield _default(
        "signing authority's store",
        content,
        "no trust store of the type ca",
        stores={"signingAuthority:example": [create_root().certificate]},
        policies=[policy(stores=["signingAuthority:example"])],
    )
    yield _default("audit", content, "in the trust stores", stores=other, policies=[policy("audit")])
    yield _default("audit of a trusted signer", content, policies=[policy("audit")])
    yield _default(
        "authenticity logged",
        content,
        "in the trust stores",
        stores=other,
        policies=[policy("strict", override={"authenticity": "log"})],
    )


def _times() -> Iterator[SignatureCase]:
    signer = create_signer()
    expired_headers = default_headers(signer) | {EXPIRY: NOW - DAY / 2, "crit": [SCHEME, EXPIRY]}
    expired = sign(signer, headers=expired_headers)
    yield _default("expired permissive", expired, policies=[policy("permissive")])
    yield _default("expired, logged", expired, policies=[policy("strict", override={"expiry": "log"})])
    yield _default(
        "expired, enforced",
        expired,
        "the signature expired",
        policies=[policy("permissive", override={"expiry": "enforce"})],
    )
    past = (NOW - 60 * DAY, NOW - 30 * DAY)
    old = issue(SUBJECT, create_key("p256 signer"), create_authority(), period=past)
    old_content = sign(old, headers=default_headers(old) | {TIME: NOW - 40 * DAY})
    yield _default("certificate expired", old_content, "expired on")
    yield _default("certificate expired, logged", old_content, policies=[policy("permissive")])
    future = issue(SUBJECT, create_key("p256 signer"), create_authority(), period=(NOW + DAY, NOW + 2 * DAY))
    future_content = sign(future, headers=default_headers(future) | {TIME: NOW + DAY + DAY / 2})
    yield _default("certificate not valid yet", future_content, "is not valid before")
    old_root = issue("C=US, O=Example, CN=old root", create_key("p256 old root"), extensions=CRITICAL_CA, period=past)
    below = issue(SUBJECT, create_key("p256 signer"), old_root)
    content = sign(below, headers=default_headers(below) | {TIME: NOW - 40 * DAY})
    yield _default("root expired", content, "expired on", stores={"ca:example": [old_root.certificate]})
    yield from _signing_authorities(old)


def _signing_authorities(old: Identity) -> Iterator[SignatureCase]:
    stores = {"signingAuthority:example": [create_root().certificate]}
    policies = [policy(stores=["signingAuthority:example"])]

    def headers(identity: Identity, **change: Any) -> Json:
        fields = (
            default_headers(identity) | {SCHEME: "notary.x509.signingAuthority", "crit": [SCHEME, AUTHENTIC]} | change
        )
        del fields[TIME]
        return fields

    signer = create_signer()
    for media_type in (JWS, COSE):
        valid = headers(signer, **{AUTHENTIC: NOW - DAY})
        yield SignatureCase(
            f"signing authority {media_type}", sign(signer, media_type, headers=valid), media_type, "", stores, policies
        )
    for name, time, reason in (
        ("in the period", NOW - 40 * DAY, ""),
        ("after the period", NOW - 20 * DAY, "expired on"),
        ("before the period", NOW - 70 * DAY, "is not valid before"),
    ):
        authority = issue(
            "C=US, O=Example, CN=authority",
            create_key("p384 authority"),
            issue(
                "C=US, O=Example, CN=long",
                create_key("p256 long"),
                extensions=CRITICAL_CA,
                period=(NOW - 100 * DAY, NOW + 100 * DAY),
            ),
            CRITICAL_CA,
            (NOW - 100 * DAY, NOW + 100 * DAY),
        )
        identity = issue(SUBJECT, create_key("p256 signer"), authority, period=(NOW - 60 * DAY, NOW - 30 * DAY))
        content = sign(identity, headers=headers(identity, **{AUTHENTIC: time}))
        yield SignatureCase(
            f"authentic time {name}",
            content,
            JWS,
            reason,
            {"signingAuthority:example": [authority.issuers[0] if authority.issuers else authority.certificate]},
            policies,
        )
    del old
    missing = headers(signer)
    missing["crit"] = [SCHEME]
    yield SignatureCase(
        "no authentic time", sign(signer, headers=missing), JWS, f"{AUTHENTIC} is missing", stores, policies
    )
    unmarked = headers(signer, **{AUTHENTIC: NOW - DAY, "crit": [SCHEME]})
    yield SignatureCase(
        "authentic time not critical", sign(signer, headers=unmarked), JWS, "not marked as critical", stores, policies
    )
    masquerade = sign(signer, headers=headers(signer, **{AUTHENTIC: NOW - DAY}))
    yield _default("user as signing authority", masquerade, "no trust store of the type signingAuthority")
