"""Malicious registries: every image ends in an error with its cause, within limits of time and memory."""

from __future__ import annotations

import datetime as dt
import email.utils
import http.server
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from kubekeep.images.access.open_image import open_image
from kubekeep.images.access.opened import FileRange, OpenedImage
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.login import RegistryLogin
from tests.images.access_fixtures import digest_of
from tests.images.building import CONFIG, INDEX, MANIFEST
from tests.images.hostile_registry import HostileRegistry, run_hostile_registry
from tests.images.relay import reply
from tests.registry.service import run_server
from tests.registry.test_redirects import METADATA, BlobHost

Handler = http.server.BaseHTTPRequestHandler
ZEROS = "sha256:" + "0" * 64


@pytest.fixture
def registry() -> Iterator[HostileRegistry]:
    with run_hostile_registry() as running:
        yield running


def open_hostile(registry: HostileRegistry, **options: Any) -> OpenedImage:
    return open_image(registry.reference, AccessOptions(**{"plain_http": True, "patience": 0.3, "pause": 1, **options}))


def read(registry: HostileRegistry, **options: Any) -> bytes:
    """Return the content of all layers."""
    parts = []
    with open_hostile(registry, **options) as image:
        for layer in image.layers:
            source = image.open_layer(layer)
            assert not isinstance(source, FileRange)
            try:
                while part := source.read(1 << 20):
                    parts.append(part)
            finally:
                source.close()
    return b"".join(parts)


def test_correct_image(registry: HostileRegistry) -> None:
    assert read(registry) == b"the content of a layer"


def nest(registry: HostileRegistry) -> dict[str, Any]:
    """Return an index in an index in an index, and so on."""
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [registry.publish(registry.create_manifest())]}
    for _ in range(20):
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [registry.add_json(index, INDEX)]}
    return index


def repeat_index(registry: HostileRegistry) -> dict[str, Any]:
    empty = registry.add_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}, INDEX)
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [empty] * 10_000}


def point_to(registry: HostileRegistry, **fields: Any) -> dict[str, Any]:
    """Return an index whose only entry has other fields than the image."""
    entry = {**registry.publish(registry.create_manifest()), **fields}
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}


def change(registry: HostileRegistry, **fields: Any) -> dict[str, Any]:
    return {**registry.create_manifest(), **fields}


def change_layer(registry: HostileRegistry, **fields: Any) -> dict[str, Any]:
    return registry.create_manifest([{**registry.layer, **fields}])


def replace(registry: HostileRegistry, old: str, new: str) -> bytes:
    """Return the text of a manifest with a change that JSON encoders do not make."""
    return json.dumps(registry.create_manifest()).replace(old, new).encode()


def add_config(registry: HostileRegistry, config: bytes) -> dict[str, Any]:
    return change(registry, config=registry.add(config, CONFIG))


