"""Signatures for tests, made from the specifications: bundles, legacy annotations and log entries. No code of Kubekeep."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric import padding as paddings

from tests.signatures.authority import (
    NOW,
    PrivateSigstore,
    TransparencyLog,
    certificate_der,
    certificate_pem,
    encode,
    to_der,
)

BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
OLD_BUNDLE = "application/vnd.dev.sigstore.bundle+json;version=0.{}"
IN_TOTO = "application/vnd.in-toto+json"
SIGN = "https://sigstore.dev/cosign/sign/v1"
SPDX = "https://spdx.dev/Document"
Json = dict[str, Any]


def sign(key: Any, message: bytes) -> bytes:
    """Sign as Sigstore's clients do by default."""
    match key:
        case ec.EllipticCurvePrivateKey():
            functions = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
            return key.sign(message, ec.ECDSA(functions[key.key_size]))
        case rsa.RSAPrivateKey():
            return key.sign(message, paddings.PKCS1v15(), hashes.SHA256())
        case ed25519.Ed25519PrivateKey():
            return key.sign(message)
    raise TypeError(key)


def statement(digest: str, predicate_type: str = SIGN, predicate: Any = None, **fields: Any) -> bytes:
    """Return an in-toto statement about a digest, as "sha256:..."."""
    subject = [{"name": "app", "digest": {"sha256": digest.partition(":")[2]}}]
    content = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": predicate_type,
        "predicate": {} if predicate is None else predicate,
    }
    return json.dumps(content | fields).encode()


def pae(payload: bytes, payload_type: str = IN_TOTO) -> bytes:
    return f"DSSEv1 {len(payload_type)} {payload_type} {len(payload)} ".encode() + payload


def envelope(key: Any, payload: bytes, payload_type: str = IN_TOTO) -> Json:
    signature = sign(key, pae(payload, payload_type))
    return {"payload": encode(payload), "payloadType": payload_type, "signatures": [{"sig": encode(signature)}]}


def hashedrekord(message: bytes, signature: bytes, verifier_pem: bytes) -> Json:
    """Return the body of an entry of Rekor."""
    return {
        "apiVersion": "0.0.1",
        "kind": "hashedrekord",
        "spec": {
            "data": {"hash": {"algorithm": "sha256", "value": hashlib.sha256(message).hexdigest()}},
            "signature": {"content": encode(signature), "publicKey": {"content": encode(verifier_pem)}},
        },
    }


def hashedrekord_2(message: bytes, signature: bytes, verifier: Json) -> Json:
    """Return the body of an entry of Rekor 2."""
    record = {
        "data": {"algorithm": "SHA2_256", "digest": encode(hashlib.sha256(message).digest())},
        "signature": {"content": encode(signature), "verifier": verifier},
    }
    return {"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": record}}


def dsse_entry(payload: bytes, signature: bytes, verifier_pem: bytes, stored: bytes = b"") -> Json:
    """Return the body of an entry for an envelope. stored: bytes of the envelope."""
    spec = {
        "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(stored).hexdigest()},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
        "signatures": [{"signature": encode(signature), "verifier": encode(verifier_pem)}],
    }
    return {"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}


def dsse_entry_2(payload: bytes, signature: bytes, verifier: Json) -> Json:
    """Return the body of an entry of Rekor 2 for an envelope."""
    record = {
        "payloadHash": {"algorithm": "SHA2_256", "digest": encode(hashlib.sha256(payload).digest())},
        "signatures": [{"content": encode(signature), "verifier": verifier}],
    }
    return {"apiVersion": "0.0.2", "kind": "dsse", "spec": {"dsseV002": record}}


def intoto_entry(payload: bytes, signature: bytes, verifier_pem: bytes) -> Json:
    content = {
        "envelope": {
            "payloadType": IN_TOTO,
            "signatures": [
                {"sig": encode(encode(signature).encode()), "publicKey": encode(verifier_pem)},
            ],
        },
        "hash": {"algorithm": "sha256", "value": "0" * 64},
        "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
    }
    return {"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": content}}


