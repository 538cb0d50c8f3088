"""Content of layers shared through a real registry: trust, versions, kinds of reading, faults."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.images.access.opened import LayerReference
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.content import LayerContent
from kubekeep.images.inspection import inspect_image
from kubekeep.images.layers import compute_shared_version
from kubekeep.images.options import ImageOptions
from kubekeep.images.shared_layers import FragmentTrust, SharedLayers
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository
from tests.images.relay import Relay, run_relay
from tests.registry.conftest import write_keys
from tests.registry_scan.fleet import BASE, Fleet, kubekeep, list_images, python_package, write_layer

Keys = tuple[Path, Path]
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@pytest.fixture
def relay(fleet: Fleet) -> Iterator[Relay]:
    for number in range(3):
        layers = (BASE, write_layer(python_package("app", str(number)), filler=50_000))
        fleet.push_image("app", str(number), layers=layers)
    with run_relay(fleet.address) as running:
        yield running


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return write_keys(tmp_path, "ours")


def scan(relay: Relay, folder: Path, *options: str, cache: str = "layers", code: int = 0) -> dict[str, object]:
    """Scan on a machine without a cache of its own."""
    shutil.rmtree(folder / "cache", ignore_errors=True)
    arguments = (f"{relay.address}/app", "--layer-cache", cache, *options)
    return dict(list_images(folder, *arguments, code=code))


def count_layers(relay: Relay) -> int:
    """Return the number of layers that were fetched; two configurations and manifests are no blobs of layers."""
    return sum(request.method == "GET" and "/app/blobs/" in request.path for request in relay.requests)


def test_second_machine_fetches_no_layer(relay: Relay, fleet: Fleet, keys: Keys, tmp_path: Path) -> None:
    cache = f"{fleet.address}/cache/layers"
    write = ("--layer-cache-write", "--layer-cache-sign-key", str(keys[0]), "--layer-cache-key", str(keys[1]))
    first = scan(relay, tmp_path, *write, cache=cache)
    configurations = 3
    assert count_layers(relay) == 4 + configurations
    relay.requests.clear()
    second = scan(relay, tmp_path, "--layer-cache-key", str(keys[1]), cache=cache)
    assert second == first
    assert count_layers(relay) == configurations
    # The fragments are recognised by their names.
    relay.requests.clear()
    listed = kubekeep("registry", "list", f"{relay.address}/cache/layers", folder=tmp_path, code=3)
    assert "skipped: 8 tags" in listed.stderr
    assert not any("/manifests/" in request.path for request in relay.requests)


def test_fragments_need_the_signature_of_the_key(relay: Relay, fleet: Fleet, keys: Keys, tmp_path: Path) -> None:
    cache = f"{fleet.address}/cache/layers"
    scan(relay, tmp_path, "--layer-cache-write", "--layer-cache-trusted", cache=cache)
    relay.requests.clear()
    scan(relay, tmp_path, "--layer-cache-key", str(keys[1]), cache=cache)
    assert count_layers(relay) == 7
    arguments = ("registry", "scan", f"{relay.address}/app", "--layer-cache", cache, "--layer-cache-key", str(keys[1]))
    shutil.rmtree(tmp_path / "cache")
    assert "is not signed" in kubekeep(*arguments, folder=tmp_path).stderr
    other = write_keys(tmp_path, "others")
    shutil.rmtree(tmp_path / "cache")
    write = ("--layer-cache-write", "--layer-cache-sign-key", str(other[0]))
    kubekeep(*arguments, *write, folder=tmp_path)
    shutil.rmtree(tmp_path / "cache")
    assert "none of its 1 signatures matches" in kubekeep(*arguments, folder=tmp_path).stderr


def test_local_cache_of_other_trust_is_not_used(relay: Relay, fleet: Fleet, keys: Keys, tmp_path: Path) -> None:
    """Fragments accepted without a signature are not used by a run that requires one, nor without the option."""
    cache = f"{fleet.address}/cache/layers"
    scan(relay, tmp_path, "--layer-cache-write", "--layer-cache-trusted", cache=cache)
    shutil.rmtree(tmp_path / "cache")
    arguments = ("registry", "scan", f"{relay.address}/app", "--layer-cache", cache)
    kubekeep(*arguments, "--layer-cache-trusted", folder=tmp_path)
    relay.requests.clear()
    kubekeep("registry", "scan", f"{relay.address}/app", folder=tmp_path)
    assert count_layers(relay) == 4
    shutil.rmtree(tmp_path / "cache" / "kubekeep" / "layers")
    relay.requests.clear()
    kubekeep(*arguments, "--layer-cache-key", str(keys[1]), folder=tmp_path)
    assert count_layers(relay) == 4


def test_unreachable_cache_does_not_fail_the_scan(relay: Relay, tmp_path: Path) -> None:
    images = scan(relay, tmp_path, "--layer-cache-trusted", cache="127.0.0.1:1/cache")
    assert len(images) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layer-cache", "a.example/b"], "requires either"),
        (["--layer-cache", "a.example/b", "--layer-cache-trusted", "--layer-cache-key", "key"], "requires either"),
        (["--layer-cache", "a.example/b", "--layer-cache-key", "key", "--layer-cache-write"], "sign-key"),
        (["--layer-cache", "a.example/b:1", "--layer-cache-trusted"], "without a tag"),
        (["--layer-cache", "a.example/b", "--layer-cache-key", "key"], "not a public key"),
        (["--layer-cache-trusted"], "require --layer-cache"),
    ],
)
def test_options_of_the_cache(options: list[str], message: str, tmp_path: Path) -> None:
    (tmp_path / "key").write_text("no key")
    assert message in kubekeep("registry", "scan", "a.example", *options, folder=tmp_path, code=2).stderr


class Collected:
    """Collects the contents that an inspection reads."""

    def __init__(self) -> None:
        self.contents: list[LayerContent] = []

    def get(self, layer: LayerReference, *, secrets: bool) -> LayerContent | None:
        del layer, secrets
        return None

    def put(self, content: LayerContent, *, secrets: bool) -> None:
        del secrets
        self.contents.append(content)


@pytest.fixture
def content(relay: Relay) -> LayerContent:
    """The content of a layer with a package."""
    collected = Collected()
    inspect_image(f"{relay.address}/app:1", ImageOptions(access=AccessOptions(), shared_layers=collected), secrets=True)
    return next(content for content in collected.contents if content.records and "dist-info" in content.paths)


def open_shared(
    fleet: Fleet,
    trust: FragmentTrust,
    writer: ec.EllipticCurvePrivateKey | None,
    program: bytes | None = None,
    messages: list[str] | None = None,
) -> SharedLayers:
    reference = ArtifactReference(fleet.address, "cache/layers")
    return SharedLayers(
        OciRepository(reference, Keychain(), plain_http=True),
        reference,
        trust,
        program or compute_shared_version(),
        writes=True,
        writer=writer,
        on_problem=(messages if messages is not None else []).append,
    )


def test_signed_fragment_of_another_layer_is_not_used(fleet: Fleet, content: LayerContent) -> None:
    """Whoever may write tags can point one at a signed fragment of another layer, version or kind."""
    key = ec.generate_private_key(ec.SECP256R1())
    messages: list[str] = []
    shared = open_shared(fleet, FragmentTrust(key=key.public_key()), key, messages=messages)
    layer = LayerReference(content.digest, content.size, content.diff_id, LAYER)
    shared.put(content, secrets=True)
    assert shared.get(layer, secrets=True) == content
    assert shared.get(layer, secrets=False) is None
    (tag,) = list_tags(fleet)
    manifest = fleet.get_manifest("cache/layers", tag)
    other = msgspec.structs.replace(layer, digest=f"sha256:{'1' * 64}")
    fleet.push_manifest("cache/layers", manifest, tag.replace(layer.digest[7:], "1" * 64))
    assert shared.get(other, secrets=True) is None
    assert "of another layer" in messages[-1]
    fleet.push_manifest("cache/layers", manifest, tag.replace("-secrets", "-packages"))
    assert shared.get(layer, secrets=False) is None
    shared.close()
    newer = open_shared(fleet, FragmentTrust(key=key.public_key()), key, program=b"newer")
    newer.put(content, secrets=True)
    newer_tag = next(
        entry
        for entry in list_tags(fleet)
        if "1111" not in entry and entry not in (tag, tag.replace("-secrets", "-packages"))
    )
    fleet.push_manifest("cache/layers", manifest, newer_tag)
    assert newer.get(layer, secrets=True) is None
    newer.close()


def test_poisoned_fragment_without_a_package_is_rejected(fleet: Fleet, content: LayerContent) -> None:
    ours, others = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    poisoned = msgspec.structs.replace(content, records=(), paths="")
    attacker = open_shared(fleet, FragmentTrust(is_trusted_registry=True), others)
    attacker.put(poisoned, secrets=True)
    attacker.close()
    messages: list[str] = []
    shared = open_shared(fleet, FragmentTrust(key=ours.public_key()), ours, messages=messages)
    layer = LayerReference(content.digest, content.size, content.diff_id, LAYER)
    assert shared.get(layer, secrets=True) is None
    assert "rejected" in messages[0]
    shared.put(content, secrets=True)
    assert shared.get(layer, secrets=True) == content
    shared.close()


def list_tags(fleet: Fleet) -> list[str]:
    tags: list[str] = fleet.get_json("cache/layers/tags/list")["tags"]
    return [tag for tag in tags if tag.startswith("layer-")]


def test_trust_is_required(fleet: Fleet) -> None:
    with pytest.raises(ValueError, match="need a key"):
        open_shared(fleet, FragmentTrust(), None)


def test_fragments_hold_no_secret(relay: Relay, fleet: Fleet, tmp_path: Path) -> None:
    value = "kd93hTq2LxpMzW81uRvYc7NfGbEo0sJa5iDlHtQX"
    fleet.push_image("app", "secret", layers=(write_layer({"srv/.env": f"AWS_SECRET_ACCESS_KEY={value}\n"}),))
    scan(relay, tmp_path, "--layer-cache-write", "--layer-cache-trusted", cache=f"{fleet.address}/cache/layers")
    for tag in list_tags(fleet):
        layer = fleet.get_manifest("cache/layers", tag)["layers"][0]
        assert value.encode() not in fleet.get(f"cache/layers/blobs/{layer['digest']}")
