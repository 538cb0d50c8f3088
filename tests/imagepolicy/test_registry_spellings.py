"""Policies decide about an image, in whatever spelling its name and the patterns are written.

Random images with random signatures are in a real registry, which is the mirror of all registries of the test. Random
policies are evaluated by each entry point, and compared with the reference in `spellings`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from kubekeep.imagepolicy.conditions import load_image_policy
from kubekeep.imagepolicy.patterns import ImagePattern
from kubekeep.imagepolicy.verify import ImagePolicyVerifier
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.options import ImageIdentity
from kubekeep.model.verdict import Status
from kubekeep.registry.reference import parse_image_name
from kubekeep.signatures.access import SignatureAccess
from kubekeep.signatures.trust import LogPolicy, Trust
from kubekeep.usecases.image_signatures import verify_image
from tests.cli.test_image import kubekeep
from tests.cli.test_image_policy import read_statuses, write_pods
from tests.imagepolicy.random_images import KEYS, Builder, World
from tests.imagepolicy.spellings import (
    LIBRARY,
    REGISTRIES,
    NamedImage,
    Policy,
    Registry,
    create_pattern,
    create_policy,
    spell_name,
)
from tests.signatures.authority import to_pem
from tests.signatures.conftest import referrers_registry
from tests.signatures.registries import SignedRepository

__all__ = ("referrers_registry",)

SEED: Final = 20_261_202
POLICIES: Final = 60
NAMES_OF_POLICY: Final = 6
NOW: Final = dt.datetime.now(dt.UTC)


class SpelledWorld(msgspec.Struct):
    """Images in repositories of all registries, with the mirrors that have them."""

    mirrors: dict[str, str]
    worlds: dict[tuple[Registry, tuple[str, ...]], World]

    @property
    def repositories(self) -> list[tuple[Registry, tuple[str, ...]]]:
        return list(self.worlds)

    def name_image(self, chance: random.Random) -> NamedImage:
        """Return a random image with a random spelling of its name."""
        registry, path = chance.choice(self.repositories)
        world = self.worlds[registry, path]
        reference, digest = chance.choice(world.references)
        suffix = reference.removeprefix(f"{world.repository.address}/{world.repository.name}")
        tag = suffix.partition("@")[0].removeprefix(":")
        text = f"{spell_name(chance, registry, path)}{suffix}"
        return NamedImage(registry, path, tag, "@" in suffix, digest, text)

    def allows(self, policy: Policy, image: NamedImage) -> bool:
        world = self.worlds[image.registry, image.path]
        return policy.allows(image, world.signed["team"], world.attested["team"])

    def is_signed(self, image: NamedImage, *keys: str) -> bool:
        return any(image.digest in self.worlds[image.registry, image.path].signed[key] for key in keys)


@pytest.fixture(scope="module")
def spelled(referrers_registry: str) -> Iterator[SpelledWorld]:
    chance = random.Random(SEED)
    spelled = SpelledWorld({}, {})
    with contextlib.ExitStack() as stack:
        for number, registry in enumerate(REGISTRIES):
            prefix = f"registry{number}"
            spelled.mirrors[registry.spell(chance)] = f"http://{referrers_registry}/{prefix}"
            first = (LIBRARY,) if registry.is_hub else ("shop",)
            for path in ((*first, "web"), ("team", "web")):
                world = World(SignedRepository(referrers_registry, f"{prefix}/{'/'.join(path)}"))
                stack.callback(world.repository.client.close)
                builder = Builder(world, chance)
                for image in range(2):
                    builder.put(image)
                spelled.worlds[registry, path] = world
        yield spelled


def write_policy(folder: Path, policy: Policy) -> str:
    (folder / "team.pub").write_bytes(to_pem(KEYS["team"]))
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy.write()))
    return str(folder / "policy.yaml")


def test_patterns_cover_every_spelling() -> None:
    chance = random.Random(SEED)
    paths = [(LIBRARY, "web"), ("team", "web"), ("web",), ("team", "web", "api")]
    counts = {True: 0, False: 0}
    for _ in range(20_000):
        registry, path = chance.choice(REGISTRIES), chance.choice(paths)
        if registry.is_hub and len(path) == 1:
            path = (LIBRARY, *path)
        tag, has_digest = chance.choice(("", "latest", "image-0", "1")), chance.random() < 0.3
        suffix = f"{tag and f':{tag}'}{'@sha256:' + '0' * 64 if has_digest else ''}"
        image = NamedImage(registry, path, tag, has_digest, "", f"{spell_name(chance, registry, path)}{suffix}")
        pattern = create_pattern(chance, registry if chance.random() < 0.7 else chance.choice(REGISTRIES), path)
        measure = pattern.measure(image)
        actual = ImagePattern(pattern.text).measure(parse_image_name(image.text))
        assert actual == measure, (pattern, image)
        counts[measure is not None] += 1
    assert min(counts.values()) > 2000, counts


def test_policies(spelled: SpelledWorld, tmp_path: Path) -> None:
    """Evaluate random policies by name, and by the digest that was read for one platform or for all."""
    chance = random.Random(SEED)
    counts = {True: 0, False: 0}
    for _ in range(POLICIES):
        policy = create_policy(chance, spelled.repositories)
        path = write_policy(tmp_path, policy)
        platform = chance.choice(("", "linux/amd64"))
        access = SignatureAccess(images=AccessOptions(platform=platform, mirrors=spelled.mirrors))
        verifier = ImagePolicyVerifier(load_image_policy(path), access, NOW)
        for _ in range(NAMES_OF_POLICY):
            image = spelled.name_image(chance)
            expected = Status.PASSED if spelled.allows(policy, image) else Status.FAILED
            counts[expected is Status.PASSED] += 1
            if not platform:
                result = verifier.verify(image.text)
                assert result.status is expected, (policy, image, result)
                assert result.digest in ("", image.digest)
            identity = ImageIdentity(f"docker://{image.text}", image.digest, image.digest, platform)
            result = verifier.verify_identity(identity)
            assert result.status is expected, (policy, image, result)
    assert min(counts.values()) > sum(counts.values()) // 5, counts


def test_keys(spelled: SpelledWorld) -> None:
    chance = random.Random(SEED)
    trust = Trust(keys=(KEYS["team"].public_key(),), log=LogPolicy.IGNORED)
    access = SignatureAccess(images=AccessOptions(mirrors=spelled.mirrors))
    for _ in range(24):
        image = spelled.name_image(chance)
        report = verify_image(f"docker://{image.text}", access, trust)
        is_signed = any(not signature.predicate_type for signature in report.verified)
        assert is_signed is spelled.is_signed(image, "team"), image


def test_commands(spelled: SpelledWorld, tmp_path: Path) -> None:
    """Evaluate one policy by `image verify` and by a scan, and the controls of signatures beside it."""
    chance = random.Random(SEED)
    images = list({image.text: image for image in (spelled.name_image(chance) for _ in range(40))}.values())
    policies = (create_policy(chance, spelled.repositories) for _ in range(1000))
    policy = next(policy for policy in policies if 12 < sum(spelled.allows(policy, image) for image in images) < 28)
    write_policy(tmp_path, policy)
    mirrors = [option for host, mirror in spelled.mirrors.items() for option in ("--mirror", f"{host}={mirror}")]
    expected = {image.text: spelled.allows(policy, image) for image in images}

    done = kubekeep(
        "image", "verify", *expected, "--policy", "policy.yaml", *mirrors, "-f", "json", folder=tmp_path, code=1
    )
    results = [result["isAllowed"] for result in json.loads(done.stdout)]
    assert dict(zip(expected, results, strict=True)) == expected

    write_pods(tmp_path, *expected)
    keys = {"trustedCosignPublicKeys": [to_pem(KEYS["team"]).decode()]}
    (tmp_path / "controls.yaml").write_text(yaml.safe_dump(keys))
    options = ("--image-policy", "policy.yaml", "--verify-signatures", "--controls-config", "controls.yaml", *mirrors)
    kubekeep("scan", "pods.yaml", "--images", *options, "--format", "json", "-o", "a.json", folder=tmp_path)
    assert read_statuses(tmp_path / "a.json", "image-policy") == name_statuses(expected)
    for control, signers in (("C-0236", ["team"]), ("C-0237", ["team", "stranger"])):
        pods = {f"pod-{number}": spelled.is_signed(image, *signers) for number, image in enumerate(images)}
        assert read_statuses(tmp_path / "a.json", control) == name_statuses(pods), control


def name_statuses(verdicts: dict[str, bool]) -> dict[str, Any]:
    return {name: "passed" if is_allowed else "failed" for name, is_allowed in verdicts.items()}
