"""Notation signatures made from the specification, valid and invalid: certificates, envelopes and timestamps."""

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cbor2
import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubekeep.signatures.notation.envelope import PAYLOAD_TYPE, TargetArtifact

JWS, COSE = "application/jose+json", "application/cose"
SCHEME, TIME = "io.cncf.notary.signingScheme", "io.cncf.notary.signingTime"
AUTHENTIC, EXPIRY = "io.cncf.notary.authenticSigningTime", "io.cncf.notary.expiry"
TIMESTAMP = "io.cncf.notary.timestampSignature"
DAY = dt.timedelta(days=1)
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
SUBJECT = "C=US, ST=WA, L=Seattle, O=Example, OU=Builds, CN=builder"
TARGET = TargetArtifact("application/vnd.oci.image.manifest.v1+json", "sha256:" + "ab" * 32, 1234)

_COSE_ALGORITHMS = {"PS256": -37, "PS384": -38, "PS512": -39, "ES256": -7, "ES384": -35, "ES512": -36}
_OIDS = {
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
}
Key = Any


@functools.cache
def create_key(kind: str) -> Key:
    """Return the key of a kind, the same in all tests: RSA keys take long."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    curve: Any = {"p256": ec.SECP256R1, "p384": ec.SECP384R1, "p521": ec.SECP521R1, "k256": ec.SECP256K1}[kind[:4]]
    return ec.generate_private_key(curve())


class Identity(msgspec.Struct, frozen=True):
    """A certificate with its key, and the certificates of its issuers."""

    certificate: x509.Certificate
    key: Key
    issuers: tuple[x509.Certificate, ...] = ()

    @property
    def chain(self) -> list[bytes]:
        return [entry.public_bytes(Encoding.DER) for entry in (self.certificate, *self.issuers)]

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write key and chain as PEM files."""
        key, chain = folder / "signer.key", folder / "chain.pem"
        key.write_bytes(self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        chain.write_bytes(b"".join(entry.public_bytes(Encoding.PEM) for entry in (self.certificate, *self.issuers)))
        return key, chain


def usage(*names: str) -> x509.KeyUsage:
    fields = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{field: field in names for field in fields})


def parse_subject(text: str) -> x509.Name:
    pairs = [part.strip().split("=", 1) for part in text.split(",")]
    return x509.Name([x509.NameAttribute(_OIDS[kind], value) for kind, value in pairs])


CRITICAL_CA: tuple[tuple[x509.ExtensionType, bool], ...] = (
    (x509.BasicConstraints(ca=True, path_length=None), True),
    (usage("key_cert_sign"), True),
)
SIGNER: tuple[tuple[x509.ExtensionType, bool], ...] = (
    (usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), False),
)
TIMESTAMPER: tuple[tuple[x509.ExtensionType, bool], ...] = (
    (usage("digital_signature"), True),
    (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),
)


