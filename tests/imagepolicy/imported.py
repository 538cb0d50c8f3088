"""Builders of imported policies for tests, as the documentation of their tools shows them, and their evaluation."""

from __future__ import annotations

import base64
import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from kubekeep.imagepolicy.conditions import load_image_policy
from kubekeep.imagepolicy.evaluate import ImagePolicyResult
from kubekeep.imagepolicy.text import format_policy
from kubekeep.imagepolicy.verify import ImagePolicyVerifier
from kubekeep.images.access.options import AccessOptions
from kubekeep.model.verdict import Status
from kubekeep.signatures.access import SignatureAccess
from tests.imagepolicy.signed_images import SignedImages
from tests.signatures.authority import IDENTITY, ISSUER, certificate_pem

PASSED, FAILED, UNKNOWN = Status.PASSED, Status.FAILED, Status.NOT_EVALUATED
Documents = list[dict[str, Any]]
Case = tuple[str, Callable[[SignedImages], Documents], str, Status, str]
SPDX = "https://spdx.dev/Document"


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


def remote_root() -> dict[str, Any]:
    return {
        "apiVersion": "policy.sigstore.dev/v1alpha1",
        "kind": "TrustRoot",
        "metadata": {"name": "private"},
        "spec": {"remote": {"root": "e30=", "mirror": "https://tuf.example"}},
    }


def only_namespace() -> dict[str, Any]:
    return {"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["prod"]}}]}


def statement_check(images: SignedImages, *names: str, **fields: Any) -> dict[str, Any]:
    attestors = [{"entries": [entry(images, *names)]}] if names else []
    return {"imageReferences": ["*"], "attestations": [{"type": SPDX, "attestors": attestors, **fields}]}


def check_case(case: Case, images: SignedImages, folder: Path) -> None:
    """Evaluate the policies of a case, and again after their conversion to a file."""
    _, create, image, status, reason = case
    path = write(folder, create(images))
    result = verify(path, images.reference(image))
    reasons = "; ".join(entry.reason for entry in result.requirements)
    assert (result.status, reasons) == (status, reasons)
    assert re.search(reason, reasons), reasons
    converted = folder / "converted.yaml"
    converted.write_text(format_policy(load_image_policy(str(path)).policy))
    assert verify(converted, images.reference(image)) == result
