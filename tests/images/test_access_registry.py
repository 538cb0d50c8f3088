"""Images in a real registry: authentication, mirrors, TLS, formats, resumption, cache. Never reaches the internet."""

from __future__ import annotations

import concurrent.futures
import http.server
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.images.access.open_image import open_image
from kubekeep.images.access.opened import OpenedImage
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.login import RegistryLogin
from tests.images.access_fixtures import assert_complete, copy_image, digest_of, read_layer
from tests.images.building import LayoutBuilder
from tests.images.relay import Relay, reply, run_relay
from tests.registry.service import Service, run_registry, run_server
from tests.registry.test_login import HTPASSWD, PASSWORD, USER, TokenServer, auth_settings, create_certificate


def open_quickly(reference: str, **options: Any) -> OpenedImage:
    """Open an image with little patience; its connections are closed at the end of the test."""
    image = open_image(reference, AccessOptions(**{"patience": 2, "pause": 5, **options}))
    OPENED.append(image)
    return image


OPENED: list[OpenedImage] = []


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


@pytest.fixture
def relay(image_registry: Service) -> Iterator[Relay]:
    with run_relay(image_registry.address) as running:
        yield running


def write_json(path: Path, document: object) -> str:
    path.write_text(json.dumps(document))
    return str(path)


def test_image_of_a_registry(image_registry: Service, built_layout: Path) -> None:
    """A registry on this machine needs no option for plain HTTP, as in Docker."""
    name = f"{image_registry.address}/team/app"
    image = open_quickly(f"{name}:1")
    local = open_image(f"oci:{built_layout}")
    assert (image.config, image.digest, image.index_digest) == (local.config, local.digest, local.index_digest)
    assert image.layers == local.layers
    for reference in (f"{name}@{image.digest}", f"docker://{name}:1", f"{name}:ignored@{image.index_digest}"):
        assert open_quickly(reference).digest == image.digest
    assert open_quickly(f"{name}:1", platform="linux/arm64").platform == "linux/arm64"
    assert_complete(image)


@pytest.mark.parametrize(
    ("options", "media_type"),
    [
        (("--format=v2s2",), "application/vnd.docker.image.rootfs.diff.tar.gzip"),
        (("--format=oci",), "application/vnd.oci.image.layer.v1.tar+gzip"),
        (("--format=oci", "--dest-compress-format=zstd"), "application/vnd.oci.image.layer.v1.tar+zstd"),
    ],
)
def test_formats(options: tuple[str, ...], media_type: str, image_registry: Service, tmp_path: Path) -> None:
    builder = LayoutBuilder(tmp_path)
    builder.write_index([builder.add_image([os.urandom(1000), os.urandom(1000)], "linux/amd64")])
    name = f"{image_registry.address}/formats"
    copy_image(f"oci:{tmp_path}", f"docker://{name}:1", *options)
    image = open_quickly(f"{name}:1")
    assert {layer.media_type for layer in image.layers} == {media_type}
    assert_complete(image)


def test_uncompressed_layers(image_registry: Service, tmp_path: Path) -> None:
    builder = LayoutBuilder(tmp_path)
    builder.write_index([builder.add_image([b"first" * 1000, b"second"], "linux/amd64")])
    copy_image(f"oci:{tmp_path}", f"docker://{image_registry.address}/plain:1", "--preserve-digests")
    image = open_quickly(f"{image_registry.address}/plain:1")
    assert read_layer(image, image.layers[0]) == b"first" * 1000
    assert_complete(image)


def test_two_layers_at_a_time(image_registry: Service) -> None:
    image = open_quickly(f"{image_registry.address}/team/app:1")
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        contents = list(threads.map(lambda layer: read_layer(image, layer), image.layers * 4))
    assert [digest_of(content) for content in contents] == [layer.digest for layer in image.layers] * 4


