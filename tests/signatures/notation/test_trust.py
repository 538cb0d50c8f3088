"""Trust policies and trust stores of notation: what is valid, and the message for what is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.notation.distinguished_name import parse_name
from kubekeep.signatures.notation.trust_policy import decode_trust_policy
from kubekeep.signatures.notation.trust_store import TrustStore
from tests.signatures.notation.signing import create_root, create_signer, policy

IDENTITY = "x509.subject: C=US, ST=WA, O=Example"


def encode(*policies: dict[str, Any], version: str = "1.0") -> bytes:
    return json.dumps({"version": version, "trustPolicies": policies}).encode()


def scoped(*scopes: str, name: str = "scoped", **fields: Any) -> dict[str, Any]:
    return policy(**fields) | {"name": name, "registryScopes": list(scopes)}


def test_exact_scope_has_precedence_over_the_global_one() -> None:
    app, others = scoped("registry.example/team/app"), policy()
    document = decode_trust_policy(encode(others, app), "trustpolicy.json")
    selected = {name: document.select(name) for name in ("registry.example/team/app", "registry.example/team/apps")}
    assert [entry.name if entry else "" for entry in selected.values()] == ["scoped", "images"]
    assert decode_trust_policy(encode(app), "trustpolicy.json").select("docker.io/library/app") is None


SKIP = {"name": "skip", "registryScopes": ["a.example/b"], "signatureVerification": {"level": "skip"}}
INVALID = {
    "supported; use 1.0": encode(policy(), version="2.0"),
    "trustPolicies is empty": encode(),
    "is empty or used twice": encode(policy(), scoped("a.example/b", name="images")),
    "two trust policies have the scope": encode(policy(), policy() | {"name": "second"}),
    "registryScopes is empty": encode(scoped()),
    "must be the only one": encode(scoped("*", "a.example/b")),
    "without wildcards": encode(scoped("a.example/*")),
    "registry.example/repository": encode(scoped("app")),
    "skip cannot be used with the scope": encode(SKIP | {"registryScopes": ["*"]}),
    "the level skip allows no override": encode(SKIP | {"trustStores": ["ca:example"]}),
    "cannot be skipped": encode(policy(override={"expiry": "skip"})),
    "Invalid enum value 'none'": encode(policy("none")),
    "Invalid enum value 'integrity'": encode(policy(override={"integrity": "log"})),
    "is not written as ca:NAME": encode(policy(stores=["example"])),
    "ca:../other is not written": encode(policy(stores=["ca:../other"])),
    "no store of the type ca": encode(policy(stores=["tsa:clock"])),
    "trustedIdentities is empty": encode(policy(identities=[])),
    "'*' must be the only entry": encode(policy(identities=["*", IDENTITY])),
    "does not begin with x509.subject:": encode(policy(identities=["C=US, ST=WA, O=Example"])),
    "O missing": encode(policy(identities=["x509.subject: C=US, ST=WA"])),
    "two values for O": encode(policy(identities=[f"{IDENTITY}, O=Other"])),
    "match the same certificate": encode(policy(identities=[IDENTITY, f"{IDENTITY}, OU=Builds"])),
    "unknown field": encode(policy() | {"example": 1}),
    "Input data was truncated": b"{",
}


@pytest.mark.parametrize("reason", INVALID)
def test_invalid_policies_are_errors(reason: str) -> None:
    with pytest.raises(TrustError, match=r"trustpolicy\.json: ") as failure:
        decode_trust_policy(INVALID[reason], "trustpolicy.json")
    assert reason in str(failure.value)


def test_stores_in_one_entry() -> None:
    document = decode_trust_policy(encode(policy(stores=["ca:example,tsa:clock"])), "trustpolicy.json")
    assert list(document.trust_policies[0].iterate_stores()) == [("ca", "example"), ("tsa", "clock")]


def test_escapes_in_names() -> None:
    name = parse_name(r"C=US, ST=W\\A, O=Example\, Inc., OU=a\;b\+c, CN=\ builder\ ")
    assert name == {"C": "US", "ST": r"W\A", "O": "Example, Inc.", "OU": "a;b+c", "CN": " builder "}


def test_store_reads_pem_and_der(tmp_path: Path) -> None:
    folder = tmp_path / "truststore" / "x509" / "ca" / "example"
    (folder / "nested").mkdir(parents=True)
    first, second = create_root().certificate, create_root("other").certificate
    (folder / "a.crt").write_bytes(first.public_bytes(Encoding.DER))
    (folder / "b.pem").write_bytes(second.public_bytes(Encoding.PEM))
    (folder / "nested" / "c.pem").write_text("not read")
    (folder / "readme.txt").write_text("not read")
    assert TrustStore(tmp_path).load("ca", "example") == (first, second)
    assert TrustStore(tmp_path / "truststore").load("ca", "example") == (first, second)


def test_unusable_stores_are_errors(tmp_path: Path) -> None:
    stores = tmp_path / "x509" / "ca"
    for name, file, content in (
        ("empty", "readme.txt", b""),
        ("text", "a.pem", b"text"),
        ("leaf", "a.pem", create_signer().certificate.public_bytes(Encoding.PEM)),
    ):
        (stores / name).mkdir(parents=True)
        (stores / name / file).write_bytes(content)
    (stores / "file").mkdir()
    (stores / "file" / "a.pem").symlink_to(stores / "leaf" / "a.pem")
    (stores / "link").symlink_to(stores / "leaf")
    expected = {
        "empty": "no certificates",
        "text": "not a certificate",
        "leaf": "store the root of its chain",
        "file": "symbolic links are not followed",
        "link": "symbolic links are not followed",
        "missing": "not a folder",
        "..": "not a valid name",
    }
    for name, reason in expected.items():
        with pytest.raises(TrustError, match=reason):
            TrustStore(tmp_path).load("ca", name)
