"""Signatures, attestations and trust: bundles and layouts of cosign, trust stores, keys, and image policies."""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.hostile.classes.images import INDEX, MANIFEST, Image, digest, serve, use_registry
from tests.hostile.member import Content, Link, Member, Run, Special, hostile_class
from tests.hostile.samples import TEXTS, damage, dump, mutate, replace
from tests.hostile.server import Answer
from tests.signatures.authority import encode, to_pem
from tests.signatures.making import BUNDLE, key_bundle, sign, simple_payload, statement
from tests.signatures.notation.signing import create_root, policy

_PAYLOAD: Final = "application/vnd.dev.cosign.simplesigning.v1+json"
_SIGNATURE: Final = "dev.cosignproject.cosign/signature"
_VERIFY: Final = ("image", "verify", "{reference}", "--key", "key.pub")
_SPECIAL: Final[tuple[Content, ...]] = (
    "",
    "x" * 100_000,
    "-----BEGIN PUBLIC KEY-----\n" + "A" * 100_000,
    b"\xff\x00",
    Special.FIFO,
    Special.FOLDER,
    Link("/dev/zero"),
    Link("missing"),
)


@functools.cache
def _create_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def _get_image() -> tuple[Image, str]:
    image = Image()
    return image, digest(dump(image.describe()).encode())


def _check_refused(run: Run) -> None:
    assert run.code != 0, f"accepted: {run.output[:300]}"


def _sign(payload: bytes, annotations: Any = None) -> tuple[Any, bytes]:
    """Return the manifest of a signature in the layout of cosign 2, and its payload."""
    signed = {_SIGNATURE: encode(sign(_create_key(), payload))} if annotations is None else annotations
    layer = {"mediaType": _PAYLOAD, "digest": digest(payload), "size": len(payload), "annotations": signed}
    config = {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(b"{}"), "size": 2}
    return {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}, payload


def _serve_tag(
    name: str, manifest: Any, payload: bytes, check: Any = None, arguments: tuple[str, ...] = _VERIFY
) -> Member:
    image, image_digest = _get_image()
    text = manifest if isinstance(manifest, bytes) else dump(manifest).encode("utf-8", "surrogatepass")
    others = {
        f"manifests/{image_digest.replace(':', '-')}.sig": Answer(text, headers={"Content-Type": MANIFEST}),
        f"blobs/{digest(payload)}": Answer(payload),
        f"blobs/{digest(b'{}')}": Answer(b"{}"),
        "referrers/": Answer(status=404),
    }
    return use_registry(name, serve(image, others), arguments, {"key.pub": to_pem(_create_key())}, check)


@hostile_class("signatures of cosign")
def cosign(source: random.Random) -> Iterator[Member]:
    """Manifests and payloads of signatures in which one value is of another type, and signatures of other images."""
    _, image_digest = _get_image()
    manifest, payload = _sign(simple_payload(image_digest))

    def check_valid(run: Run) -> None:
        assert run.code == 0, run.errors

    yield _serve_tag("valid", manifest, payload, check_valid)
    for name, changed in mutate(manifest, source, 30):
        yield _serve_tag(name, changed, payload)
    for name, changed in mutate(json.loads(payload), source, 20):
        other_payload = dump(changed).encode("utf-8", "surrogatepass")
        yield _serve_tag(
            f"unsigned payload: {name}",
            _sign(other_payload, manifest["layers"][0]["annotations"])[0],
            other_payload,
            _check_refused,
        )
        if "docker-manifest-digest" in name:
            yield _serve_tag(f"signed payload: {name}", *_sign(other_payload), _check_refused)
    other = simple_payload("sha256:" + "b" * 64)
    yield _serve_tag("another image", *_sign(other), _check_refused)
    for name, content in damage(json.dumps(manifest).encode(), source, 12):
        yield _serve_tag(name, content, payload)
    for name, text in TEXTS.items():
        annotated = replace(manifest, ("layers", 0, "annotations"), {_SIGNATURE: text, text: text})
        yield _serve_tag(f"annotations with {name}", annotated, payload, _check_refused)
        yield _serve_tag(f"signed text with {name}", *_sign(simple_payload(image_digest, optional={text: text})))


