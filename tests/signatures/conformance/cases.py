"""Cases for the conformance client in the folder layout of Sigstore's suite, made from the descriptions of its cases.

A folder whose name ends in `_fail` must be refused. Each has its own trusted root, so that none needs the public instance.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import decode_timestamp_response

from tests.signatures.authority import (
    NOW,
    CertificateChain,
    PrivateSigstore,
    TransparencyLog,
    certificate_der,
    encode,
    to_der,
    to_pem,
)
from tests.signatures.making import (
    IN_TOTO,
    Json,
    Signing,
    dsse_entry,
    hashedrekord,
    hashedrekord_2,
    intoto_entry,
    key_bundle,
    pae,
    sign,
    statement,
)

ARTIFACT = b"the signed artifact\n"
DIGEST = f"sha256:{hashlib.sha256(ARTIFACT).hexdigest()}"
_EMPTY_ROOT = {"mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1"}
Case = dict[str, Any]


def write_cases(sigstore: PrivateSigstore, folder: Path) -> None:
    """Write all cases below `folder`."""
    (folder / "a.txt").write_bytes(ARTIFACT)
    for name, case in (_certificate_cases(sigstore) | _key_cases(sigstore)).items():
        target = folder / name
        target.mkdir()
        (target / "bundle.sigstore.json").write_text(json.dumps(case["bundle"]))
        (target / "trusted_root.json").write_text(json.dumps(case.get("root") or sigstore.describe()))
        for file in ("key.pub", "issuer"):
            if file in case:
                (target / file).write_bytes(case[file])


def _changed(bundle: Json, change: Callable[[Json], object]) -> Case:
    changed = copy.deepcopy(bundle)
    change(changed)
    return {"bundle": changed}


def _rooted(sigstore: PrivateSigstore, bundle: Json, change: Callable[[Json], object]) -> Case:
    root = sigstore.describe()
    change(root)
    return {"bundle": bundle, "root": root}


def _chained(sigstore: PrivateSigstore, bundle: Json, *, has_root: bool) -> Case:
    """Return a bundle with the intermediate certificate and that of the root."""
    authority = sigstore.authority
    added = [authority.intermediate, *([authority.root] if has_root else [])]
    chain = bundle["verificationMaterial"]["x509CertificateChain"]["certificates"]
    chain += [{"rawBytes": encode(certificate_der(certificate))} for certificate in added]
    return {"bundle": bundle}


def _entry(bundle: Json) -> Json:
    entry: Json = bundle["verificationMaterial"]["tlogEntries"][0]
    return entry


def _certificate_cases(sigstore: PrivateSigstore) -> dict[str, Case]:
    signing, other = Signing(sigstore), Signing(sigstore)
    payload = statement(DIGEST, "https://slsa.dev/provenance/v1")
    message = signing.message_bundle(ARTIFACT)
    dsse = signing.bundle(payload)
    second = signing.bundle(payload, kind="hashedrekord-2")
    stamp = second["verificationMaterial"]["timestampVerificationData"]
    time = f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    past = {"start": "2020-01-01T00:00:00Z", "end": "2020-01-02T00:00:00Z"}
    unlogged = Signing(sigstore, is_logged=False).message_bundle(ARTIFACT)
    foreign = signing.bundle(payload, log=TransparencyLog("foreign.example.com"))
    return {
        "happy-path-v0.1": {"bundle": signing.message_bundle(ARTIFACT, 1)},
        "happy-path-v0.2": {"bundle": signing.message_bundle(ARTIFACT, 2)},
        "happy-path-v0.3": {"bundle": message},
        "happy-path-v0.2-chain": _chained(sigstore, signing.message_bundle(ARTIFACT, 2), has_root=False),
        "chain-with-root_fail": _chained(sigstore, signing.message_bundle(ARTIFACT, 2), has_root=True),
        "happy-path-intoto-in-dsse-v3": {"bundle": dsse},
        "intoto-with-custom-trust-root": {"bundle": signing.bundle(payload, kind="intoto")},
        "dsse-with-hashedrekord-happy-path": {"bundle": signing.bundle(payload, kind="hashedrekord")},
        "dsse-with-hashedrekord-mismatch-envelope_fail": _changed(
            signing.bundle(payload, kind="hashedrekord"),
            lambda bundle: bundle.update(dsseEnvelope=signing.bundle(statement(DIGEST))["dsseEnvelope"]),
        ),
        "rekor2-dsse-happy-path": {"bundle": second},
        "rekor2-no-timestamp_fail": _changed(
            second, lambda bundle: bundle["verificationMaterial"].pop("timestampVerificationData")
        ),
        "rekor2-timestamp-for-other-signature_fail": _changed(
            second,
            lambda bundle: bundle["verificationMaterial"].update(
                timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": encode(sigstore.stamp(b"x"))}]}
            ),
        ),
        "rekor2-timestamp-wrong-tsa-validity-borrow_fail": _rooted(
            sigstore,
            second,
            lambda root: (
                root["timestampAuthorities"][0].update(validFor=past),
                root["timestampAuthorities"].append({"validFor": {"start": "2020-01-01T00:00:00Z"}}),
            ),
        ),
        "duplicate-timestamps_fail": _changed(
            second,
            lambda bundle: bundle["verificationMaterial"].update(
                timestampVerificationData={"rfc3161Timestamps": stamp["rfc3161Timestamps"] * 2}
            ),
        ),
        "cve-2022-36056-swapped-tlog-entry_fail": _changed(
            message,
            lambda bundle: bundle["verificationMaterial"].update(
                tlogEntries=other.message_bundle(ARTIFACT)["verificationMaterial"]["tlogEntries"]
            ),
        ),
        "message-digest-mismatch_fail": _changed(
            message, lambda bundle: bundle["messageSignature"]["messageDigest"].update(digest=encode(b"\0" * 32))
        ),
        "dsse-other-subject_fail": {"bundle": signing.bundle(statement("sha256:" + "0" * 64))},
        "dsse-mismatch-sig_fail": _changed(
            dsse,
            lambda bundle: _entry(bundle).update(
                sigstore.log.add(dsse_entry(payload, sign(signing.key, b"x"), signing.pem))
            ),
        ),
        "checkpoint-wrong-signature_fail": _changed(
            dsse,
            lambda bundle: _entry(bundle)["inclusionProof"]["checkpoint"].update(
                envelope=_entry(foreign)["inclusionProof"]["checkpoint"]["envelope"]
            ),
        ),
        "unknown-log_fail": {"bundle": foreign},
        "no-sct_fail": {"bundle": unlogged},
        "wrong-issuer_fail": {"bundle": message, "issuer": b"https://other.example.com"},
        "trust-root-tlog-validity-end-inclusive": _rooted(
            sigstore, message, lambda root: root["tlogs"][0]["publicKey"]["validFor"].update(end=time)
        ),
        "trust-root-tlog-missing-validity-start_fail": _rooted(
            sigstore, message, lambda root: root["tlogs"][0]["publicKey"]["validFor"].pop("start")
        ),
        "trust-root-tsa-validity-end-inclusive": _rooted(
            sigstore,
            second,
            lambda root: root["timestampAuthorities"][0]["validFor"].update(end=_read_time(stamp)),
        ),
        "sct-duplicate-intermediate-name": _with_decoy(sigstore, message),
    }


def _read_time(stamp: Json) -> str:
    response = decode_timestamp_response(base64.b64decode(stamp["rfc3161Timestamps"][0]["signedTimestamp"]))
    return f"{response.tst_info.gen_time:%Y-%m-%dT%H:%M:%SZ}"


def _with_decoy(sigstore: PrivateSigstore, bundle: Json) -> Case:
    """Put an authority with the same names and other keys before the real one."""
    decoy = CertificateChain(ExtendedKeyUsageOID.CODE_SIGNING)
    chain = [{"rawBytes": encode(certificate_der(part))} for part in (decoy.intermediate, decoy.root)]
    root = sigstore.describe()
    authority = root["certificateAuthorities"][0] | {"certChain": {"certificates": chain}}
    root["certificateAuthorities"].insert(0, authority)
    return {"bundle": bundle, "root": root}


def _key_cases(sigstore: PrivateSigstore) -> dict[str, Case]:
    key = ec.generate_private_key(ec.SECP256R1())
    public = {"key.pub": to_pem(key)}
    message = _message_bundle(key)
    payload = statement(DIGEST, "https://example.com/test")
    intoto = _log(sigstore, key, payload, "intoto")
    return {
        "managed-key-happy-path": {"bundle": message, **public},
        "managed-key-and-trusted-root": {"bundle": message, "root": _EMPTY_ROOT, **public},
        "managed-key-and-client-identity_fail": {"bundle": message, **public},
        "managed-key-wrong-key_fail": {"bundle": _message_bundle(ec.generate_private_key(ec.SECP256R1())), **public},
        "managed-key-without-key_fail": {"bundle": message},
        "intoto-canonical-log-entry": {"bundle": intoto, **public},
        "intoto-log-entry-of-another_fail": {
            "bundle": intoto | {"dsseEnvelope": key_bundle(key, payload)["dsseEnvelope"]},
            **public,
        },
        "dsse-statement-unknown-type_fail": {
            "bundle": _log(sigstore, key, statement(DIGEST, _type="https://in-toto.io/Statement/v2"), "hashedrekord-2"),
            **public,
        },
        "dsse-statement-missing-type_fail": {
            "bundle": _log(sigstore, key, statement(DIGEST).replace(b'"_type"', b'"type"'), "hashedrekord-2"),
            **public,
        },
        "dsse-statement-key": {"bundle": _log(sigstore, key, payload, "hashedrekord-2"), **public},
        "managed-key-message-in-log": {"bundle": _message_bundle(key, sigstore), **public},
    }


def _message_bundle(key: Any, sigstore: PrivateSigstore | None = None) -> Json:
    signature = sign(key, ARTIFACT)
    bundle = key_bundle(key, b"")
    del bundle["dsseEnvelope"]
    if sigstore is not None:
        entry = sigstore.log.add(hashedrekord(ARTIFACT, signature, to_pem(key)))
        bundle["verificationMaterial"]["tlogEntries"] = [entry]
    digest = {"algorithm": "SHA2_256", "digest": encode(hashlib.sha256(ARTIFACT).digest())}
    return bundle | {"messageSignature": {"messageDigest": digest, "signature": encode(signature)}}


def _log(sigstore: PrivateSigstore, key: Any, payload: bytes, kind: str) -> Json:
    """Return a bundle by a key, with an entry that proves no time."""
    bundle = key_bundle(key, payload)
    signature = base64.b64decode(bundle["dsseEnvelope"]["signatures"][0]["sig"])
    if kind == "intoto":
        body = intoto_entry(payload, signature, to_pem(key))
    else:
        verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "publicKey": {"rawBytes": encode(to_der(key))}}
        body = hashedrekord_2(pae(payload, IN_TOTO), signature, verifier)
    log = sigstore.log if kind == "intoto" else sigstore.second_log
    bundle["verificationMaterial"]["tlogEntries"] = [log.add(body, None)]
    return bundle
