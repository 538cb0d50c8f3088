"""The digest that policies decide about: random images in a real registry, compared with a reference of four lines.

Each image is an index or a manifest in one repository, with signatures and attestations of several keys on any of its digests.
Policies, controls and `image verify --key` must each decide about the digest that the reference names, and no other one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.imagepolicy.conditions import load_image_policy
from kubekeep.imagepolicy.verify import ImagePolicyVerifier
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.options import ImageIdentity
from kubekeep.model.verdict import Status
from kubekeep.registry.manifest import Descriptor
from kubekeep.registry.simple_signing import PAYLOAD, SIGNATURE
from kubekeep.signatures.access import SignatureAccess
from kubekeep.signatures.trust import LogPolicy, Trust
from kubekeep.usecases.image_signatures import verify_image
from tests.cli.test_image import kubekeep
from tests.cli.test_image_policy import read_statuses, write_pods
from tests.imagepolicy.signed_images import attest
from tests.signatures.authority import encode, to_pem
from tests.signatures.conftest import referrers_registry
from tests.signatures.making import BUNDLE, SPDX, key_bundle, sign, simple_payload, statement
from tests.signatures.registries import CONFIG, INDEX, MANIFEST, SignedRepository

__all__ = ("referrers_registry",)

IMAGES: Final = 48
KEYS: Final = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("team", "stranger")}
ACCESS: Final = SignatureAccess(images=AccessOptions())
NOW: Final = dt.datetime.now(dt.UTC)


class World(msgspec.Struct):
    """The images by tag, and what each key has signed: digests of images, and of those with an attestation."""

    repository: SignedRepository
    references: list[tuple[str, str]] = []
    """References, and the digest that each names."""
    signed: dict[str, set[str]] = msgspec.field(default_factory=lambda: {name: set() for name in KEYS})
    attested: dict[str, set[str]] = msgspec.field(default_factory=lambda: {name: set() for name in KEYS})


class Builder:
    """Puts random images with random signatures into the repository of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._repository = world.repository
        self._random = random.Random(20_261_201)

    def put(self, number: int) -> None:
        chance = self._random
        manifests = [self._put_manifest(number, architecture) for architecture in ("amd64", "arm64")]
        root, digests = manifests[0], [manifests[0]]
        if chance.random() < 0.8:
            entries = chance.sample(manifests, chance.choice((1, 2))) if chance.random() < 0.2 else manifests
            if manifests[0] not in entries:
                entries = [*entries, manifests[0]]
            root = self._put_index(entries)
            digests = [root, *manifests]
            if chance.random() < 0.25:
                inner, root = root, self._put_index([root])
                digests = [root, inner, *manifests]
        tag = f"image-{number}"
        content = self._repository.client.get_manifest(root.digest, root.media_type)
        assert content is not None
        self._repository.client.put_manifest(tag, content, root.media_type)
        for descriptor in digests:
            self._sign(descriptor)
        base = f"{self._repository.address}/{self._repository.name}"
        references = [(f"{base}:{tag}", root.digest), (f"{base}@{root.digest}", root.digest)]
        references.append((f"{base}:signed@{root.digest}", root.digest))
        references.append((f"{base}@{manifests[0].digest}", manifests[0].digest))
        self._world.references += references

    def _put_manifest(self, number: int, architecture: str) -> Descriptor:
        layer = self._repository.put_blob(
            create_tar(f"{number}-{architecture}"), "application/vnd.oci.image.layer.v1.tar"
        )
        config = {
            "os": "linux",
            "architecture": architecture,
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
        }
        return self._repository.put(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._repository.put_blob(json.dumps(config).encode(), CONFIG),
                "layers": [layer],
                "annotations": {"architecture": architecture},
            }
        )

    def _put_index(self, entries: list[Descriptor]) -> Descriptor:
        manifests = []
        for entry in entries:
            manifest: dict[str, Any] = msgspec.to_builtins(entry)
            if entry.media_type == MANIFEST:
                content = self._repository.client.get_manifest(entry.digest)
                assert content is not None
                architecture = json.loads(content)["annotations"]["architecture"]
                manifest["platform"] = {"os": "linux", "architecture": architecture}
            manifests.append(manifest)
        return self._repository.put({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})

    def _sign(self, descriptor: Descriptor) -> None:
        """Sign and attest a digest at random, each in one of the two layouts."""
        world, chance, digest = self._world, self._random, descriptor.digest
        self._repository.image = descriptor
        signatures, attestations = [], []
        for name, key in KEYS.items():
            # A signature of another digest that is attached here proves nothing.
            about = digest if chance.random() < 0.8 else "sha256:" + "0" * 64
            if chance.random() < 0.35:
                content = simple_payload(about)
                signatures.append((content, PAYLOAD, {SIGNATURE: encode(sign(key, content))}))
                world.signed[name] |= {about}
            elif chance.random() < 0.2:
                self._repository.put_referrer(json.dumps(key_bundle(key, statement(about))).encode(), BUNDLE)
                world.signed[name] |= {about}
            if chance.random() < 0.35:
                attestations.append(attest(key, about, SPDX, {"name": "shop"}))
                world.attested[name] |= {about}
        if signatures:
            self._repository.put_legacy("sig", *signatures)
        if attestations:
            self._repository.put_legacy("att", *attestations)


