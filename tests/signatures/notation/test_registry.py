"""Notation signatures in a real registry, made by the Notary Project's own library and verified by Kubekeep."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from pathlib import Path

import pytest

from kubekeep.registry.credentials import Keychain
from kubekeep.registry.manifest import MANIFEST, compute_digest
from kubekeep.registry.repository import OciRepository
from kubekeep.signatures.discovery import list_artifacts
from kubekeep.signatures.notation.envelope import TargetArtifact
from kubekeep.signatures.notation.image import is_notation, read_signature, verify_notation
from kubekeep.signatures.notation.trust_policy import load_trust_policy
from kubekeep.signatures.notation.trust_store import TrustStore
from kubekeep.signatures.notation.verify import NotationTrust
from kubekeep.signatures.verification import SignatureProblem, VerifiedSignature
from tests.oracles.program import program
from tests.registry.conftest import service
from tests.registry.service import Service
from tests.signatures.notation.signing import COSE, JWS, create_root, create_signer, policy, write_configuration

__all__ = ("service",)


def push_image(service: Service, name: str) -> TargetArtifact:
    """Store an image without layers."""
    reference = service.reference(name)
    with OciRepository(reference, Keychain(), plain_http=True) as repository:
        config = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
        repository.put_blob(config)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": compute_digest(config),
                    "size": len(config),
                },
                "layers": [],
                "annotations": {"name": name},
            }
        ).encode()
        repository.put_manifest("1.0", manifest)
    return TargetArtifact(MANIFEST, compute_digest(manifest), len(manifest))


def sign_image(folder: Path, service: Service, name: str, target: TargetArtifact, media_type: str, kind: str) -> None:
    signer = create_signer(kind)
    key, chain = signer.write(folder)
    request = folder / "request.json"
    request.write_text(
        json.dumps(
            {
                "key": str(key),
                "chain": str(chain),
                "mediaType": media_type,
                "reference": f"{service.address}/{name}@{target.digest}",
                "expirySeconds": 3600,
                "metadata": {"build": "42"},
            }
        )
    )
    subprocess.run([program("notation"), "sign", request], check=True, timeout=60)


def verify_image(
    folder: Path, service: Service, name: str, target: TargetArtifact
) -> list[VerifiedSignature | SignatureProblem]:
    trust_policy = load_trust_policy(folder / "trustpolicy.json").select(f"{service.address}/{name}")
    assert trust_policy is not None
    trust = NotationTrust(trust_policy, TrustStore(folder), dt.datetime.now(dt.UTC))
    with OciRepository(service.reference(name), Keychain(), plain_http=True) as repository:
        signatures = [
            read_signature(artifact, target)
            for artifact in list_artifacts(repository, [target.digest])
            if is_notation(artifact)
        ]
    assert all(signature.names_target for signature in signatures)
    return list(verify_notation(signatures, trust))


@pytest.mark.parametrize(("media_type", "kind"), [(JWS, "p256 signer"), (COSE, "p384 signer"), (COSE, "rsa2048")])
def test_signature_of_the_reference_library(media_type: str, kind: str, service: Service, tmp_path: Path) -> None:
    name = f"notation/{kind.replace(' ', '-')}-{media_type.rpartition('/')[2].partition('+')[0]}"
    target = push_image(service, name)
    write_configuration(tmp_path, {"ca:example": [create_root().certificate]}, [policy()])
    assert verify_image(tmp_path, service, name, target) == []
    sign_image(tmp_path, service, name, target, media_type, kind)
    (result,) = verify_image(tmp_path, service, name, target)
    assert isinstance(result, VerifiedSignature)
    assert (result.format, result.layout, result.digest) == ("notation", "referrers-tag", target.digest)
    assert result.annotations == (("build", "42"),)
    assert "CN=builder" in result.signer.identity


def test_problems_are_listed_beside_valid_signatures(service: Service, tmp_path: Path) -> None:
    target = push_image(service, "notation/two")
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    write_configuration(strangers, {"ca:example": [create_root("other").certificate]}, [policy()])
    write_configuration(tmp_path, {"ca:example": [create_root().certificate]}, [policy()])
    sign_image(tmp_path, service, "notation/two", target, JWS, "p256 signer")
    sign_image(tmp_path, service, "notation/two", target, COSE, "p256 signer")
    assert (
        len(
            [
                entry
                for entry in verify_image(tmp_path, service, "notation/two", target)
                if isinstance(entry, VerifiedSignature)
            ]
        )
        == 2
    )
    problems = verify_image(strangers, service, "notation/two", target)
    assert [type(entry) for entry in problems] == [SignatureProblem] * 2
    other = TargetArtifact(MANIFEST, target.digest, target.size + 1)
    results = verify_image(tmp_path, service, "notation/two", other)
    assert all(isinstance(entry, SignatureProblem) and "size" in entry.reason for entry in results)
