"""Policies of Kyverno on signed images in a real registry."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.imagepolicy.signed_images import SignedImages
from tests.registry.conftest import service
from tests.registry.service import Service
from tests.signatures.authority import PrivateSigstore, certificate_pem
from tests.signatures.notation.signing import JWS, create_root
from tests.signatures.notation.test_registry import push_image
from tests.signatures.notation.test_registry import sign_image as sign_with_notation

__all__ = ("service",)

from tests.imagepolicy.imported import (
    FAILED,
    PASSED,
    SPDX,
    UNKNOWN,
    Case,
    check,
    check_case,
    controller,
    entry,
    identity,
    key,
    kyverno,
    only_namespace,
    secret,
    statement_check,
    validating,
    verify,
    write,
)

__all__ = ("service",)


SIGNED_BY_TEAM = "images.containers.map(image, verifyImageSignatures(image, [attestors.team])).all(e, e > 0)"
CASES: list[Case] = [
    ("key", lambda i: [kyverno(check(entry(i, "team")))], "signed", PASSED, "signed by check/signed/key"),
    (
        "v2beta1",
        lambda i: [kyverno(check(entry(i, "team"))) | {"apiVersion": "kyverno.io/v2beta1"}],
        "signed",
        PASSED,
        "",
    ),
    ("wrong key", lambda i: [kyverno(check(entry(i, "team")))], "strange", FAILED, "signed with another key"),
    ("unsigned", lambda i: [kyverno(check(entry(i, "team")))], "unsigned", FAILED, ""),
    ("tampered", lambda i: [kyverno(check(entry(i, "team")))], "tampered", FAILED, ""),
    (
        "audit",
        lambda i: [kyverno(check(entry(i, "team")), validationFailureAction="Audit")],
        "unsigned",
        PASSED,
        "warning",
    ),
    (
        "audit by default",
        lambda i: [kyverno(check(entry(i, "team")), validationFailureAction="")],
        "unsigned",
        PASSED,
        "",
    ),
    (
        *("action of the rule", lambda i: [kyverno(check(entry(i, "team"), failureAction="Audit"))]),
        *("unsigned", PASSED, "warning"),
    ),
    (
        "log is required",
        lambda i: [kyverno(check(entry(i, "team", keys={"rekor": None})))],
        "signed",
        FAILED,
        "no entry",
    ),
    ("all of several keys", lambda i: [kyverno(check(entry(i, "team", "second")))], "signed", FAILED, "second|key"),
    ("all keys have signed", lambda i: [kyverno(check(entry(i, "team", "second")))], "both", PASSED, ""),
    ("one of several keys", lambda i: [kyverno(check(entry(i, "second", "team"), count=1))], "signed", PASSED, ""),
    ("all entries", lambda i: [kyverno(check(entry(i, "team"), entry(i, "second")))], "signed", FAILED, ""),
    (
        "one entry of two",
        lambda i: [kyverno(check(entry(i, "second"), entry(i, "team"), count=1))],
        "signed",
        PASSED,
        "",
    ),
    (
        "nested set",
        lambda i: [
            kyverno(
                check(
                    {"attestor": {"count": 1, "entries": [entry(i, "stranger"), entry(i, "second")]}}, entry(i, "team")
                )
            )
        ],
        *("both", PASSED, ""),
    ),
    (
        "nested set fails",
        lambda i: [kyverno(check({"attestor": {"entries": [entry(i, "stranger")]}}, entry(i, "team")))],
        *("both", FAILED, ""),
    ),
    (
        "two sets",
        lambda i: [
            kyverno(check() | {"attestors": [{"entries": [entry(i, "team")]}, {"entries": [entry(i, "second")]}]})
        ],
        *("signed", FAILED, ""),
    ),
    (
        "other image",
        lambda i: [kyverno(check(entry(i, "team"), imageReferences=["ghcr.io/*"]))],
        "unsigned",
        PASSED,
        "",
    ),
    (
        *("skipped", lambda i: [kyverno(check(entry(i, "team"), skipImageReferences=["*/team/unsigned:*"]))]),
        *("unsigned", PASSED, "skipped by"),
    ),
    (
        *("no digest", lambda i: [kyverno(check(entry(i, "team"), mutateDigest=False))]),
        *("signed", FAILED, "the reference has no digest"),
    ),
    (
        *("digest not needed", lambda i: [kyverno(check(entry(i, "team"), mutateDigest=False, verifyDigest=False))]),
        *("signed", PASSED, ""),
    ),
    (
        *("required alone", lambda _: [kyverno({"imageReferences": ["*"]})]),
        *("signed", UNKNOWN, "required without attestors"),
    ),
    ("not required", lambda _: [kyverno({"imageReferences": ["*"], "required": False})], "unsigned", PASSED, ""),
    (
        *("secret", lambda i: [kyverno(check(entry(i, keys={"publicKeys": "k8s://cosign-system/k"}))), secret(i, "k")]),
        *("signed", PASSED, ""),
    ),
    (
        "secret reference",
        lambda i: [
            kyverno(check(entry(i, keys={"secret": {"name": "k", "namespace": "cosign-system"}}))),
            secret(i, "k"),
        ],
        *("strange", FAILED, ""),
    ),
    (
        *("missing secret", lambda i: [kyverno(check(entry(i, keys={"publicKeys": "k8s://a/b"})))]),
        *("signed", UNKNOWN, "the Secret b is not in the file"),
    ),
    ("kms", lambda i: [kyverno(check(entry(i, keys={"publicKeys": "gcpkms://k"})))], "signed", UNKNOWN, "KMS"),
    (
        *("variable", lambda i: [kyverno(check(entry(i, keys={"publicKeys": "{{ keys.data.prod }}"})))]),
        *("signed", UNKNOWN, "variables are not evaluated"),
    ),
    ("annotations", lambda i: [kyverno(check(entry(i, "team", annotations={"env": "prod"})))], "annotated", PASSED, ""),
    (
        *("other annotations", lambda i: [kyverno(check(entry(i, "team", annotations={"env": "test"})))]),
        *("annotated", FAILED, "does not cover the annotation"),
    ),
    (
        "repository",
        lambda i: [kyverno(check(entry(i, "team"), repository=f"{i.address}/team/signatures"))],
        "moved",
        PASSED,
        "",
    ),
    ("keyless", lambda i: [kyverno(check(identity(i)))], "keyless", PASSED, ""),
    ("keyless wildcard", lambda i: [kyverno(check(identity(i, "https://ci.example.com/*")))], "keyless", PASSED, ""),
    ("keyless other", lambda i: [kyverno(check(identity(i, "https://ci.example.com/?")))], "keyless", FAILED, ""),
    ("keyless, public roots", lambda i: [kyverno(check(identity(i, roots="")))], "keyless", FAILED, ""),
    (
        *("extensions", lambda i: [kyverno(check(identity(i, additionalExtensions={"githubWorkflowName": "x"})))]),
        *("keyless", UNKNOWN, "extensions are not evaluated"),
    ),
    ("bundle", lambda i: [kyverno(check(entry(i, "team"), type="SigstoreBundle"))], "bundled", UNKNOWN, "ignoreSCT"),
    (
        "bundle without logs",
        lambda i: [kyverno(check(entry(i, "team", keys={"ctlog": {"ignoreSCT": True}}), type="SigstoreBundle"))],
        *("bundled", PASSED, ""),
    ),
    (
        "legacy for bundle",
        lambda i: [kyverno(check(entry(i, "team", keys={"ctlog": {"ignoreSCT": True}}), type="SigstoreBundle"))],
        *("signed", FAILED, ""),
    ),
    ("attestation", lambda i: [kyverno(statement_check(i, "team"))], "attested", PASSED, SPDX),
    ("attestation, other key", lambda i: [kyverno(statement_check(i, "second"))], "attested", FAILED, ""),
    ("attestation, forged", lambda i: [kyverno(statement_check(i, "team"))], "forged", FAILED, ""),
    (
        "conditions",
        lambda i: [
            kyverno(statement_check(i, "team", conditions=[{"all": [{"key": "{{ name }}", "operator": "Equals"}]}]))
        ],
        *("attested", UNKNOWN, r"attestations\[0\]\.conditions: conditions in JMESPath are not evaluated"),
    ),
    ("attestation without attestors", lambda i: [kyverno(statement_check(i))], "attested", UNKNOWN, "name attestors"),
    (
        *("namespaces", lambda i: [kyverno(check(entry(i, "team")), rule={"match": only_namespace()})]),
        *("unsigned", UNKNOWN, "applies only to some resources"),
    ),
    (
        *("namespaces, signed", lambda i: [kyverno(check(entry(i, "team")), rule={"match": only_namespace()})]),
        *("signed", PASSED, ""),
    ),
    (
        *("exclude", lambda i: [kyverno(check(entry(i, "team")), rule={"exclude": only_namespace()})]),
        *("unsigned", UNKNOWN, r"rules\[0\]\.exclude"),
    ),
    ("namespaced policy", lambda i: [kyverno(check(entry(i, "team")), kind="Policy")], "unsigned", UNKNOWN, ""),
    ("deprecated key", lambda i: [kyverno({"image": "*", "key": i.pem()})], "signed", FAILED, "no entry"),
    (
        "validating",
        lambda i: [validating(i, SIGNED_BY_TEAM)],
        *("signed", PASSED, "the expression is true"),
    ),
    ("validating, wrong key", lambda i: [validating(i, SIGNED_BY_TEAM)], "strange", FAILED, "the expression is false"),
    ("validating, tampered", lambda i: [validating(i, SIGNED_BY_TEAM)], "tampered", FAILED, ""),
    ("validating bundles", lambda i: [validating(i, SIGNED_BY_TEAM)], "bundled", PASSED, ""),
    (
        *("validating, count", lambda i: [validating(i, SIGNED_BY_TEAM.replace("team]", "team, attestors.second]"))]),
        *("signed", PASSED, ""),
    ),
    (
        *("validating, kms", lambda i: [validating(i, SIGNED_BY_TEAM.replace("team]", "cloud]"))]),
        *("signed", UNKNOWN, r"attestors\[2\]\.cosign\.key\.kms"),
    ),
    ("validating, object", lambda i: [validating(i, "object.metadata.name == 'x'")], "signed", UNKNOWN, "cannot be"),
    (
        "validating, attestation is no signature",
        lambda i: [validating(i, "images.containers.all(image, verifyImageSignatures(image, [attestors.team]) >= 0)")],
        *("attested", FAILED, "no signature or attestation was"),
    ),
    ("validating, no check", lambda i: [validating(i, "true")], "signed", FAILED, "no signature or attestation was"),
    (
        *("validating, audit", lambda i: [validating(i, SIGNED_BY_TEAM, validationActions=["Audit"])]),
        *("unsigned", PASSED, "warning"),
    ),
    (
        "validating, payload",
        lambda i: [
            validating(
                i,
                "images.containers.all(image, verifyAttestationSignatures(image, attestations.sbom, [attestors.team]) > 0"
                " && extractPayload(image, attestations.sbom).predicate.name == 'shop')",
            )
        ],
        *("attested", PASSED, ""),
    ),
    (
        "validating, other payload",
        lambda i: [
            validating(
                i,
                "images.containers.all(image, verifyAttestationSignatures(image, attestations.sbom, [attestors.team]) > 0"
                " && extractPayload(image, attestations.sbom).predicate.name == 'x')",
            )
        ],
        *("attested", FAILED, ""),
    ),
    (
        "validating, expression on references",
        lambda i: [validating(i, SIGNED_BY_TEAM, matchImageReferences=[{"expression": "ref.contains('/team/')"}])],
        *("unsigned", FAILED, ""),
    ),
    (
        "validating, other references",
        lambda i: [validating(i, SIGNED_BY_TEAM, matchImageReferences=[{"expression": "ref.startsWith('ghcr.io/')"}])],
        *("unsigned", PASSED, "unmatched images are allowed"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_verdicts(case: Case, images: SignedImages, tmp_path: Path) -> None:
    check_case(case, images, tmp_path)


def test_digests_are_verified_as_tags_are(images: SignedImages, tmp_path: Path) -> None:
    path = write(tmp_path, [kyverno(check(entry(images, "team"), mutateDigest=False))])
    assert verify(path, images.pinned("signed")).status is PASSED
    assert verify(path, images.pinned("strange")).status is FAILED


def test_unreachable_registries_are_not_evaluated(images: SignedImages, tmp_path: Path) -> None:
    for document in (
        controller(key(images)),
        kyverno(check(entry(images, "team"))),
        validating(images, SIGNED_BY_TEAM),
    ):
        result = verify(write(tmp_path, [document]), "127.0.0.1:1/team/app:1")
        assert result.status is UNKNOWN
        assert "cannot be reached" in result.requirements[0].reason


def test_notary(service: Service, tmp_path: Path) -> None:
    target = push_image(service, "imported/notary")
    reference = f"{service.address}/imported/notary:1.0"
    root = create_root().certificate.public_bytes(Encoding.PEM).decode()
    attestor = {"certificates": {"cert": root}}
    path = write(tmp_path, [kyverno(check(attestor, type="Notary"))])
    assert verify(path, reference).status is FAILED
    (tmp_path / "key").mkdir()
    sign_with_notation(tmp_path / "key", service, "imported/notary", target, JWS, "p256 signer")
    assert verify(path, reference).status is PASSED
    other = certificate_pem(PrivateSigstore(tmp_path / "other").authority.root).decode()
    assert (
        verify(write(tmp_path, [kyverno(check({"certificates": {"cert": other}}, type="Notary"))]), reference).status
        is FAILED
    )
