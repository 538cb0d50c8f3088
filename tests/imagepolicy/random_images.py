"""Random images in a real registry, each an index or a manifest, with signatures and attestations of several keys."""

from __future__ import annotations

import io
import json
import random
import tarfile
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.registry.manifest import Descriptor
from kubekeep.registry.simple_signing import PAYLOAD, SIGNATURE
from tests.imagepolicy.signed_images import attest
from tests.signatures.authority import encode
from tests.signatures.making import BUNDLE, SPDX, key_bundle, sign, simple_payload, statement
from tests.signatures.registries import CONFIG, INDEX, MANIFEST, SignedRepository

KEYS: Final = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("team", "stranger")}


class World(msgspec.Struct):
    """The images by tag, and what each key has signed: digests of images, and of those with an attestation."""

    repository: SignedRepository
    references: list[tuple[str, str]] = []
    """References, and the digest that each names."""
    signed: dict[str, set[str]] = msgspec.field(default_factory=lambda: {name: set() for name in KEYS})
    attested: dict[str, set[str]] = msgspec.field(default_factory=lambda: {name: set() for name in KEYS})


class Builder:
    """Puts random images with random signatures into the repository of a world."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self._world = world
        self._repository = world.repository
        self._random = chance

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
