"""A private Sigstore with real keys: certificate authority, certificate log, transparency logs, timestamp authority.

The certificate authority signs what it is given, also certificates that Fulcio would refuse; the hostile tests need them.
Timestamps are made by the program `openssl`. No network.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

IDENTITY = "https://ci.example.com/team/app/build.yml@refs/heads/main"
ISSUER = "https://issuer.example.com"
START = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
_FULCIO = "1.3.6.1.4.1.57264.1"
_SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
Key = ec.EllipticCurvePrivateKey
Entry = dict[str, Any]


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def to_der(key: Any) -> bytes:
    public = key.public_key() if hasattr(key, "public_key") else key
    return bytes(public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))


def to_pem(key: Any) -> bytes:
    public = key.public_key() if hasattr(key, "public_key") else key
    return bytes(public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def certificate_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def utf8(text: str) -> bytes:
    """Return a UTF8String in DER."""
    content = text.encode()
    length = bytes([len(content)]) if len(content) < 128 else b"\x81" + bytes([len(content)])
    return b"\x0c" + length + content


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class CertificateChain:
    """A root, an intermediate, and the key of the intermediate."""

    def __init__(self, usage: ObjectIdentifier) -> None:
        root_key, self.key = (ec.generate_private_key(ec.SECP384R1()) for _ in range(2))
        self.root = self._certify("root", root_key, "root", root_key, path_length=1)
        self.intermediate = self._certify("intermediate", self.key, "root", root_key, path_length=0, usage=usage)

    @staticmethod
    def _certify(
        subject: str, key: Key, issuer: str, issuer_key: Key, *, path_length: int, usage: ObjectIdentifier | None = None
    ) -> x509.Certificate:
        usages = {name: name in ("key_cert_sign", "crl_sign") for name in _USAGES}
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(issuer))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(START)
            .not_valid_after(START + dt.timedelta(days=36500))
            .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
            .add_extension(x509.KeyUsage(**usages), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        if usage is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        return builder.sign(issuer_key, hashes.SHA384())

    def issue(
        self,
        key: Any,
        start: dt.datetime,
        end: dt.datetime,
        usage: ObjectIdentifier,
        extensions: list[x509.ExtensionType],
        subject: x509.Name | None = None,
        finish: Callable[[bytes], x509.ExtensionType] | None = None,
    ) -> x509.Certificate:
        """Issue a leaf certificate. finish: returns a last extension for the certificate without it."""
        usages = {name: name == "digital_signature" for name in _USAGES}
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject or x509.Name([]))
            .issuer_name(self.intermediate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(start)
            .not_valid_after(end)
            .add_extension(x509.KeyUsage(**usages), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=usage == ExtendedKeyUsageOID.TIME_STAMPING)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.SubjectAlternativeName))
        if finish is not None:
            body = builder.sign(self.key, hashes.SHA384()).tbs_certificate_bytes
            builder = builder.add_extension(finish(body), critical=False)
        return builder.sign(self.key, hashes.SHA384())


_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


class TransparencyLog:
    """A log: a Merkle tree of entries, with signed timestamps and checkpoints (RFC 6962, C2SP)."""

    def __init__(self, name: str, *, is_second_version: bool = False) -> None:
        self.name = name
        self.is_second_version = is_second_version
        self.key: Any = (
            ed25519.Ed25519PrivateKey.generate() if is_second_version else ec.generate_private_key(ec.SECP256R1())
        )
        raw = to_der(self.key)
        self.log_id = hashlib.sha256(f"{name}\n\x01".encode() + raw[-32:] if is_second_version else raw).digest()
        self._leaves = [hashlib.sha256(b"\0" + f"earlier entry {number}".encode()).digest() for number in range(5)]

    def sign(self, content: bytes) -> bytes:
        if self.is_second_version:
            return bytes(self.key.sign(content))
        return bytes(self.key.sign(content, ec.ECDSA(hashes.SHA256())))

    def add(self, body: dict[str, Any], time: dt.datetime | None = NOW, *, has_proof: bool = True) -> Entry:
        """Add an entry; return it as in a bundle. time: of the signed timestamp; None for none."""
        content = json.dumps(body, separators=(",", ":"), sort_keys=True).encode()
        index = len(self._leaves)
        self._leaves.append(hashlib.sha256(b"\0" + content).digest())
        self._leaves.append(hashlib.sha256(b"\0later entry").digest())
        seconds = 0 if time is None else int(time.timestamp())
        entry: Entry = {
            "logIndex": str(index),
            "logId": {"keyId": encode(self.log_id)},
            "kindVersion": {"kind": body["kind"], "version": body["apiVersion"]},
            "integratedTime": str(seconds),
            "canonicalizedBody": encode(content),
        }
        if time is not None:
            signed = {"body": encode(content), "integratedTime": seconds, "logID": self.log_id.hex(), "logIndex": index}
            text = json.dumps(signed, separators=(",", ":"), sort_keys=True).encode()
            entry["inclusionPromise"] = {"signedEntryTimestamp": encode(self.sign(text))}
        if has_proof:
            root = _hash_tree(self._leaves)
            entry["inclusionProof"] = {
                "logIndex": str(index),
                "rootHash": encode(root),
                "treeSize": str(len(self._leaves)),
                "hashes": [encode(sibling) for sibling in _list_siblings(self._leaves, index)],
                "checkpoint": {"envelope": self.create_checkpoint(len(self._leaves), root)},
            }
        return entry

    def create_checkpoint(self, size: int, root: bytes) -> str:
        # Rekor 1 adds the identity of the tree to the origin.
        origin = self.name if self.is_second_version else f"{self.name} - 1234567890"
        note = f"{origin}\n{size}\n{encode(root)}\n"
        return f"{note}\n\u2014 {self.name} {encode(self.log_id[:4] + self.sign(note.encode()))}\n"

    def describe(self, **period: str) -> dict[str, Any]:
        """Return the log as in a trusted root."""
        return {
            "baseUrl": f"https://{self.name}",
            "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": encode(to_der(self.key)),
                "keyDetails": "PKIX_ED25519" if self.is_second_version else "PKIX_ECDSA_P256_SHA_256",
                "validFor": period or {"start": "2020-01-01T00:00:00Z"},
            },
            "logId": {"keyId": encode(self.log_id)},
        }


def _hash_tree(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + _hash_tree(leaves[:middle]) + _hash_tree(leaves[middle:])).digest()


def _list_siblings(leaves: list[bytes], index: int) -> list[bytes]:
    if len(leaves) == 1:
        return []
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    if index < middle:
        return [*_list_siblings(leaves[:middle], index), _hash_tree(leaves[middle:])]
    return [*_list_siblings(leaves[middle:], index - middle), _hash_tree(leaves[:middle])]


class PrivateSigstore:
    """All services of one instance."""

    def __init__(self, folder: Path) -> None:
        self.authority = CertificateChain(ExtendedKeyUsageOID.CODE_SIGNING)
        self.log = TransparencyLog("rekor.example.com")
        self.second_log = TransparencyLog("log2.rekor.example.com", is_second_version=True)
        self.certificate_log = TransparencyLog("ct.example.com")
        self._stamps = CertificateChain(ExtendedKeyUsageOID.TIME_STAMPING)
        key = ec.generate_private_key(ec.SECP256R1())
        self._stamp_certificate = self._stamps.issue(
            key, START, START + dt.timedelta(days=36000), ExtendedKeyUsageOID.TIME_STAMPING, [], _name("tsa")
        )
        self._folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "tsa.pem").write_bytes(certificate_pem(self._stamp_certificate))
        (folder / "chain.pem").write_bytes(certificate_pem(self._stamps.intermediate))
        (folder / "tsa.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_TIMESTAMP_SETTINGS.format(folder=folder))

    def issue(
        self,
        key: Any,
        *,
        names: tuple[x509.GeneralName, ...] = (x509.UniformResourceIdentifier(IDENTITY),),
        issuer: str = ISSUER,
        start: dt.datetime = NOW - dt.timedelta(minutes=5),
        end: dt.datetime = NOW + dt.timedelta(hours=12),
        usage: ObjectIdentifier = ExtendedKeyUsageOID.CODE_SIGNING,
        claims: dict[int, str] | None = None,
        is_logged: bool = True,
    ) -> x509.Certificate:
        """Issue a certificate as Fulcio does. claims: by the last number of their extension."""
        values = {8: issuer, **(claims or {})}
        extensions: list[x509.ExtensionType] = [
            x509.SubjectAlternativeName(names),
            x509.UnrecognizedExtension(ObjectIdentifier(f"{_FULCIO}.1"), issuer.encode()),
            *(
                x509.UnrecognizedExtension(ObjectIdentifier(f"{_FULCIO}.{number}"), utf8(text))
                for number, text in values.items()
            ),
        ]
        finish = self._promise if is_logged else None
        return self.authority.issue(key, start, end, usage, extensions, finish=finish)

    def _promise(self, body: bytes) -> x509.ExtensionType:
        """Return the extension with the certificate log's timestamp (RFC 6962 §3.3)."""
        milliseconds = int(NOW.timestamp() * 1000)
        issuer_hash = hashlib.sha256(to_der(self.authority.key)).digest()
        signed = (
            struct.pack("!BBQH", 0, 0, milliseconds, 1) + issuer_hash + len(body).to_bytes(3, "big") + body + b"\0\0"
        )
        signature = self.certificate_log.sign(signed)
        promise = (
            struct.pack("!B32sQH", 0, self.certificate_log.log_id, milliseconds, 0)
            + b"\x04\x03"
            + struct.pack("!H", len(signature))
            + signature
        )
        content = struct.pack("!HH", len(promise) + 2, len(promise)) + promise
        length = bytes([len(content)]) if len(content) < 128 else b"\x81" + bytes([len(content)])
        return x509.UnrecognizedExtension(_SCT_LIST, b"\x04" + length + content)

    def stamp(self, message: bytes) -> bytes:
        """Return a timestamp (RFC 3161) for the present."""
        folder = self._folder
        (folder / "message").write_bytes(message)
        query: list[str | Path]
        query = ["openssl", "ts", "-query", "-data", folder / "message", "-sha256", "-cert", "-out", folder / "query"]
        subprocess.run(query, check=True, capture_output=True, timeout=120)
        return self.answer_query((folder / "query").read_bytes())

    def answer_query(self, query: bytes) -> bytes:
        """Return the response of the timestamp authority to a request."""
        folder = self._folder
        (folder / "query").write_bytes(query)
        reply: list[str | Path]
        reply = ["openssl", "ts", "-reply", "-config", folder / "tsa.cnf", "-queryfile", folder / "query"]
        subprocess.run([*reply, "-out", folder / "reply"], check=True, capture_output=True, timeout=120)
        return (folder / "reply").read_bytes()

    def describe(self) -> dict[str, Any]:
        """Return the trusted root."""
        period = {"start": "2020-01-01T00:00:00Z"}

        def chain(*certificates: x509.Certificate) -> dict[str, Any]:
            encoded = [{"rawBytes": encode(certificate_der(certificate))} for certificate in certificates]
            return {
                "subject": {"organization": "example", "commonName": "example"},
                "uri": "https://ca.example.com",
                "certChain": {"certificates": encoded},
                "validFor": dict(period),
            }

        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [self.log.describe(), self.second_log.describe()],
            "certificateAuthorities": [chain(self.authority.intermediate, self.authority.root)],
            "ctlogs": [self.certificate_log.describe()],
            "timestampAuthorities": [
                chain(self._stamp_certificate, self._stamps.intermediate, self._stamps.root),
            ],
        }

    def encode_root(self) -> bytes:
        return json.dumps(self.describe()).encode()


_TIMESTAMP_SETTINGS = """\
[tsa]
default_tsa = settings
[settings]
serial = {folder}/serial
signer_cert = {folder}/tsa.pem
certs = {folder}/chain.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
"""