def _serve_bundle(name: str, bundle: Any, check: Any = None, index: Any = None, *, attestation: str = "") -> Member:
    image, image_digest = _get_image()
    content = bundle if isinstance(bundle, bytes) else dump(bundle).encode("utf-8", "surrogatepass")
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": BUNDLE,
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": BUNDLE, "digest": digest(content), "size": len(content)}],
        "subject": {"mediaType": MANIFEST, "digest": image_digest, "size": len(dump(image.describe()))},
    }
    text = dump(manifest).encode()
    entry = {"mediaType": MANIFEST, "digest": digest(text), "size": len(text), "artifactType": BUNDLE}
    listed = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]} if index is None else index
    others = {
        "referrers/": Answer(
            listed if isinstance(listed, bytes) else dump(listed).encode("utf-8", "surrogatepass"),
            headers={"Content-Type": INDEX},
        ),
        f"manifests/{digest(text)}": Answer(text, headers={"Content-Type": MANIFEST}),
        f"blobs/{digest(content)}": Answer(content),
        f"blobs/{digest(b'{}')}": Answer(b"{}"),
    }
    arguments = (*_VERIFY, *(("--attestation", attestation) if attestation else ()))
    return use_registry(name, serve(image, others), arguments, {"key.pub": to_pem(_create_key())}, check)


@hostile_class("bundles of signatures")
def bundles(source: random.Random) -> Iterator[Member]:
    """Bundles of Sigstore and lists of referrers in which one value is of another type, and statements with texts."""
    _, image_digest = _get_image()
    bundle = key_bundle(_create_key(), statement(image_digest))
    yield _serve_bundle("valid", bundle)
    for name, changed in mutate(bundle, source, 40):
        yield _serve_bundle(name, changed)
    yield _serve_bundle("another image", key_bundle(_create_key(), statement("sha256:" + "b" * 64)), _check_refused)
    yield _serve_bundle(
        "another key", key_bundle(ec.generate_private_key(ec.SECP256R1()), statement(image_digest)), _check_refused
    )
    for name, content in damage(dump(bundle).encode(), source, 12):
        yield _serve_bundle(name, content)
    index: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [
            {
                "mediaType": MANIFEST,
                "digest": image_digest,
                "size": 5,
                "artifactType": BUNDLE,
                "annotations": {"a": "b"},
            }
        ],
    }
    for name, changed in mutate(index, source, 20):
        yield _serve_bundle(f"referrers: {name}", bundle, _check_refused, changed)
    for name, listed in {
        "nested": b"[" * 100_000,
        "many": dump({**index, "manifests": index["manifests"] * 20_000}).encode(),
        "empty": b"",
        "5 MiB": b" " * (5 << 20),
        "HTML": b"<html>",
    }.items():
        yield _serve_bundle(f"referrers: {name}", bundle, _check_refused, listed)
    for name, text in TEXTS.items():
        payload = statement(
            image_digest,
            f"https://e.example/{text[:500]}",
            {
                "a": text,
                "builder": {"id": text},
                "buildDefinition": {"externalParameters": {"workflow": {"repository": text}}},
            },
        )
        yield _serve_bundle(f"statement with {name}", key_bundle(_create_key(), payload), attestation="slsaprovenance")


