"""References, challenges, credentials and keys: valid and invalid input."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, x25519

from kubekeep.registry import keys
from kubekeep.registry.credentials import Challenge, Keychain, select_challenge
from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.login import RegistryLogin
from kubekeep.registry.reference import ArtifactReference, parse_image_name, parse_reference

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("oci://ghcr.io/team/rules:1.0", ArtifactReference("ghcr.io", "team/rules", "1.0")),
        ("oci://localhost:5000/rules", ArtifactReference("localhost:5000", "rules")),
        (f"oci://[::1]:5000/a/b__c/d-e.f@{DIGEST}", ArtifactReference("[::1]:5000", "a/b__c/d-e.f", "", DIGEST)),
        (f"oci://host/a:1@{DIGEST}", ArtifactReference("host", "a", "1", DIGEST)),
    ],
)
def test_references(text: str, reference: ArtifactReference) -> None:
    assert parse_reference(text) == reference
    assert str(reference) == text


@pytest.mark.parametrize(
    "text",
    [
        "ghcr.io/team/rules:1.0",
        "https://ghcr.io/team/rules:1.0",
        "oci://ghcr.io",
        "oci://ghcr.io/",
        "oci://ghcr.io/Team",
        "oci://ghcr.io/a/../b",
        "oci://ghcr.io//a",
        "oci://user:password@ghcr.io/a",
        "oci://ghcr.io/a?b",
        "oci://ghcr.io/a:",
        "oci://ghcr.io/a:-x",
        "oci://ghcr.io/a@sha256:12",
        "oci://ghcr.io/a@sha512:" + "0" * 128,
        "oci://ghcr.io/" + "a" * 256,
        "oci://ghcr.io/a\n",
        "oci://ghcr.io/" + "a-" * 50_000,
    ],
)
def test_invalid_references(text: str) -> None:
    with pytest.raises(ValueError, match="use oci://"):
        parse_reference(text)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], None),
        (["Negotiate"], None),
        (["Basic realm=x"], Challenge("basic", {"realm": "x"})),
        (["basic"], Challenge("basic", {})),
        (
            ['Basic realm="a"', 'BEARER realm="https://t/?a,b" , Service="x \\"y\\"",scope="repository:a:pull,push"'],
            Challenge("bearer", {"realm": "https://t/?a,b", "service": 'x "y"', "scope": "repository:a:pull,push"}),
        ),
    ],
)
def test_challenges(headers: list[str], expected: Challenge | None) -> None:
    assert select_challenge(headers) == expected


@pytest.mark.parametrize(
    ("auths", "registry", "expected"),
    [
        ({"https://ghcr.io/v1/": {"auth": "YTpiOmM="}}, "ghcr.io", RegistryLogin(username="a", password="b:c")),  # noqa: S106
        ({"https://index.docker.io/v1/": {"username": "a"}}, "docker.io", RegistryLogin(username="a")),
        ({"ghcr.io": {"registrytoken": "t"}}, "ghcr.io", RegistryLogin(registry_token="t")),  # noqa: S106
        ({"ghcr.io": {}}, "ghcr.io", None),
        ({"ghcr.io": {"username": "a"}}, "evil.ghcr.io", None),
        ({"ghcr.io": {"username": "a"}}, "ghcr.io:444", None),
    ],
)
def test_credentials(auths: dict[str, object], registry: str, expected: RegistryLogin | None, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"auths": auths, "HttpHeaders": {}}))
    assert Keychain(tmp_path / "config.json").find_login(registry) == expected
    assert "b:c" not in repr(expected)


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("nginx", ArtifactReference("docker.io", "library/nginx")),
        ("nginx:1.29", ArtifactReference("docker.io", "library/nginx", "1.29")),
        ("team/app", ArtifactReference("docker.io", "team/app")),
        ("docker.io/nginx", ArtifactReference("docker.io", "library/nginx")),
        ("index.docker.io/team/app:1", ArtifactReference("docker.io", "team/app", "1")),
        ("Registry-1.docker.io:443/nginx", ArtifactReference("docker.io", "library/nginx")),
        ("localhost/app", ArtifactReference("localhost", "app")),
        ("localhost:5000/app:1", ArtifactReference("localhost:5000", "app", "1")),
        ("Registry/app", ArtifactReference("Registry", "app")),
        ("registry.example/a/b/c", ArtifactReference("registry.example", "a/b/c")),
        (f"registry.example/a:1@{DIGEST}", ArtifactReference("registry.example", "a", "1", DIGEST)),
        ("[::1]:5000/app", ArtifactReference("[::1]:5000", "app")),
    ],
)
def test_image_names(text: str, reference: ArtifactReference) -> None:
    """The rules of `docker pull` (distribution/reference)."""
    assert parse_image_name(text) == reference


@pytest.mark.parametrize(
    "text",
    ["", ":1", "Nginx", "a b", "a//b", "../a", "a:", "a@sha256:0", "host:0/a", "host:65536/a", "a:b:c", "a\n", "-a"],
)
def test_invalid_image_names(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not an image name|has an invalid port"):
        parse_image_name(text)


@pytest.mark.parametrize(
    ("key", "matches"),
    [
        ("registry.example", True),
        ("https://registry.example/v1/", True),
        ("registry.example/team", True),
        ("registry.example/team/app", True),
        ("registry.example/team/app/", True),
        ("*.example", True),
        ("registry.*", True),
        ("registry.example/tea", False),
        ("registry.example/team/app/web", False),
        ("registry.example:443", False),
        ("other.registry.example", False),
        ("example", False),
        ("*", False),
        ("*.registry.example", False),
        ("*.example/other", False),
    ],
)
def test_keys_of_credentials(key: str, matches: bool, tmp_path: Path) -> None:  # noqa: FBT001
    (tmp_path / "config.json").write_text(json.dumps({"auths": {key: {"username": "ann", "password": "x"}}}))
    login = Keychain(tmp_path / "config.json").find_login("registry.example", "team/app")
    assert (login is not None) == matches


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | x25519.X25519PrivateKey, password: bytes = b"") -> bytes:
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def test_private_keys() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    sec1 = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    for text in (pem(key), sec1, pem(key, b"x")):
        assert keys.load_private_key(text, lambda: b"x").public_key() == key.public_key()


def encrypted_key(**changes: object) -> bytes:
    """Return a PEM in the form of an encrypted cosign key."""
    kdf = {"name": "scrypt", "params": {"N": 2, "r": 8, "p": 1}, "salt": base64.b64encode(b"salt").decode()}
    cipher = {"name": "nacl/secretbox", "nonce": base64.b64encode(bytes(24)).decode()}
    content = {"kdf": kdf, "cipher": cipher, "ciphertext": base64.b64encode(bytes(60)).decode(), **changes}
    text = base64.encodebytes(json.dumps(content).encode()).decode()
    return (
        f"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n{text}-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n".encode()
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "not a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "not a private key"),
        (pem(ec.generate_private_key(ec.SECP256K1())), "P-256"),
        (pem(x25519.X25519PrivateKey.generate()), "P-256"),
        (pem(rsa.generate_private_key(65537, 1024)), "2048"),  # noqa: S505 - refused
        (pem(ec.generate_private_key(ec.SECP256R1()), b"other"), "wrong password"),
        (b"x" * 100_000, "too large"),
        (encrypted_key(), "wrong password"),
        (encrypted_key(ciphertext="AAAA"), "wrong password"),
        (encrypted_key(cipher={"name": "nacl/secretbox", "nonce": "AAAA"}), "wrong password"),
        (encrypted_key(cipher={"name": "rot13", "nonce": "AAAA"}), "not a valid encrypted key"),
        (
            encrypted_key(kdf={"name": "scrypt", "params": {"N": 3, "r": 8, "p": 1}, "salt": "AAAA"}),
            "not a valid encrypted key",
        ),
        (
            encrypted_key(kdf={"name": "scrypt", "params": {"N": 1 << 22, "r": 64, "p": 1}, "salt": "AAAA"}),
            "not a valid encrypted",
        ),
        (encrypted_key(kdf=[]), "not a valid encrypted key"),
        (encrypted_key()[:80], "not a valid encrypted key"),
    ],
)
def test_invalid_private_keys(text: bytes, words: str) -> None:
    with pytest.raises(KeyFileError, match=words):
        keys.load_private_key(text, lambda: b"x")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        pem(ec.generate_private_key(ec.SECP256R1())),
        x25519.X25519PrivateKey.generate()
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo),
    ],
)
def test_invalid_public_keys(text: bytes) -> None:
    with pytest.raises(KeyFileError):
        keys.load_public_key(text)
