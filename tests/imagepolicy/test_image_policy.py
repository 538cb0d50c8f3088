"""Image policies from files, evaluated on signed images in a real registry."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kubekeep.config.file import ConfigurationError
from kubekeep.imagepolicy.conditions import load_image_policy
from kubekeep.imagepolicy.evaluate import ImagePolicyResult
from kubekeep.imagepolicy.verify import ImagePolicyVerifier
from kubekeep.images.access.options import AccessOptions
from kubekeep.model.verdict import Status
from kubekeep.signatures.access import SignatureAccess
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.notation.envelope import TargetArtifact
from kubekeep.signatures.signing import SignatureLayout
from kubekeep.usecases.image_signatures import attest_image, sign_image
from tests.registry.conftest import service
from tests.registry.service import Service
from tests.signatures.notation.signing import JWS, create_root, write_configuration
from tests.signatures.notation.test_registry import push_image
from tests.signatures.notation.test_registry import sign_image as sign_with_notation

__all__ = ("service",)

NOW = dt.datetime.now(dt.UTC)
ACCESS = SignatureAccess(images=AccessOptions())
SLSA = "https://slsa.dev/provenance/v1"
PROVENANCE = {
    "buildDefinition": {"externalParameters": {"workflow": {"repository": "https://github.com/example/app"}}},
    "runDetails": {"builder": {"id": "https://builder.example/v1"}, "metadata": {"finishedOn": NOW.isoformat()}},
}


def write_policy(folder: Path, *rules: Mapping[str, Any], **fields: Any) -> Path:
    key = create_key()
    (folder / "team.pub").write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    if not (folder / "notation").exists():
        (folder / "notation").mkdir()
        write_configuration(folder / "notation", {"ca:vendor": [create_root().certificate]}, [])
    (folder / "builder.rego").write_text(
        'package images\n\nallow if startswith(input.predicate.runDetails.builder.id, "https://builder.example/")\n'
    )
    document = {
        "apiVersion": "image.kubekeep.io/v1",
        "kind": "ImagePolicy",
        "unmatched": "deny",
        "signers": {
            "team": {"key": "team.pub"},
            "vendor": {"trustStore": "notation", "stores": ["ca:vendor"], "subjects": ["C=US, ST=WA, O=Example"]},
        },
        **fields,
        "rules": list(rules),
    }
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


KEYS: list[ec.EllipticCurvePrivateKey] = []


def create_key() -> ec.EllipticCurvePrivateKey:
    if not KEYS:
        KEYS.append(ec.generate_private_key(ec.SECP256R1()))
    return KEYS[0]


def verify(path: Path, reference: str) -> ImagePolicyResult:
    return ImagePolicyVerifier(load_image_policy(str(path)), ACCESS, NOW).verify(reference)


def statuses(result: ImagePolicyResult) -> dict[str, Status]:
    return {entry.requirement: entry.status for entry in result.requirements}


def push(service: Service, name: str) -> tuple[str, TargetArtifact]:
    target = push_image(service, name)
    return f"{service.address}/{name}:1.0", target


def test_signatures_of_keys_and_of_notation(service: Service, tmp_path: Path) -> None:
    reference, target = push(service, "policy/signed")
    by_team = write_policy(tmp_path, {"images": [f"{service.address}/policy"], "signedBy": ["team"]})
    assert verify(by_team, reference).status is Status.FAILED
    sign_image(reference, ACCESS, create_key(), SignatureLayout.LEGACY_TAG, {})
    result = verify(by_team, reference)
    assert (result.status, result.digest) == (Status.PASSED, target.digest)
    by_vendor = write_policy(tmp_path, {"images": [f"{service.address}/policy"], "signedBy": ["vendor"]})
    assert verify(by_vendor, reference).status is Status.FAILED
    sign_with_notation(tmp_path, service, "policy/signed", target, JWS, "p256 signer")
    assert verify(by_vendor, reference).status is Status.PASSED
    # The digest decides, whichever tag stands before it.
    assert verify(by_vendor, f"{service.address}/policy/signed:other@{target.digest}").status is Status.PASSED
    assert verify(by_vendor, "registry.example/other").status is Status.FAILED


@pytest.mark.parametrize(
    ("requirement", "status"),
    [
        ({}, Status.PASSED),
        ({"builder": "https://builder.example/*", "source": "https://github.com/example/app"}, Status.PASSED),
        ({"source": "https://github.com/example/other"}, Status.FAILED),
        ({"maximumAgeDays": 1}, Status.PASSED),
        ({"condition": {"cel": "predicate.runDetails.builder.id.endsWith('/v1')"}}, Status.PASSED),
        ({"condition": {"cel": "predicate.runDetails.builder.id == 'other'"}}, Status.FAILED),
        ({"condition": {"cel": "predicate.missing == 1"}}, Status.FAILED),
        (
            {"condition": {"cel": "signer.key.size() == 64 && predicateType.startsWith('https://slsa.dev/')"}},
            Status.PASSED,
        ),
        ({"condition": {"rego": "builder.rego"}}, Status.PASSED),
        ({"type": "spdx"}, Status.FAILED),
    ],
)
def test_attestations(requirement: Mapping[str, Any], status: Status, service: Service, tmp_path: Path) -> None:
    reference, _ = push(service, "policy/attested")
    layout = SignatureLayout.LEGACY_TAG
    attest_image(reference, ACCESS, create_key(), layout, SLSA, json.dumps(PROVENANCE).encode())
    attestation = {"type": "slsaprovenance", "signedBy": ["team"], **requirement}
    path = write_policy(tmp_path, {"images": ["*"], "attestations": [attestation]})
    result = verify(path, reference)
    assert result.status is status, result


def test_unreachable_registries_are_not_evaluated(tmp_path: Path) -> None:
    rule = {"images": ["*"], "signedBy": ["team"], "maximumAgeDays": 3, "pinned": True}
    result = verify(write_policy(tmp_path, rule), "127.0.0.1:1/app@sha256:" + "0" * 64)
    assert statuses(result) == {
        "pinned": Status.PASSED,
        "age": Status.NOT_EVALUATED,
        "signature": Status.NOT_EVALUATED,
    }
    assert "127.0.0.1:1" in result.requirements[1].reason


def test_rules_without_signatures_need_no_registry(tmp_path: Path) -> None:
    path = write_policy(tmp_path, {"images": ["127.0.0.1:1"], "pinned": True}, forbiddenRegistries=["docker.io"])
    assert verify(path, "127.0.0.1:1/app").status is Status.FAILED
    assert verify(path, "nginx@sha256:" + "0" * 64).status is Status.FAILED
    assert verify(path, "127.0.0.1:1/app@sha256:" + "0" * 64).status is Status.PASSED


def condition(**fields: str) -> Mapping[str, Any]:
    return {"images": ["*"], "attestations": [{"type": "spdx", "signedBy": ["team"], "condition": fields}]}


INVALID = {
    r"policy\.yaml:\d+:\d+: .*missing\.pub: no such file": {"signers": {"team": {"key": "missing.pub"}}},
    r"policy\.yaml:\d+:\d+: policy\.yaml: not a public key": {"signers": {"team": {"key": "policy.yaml"}}},
    r"policy\.yaml:\d+:\d+: .*ca:\.\./x is not written": {
        "signers": {"team": {"trustStore": "notation", "stores": ["ca:../x"]}}
    },
    r"notation/truststore/x509/ca/other: not a folder": {
        "signers": {"team": {"trustStore": "notation", "stores": ["ca:other"]}}
    },
    r"policy\.yaml:\d+:\d+: 1:9: extraneous input": {"rules": [condition(cel="unknown name")]},
    r"policy\.yaml:\d+:\d+: the expression is not true or false": {"rules": [condition(cel="'text'")]},
    r"policy\.yaml:\d+:\d+: team\.pub: no package": {"rules": [condition(rego="team.pub")]},
    r"policy\.yaml:\d+:\d+: unknown signer nobody": {"rules": [{"images": ["*"], "signedBy": ["nobody"]}]},
}


@pytest.mark.parametrize("message", INVALID)
def test_errors_name_file_and_line(message: str, tmp_path: Path) -> None:
    path = write_policy(tmp_path)
    document = yaml.safe_load(path.read_text()) | INVALID[message]
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    with pytest.raises((ConfigurationError, TrustError), match=message):
        ImagePolicyVerifier(load_image_policy(str(path)), ACCESS, NOW)
