"""Policies of the policy-controller and Kyverno, as their documentation shows them, on signed images in a real registry."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from kubekeep.images.access.options import AccessOptions
from kubekeep.model.finding import Status
from kubekeep.signatures.policy.evaluate import ImagePolicyResult
from kubekeep.usecases.image_policy import ImagePolicyVerifier
from kubekeep.usecases.image_signatures import SignatureAccess
from kubekeep.usecases.policy_conditions import load_image_policy
from kubekeep.usecases.policy_text import format_policy
from tests.registry.conftest import service
from tests.registry.service import Service
from tests.signatures.authority import IDENTITY, ISSUER, PrivateSigstore, certificate_pem
from tests.signatures.notation.signing import JWS, create_root
from tests.signatures.notation.test_registry import push_image
from tests.signatures.notation.test_registry import sign_image as sign_with_notation
from tests.signatures.policy.signed_images import CUSTOM, SignedImages

__all__ = ("service",)

PASSED, FAILED, UNKNOWN = Status.PASSED, Status.FAILED, Status.NOT_EVALUATED
Documents = list[dict[str, Any]]
Case = tuple[str, Callable[[SignedImages], Documents], str, Status, str]
SPDX = "https://spdx.dev/Document"


@pytest.fixture(scope="module")
def images(referrers_registry: str, sigstore: PrivateSigstore) -> SignedImages:
    return SignedImages(referrers_registry, sigstore)


def verify(path: Path, reference: str) -> ImagePolicyResult:
    access = SignatureAccess(images=AccessOptions())
    return ImagePolicyVerifier(load_image_policy(str(path)), access, dt.datetime.now(dt.UTC)).verify(reference)


def write(folder: Path, documents: Documents) -> Path:
    path = folder / "policies.yaml"
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False))
    return path


def controller(*authorities: dict[str, Any], glob: str = "**", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "policy.sigstore.dev/v1beta1",
        "kind": "ClusterImagePolicy",
        "metadata": {"name": spec.pop("name", "policy")},
        "spec": {"images": [{"glob": glob}], "authorities": list(authorities), **spec},
    }


def key(images: SignedImages, name: str = "team", **fields: Any) -> dict[str, Any]:
    return {"key": {"data": images.pem(name), **fields}}


def keyless(subject: str = IDENTITY, **fields: Any) -> dict[str, Any]:
    identity = {"issuer": ISSUER, "subject": subject}
    return {
        "keyless": {"url": "https://fulcio.example", "identities": [identity], "trustRootRef": "private", **fields},
        "ctlog": {"trustRootRef": "private"},
    }


def rego(body: str) -> dict[str, Any]:
    return {"type": "rego", "data": f"package sigstore\n{body}\n"}


def attested(predicate_type: str, **policy: Any) -> dict[str, Any]:
    return {"attestations": [{"name": "a", "predicateType": predicate_type, **({"policy": policy} if policy else {})}]}


def secret(images: SignedImages, name: str, entry: str = "cosign.pub", **fields: Any) -> dict[str, Any]:
    data = {entry: base64.b64encode(images.pem().encode()).decode()}
    metadata = {"name": name, "namespace": "cosign-system"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data, **fields}


def configuration(setting: str) -> dict[str, Any]:
    metadata = {"name": "config-policy-controller", "namespace": "cosign-system"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"no-match-policy": setting}}


def kyverno(*verifications: dict[str, Any], rule: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "kyverno.io/v1",
        "kind": spec.pop("kind", "ClusterPolicy"),
        "metadata": {"name": "check"},
        "spec": {
            "validationFailureAction": "Enforce",
            "rules": [
                {
                    "name": "signed",
                    "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                    "verifyImages": list(verifications),
                    **(rule or {}),
                }
            ],
            **spec,
        },
    }


def entry(images: SignedImages, *names: str, **fields: Any) -> dict[str, Any]:
    keys = {
        "publicKeys": "".join(map(images.pem, names)),
        "rekor": {"ignoreTlog": True, "url": "https://rekor.example"},
    }
    return {"keys": keys | fields.pop("keys", {}), **fields}


def check(*entries: dict[str, Any], count: int | None = None, **fields: Any) -> dict[str, Any]:
    attestors = {"entries": list(entries)} | ({} if count is None else {"count": count})
    return {"imageReferences": ["*"], "attestors": [attestors], **fields}


def identity(images: SignedImages, subject: str = IDENTITY, **fields: Any) -> dict[str, Any]:
    authority, sigstore = images.sigstore.authority, images.sigstore
    roots = certificate_pem(authority.root).decode()
    return {
        "keyless": {
            "issuer": ISSUER,
            "subject": subject,
            "roots": roots,
            "rekor": {"url": "https://rekor.example", "pubkey": images.log_key(sigstore.log)},
            "ctlog": {"pubkey": images.log_key(sigstore.certificate_log)},
            **fields,
        }
    }


def validating(images: SignedImages, expression: str, **spec: Any) -> dict[str, Any]:
    ignored = {"insecureIgnoreTlog": True}
    return {
        "apiVersion": "policies.kyverno.io/v1beta1",
        "kind": "ImageValidatingPolicy",
        "metadata": {"name": "check"},
        "spec": {
            "matchConstraints": {
                "resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
                ]
            },
            "matchImageReferences": [{"glob": "*"}],
            "attestors": [
                {"name": "team", "cosign": {"key": {"data": images.pem()}, "ctlog": ignored}},
                {"name": "second", "cosign": {"key": {"data": images.pem("second")}, "ctlog": ignored}},
                {"name": "cloud", "cosign": {"key": {"kms": "gcpkms://key"}, "ctlog": ignored}},
            ],
            "attestations": [{"name": "sbom", "intoto": {"type": SPDX}}],
            "validations": [{"expression": expression, "message": "not signed"}],
            **spec,
        },
    }


SIGNED_BY_TEAM = "images.containers.map(image, verifyImageSignatures(image, [attestors.team])).all(e, e > 0)"
CUE = {"type": "cue", "data": 'predicateType: "x"'}
COMPLIANT = 'isCompliant { input.predicate.name == "shop"; input._type == "https://in-toto.io/Statement/v1" }'
OTHER = 'isCompliant { input.predicate.name == "other" }'
LIST = 'isCompliant[response] { response := {"result": input.predicate.name == "shop", "warning": "", "error": ""} }'
WARNING = 'isCompliant[response] { response := {"result": true, "warning": "old", "error": ""} }'

CONTROLLER: list[Case] = [
    ("key", lambda i: [controller(key(i))], "signed", PASSED, "signed by policy/authority-0"),
    ("v1alpha1", lambda i: [controller(key(i)) | {"apiVersion": "policy.sigstore.dev/v1alpha1"}], "signed", PASSED, ""),
    ("wrong key", lambda i: [controller(key(i))], "strange", FAILED, "signed with another key"),
    ("unsigned", lambda i: [controller(key(i))], "unsigned", FAILED, "no signature by"),
    ("tampered", lambda i: [controller(key(i))], "tampered", FAILED, "about another digest"),
    (
        "bundle for legacy",
        lambda i: [controller(key(i))],
        "bundled",
        FAILED,
        "the policy accepts the format legacy-tag",
    ),
    ("authorities are alternatives", lambda i: [controller(key(i, "second"), key(i))], "signed", PASSED, ""),
    ("only the first PEM counts", lambda i: [controller(key(i, data=i.pem("second") + i.pem()))], "signed", FAILED, ""),
    (
        "policies hold together",
        lambda i: [controller(key(i)), controller(key(i, "second"), name="other")],
        *("signed", FAILED, "no signature by other/authority-0"),
    ),
    (
        "both policies hold",
        lambda i: [controller(key(i)), controller(key(i, "second"), name="other")],
        *("both", PASSED, ""),
    ),
    ("glob of a repository", lambda i: [controller(key(i), glob=f"{i.address}/team/*")], "signed", PASSED, ""),
    ("no policy", lambda i: [controller(key(i), glob="ghcr.io/**")], "signed", FAILED, "unmatched images are denied"),
    (
        *("no policy, allowed", lambda i: [controller(key(i), glob="ghcr.io/**"), configuration("allow")]),
        *("signed", PASSED, "unmatched images are allowed"),
    ),
    (
        *("no policy, warning", lambda i: [controller(key(i), glob="ghcr.io/**"), configuration("warn")]),
        *("signed", PASSED, "unmatched"),
    ),
    ("tag glob", lambda i: [controller(key(i), glob=f"{i.address}/**:1")], "unsigned", UNKNOWN, "it is not known"),
    ("digest glob", lambda i: [controller(key(i), glob=f"{i.address}/**@sha256:*")], "signed", UNKNOWN, "not known"),
    ("static pass", lambda _: [controller({"static": {"action": "pass"}})], "unsigned", PASSED, "static: pass"),
    (
        *("static fail", lambda _: [controller({"static": {"action": "fail", "message": "stop"}})]),
        *("signed", FAILED, "static: fail stop"),
    ),
    ("mode warn", lambda i: [controller(key(i), mode="warn")], "unsigned", PASSED, "warning, the policy allows"),
    (
        *("warn is not passed", lambda _: [controller({"key": {"kms": "gcpkms://k"}}, mode="warn")]),
        *("signed", UNKNOWN, "keys of a KMS are not fetched"),
    ),
    ("kms", lambda _: [controller({"key": {"kms": "awskms:///k"}})], "signed", UNKNOWN, r"policies\.yaml:10:7: spec"),
    ("kms beside a valid key", lambda i: [controller({"key": {"kms": "k"}}, key(i))], "signed", PASSED, ""),
    (
        *("kms beside an invalid key", lambda i: [controller({"key": {"kms": "k"}}, key(i, "second"))]),
        *("signed", UNKNOWN, r"authorities\[0\]\.key\.kms"),
    ),
    (
        *("secret", lambda i: [controller({"key": {"secretRef": {"name": "k"}}}), secret(i, "k")]),
        *("signed", PASSED, ""),
    ),
    (
        *("secret, wrong key", lambda i: [controller({"key": {"secretRef": {"name": "k"}}}), secret(i, "k")]),
        *("strange", FAILED, ""),
    ),
    (
        *("missing secret", lambda _: [controller({"key": {"secretRef": {"name": "k"}}})]),
        *("signed", UNKNOWN, "the Secret k is not in the file; add it"),
    ),
    ("hash algorithm", lambda i: [controller(key(i, hashAlgorithm="sha512"))], "sha512", PASSED, ""),
    ("other hash algorithm", lambda i: [controller(key(i))], "sha512", FAILED, ""),
    ("sha224", lambda i: [controller(key(i, hashAlgorithm="sha224"))], "signed", UNKNOWN, "sign with sha256"),
    (
        "log required",
        lambda i: [controller(key(i) | {"ctlog": {"url": "https://rekor"}})],
        "signed",
        FAILED,
        "no entry",
    ),
    (
        *("source", lambda i: [controller(key(i) | {"source": [{"oci": f"{i.address}/team/signatures"}]})]),
        *("moved", PASSED, ""),
    ),
    ("without source", lambda i: [controller(key(i))], "moved", FAILED, "no signature"),
    (
        *("tag prefix", lambda i: [controller(key(i) | {"source": [{"tagPrefix": "x"}]})]),
        *("signed", UNKNOWN, "prefix of their tags"),
    ),
    ("keyless", lambda i: [controller(keyless()), i.trust_root()], "keyless", PASSED, ""),
    (
        *("wrong identity", lambda i: [controller(keyless("other")), i.trust_root()]),
        *("keyless", FAILED, "trusted is the identity other"),
    ),
    (
        "identity by a part",
        lambda i: [
            controller(keyless(identities=[{"issuerRegExp": "issuer", "subjectRegExp": "^https://ci.*"}])),
            i.trust_root(),
        ],
        *("keyless", PASSED, ""),
    ),
    (
        "wrong issuer",
        lambda i: [
            controller(keyless(identities=[{"issuerRegExp": "^issuer", "subjectRegExp": ".*"}])),
            i.trust_root(),
        ],
        *("keyless", FAILED, ""),
    ),
    ("missing trust root", lambda _: [controller(keyless())], "keyless", UNKNOWN, "the TrustRoot private is not"),
    (
        *("no certificate log", lambda i: [controller(keyless()), i.trust_root(has_certificate_log=False)]),
        *("keyless", UNKNOWN, "no ctLogs"),
    ),
    (
        "certificate log ignored",
        lambda i: [controller(keyless(insecureIgnoreSCT=True)), i.trust_root(has_certificate_log=False)],
        *("keyless", PASSED, ""),
    ),
    (
        *("remote trust root", lambda _: [controller(keyless()), remote_root()]),
        *("keyless", UNKNOWN, "TUF repositories are not read"),
    ),
    (
        *("public root", lambda _: [controller({"keyless": keyless()["keyless"] | {"trustRootRef": ""}})]),
        *("keyless", FAILED, ""),
    ),
    (
        *("no proof of time", lambda i: [controller({"keyless": keyless()["keyless"]}), i.trust_root()]),
        *("keyless", UNKNOWN, "nothing proves the time"),
    ),
    (
        *(
            "bundle",
            lambda i: [controller(keyless() | attested(SPDX) | {"signatureFormat": "bundle"}), i.trust_root()],
        ),
        *("keyless-bundle", PASSED, ""),
    ),
    (
        *("bundle by key", lambda i: [controller(key(i) | {"signatureFormat": "bundle"})]),
        *("bundled", FAILED, "only for keyless"),
    ),
    ("attestation", lambda i: [controller(key(i) | attested("spdxjson"))], "attested", PASSED, SPDX),
    ("attestation by URI", lambda i: [controller(key(i) | attested(SPDX))], "attested", PASSED, SPDX),
    ("custom attestation", lambda i: [controller(key(i) | attested("custom"))], "attested", PASSED, CUSTOM),
    ("no attestation", lambda i: [controller(key(i) | attested("vuln"))], "attested", FAILED, "no attestation of type"),
    ("attestation of another key", lambda i: [controller(key(i, "second") | attested(SPDX))], "attested", FAILED, ""),
    ("forged attestation", lambda i: [controller(key(i) | attested(SPDX))], "forged", FAILED, ""),
    ("rego holds", lambda i: [controller(key(i) | attested(SPDX, **rego(COMPLIANT)))], "attested", PASSED, ""),
    ("rego fails", lambda i: [controller(key(i) | attested(SPDX, **rego(OTHER)))], "attested", FAILED, "rego policy"),
    ("rego with a list", lambda i: [controller(key(i) | attested(SPDX, **rego(LIST)))], "attested", PASSED, ""),
    ("rego warning", lambda i: [controller(key(i) | attested(SPDX, **rego(WARNING)))], "attested", FAILED, ""),
    ("invalid rego", lambda i: [controller(key(i) | attested(SPDX, **rego("x {")))], "attested", UNKNOWN, "no result"),
    ("cue", lambda i: [controller(key(i) | attested(SPDX, **CUE))], "attested", UNKNOWN, "CUE are not evaluated"),
    ("cue, unsigned", lambda i: [controller(key(i) | attested(SPDX, **CUE))], "unsigned", FAILED, "no attestation"),
    (
        *("reduced type", lambda i: [controller(key(i) | attested("vuln", **rego(OTHER)))]),
        *("attested", FAILED, "no attestation of type"),
    ),
    ("policy on all authorities", lambda i: [controller(key(i), policy=CUE)], "signed", UNKNOWN, r"spec\.policy"),
    ("policy and no signature", lambda i: [controller(key(i), policy=CUE)], "unsigned", FAILED, ""),
    (
        *(
            "match by labels",
            lambda i: [controller(key(i), match=[{"version": "v1", "resource": "pods", "selector": {}}])],
        ),
        *("unsigned", FAILED, ""),
    ),
    (
        "match by other labels",
        lambda i: [
            controller(key(i), match=[{"version": "v1", "resource": "pods", "selector": {"matchLabels": {"app": "x"}}}])
        ],
        *("unsigned", UNKNOWN, "applies only to some resources"),
    ),
    (
        "list",
        lambda i: [{"apiVersion": "v1", "kind": "List", "items": [controller(key(i)), configuration("allow")]}],
        *("signed", PASSED, ""),
    ),
]


def remote_root() -> dict[str, Any]:
    return {
        "apiVersion": "policy.sigstore.dev/v1alpha1",
        "kind": "TrustRoot",
        "metadata": {"name": "private"},
        "spec": {"remote": {"root": "e30=", "mirror": "https://tuf.example"}},
    }


KYVERNO: list[Case] = [
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


def only_namespace() -> dict[str, Any]:
    return {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["prod"]}}]}


def statement_check(images: SignedImages, *names: str, **fields: Any) -> dict[str, Any]:
    attestors = [{"entries": [entry(images, *names)]}] if names else []
    return {"imageReferences": ["*"], "attestations": [{"type": SPDX, "attestors": attestors, **fields}]}


@pytest.mark.parametrize(
    "case",
    [*(("controller", *case) for case in CONTROLLER), *(("kyverno", *case) for case in KYVERNO)],
    ids=lambda case: f"{case[0]} {case[1]}",
)
def test_verdicts(case: tuple[Any, ...], images: SignedImages, tmp_path: Path) -> None:
    _, _, create, image, status, reason = case
    path = write(tmp_path, create(images))
    result = verify(path, images.reference(image))
    reasons = "; ".join(entry.reason for entry in result.requirements)
    assert (result.status, reasons) == (status, reasons)
    assert reason == "" or re.search(reason, reasons), reasons
    # The converted policy is an image policy in a file, with the same results.
    converted = tmp_path / "converted.yaml"
    converted.write_text(format_policy(load_image_policy(str(path)).policy))
    assert verify(converted, images.reference(image)) == result


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