DOCUMENTS = {
    "no JSON": (lambda _: b"<html>log in</html>", "the manifest is not valid"),
    "no object": (lambda _: b"[1]", "the manifest is not valid"),
    "empty": (lambda _: b"", "the manifest is not valid"),
    "half": (lambda registry: replace(registry, "]}", ""), "the manifest is not valid"),
    "nested": (lambda _: b'{"layers":' + b"[" * 100_000, "the manifest is not valid"),
    "not UTF-8": (lambda _: b'{"mediaType": "\xff"}', "the manifest is not valid"),
    "NaN": (lambda registry: replace(registry, '"size": 22', '"size": NaN'), "NaN is not a number in JSON"),
    "infinite": (lambda registry: replace(registry, '"size": 22', '"size": 1e999'), "the manifest is not valid"),
    "negative": (lambda registry: change_layer(registry, size=-1), "the manifest is not valid.*size"),
    "size as text": (lambda registry: change_layer(registry, size="22"), "the manifest is not valid.*size"),
    "repeated key": (
        lambda registry: replace(registry, '"layers"', '"layers": [], "layers"'),
        "the key 'layers' is repeated",
    ),
    "many keys": (
        lambda _: json.dumps(dict.fromkeys(map(str, range(250_000)), 1)).replace("}", ', "1": 1}').encode(),
        "the key '1' is repeated",
    ),
    "wide list": (
        lambda registry: point_to(registry) | {"manifests": [registry.layer] * 20_000},
        "the index contains no image",
    ),
    "images without platform": (
        lambda registry: {"schemaVersion": 2, "manifests": [registry.publish(registry.create_manifest())] * 20_000},
        "20,000 images without a platform: use the digest of one",
    ),
    "capital key": (
        lambda registry: replace(registry, '"layers"', '"Layers": [], "layers"'),
        "the key 'Layers' differs from 'layers' in its case",
    ),
    "manifest and index": (lambda registry: change(registry, manifests=[]), "neither an image manifest nor an index"),
    "neither": (lambda _: {"schemaVersion": 2}, "neither an image manifest nor an index"),
    "schema 1": (lambda _: {"schemaVersion": 1, "fsLayers": [], "history": []}, "Docker's schema 1, which is obsolete"),
    "other type": (lambda registry: change(registry, mediaType="text/html"), "has the type text/html"),
    "manifest declared as index": (
        lambda registry: change(registry, mediaType=INDEX),
        "the content of an image manifest",
    ),
    "artifact": (
        lambda registry: change(registry, config=registry.add(b"{}", "application/vnd.cncf.helm.config.v1+json")),
        r"an artifact of type application/vnd\.cncf\.helm\.config\.v1\+json, not a container image",
    ),
    "signature": (
        lambda registry: change_layer(registry, mediaType="application/vnd.dev.cosign.simplesigning.v1+json"),
        "not a layer of a file system",
    ),
    "encrypted": (
        lambda registry: change_layer(registry, mediaType="application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
        "encrypted",
    ),
    "digest with path": (
        lambda registry: change_layer(registry, digest="sha256:../../etc/passwd"),
        "not valid.*digest",
    ),
    "short digest": (lambda registry: change_layer(registry, digest="sha256:abc"), "not valid.*digest"),
    "capital digest": (lambda registry: change_layer(registry, digest=ZEROS.replace("0", "A")), "not valid.*digest"),
    "other algorithm": (lambda registry: change_layer(registry, digest="md5:" + "0" * 32), "not valid.*digest"),
    "2,000 layers": (lambda registry: registry.create_manifest([registry.layer] * 2000), "2,000 layers; at most 1,024"),
    "100,000 layers": (
        lambda registry: registry.create_manifest([registry.layer] * 100_000),
        "returned more than 4,194,304 bytes",
    ),
    "more diff ids": (
        lambda registry: registry.create_manifest(diff_ids=2),
        "the configuration describes 2 layers, and the manifest has 1",
    ),
    "no diff ids": (lambda registry: add_config(registry, b"{}"), "describes 0 layers, and the manifest has 1"),
    "invalid diff id": (
        lambda registry: add_config(registry, b'{"rootfs": {"diff_ids": ["x"]}}'),
        "the configuration is not valid",
    ),
    "repeated key in configuration": (
        lambda registry: add_config(registry, b'{"config": {"User": "0", "User": "1"}}'),
        "the key 'User' is repeated",
    ),
    "huge configuration": (
        lambda registry: change(registry, config={"mediaType": CONFIG, "digest": ZEROS, "size": 1 << 40}),
        "1,099,511,627,776 bytes; manifests and configurations have at most",
    ),
    "configuration with another digest": (
        lambda registry: change(registry, config={"mediaType": CONFIG, "digest": ZEROS, "size": 2}),
        "responded with 404",
    ),
    "deep index": (nest, "contains more than 7 other indexes"),
    "wide index": (repeat_index, "contains more than 7 other indexes"),
    "empty index": (lambda _: {"schemaVersion": 2, "manifests": []}, "the index contains no image"),
    "huge manifest in index": (lambda registry: point_to(registry, size=1 << 40), "bytes; manifests and"),
    "other size in index": (lambda registry: point_to(registry, size=1), "is damaged: it has"),
    "manifest declared as index in index": (
        lambda registry: point_to(registry, mediaType=INDEX),
        "the content of an image",
    ),
    "platforms of no one": (
        lambda registry: point_to(registry, platform={"os": "unknown", "architecture": "unknown"}),
        "the index contains no image",
    ),
    "control characters": (lambda registry: change(registry, mediaType="\x1b[2J"), r"has the type \\x1b\[2J"),
}


@pytest.mark.parametrize(("create", "message"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_hostile_document(create: Any, message: str, registry: HostileRegistry) -> None:
    registry.publish(create(registry))
    with pytest.raises(ImageAccessError, match=message) as error:
        open_hostile(registry)
    assert str(error.value).startswith(registry.reference)
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)


def test_platform_of_the_only_image(registry: HostileRegistry) -> None:
    with pytest.raises(ImageAccessError, match="the image is for linux/amd64, not for linux/arm64"):
        open_hostile(registry, platform="linux/arm64")


def test_manifest_with_another_digest(registry: HostileRegistry) -> None:
    registry.answers[ZEROS] = lambda handler: reply(handler, 200, registry.contents["1"])
    for reference in (f"{registry.address}/app@{ZEROS}", registry.reference):
        with pytest.raises(ImageAccessError, match="returned a different manifest"):
            open_image(reference, AccessOptions(plain_http=True))
        registry.publish(point_to(registry, digest=ZEROS))


def test_changed_configuration(registry: HostileRegistry) -> None:
    config = registry.create_manifest()["config"]
    registry.contents[config["digest"]] = registry.contents[config["digest"]].replace(b"amd64", b"arm64")
    with pytest.raises(ImageAccessError, match="returned different content"):
        open_hostile(registry)


def stream(handler: Handler, *parts: bytes, pause: float = 0, endless: bool = False, **headers: str) -> None:
    """Send parts slowly, without a length: chunked, or until the connection ends."""
    handler.send_response(200)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.send_header("Connection", "close")
    handler.end_headers()
    handler.close_connection = True
    # Bounded, also if the client never leaves.
    for number in range(2000 if endless else len(parts)):
        handler.wfile.write(parts[number % len(parts)])
        time.sleep(pause)


LAYERS = {
    "other content": (lambda handler: reply(handler, 200, b"THE CONTENT OF A LAYER"), "returned different content"),
    "longer": (lambda handler: reply(handler, 200, b"the content of a layer and more"), "has 31 bytes for"),
    "shorter": (lambda handler: reply(handler, 200, b"the content"), "has 11 bytes for .*the manifest says 22"),
    "longer without length": (
        lambda handler: stream(handler, b"the content of a layer", b" and more"),
        "returned more than 22 bytes",
    ),
    "endless": (lambda handler: stream(handler, b"x" * 65536, endless=True), "returned more than 22 bytes"),
    "slow": (lambda handler: stream(handler, b"x", pause=0.2, endless=True), "returned more than 22|too slow"),
    "compressed": (
        lambda handler: reply(handler, 200, b"\x1f\x8b\x08" + bytes(19), Content_Encoding="gzip"),
        "returned different content",
    ),
    "missing": (lambda handler: reply(handler, 404), "responded with 404"),
    "part without request": (
        lambda handler: reply(handler, 206, b"layer", Content_Range="bytes 17-21/22"),
        "returned another part",
    ),
    "part without range": (lambda handler: reply(handler, 206, b"the content of a layer"), "returned another part"),
    "redirect loop": (lambda handler: reply(handler, 307, Location=handler.path), "redirects more than 5 times"),
    "redirect to a file": (lambda handler: reply(handler, 307, Location="file:///etc/passwd"), "file:.*not followed"),
    "redirect to metadata": (
        lambda handler: reply(handler, 307, Location=METADATA),
        r"169\.254\.169\.254 is not follow",
    ),
    "redirect to nothing": (lambda handler: reply(handler, 307), "responded with 307"),
    "redirect to an invalid address": (lambda handler: reply(handler, 307, Location="http://["), "cannot be reached"),
    "error page": (lambda handler: reply(handler, 500, b"\x1b[2J" * 100), "responded with 500$"),
    "no content": (lambda handler: reply(handler, 204), "responded with|has 0 bytes"),
}


@pytest.mark.parametrize(("answer", "message"), LAYERS.values(), ids=LAYERS)
def test_hostile_layer(answer: Any, message: str, registry: HostileRegistry) -> None:
    registry.answers[registry.layer["digest"]] = answer
    with pytest.raises(ImageAccessError, match=message) as error:
        read(registry)
    assert str(error.value).startswith(registry.reference)
    assert "\x1b" not in str(error.value)


def publish_large_layer(registry: HostileRegistry) -> str:
    content = bytes(range(256)) * 4096
    layer = registry.add(content, "application/vnd.oci.image.layer.v1.tar")
    registry.publish(registry.create_manifest([layer]))
    return str(layer["digest"])


def test_layer_that_is_too_slow(registry: HostileRegistry) -> None:
    registry.answers[publish_large_layer(registry)] = lambda handler: stream(handler, b"x", pause=0.1, endless=True)
    with pytest.raises(ImageAccessError, match="too slow"):
        read(registry)


def test_layer_without_an_end(registry: HostileRegistry) -> None:
    """The connection stays open and nothing comes."""
    registry.answers[publish_large_layer(registry)] = lambda handler: stream(handler, b"x", pause=1.5)
    with pytest.raises(ImageAccessError, match=r"1 of 1,048,576 bytes of sha256:\w+ were received"):
        read(registry, pause=0.3)


def test_connection_that_always_breaks(registry: HostileRegistry) -> None:
    digest = publish_large_layer(registry)

    def interrupt(handler: Handler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-")[6:-1])
        content = registry.contents[digest]
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Length", str(len(content) - start))
        handler.end_headers()
        handler.wfile.write(content[start : start + 10])
        handler.close_connection = True

    registry.answers[digest] = interrupt
    with pytest.raises(ImageAccessError, match="90 of 1,048,576 bytes"):
        read(registry)
    assert sum(path.endswith(digest) for path, _ in registry.requests) == 9


@pytest.mark.parametrize("range_", ["bytes 0-1048575/1048576", "bytes 100-9999999/1048576", "bytes 90-95/*", "x", ""])
def test_wrong_part_after_an_interruption(range_: str, registry: HostileRegistry) -> None:
    digest = publish_large_layer(registry)

    def answer(handler: Handler) -> None:
        if handler.headers.get("Range"):
            reply(handler, 206, registry.contents[digest][100:], Content_Range=range_)
        else:
            handler.send_response(200)
            handler.send_header("Content-Length", "1048576")
            handler.end_headers()
            handler.wfile.write(registry.contents[digest][:100])
            handler.close_connection = True

    registry.answers[digest] = answer
    with pytest.raises(ImageAccessError, match="returned another part"):
        read(registry)


def test_slow_manifest(registry: HostileRegistry) -> None:
    registry.answers["/manifests/1"] = lambda handler: stream(handler, b" ", pause=0.1, endless=True)
    with pytest.raises(ImageAccessError, match=r"did not respond completely within 1 seconds"):
        open_hostile(registry, pause=0.5)


def test_registry_that_does_not_respond(registry: HostileRegistry) -> None:
    """It is not tried again."""
    registry.answers["/manifests/1"] = lambda _: time.sleep(1)
    with pytest.raises(ImageAccessError, match=r"cannot be reached: .*timed out"):
        open_hostile(registry, pause=0.3)
    assert len(registry.requests) == 1


def test_endless_manifest(registry: HostileRegistry) -> None:
    registry.answers["/manifests/1"] = lambda handler: stream(handler, b" " * (1 << 20), endless=True)
    with pytest.raises(ImageAccessError, match="returned more than 4,194,304 bytes"):
        open_hostile(registry)


YEAR = email.utils.format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(days=365))


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("wait", "message"),
    [
        ("31536000", "accepts the next request in 31,536,000 seconds"),
        (YEAR, r"accepts the next request in 31,5\d\d,\d\d\d seconds"),
        ("9" * 400, "accepts the next request in 999,999,999,999 seconds"),
        ("Sat, 99 Foo 9999 99:99:99 GMT", "responded with"),
        ("-1", "responded with"),
        ("0", "responded with"),
        ("", "responded with"),
    ],
    ids=["a year", "a date", "forever", "no date", "negative", "at once", "no header"],
)
def test_registry_that_is_always_busy(wait: str, message: str, status: int, registry: HostileRegistry) -> None:
    registry.answers["/manifests/1"] = lambda handler: reply(handler, status, Retry_After=wait)
    with pytest.raises(ImageAccessError, match=message) as error:
        open_hostile(registry)
    assert len(registry.requests) < 10
    assert ("--mirror" in str(error.value)) == (status == 429)


def require_password(registry: HostileRegistry, answer: Any) -> dict[str, Any]:
    """Require a password for manifests, and return the options with one."""

    def check(handler: Handler) -> None:
        if handler.headers.get("Authorization"):
            answer(handler)
        else:
            reply(handler, 401, WWW_Authenticate='Basic realm="tests"')

    registry.answers["/manifests/1"] = check
    return {"logins": {registry.address: RegistryLogin(username="ann", password="horse")}}  # noqa: S106


def test_credentials_are_not_sent_to_another_host(registry: HostileRegistry) -> None:
    BlobHost.received = []
    with run_server(BlobHost) as other:
        options = require_password(registry, lambda handler: reply(handler, 307, Location=f"http://{other}/manifest"))
        with pytest.raises(ImageAccessError, match="the manifest is not valid"):
            open_hostile(registry, **options)
    assert BlobHost.received == [None]
    assert [bool(authorization) for _, authorization in registry.requests] == [False, True]


REALMS = {
    "metadata": (METADATA, r"169\.254\.169\.254 is not followed"),
    "a file": ("file:///etc/passwd", "not followed"),
    "no address": ("", "the token server .* responded with 404"),
    "invalid": ("http://[", "cannot be reached"),
}


@pytest.mark.parametrize(("realm", "message"), REALMS.values(), ids=REALMS)
def test_token_server_at_a_forbidden_address(realm: str, message: str, registry: HostileRegistry) -> None:
    registry.answers["/manifests/1"] = lambda handler: reply(handler, 401, WWW_Authenticate=f'Bearer realm="{realm}"')
    login = RegistryLogin(username="ann", password="horse")  # noqa: S106
    with pytest.raises(ImageAccessError, match=message) as error:
        open_hostile(registry, logins={registry.address: login})
    assert "horse" not in str(error.value)


def test_token_server_that_redirects(registry: HostileRegistry) -> None:
    """The password for the token server is not sent to the target of its redirect."""
    BlobHost.received = []
    with run_server(BlobHost) as other, run_hostile_registry() as tokens:
        tokens.answers["?scope=repository%3Aapp%3Apull"] = lambda handler: reply(
            handler, 307, Location=f"http://{other}/token"
        )
        challenge = f'Bearer realm="http://{tokens.address}/token"'
        registry.answers["/manifests/1"] = lambda handler: reply(handler, 401, WWW_Authenticate=challenge)
        login = RegistryLogin(username="ann", password="horse")  # noqa: S106
        with pytest.raises(ImageAccessError, match="responded with 307"):
            open_hostile(registry, logins={registry.address: login})
    assert BlobHost.received == []


def test_addresses_of_foreign_layers_are_not_used(registry: HostileRegistry) -> None:
    with run_server(BlobHost) as other:
        BlobHost.received = []
        content = b"content"
        layer = {
            "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar",
            "digest": digest_of(content),
            "size": len(content),
            "urls": [f"http://{other}/blob"],
        }
        registry.publish(registry.create_manifest([layer]))
        with pytest.raises(
            ImageAccessError, match="need not hold layers of this type, and other addresses are not used"
        ):
            read(registry)
    assert BlobHost.received == []
    registry.add(content, MANIFEST)
    assert read(registry) == content


def test_mirror_with_other_content(registry: HostileRegistry) -> None:
    """A mirror cannot change an image that is named by its digest; the registry is used instead."""
    digest = digest_of(registry.contents["1"])
    with run_hostile_registry() as mirror:
        mirror.answers[digest] = lambda handler: reply(handler, 200, b"{}")
        options = AccessOptions(plain_http=True, mirrors={registry.address: mirror.address})
        with open_image(f"{registry.address}/app@{digest}", options) as image:
            assert image.digest == digest
        assert [path for path, _ in mirror.requests] == [f"/v2/app/manifests/{digest}"]
