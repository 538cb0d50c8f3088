"""Images in the stores of real programs: containerd, the Docker daemon and Podman's service. Needs root for the first two."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socketserver
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest

from kubekeep.images.access.open_image import open_image
from kubekeep.images.access.opened import OpenedImage
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from tests.images.access_fixtures import assert_complete, copy_image, require, run

SECONDS = 20
NAME = "docker.io/team/app:1"


@contextlib.contextmanager
def run_daemon(command: list[str], socket: Path) -> Iterator[None]:
    """Run a program until its socket exists and the block ends."""
    log = socket.with_name("log")
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
        try:
            deadline = time.monotonic() + SECONDS
            while not socket.exists():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.02)
            yield
        finally:
            process.terminate()


def require_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("the daemon needs root")


class Containerd(msgspec.Struct, frozen=True):
    """A running containerd."""

    root: Path
    socket: Path

    def ctr(self, *command: object) -> str:
        return run("ctr", "-a", self.socket, "-n", "k8s.io", *command)

    def open(self, name: str, **options: Any) -> OpenedImage:
        return open_image(f"containerd://{name}", AccessOptions(containerd_root=str(self.root), **options))


@pytest.fixture
def containerd(short_path: Path, built_layout: Path) -> Iterator[Containerd]:
    """A containerd with the image of both platforms."""
    require_root()
    require("containerd", "ctr")
    root, socket = short_path / "root", short_path / "containerd.sock"
    (short_path / "config.toml").write_text(
        f'version = 2\nroot = "{root}"\nstate = "{short_path}/state"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n'
        f'[grpc]\naddress = "{socket}"\n[debug]\nlevel = "error"\n'
    )
    copy_image(f"oci:{built_layout}:1", f"oci-archive:{short_path}/app.tar:1", "--all")
    with run_daemon(["containerd", "-c", str(short_path / "config.toml")], socket):
        service = Containerd(root, socket)
        command = ("images", "import", "--no-unpack", "--all-platforms", "--base-name", "docker.io/team/app")
        service.ctr(*command, short_path / "app.tar")
        yield service


def test_containerd(containerd: Containerd, built_layout: Path) -> None:
    digest = containerd.ctr("images", "list", f"name=={NAME}").splitlines()[1].split()[2]
    local = open_image(f"oci:{built_layout}")
    for name in ("team/app:1", NAME, f"team/app@{digest}"):
        image = containerd.open(name)
        assert (image.index_digest, image.digest, image.config) == (digest, local.digest, local.config)
        assert_complete(image)
    assert containerd.open("team/app:1", platform="linux/arm64").platform == "linux/arm64"


def test_image_that_containerd_does_not_have(containerd: Containerd) -> None:
    with pytest.raises(ImageAccessError, match=r"no image docker\.io/team/app:2 in the namespace k8s\.io"):
        containerd.open("team/app:2")
    with pytest.raises(ImageAccessError, match=r"no namespace moby; namespaces: k8s\.io"):
        containerd.open("team/app:1", containerd_namespace="moby")
    run(
        "ctr",
        "-a",
        containerd.socket,
        "-n",
        "other",
        "images",
        "import",
        "--no-unpack",
        containerd.root.parent / "app.tar",
    )
    with pytest.raises(ImageAccessError, match=r"is in the namespace k8s\.io: use --containerd-namespace"):
        containerd.open("team/app:1", containerd_namespace="other")
    with pytest.raises(ImageAccessError, match="no containerd store at /nowhere; use --containerd-root"):
        open_image("containerd://app", AccessOptions(containerd_root="/nowhere"))


def test_node_with_one_platform(containerd: Containerd) -> None:
    """A node pulls the content of its own platform, and the index names all."""
    amd64 = containerd.open("team/app:1")
    blobs = containerd.root / "io.containerd.content.v1.content" / "blobs" / "sha256"
    (blobs / amd64.digest.removeprefix("sha256:")).unlink()
    assert containerd.open("team/app:1").platform == "linux/arm64"
    with pytest.raises(ImageAccessError, match="no image for linux/amd64; platforms: linux/arm64"):
        containerd.open("team/app:1", platform="linux/amd64")


def test_discarded_layers(containerd: Containerd) -> None:
    image = containerd.open("team/app:1")
    blobs = containerd.root / "io.containerd.content.v1.content" / "blobs" / "sha256"
    (blobs / image.layers[1].digest.removeprefix("sha256:")).unlink()
    with pytest.raises(
        ImageAccessError, match=r"has discarded the layer .* \(discard_unpacked_layers\); read the image"
    ):
        image.open_layer(image.layers[1])


def test_many_images_while_containerd_writes(containerd: Containerd) -> None:
    """The database has several levels of pages, which change all the time."""
    names = [f"docker.io/{'long-name/' * 10}app-{number}:1" for number in range(600)]
    containerd.ctr("images", "tag", NAME, *names)
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            containerd.ctr("images", "label", NAME, f"changed={time.monotonic()}")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for name in names[::40] * 3:
            assert containerd.open(name).platform == "linux/amd64"
    finally:
        stop.set()
        writer.join()


def test_user_without_permission(containerd: Containerd) -> None:
    """The process of another user."""
    # containerd may delete a blob at any time.
    ignored = shutil.ignore_patterns("*.sock", "blobs", "ingest")
    shutil.copytree(containerd.root, containerd.root.parent / "copy", ignore=ignored)
    (containerd.root.parent / "copy" / "io.containerd.metadata.v1.bolt").chmod(0o700)
    containerd.root.parent.chmod(0o755)
    options = AccessOptions(containerd_root=str(containerd.root.parent / "copy"))
    process = os.fork()
    if not process:
        os.setuid(65534)
        try:
            open_image("containerd://app", options)
        except ImageAccessError as error:
            os._exit(0 if "no permission to read the store of containerd; run as root" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == 0


def check_daemon(socket: Path, built_layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Assert that the image of the daemon is complete and leaves no file behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    options = AccessOptions(docker_hosts=("unix:///nowhere", f"unix://{socket}"))
    image = open_image("docker-daemon:team/app:1", options)
    expected = json.loads(open_image(f"oci:{built_layout}").config)["rootfs"]["diff_ids"]
    assert [layer.diff_id for layer in image.layers] == expected
    assert len(list(tmp_path.iterdir())) == 1
    assert_complete(image)
    identifier = hashlib.sha256(image.config).hexdigest()
    for name in (identifier, identifier[:12], f"sha256:{identifier}", "team/app"):
        # The tag `latest` of the same repository, beside the tag 1.
        assert_complete(open_image(f"docker-daemon:{name}", options))
    with pytest.raises(ImageAccessError, match="has no such image; pull it with `docker pull team/app:2`"):
        open_image("docker-daemon:team/app:2", options)
    assert not list(tmp_path.iterdir())


def test_docker(short_path: Path, built_layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require_root()
    require("dockerd")
    copy_image(f"oci:{built_layout}:1", f"docker-archive:{short_path}/app.tar:team/app:1")
    socket = short_path / "docker.sock"
    state = [f"--data-root={short_path}/root", f"--exec-root={short_path}/exec", f"--pidfile={short_path}/pid"]
    network = ["--iptables=false", "--ip6tables=false", "--bridge=none", "--storage-driver=vfs"]
    with run_daemon(["dockerd", *state, *network, "-H", f"unix://{socket}"], socket):
        with httpx2.Client(
            transport=httpx2.HTTPTransport(uds=str(socket)), base_url="http://docker", timeout=60
        ) as client:
            for target, content in (
                ("/images/load?quiet=1", (short_path / "app.tar").read_bytes()),
                ("/images/team/app:1/tag?repo=team/app&tag=latest", b""),
            ):
                client.post(target, content=content).raise_for_status()
        check_daemon(socket, built_layout, tmp_path, monkeypatch)


def test_podman(short_path: Path, built_layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("podman")
    copy_image(f"oci:{built_layout}:1", f"docker-archive:{short_path}/app.tar:docker.io/team/app:1")
    podman = ["podman", f"--root={short_path}/root", f"--runroot={short_path}/run", "--storage-driver=vfs"]
    run(*podman, "load", "-q", "-i", short_path / "app.tar")
    run(*podman, "tag", "docker.io/team/app:1", "docker.io/team/app:latest")
    socket = short_path / "podman.sock"
    with run_daemon([*podman, "system", "service", "--time=0", f"unix://{socket}"], socket):
        check_daemon(socket, built_layout, tmp_path, monkeypatch)


class SilentDaemon(socketserver.BaseRequestHandler):
    """Closes each connection without a response."""

    def handle(self) -> None:
        pass


def test_no_docker_daemon(short_path: Path) -> None:
    with pytest.raises(
        ImageAccessError, match=r"no socket of a Docker daemon at unix:///nowhere; start Docker, set DOCKER"
    ):
        open_image("docker-daemon:app", AccessOptions(docker_hosts=("unix:///nowhere",)))
    with pytest.raises(ImageAccessError, match=r"DOCKER_HOST is tcp://host:2375: only unix:// addresses are supported"):
        open_image("docker-daemon:app", AccessOptions(docker_hosts=("tcp://host:2375",)))
    with socketserver.UnixStreamServer(str(short_path / "docker.sock"), SilentDaemon) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        with pytest.raises(ImageAccessError, match="the Docker daemon does not respond"):
            open_image("docker-daemon:app", AccessOptions(docker_hosts=(f"unix://{short_path}/docker.sock",)))
        server.shutdown()
        thread.join()