def issue(
    subject: str,
    key: Key,
    issuer: Identity | None = None,
    extensions: Sequence[tuple[x509.ExtensionType, bool]] = SIGNER,
    period: tuple[dt.datetime, dt.datetime] = (NOW - 30 * DAY, NOW + 30 * DAY),
) -> Identity:
    """Issue a certificate, signed by `issuer` or by its own key."""
    name = parse_subject(subject)
    builder = x509.CertificateBuilder(
        issuer.certificate.subject if issuer else name, name, key.public_key(), x509.random_serial_number(), *period
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    signing_key = issuer.key if issuer else key
    algorithm = None if isinstance(signing_key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Identity(builder.sign(signing_key, algorithm), key, (issuer.certificate, *issuer.issuers) if issuer else ())


@functools.cache
def create_root(name: str = "root") -> Identity:
    return issue(f"C=US, O=Example, CN={name}", create_key(f"p256 {name}"), extensions=CRITICAL_CA)


@functools.cache
def create_authority() -> Identity:
    """Return an authority below the root."""
    return issue("C=US, O=Example, CN=authority", create_key("p384 authority"), create_root(), CRITICAL_CA)


@functools.cache
def create_signer(kind: str = "p256 signer") -> Identity:
    return issue(SUBJECT, create_key(kind), create_authority())


def algorithm_of(key: Key) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        return {2048: "PS256", 3072: "PS384", 4096: "PS512"}.get(key.key_size, "PS256")
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return "EdDSA"
    return {256: "ES256", 384: "ES384", 521: "ES512"}[key.key_size]


def sign_bytes(key: Key, content: bytes) -> bytes:
    """Sign as JWS and COSE do: PSS with the salt as long as the digest, or both numbers of ECDSA."""
    algorithm = algorithm_of(key)
    digests: dict[str, Any] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
    digest = digests.get(algorithm[2:], hashes.SHA256)()
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(content, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key.sign(content)
    size = (key.key_size + 7) // 8
    return b"".join(number.to_bytes(size) for number in decode_dss_signature(key.sign(content, ec.ECDSA(digest))))


def default_headers(identity: Identity) -> dict[str, Any]:
    """Return the protected headers by the names of JWS, with times as datetime."""
    return {
        "alg": algorithm_of(identity.key),
        "cty": PAYLOAD_TYPE,
        SCHEME: "notary.x509",
        TIME: NOW - DAY,
        "crit": [SCHEME],
    }


def payload_of(target: TargetArtifact = TARGET) -> bytes:
    return msgspec.json.encode({"targetArtifact": target})


def url_safe(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def sign_jws(
    identity: Identity,
    headers: Mapping[str, Any] | None = None,
    payload: bytes | None = None,
    *,
    chain: Sequence[bytes] | None = None,
    timestamp: bytes = b"",
) -> dict[str, Any]:
    """Return a JWS envelope as an object."""
    protected = url_safe(json.dumps(headers or default_headers(identity), default=dt.datetime.isoformat).encode())
    encoded = url_safe(payload_of() if payload is None else payload)
    header: dict[str, Any] = {
        "x5c": [base64.b64encode(entry).decode() for entry in (identity.chain if chain is None else chain)],
        "io.cncf.notary.signingAgent": "tests/1",
    }
    if timestamp:
        header[TIMESTAMP] = base64.b64encode(timestamp).decode()
    signature = url_safe(sign_bytes(identity.key, f"{protected}.{encoded}".encode()))
    return {"payload": encoded, "protected": protected, "header": header, "signature": signature}


def sign_cose(
    identity: Identity,
    headers: Mapping[Any, Any] | None = None,
    payload: bytes | None = None,
    *,
    chain: Sequence[bytes] | None = None,
    timestamp: bytes = b"",
) -> list[Any]:
    """Return the four parts of a COSE_Sign1 envelope."""
    fields = {_to_cose_label(name): value for name, value in (headers or default_headers(identity)).items()}
    if isinstance(fields.get(1), str):
        fields[1] = _COSE_ALGORITHMS.get(fields[1], fields[1])
    protected = cbor2.dumps(fields, datetime_as_timestamp=True, canonical=True)
    content = payload_of() if payload is None else payload
    unprotected: dict[Any, Any] = {33: identity.chain if chain is None else list(chain)}
    if timestamp:
        unprotected[TIMESTAMP] = timestamp
    signed = cbor2.dumps(["Signature1", protected, b"", content])
    return [protected, unprotected, content, sign_bytes(identity.key, signed)]


def _to_cose_label(name: Any) -> Any:
    return {"alg": 1, "crit": 2, "cty": 3}.get(name, name)


def encode_cose(parts: Any, tag: int | None = 18) -> bytes:
    return cbor2.dumps(parts if tag is None else cbor2.CBORTag(tag, parts))


def sign(identity: Identity, media_type: str = JWS, **arguments: Any) -> bytes:
    """Return an encoded envelope of either type."""
    if media_type == JWS:
        return json.dumps(sign_jws(identity, **arguments)).encode()
    return encode_cose(sign_cose(identity, **arguments))


def create_timestamp(folder: Path, authority: Identity, content: bytes, *, digest: str = "sha256") -> bytes:
    """Return a TimeStampToken of `authority` for `content`, made by OpenSSL now."""
    folder.mkdir(parents=True, exist_ok=True)
    key, chain = authority.write(folder)
    certificate, message = folder / "tsa.pem", folder / "message"
    certificate.write_bytes(authority.certificate.public_bytes(Encoding.PEM))
    message.write_bytes(content)
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(
        f"[tsa]\ndefault_tsa = d\n[d]\nserial = {folder}/serial\ncrypto_device = builtin\nsigner_cert = {certificate}\n"
        f"certs = {chain}\nsigner_key = {key}\nsigner_digest = sha256\ndefault_policy = 1.2.3.4\n"
        "digests = sha256, sha384, sha512\naccuracy = secs:1\ness_cert_id_alg = sha256\nordering = no\n"
    )
    query, token = folder / "query", folder / "token"
    base: list[str | Path] = ["openssl", "ts"]
    subprocess.run([*base, "-query", "-data", message, f"-{digest}", "-cert", "-no_nonce", "-out", query], check=True)
    reply = [*base, "-reply", "-config", folder / "tsa.cnf", "-queryfile", query, "-token_out", "-out", token]
    subprocess.run(reply, check=True, stderr=subprocess.DEVNULL)
    return token.read_bytes()


def write_configuration(
    folder: Path, stores: Mapping[str, Sequence[x509.Certificate]], policies: Sequence[Mapping[str, Any]]
) -> Path:
    """Write a folder of notation: trustpolicy.json, and a trust store for each name as `ca:NAME`."""
    for name, certificates in stores.items():
        kind, _, store = name.partition(":")
        target = folder / "truststore" / "x509" / kind / store
        target.mkdir(parents=True)
        for number, certificate in enumerate(certificates):
            (target / f"{number}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    document = {"version": "1.0", "trustPolicies": policies}
    (folder / "trustpolicy.json").write_text(json.dumps(document))
    return folder


def policy(
    level: str = "strict",
    stores: Sequence[str] = ("ca:example",),
    identities: Sequence[str] = ("*",),
    **verification: Any,
) -> dict[str, Any]:
    """Return a trust policy for all repositories."""
    return {
        "name": "images",
        "registryScopes": ["*"],
        "signatureVerification": {"level": level, **verification},
        "trustStores": list(stores),
        "trustedIdentities": list(identities),
    }