@hostile_class("keys and trust stores")
def trust(source: random.Random) -> Iterator[Member]:
    """Damaged keys, trusted roots, trust policies and certificates, and files of other kinds, for `image verify`."""
    image, image_digest = _get_image()
    manifest, payload = _sign(simple_payload(image_digest))
    pem = to_pem(_create_key())
    site = {
        f"manifests/{image_digest.replace(':', '-')}.sig": Answer(
            dump(manifest).encode(), headers={"Content-Type": MANIFEST}
        ),
        f"blobs/{digest(payload)}": Answer(payload),
        "referrers/": Answer(status=404),
    }

    def verify(name: str, files: Mapping[str, Content], *options: str, check: Any = _check_refused) -> Member:
        return use_registry(name, serve(image, site), ("image", "verify", "{reference}", *options), files, check)

    for other in _SPECIAL:
        # A pipe is a key of another program, which is read to its end.
        if isinstance(other, str | bytes):
            yield verify(f"key is {str(other)[:20]!r}", {"key.pub": other}, "--key", "key.pub")
        yield verify(
            f"root is {str(other)[:20]!r}",
            {"r.json": other},
            "--trusted-root",
            "r.json",
            "--identity",
            "a",
            "--issuer",
            "https://a.example",
        )
        yield verify(f"trust policy is {str(other)[:20]!r}", {"n/trustpolicy.json": other}, "--notation", "n")
        yield verify(
            f"store is {str(other)[:20]!r}",
            {
                "n/trustpolicy.json": dump({"version": "1.0", "trustPolicies": [policy()]}),
                "n/truststore/x509/ca/example/a.pem": other,
            },
            "--notation",
            "n",
        )
    for name, content in damage(pem, source, 12):
        yield verify(f"key: {name}", {"key.pub": content}, "--key", "key.pub", check=None)
    root = {
        "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
        "tlogs": [
            {
                "baseUrl": "https://a",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": "AAAA",
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": {"start": "2020-01-01T00:00:00Z"},
                },
                "logId": {"keyId": "AAAA"},
            }
        ],
        "certificateAuthorities": [
            {
                "subject": {"organization": "a"},
                "uri": "https://a",
                "certChain": {"certificates": [{"rawBytes": "AAAA"}]},
                "validFor": {"start": "2020-01-01T00:00:00Z"},
            }
        ],
    }
    for name, changed in mutate(root, source, 20):
        yield verify(
            f"root: {name}",
            {"r.json": dump(changed)},
            "--trusted-root",
            "r.json",
            "--identity",
            "a",
            "--issuer",
            "https://a.example",
        )
    certificate = create_root().certificate.public_bytes(Encoding.PEM)
    for name, changed in mutate({"version": "1.0", "trustPolicies": [policy()]}, source, 20):
        yield verify(
            f"trust policy: {name}",
            {"n/trustpolicy.json": dump(changed), "n/truststore/x509/ca/example/a.pem": certificate},
            "--notation",
            "n",
        )
    for pattern in ("(a*)*$", "(a|a)*b" * 20, "(", ".*" * 2_000, "x" * 100_000, "\x1b[31m"):
        yield verify(f"pattern {pattern[:10]!r}", {}, "--identity-regexp", pattern, "--issuer-regexp", pattern)


@hostile_class("image policies")
def policies(source: random.Random) -> Iterator[Member]:
    """Policies in which one value is of another type, and conditions in Rego and CEL that do not end or read files."""
    image, image_digest = _get_image()
    document: dict[str, Any] = {
        "apiVersion": "image.kubekeep.io/v1",
        "kind": "ImagePolicy",
        "unmatched": "deny",
        "signers": {"team": {"key": "key.pub"}},
        "rules": [{"images": ["*"], "signedBy": ["team"]}],
    }
    manifest, payload = _sign(simple_payload(image_digest))
    site = {
        f"manifests/{image_digest.replace(':', '-')}.sig": Answer(
            dump(manifest).encode(), headers={"Content-Type": MANIFEST}
        ),
        f"blobs/{digest(payload)}": Answer(payload),
        "referrers/": Answer(status=404),
    }

    def verify(name: str, content: Content, check: Any = None, **files: Content) -> Member:
        every: dict[str, Content] = {
            "p.yaml": content,
            "key.pub": to_pem(_create_key()),
            **{f"{key}.rego": value for key, value in files.items()},
        }
        return use_registry(
            name, serve(image, site), ("image", "verify", "{reference}", "--policy", "p.yaml"), every, check
        )

    def check_valid(run: Run) -> None:
        assert run.code == 0, run.errors

    yield verify("valid", yaml.safe_dump(document), check_valid)
    for name, changed in mutate(document, source, 40):
        yield verify(name, dump(changed))
    for name, content in damage(yaml.safe_dump(document).encode(), source, 12):
        yield verify(name, content)
    for other in _SPECIAL:
        yield verify(f"policy is {str(other)[:20]!r}", other, _check_refused)
    metadata = dump({"method": "get", "url": "http://169.254.169.254/"})
    conditions = {
        "cel": (
            "true",
            "input",
            "[1,2].all(x, " * 300 + "true" + ")" * 300,
            "'a'.matches('(a*)*$')",
            "(" * 5_000,
            "1/0 == 1",
            "\x1b[31m",
            "predicate.x.y.z",
        ),
        "rego": (
            "package images\n\nallow if { some i in numbers.range(1, 100000000); i > 99999999999 }\n",
            f"package images\n\nallow if http.send({metadata}).status_code == 200\n",
            "package images\n\nallow if opa.runtime().env.HOME\n",
            "package",
            "",
            "package images\nallow if allow\n",
            "\x00",
        ),
    }
    for kind, texts in conditions.items():
        for number, text in enumerate(texts):
            attestation = {"type": "slsaprovenance", "signedBy": ["team"], kind: text if kind == "cel" else "c.rego"}
            rule = {"images": ["*"], "attestations": [attestation]}
            yield verify(f"{kind} {number}", dump({**document, "rules": [rule]}), _check_refused, c=text)
