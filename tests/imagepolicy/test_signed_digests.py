"""The digest that policies decide about: random images in a real registry, compared with a reference of four lines.

Each image is an index or a manifest in one repository, with signatures and attestations of several keys on any of its digests.
Policies, controls and `image verify --key` must each decide about the digest that the reference names, and no other one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from kubekeep.imagepolicy.conditions import load_image_policy
from kubekeep.imagepolicy.verify import ImagePolicyVerifier
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.options import ImageIdentity
from kubekeep.model.verdict import Status
from kubekeep.signatures.access import SignatureAccess
from kubekeep.signatures.trust import LogPolicy, Trust
from kubekeep.usecases.image_signatures import verify_image
from tests.cli.test_image import kubekeep
from tests.cli.test_image_policy import read_statuses, write_pods
from tests.imagepolicy.random_images import KEYS, Builder, World
from tests.signatures.authority import to_pem
from tests.signatures.conftest import referrers_registry
from tests.signatures.registries import SignedRepository

__all__ = ("referrers_registry",)

IMAGES: Final = 48
ACCESS: Final = SignatureAccess(images=AccessOptions())
NOW: Final = dt.datetime.now(dt.UTC)


@pytest.fixture(scope="module")
def world(referrers_registry: str) -> Iterator[World]:
    world = World(SignedRepository(referrers_registry, "team/digests"))
    with contextlib.closing(world.repository.client):
        builder = Builder(world, random.Random(20_261_201))
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