class Signing:
    """A signer of a private Sigstore: a fresh key with a certificate."""

    def __init__(self, sigstore: PrivateSigstore, **certificate: Any) -> None:
        self.sigstore = sigstore
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate: x509.Certificate = sigstore.issue(self.key, **certificate)

    @property
    def pem(self) -> bytes:
        return certificate_pem(self.certificate)

    def bundle(
        self,
        payload: bytes,
        *,
        kind: str = "dsse",
        time: dt.datetime | None = NOW,
        has_stamp: bool = False,
        log: TransparencyLog | None = None,
    ) -> Json:
        """Return a bundle of version 0.3 with an envelope. kind: of the log entry."""
        signed = envelope(self.key, payload)
        return self._bundle(payload, signed, kind=kind, time=time, has_stamp=has_stamp, log=log)

    def _bundle(
        self, payload: bytes, signed: Json, *, kind: str, time: dt.datetime | None, has_stamp: bool, log: Any
    ) -> Json:

        signature = base64.b64decode(signed["signatures"][0]["sig"])
        verifier = {
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "x509Certificate": {"rawBytes": encode(certificate_der(self.certificate))},
        }
        bodies = {
            "dsse": lambda: dsse_entry(payload, signature, self.pem),
            "dsse-2": lambda: dsse_entry_2(payload, signature, verifier),
            "intoto": lambda: intoto_entry(payload, signature, self.pem),
            "hashedrekord": lambda: hashedrekord(pae(payload), signature, self.pem),
            "hashedrekord-2": lambda: hashedrekord_2(pae(payload), signature, verifier),
        }
        second = kind.endswith("-2")
        service = log or (self.sigstore.second_log if second else self.sigstore.log)
        entry = service.add(bodies[kind](), None if second else time)
        material: Json = {
            "certificate": {"rawBytes": encode(certificate_der(self.certificate))},
            "tlogEntries": [entry],
        }
        if second or has_stamp:
            stamps = [{"signedTimestamp": encode(self.sigstore.stamp(signature))}]
            material["timestampVerificationData"] = {"rfc3161Timestamps": stamps}
        return {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": signed}

    def message_bundle(self, message: bytes, version: int = 3) -> Json:
        """Return a bundle with the signature of a message."""
        signature = sign(self.key, message)
        entry = self.sigstore.log.add(hashedrekord(message, signature, self.pem), has_proof=version > 1)
        der = {"rawBytes": encode(certificate_der(self.certificate))}
        certificate: Json = {"certificate": der} if version == 3 else {"x509CertificateChain": {"certificates": [der]}}
        return {
            "mediaType": BUNDLE if version == 3 else OLD_BUNDLE.format(version),
            "verificationMaterial": certificate | {"tlogEntries": [entry]},
            "messageSignature": {
                "messageDigest": {"algorithm": "SHA2_256", "digest": encode(hashlib.sha256(message).digest())},
                "signature": encode(signature),
            },
        }

    def annotate(self, message: bytes, signature: bytes, *, is_envelope: bool = False) -> dict[str, str]:
        """Return the annotations of cosign 2 for a signature: certificate, chain and signed entry of the log."""
        body = hashedrekord(message, signature, self.pem)
        if is_envelope:
            content = json.loads(message)

            body = dsse_entry(base64.b64decode(content["payload"]), signature, self.pem, message)
        return {
            "dev.sigstore.cosign/certificate": self.pem.decode(),
            "dev.sigstore.cosign/chain": (
                certificate_pem(self.sigstore.authority.intermediate) + certificate_pem(self.sigstore.authority.root)
            ).decode(),
            "dev.sigstore.cosign/bundle": json.dumps(log_annotation(self.sigstore.log.add(body))),
        }


def log_annotation(entry: Json) -> Json:
    """Return a log entry in the form of cosign 2."""
    return {
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {
            "body": entry["canonicalizedBody"],
            "integratedTime": int(entry["integratedTime"]),
            "logIndex": int(entry["logIndex"]),
            "logID": base64.b64decode(entry["logId"]["keyId"]).hex(),
        },
    }


def key_bundle(key: Any, payload: bytes, entries: list[Json] | None = None) -> Json:
    """Return a bundle with an envelope that a key has signed."""
    hint = encode(hashlib.sha256(to_der(key)).digest())
    material: Json = {"publicKey": {"hint": hint}}
    if entries is not None:
        material["tlogEntries"] = entries
    return {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope(key, payload)}


def simple_payload(digest: str, **changes: Any) -> bytes:
    """Return a payload of simple signing."""
    critical = {
        "identity": {"docker-reference": "registry.example/team/app"},
        "image": {"docker-manifest-digest": digest},
        "type": "cosign container image signature",
    }
    return json.dumps({"critical": critical, "optional": None} | changes).encode()