def test_unknown_image(image_registry: Service) -> None:
    with pytest.raises(ImageAccessError, match=r"team/app:2: 127\.0\.0\.1:\d+ has no team/app 2$"):
        open_quickly(f"{image_registry.address}/team/app:2")
    with pytest.raises(ImageAccessError, match="no image for linux/s390x; platforms: linux/amd64, linux/arm64"):
        open_quickly(f"{image_registry.address}/team/app:1", platform="linux/s390x")
    with pytest.raises(ImageAccessError, match="cannot be reached"):
        open_quickly("127.0.0.1:1/team/app:1")


@pytest.fixture(scope="module")
def protected_registry(built_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("passwords")
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    with run_registry(folder, auth=auth) as service:
        target = f"docker://{service.address}/team/app:1"
        copy_image(f"oci:{built_layout}:1", target, "--all", f"--dest-creds={USER}:{PASSWORD}")
        yield service


@pytest.mark.parametrize("key", ["@", "https://@/v1/", "@/team", "@/team/app", "*.0.0.1:PORT"])
def test_password_in_files(key: str, protected_registry: Service, tmp_path: Path) -> None:
    address = protected_registry.address
    entry = auth_settings("@")["auths"]["@"]
    key = key.replace("@", address).replace("PORT", address.rpartition(":")[2])
    files = {
        "empty.json": {"auths": {}},
        # The most precise key decides.
        "config.json": {"auths": {"other.example": {"auth": "eA=="}, f"{address}/tea": {"auth": "eA=="}, key: entry}},
    }
    paths = tuple(write_json(tmp_path / name, document) for name, document in files.items())
    assert_complete(open_quickly(f"{address}/team/app:1", auth_files=(str(tmp_path / "missing"), *paths)))


def test_password_in_old_secret_of_kubernetes(protected_registry: Service, tmp_path: Path) -> None:
    file = write_json(tmp_path / ".dockercfg", auth_settings(protected_registry.address)["auths"])
    assert_complete(open_quickly(f"{protected_registry.address}/team/app:1", auth_files=(file,)))


@pytest.mark.parametrize("login", [None, RegistryLogin(username=USER, password="wrong horse")])  # noqa: S106
def test_wrong_password(login: RegistryLogin | None, protected_registry: Service) -> None:
    address = protected_registry.address
    with pytest.raises(ImageAccessError, match=f"responded with 401.*; log in with `docker login {address}`") as error:
        open_quickly(f"{address}/team/app:1", logins={address: login} if login else {})
    assert "horse" not in str(error.value)


def open_in_process(reference: str, options: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Open an image in a process, with the settings of its environment."""
    code = (
        "from kubekeep.images.access.settings import read_access_options\n"
        "from kubekeep.images.access.open_image import open_image\n"
        "import msgspec\n"
        f"options = msgspec.structs.replace(read_access_options(), {options})\n"
        f"image = open_image({reference!r}, options)\n"
        "print(image.digest); image.close()"
    )
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**kept, **environment}, timeout=60)


def test_credentials_in_the_environment(protected_registry: Service, tmp_path: Path) -> None:
    address = protected_registry.address
    config = write_json(tmp_path / "config.json", auth_settings(address))
    login = {"KUBEKEEP_REGISTRY_USERNAME": USER, "KUBEKEEP_REGISTRY_PASSWORD": PASSWORD}
    for environment in (
        {"DOCKER_CONFIG": str(tmp_path)},
        {"REGISTRY_AUTH_FILE": config, "DOCKER_CONFIG": "/nowhere"},
        {"KUBEKEEP_REGISTRY": address, **login},
    ):
        opened = open_in_process(f"{address}/team/app:1", **environment)
        assert opened.stdout.startswith("sha256:"), opened.stderr
    # Without or with another registry, the password is not sent.
    for environment in ({**login}, {"KUBEKEEP_REGISTRY": "other.example", **login}):
        assert "responded with 401" in open_in_process(f"{address}/team/app:1", **environment).stderr


@pytest.fixture(scope="module")
def token_registry(built_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A registry that requires tokens from a token server."""
    folder = tmp_path_factory.mktemp("tokens")
    TokenServer.key = ec.generate_private_key(ec.SECP256R1())
    TokenServer.certificate = create_certificate(TokenServer.key)
    (folder / "root.pem").write_bytes(TokenServer.certificate.public_bytes(serialization.Encoding.PEM))
    with run_server(TokenServer) as address:
        settings = {"realm": f"http://{address}/token", "service": "a registry", "issuer": "tests"}
        with run_registry(folder, auth={"token": {**settings, "rootcertbundle": str(folder / "root.pem")}}) as service:
            target = f"docker://{service.address}/team/app:1"
            copy_image(f"oci:{built_layout}:1", target, "--all", f"--dest-creds={USER}:{PASSWORD}")
            yield service


@pytest.mark.parametrize("entry", [None, {"username": USER, "password": PASSWORD}, {"identitytoken": "for-ann"}])
def test_tokens(entry: dict[str, str] | None, token_registry: Service, tmp_path: Path) -> None:
    auths = {token_registry.address: entry} if entry else {}
    file = write_json(tmp_path / "config.json", {"auths": auths})
    TokenServer.scopes.clear()
    assert_complete(open_quickly(f"{token_registry.address}/team/app:1", auth_files=(file,)))
    # One token for all requests.
    assert TokenServer.scopes == ["repository:team/app:pull"]


def test_private_authority(built_layout: Path, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "tls.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    authority = tmp_path / "tls.pem"
    authority.write_bytes(create_certificate(key).public_bytes(serialization.Encoding.PEM))
    tls = {"certificate": str(authority), "key": str(tmp_path / "tls.key")}
    with run_registry(tmp_path / "registry", tls=tls) as service:
        copy_image(f"oci:{built_layout}:1", f"docker://{service.address}/team/app:1", "--all")
        reference = f"{service.address}/team/app:1"
        assert_complete(open_quickly(reference, registry_ca=str(authority)))
        with pytest.raises(ImageAccessError, match=r"CERTIFICATE_VERIFY_FAILED.*use --registry-ca"):
            open_quickly(reference)
        with pytest.raises(ImageAccessError, match=r"tls\.key: the certificates cannot be read"):
            open_quickly(reference, registry_ca=str(tmp_path / "tls.key"))


def test_mirror_is_tried_first(image_registry: Service, built_layout: Path, relay: Relay) -> None:
    copy_image(f"oci:{built_layout}:1", f"docker://{image_registry.address}/hub/library/nginx:1", "--all")
    mirrors = {"docker.io": f"http://{relay.address}/hub/", "registry.invalid": f"http://{relay.address}"}
    for reference in ("nginx:1", "docker.io/library/nginx:1", "index.docker.io/library/nginx:1"):
        assert_complete(open_quickly(reference, mirrors=mirrors))
    assert relay.count("GET", "/v2/hub/library/nginx/manifests/1") == 3
    assert_complete(open_quickly("registry.invalid/team/app:1", mirrors=mirrors))
    with pytest.raises(ImageAccessError, match=r"has no team/app 2; registry\.invalid cannot be reached"):
        open_quickly("registry.invalid/team/app:2", mirrors=mirrors)


@pytest.mark.parametrize("registry", ["registry.invalid", "Registry.INVALID:0443", "registry.invalid:443"])
def test_mirror_is_for_every_spelling_of_its_registry(
    registry: str, image_registry: Service, built_layout: Path, relay: Relay
) -> None:
    copy_image(f"oci:{built_layout}:1", f"docker://{image_registry.address}/team/app:1", "--all")
    for spelling in ("registry.invalid", "REGISTRY.invalid", "registry.invalid:443", "registry.invalid:00443"):
        assert_complete(open_quickly(f"{spelling}/team/app:1", mirrors={registry: f"http://{relay.address}"}))
    with pytest.raises(ImageAccessError, match=r"registry\.invalid:5000 cannot be reached"):
        open_quickly("registry.invalid:5000/team/app:1", mirrors={registry: f"http://{relay.address}"})


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1"])
def test_registry_of_this_machine_needs_no_option(host: str, image_registry: Service, built_layout: Path) -> None:
    copy_image(f"oci:{built_layout}:1", f"docker://{image_registry.address}/team/app:1", "--all")
    port = image_registry.address.rpartition(":")[2]
    assert_complete(open_quickly(f"{host}:{port}/team/app:1"))


@pytest.mark.parametrize("mirror", ["http://127.0.0.1:1", "http://RELAY/empty"])
def test_registry_is_used_without_mirror(mirror: str, image_registry: Service, relay: Relay) -> None:
    address = image_registry.address
    mirrors = {address: mirror.replace("RELAY", relay.address)}
    assert_complete(open_quickly(f"{address}/team/app:1", mirrors=mirrors))


@pytest.mark.parametrize("mirror", ["[::1", "mirror", "mirror/hub", "a b.example"])
def test_invalid_mirror(mirror: str) -> None:
    with pytest.raises(ImageAccessError, match=r"nginx: mirror .* of docker\.io: "):
        open_quickly("nginx", mirrors={"docker.io": mirror})


def test_interrupted_layers_are_resumed(relay: Relay) -> None:
    relay.limit = 400_000
    image = open_quickly(f"{relay.address}/team/app:1")
    largest = max(layer.size or 0 for layer in image.layers)
    assert largest > 3 * relay.limit
    assert_complete(image)
    ranges = [request.range for request in relay.requests if request.range]
    assert ranges == [f"bytes={start}-" for start in range(relay.limit, largest, relay.limit)]


def test_interrupted_layers_without_ranges(relay: Relay) -> None:
    """The registry sends everything again, and the connection breaks later each time."""
    relay.ignores_ranges = True
    relay.limit = 400_000

    def extend(handler: http.server.BaseHTTPRequestHandler) -> bool:
        if handler.headers.get("Range") and relay.limit:
            relay.limit *= 2
        return False

    relay.hook = extend
    assert_complete(open_quickly(f"{relay.address}/team/app:1"))


def test_manifests_are_cached(relay: Relay, tmp_path: Path) -> None:
    cache = str(tmp_path / "cache")
    first = open_quickly(f"{relay.address}/team/app:1", manifest_cache=cache)
    relay.requests.clear()
    second = open_quickly(f"{relay.address}/team/app:1", manifest_cache=cache)
    assert (second.config, second.layers, second.digest) == (first.config, first.layers, first.digest)
    assert [(request.method, request.path) for request in relay.requests] == [("HEAD", "/v2/team/app/manifests/1")]
    for file in Path(cache).rglob("*"):
        if file.is_file():
            file.write_bytes(b"damaged")
    assert open_quickly(f"{relay.address}/team/app:1", manifest_cache=cache).digest == first.digest
    assert relay.count("GET", "/manifests/") == 2


def test_requests_are_repeated_after_temporary_errors(relay: Relay) -> None:
    statuses = iter((429, 503, 502))

    def refuse(handler: http.server.BaseHTTPRequestHandler) -> bool:
        status = next(statuses, 0)
        return bool(status) and reply(handler, status, Retry_After="1" if status == 429 else "")

    relay.hook = refuse
    assert_complete(open_quickly(f"{relay.address}/team/app:1", patience=10))


def test_broken_connections_are_repeated(relay: Relay) -> None:
    breaks = iter((True, True))

    def interrupt(handler: http.server.BaseHTTPRequestHandler) -> bool:
        handler.close_connection = True
        return next(breaks, False)

    relay.hook = interrupt
    assert_complete(open_quickly(f"{relay.address}/team/app:1"))


def test_proxy_of_the_environment(relay: Relay) -> None:
    options = "plain_http=True"
    opened = open_in_process("registry.invalid/team/app:1", options, HTTP_PROXY=f"http://{relay.address}")
    assert opened.stdout.startswith("sha256:"), opened.stderr
    assert relay.count("GET", "/v2/team/app/manifests/") == 2


def test_plain_http_needs_the_option() -> None:
    with pytest.raises(ImageAccessError, match="cannot be reached"):
        open_quickly("registry.invalid/team/app:1")