def create_tar(name: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    return stream.getvalue()


@pytest.fixture(scope="module")
def world(referrers_registry: str) -> Iterator[World]:
    world = World(SignedRepository(referrers_registry, "team/digests"))
    with contextlib.closing(world.repository.client):
        builder = Builder(world)
        for number in range(IMAGES):
            builder.put(number)
        yield world


def write_policy(folder: Path, world: World, rule: dict[str, Any]) -> Path:
    (folder / "team.pub").write_bytes(to_pem(KEYS["team"]))
    document = {
        "apiVersion": "image.kubekeep.io/v1",
        "kind": "ImagePolicy",
        "unmatched": "deny",
        "signers": {"team": {"key": "team.pub", "log": "ignored"}},
        "rules": [{"images": [world.repository.address], **rule}],
    }
    path = folder / "policy.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def list_expected(world: World, digests: set[str]) -> dict[str, bool]:
    """Return for each reference if the digest that it names is one of `digests`."""
    return {reference: digest in digests for reference, digest in world.references}


RULES: Final[list[dict[str, Any]]] = [
    {"signedBy": ["team"]},
    {"attestations": [{"type": "spdx", "signedBy": ["team"]}]},
]


@pytest.mark.parametrize("rule", RULES)
def test_policies_decide_about_the_named_digest(rule: dict[str, Any], world: World, tmp_path: Path) -> None:
    verifier = ImagePolicyVerifier(load_image_policy(str(write_policy(tmp_path, world, rule))), ACCESS, NOW)
    results = {reference: verifier.verify(reference) for reference, _ in world.references}
    expected = list_expected(world, (world.signed if "signedBy" in rule else world.attested)["team"])
    assert {reference: result.status is Status.PASSED for reference, result in results.items()} == expected
    assert [results[reference].digest for reference, _ in world.references] == [
        digest for _, digest in world.references
    ]
    assert 0 < sum(expected.values()) < len(expected)


@pytest.mark.parametrize("rule", RULES)
def test_images_that_were_read_for_another_platform(rule: dict[str, Any], world: World, tmp_path: Path) -> None:
    access = msgspec.structs.replace(ACCESS, images=AccessOptions(platform="linux/amd64"))
    verifier = ImagePolicyVerifier(load_image_policy(str(write_policy(tmp_path, world, rule))), access, NOW)
    expected = list_expected(world, (world.signed if "signedBy" in rule else world.attested)["team"])
    for reference, digest in world.references:
        identity = ImageIdentity(f"docker://{reference}", digest, digest, "linux/amd64")
        result = verifier.verify_identity(identity)
        assert (result.status is Status.PASSED) is expected[reference], (reference, result)


def test_keys(world: World) -> None:
    trust = Trust(keys=(KEYS["team"].public_key(),), log=LogPolicy.IGNORED)
    for reference, digest in world.references:
        report = verify_image(f"docker://{reference}", ACCESS, trust)
        is_signed = any(not signature.predicate_type for signature in report.verified)
        assert is_signed is (digest in world.signed["team"]), reference


def test_scans(world: World, tmp_path: Path) -> None:
    references = [reference for reference, _ in world.references]
    write_pods(tmp_path, *references)
    write_policy(tmp_path, world, RULES[0])
    keys = {"trustedCosignPublicKeys": [to_pem(KEYS["team"]).decode()]}
    (tmp_path / "controls.yaml").write_text(yaml.safe_dump(keys))
    options = ("--image-policy", "policy.yaml", "--verify-signatures", "--controls-config", "controls.yaml")
    kubekeep("scan", "pods.yaml", "--images", *options, "--format", "json", "-o", "a.json", folder=tmp_path)
    expected = {True: "passed", False: "failed"}
    trusted = list_expected(world, world.signed["team"])
    assert read_statuses(tmp_path / "a.json", "image-policy") == {
        reference: expected[is_trusted] for reference, is_trusted in trusted.items()
    }
    by_anyone = list_expected(world, world.signed["team"] | world.signed["stranger"])
    for control, verdicts in (("C-0236", trusted), ("C-0237", by_anyone)):
        statuses = read_statuses(tmp_path / "a.json", control)
        assert statuses == {
            f"pod-{number}": expected[verdicts[reference]] for number, reference in enumerate(references)
        }, control
