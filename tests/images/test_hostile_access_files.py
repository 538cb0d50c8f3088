"""Malicious layouts, archives and databases: every image ends in an error with its cause, and nothing outside is read."""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import shutil
import socketserver
import stat
import subprocess
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubekeep.images.access.bolt import BoltBucket, read_database
from kubekeep.images.access.open_image import open_image
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from tests.images.access_fixtures import read_layer
from tests.images.building import LayoutBuilder, write_tar

SECRET = b"a secret outside of the image"


class LayoutCase:
    """A layout with one image, to be damaged."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder / "outside"
        self.outside.write_bytes(SECRET)
        self.builder = LayoutBuilder(folder / "layout")
        self.entry = self.builder.add_image([SECRET], "linux/amd64")
        self.builder.write_index([self.entry])
        manifest = json.loads(self.builder.read(self.entry["digest"]))
        self.manifest = self.builder.path(self.entry["digest"])
        self.config = self.builder.path(manifest["config"]["digest"])
        self.layer = self.builder.path(manifest["layers"][0]["digest"])
        self.index = self.builder.folder / "index.json"


def link(path: Path, target: Path | str) -> None:
    path.unlink()
    path.symlink_to(target)


def make_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_device(path: Path) -> None:
    path.unlink()
    try:
        os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("devices need root")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def move_blobs(case: LayoutCase) -> None:
    """Replace the folder of blobs by a link."""
    target = case.outside.with_name("blobs")
    case.builder.blobs.rename(target)
    case.builder.blobs.symlink_to(target)


def extend(path: Path) -> None:
    """Make a file of a terabyte that takes no space."""
    with path.open("r+b") as file:
        file.truncate(1 << 40)


LAYOUTS: dict[str, tuple[Callable[[LayoutCase], Any], str]] = {
    "layer links outside": (lambda case: link(case.layer, case.outside), "is a link to a path outside"),
    "layer links to a device": (lambda case: link(case.layer, "/dev/zero"), "is a link to a path outside"),
    "layer links to itself": (lambda case: link(case.layer, case.layer), "missing|Too many|is a link"),
    "configuration links outside": (lambda case: link(case.config, case.outside), "is a link to a path outside"),
    "manifest links outside": (lambda case: link(case.manifest, case.outside), "is a link to a path outside"),
    "blobs link outside": (move_blobs, "is a link to a path outside"),
    "layer is a pipe": (lambda case: make_pipe(case.layer), "is not a regular file"),
    "manifest is a pipe": (lambda case: make_pipe(case.manifest), "is not a regular file|missing"),
    "index is a pipe": (lambda case: make_pipe(case.index), "is not a regular file"),
    "layer is a device": (lambda case: make_device(case.layer), "is not a regular file"),
    "manifest is a device": (lambda case: make_device(case.manifest), "is not a regular file|missing"),
    "layer is a folder": (lambda case: make_folder(case.layer), "is not a regular file"),
    "layer is missing": (lambda case: case.layer.unlink(), "is missing in"),
    "configuration is missing": (lambda case: case.config.unlink(), "is missing in"),
    "manifest is missing": (lambda case: case.manifest.unlink(), "is missing in|no image"),
    "layer is longer": (lambda case: extend(case.layer), "has 1,099,511,627,776 bytes; the manifest says 29"),
    "configuration is longer": (lambda case: extend(case.config), "is larger than 4,194,304 bytes"),
    "index is longer": (lambda case: extend(case.index), "is larger than 4,194,304 bytes"),
    "layer is shorter": (lambda case: case.layer.write_bytes(b"x"), "has 1 bytes; the manifest says 29"),
    "configuration is changed": (
        lambda case: case.config.write_bytes(case.config.read_bytes().replace(b"amd64", b"arm64")),
        "is damaged: it has the digest",
    ),
    "manifest is changed": (lambda case: case.manifest.write_bytes(b"{}"), "is damaged: it has 2 bytes"),
    "digest with path": (
        lambda case: case.builder.write_index([{**case.entry, "digest": "sha256:../../../outside"}]),
        "not valid.*digest",
    ),
    "another version": (
        lambda case: (case.builder.folder / "oci-layout").write_text('{"imageLayoutVersion": "2.0.0"}'),
        r"the layout has the version '2\.0\.0'",
    ),
    "no index": (lambda case: case.index.unlink(), "No such file"),
    "empty index": (lambda case: case.builder.write_index([]), "contains no image|the layout is empty"),
    "invalid index": (lambda case: case.index.write_text("{"), "the manifest is not valid"),
}


@pytest.mark.parametrize(("damage", "message"), LAYOUTS.values(), ids=LAYOUTS)
def test_hostile_layout(damage: Callable[[LayoutCase], Any], message: str, tmp_path: Path) -> None:
    case = LayoutCase(tmp_path)
    damage(case)
    with pytest.raises(ImageAccessError, match=message), open_image(f"oci:{case.builder.folder}") as image:
        image.open_layer(image.layers[0])


SAVED: dict[str, tuple[list[str], str]] = {
    "layer outside": (["../../../../etc/passwd"], r"\.\./\.\./etc/passwd is missing in the archive"),
    "absolute layer": (["/etc/passwd"], "/etc/passwd is missing in the archive"),
    "link outside": (["layer", "link:../../../etc"], "1/layer.tar is missing in the archive"),
    "link to itself": (["layer", "link:1"], "1/layer.tar is a link to itself"),
    "links in a circle": (["layer", "link:2", "hard:1"], "1/layer.tar is a link to itself"),
    "missing layer": (["nothing"], "nothing is missing in the archive"),
    "empty name": ([""], "is missing in the archive"),
}


@pytest.mark.parametrize(("layers", "message"), SAVED.values(), ids=SAVED)
def test_hostile_saved_image(layers: list[str], message: str, tmp_path: Path) -> None:
    archive = LayoutBuilder(tmp_path).save_old_archive(layers)
    with pytest.raises(ImageAccessError, match=message):
        open_image(f"docker-archive:{archive}")


def save(folder: Path, manifest: object, **files: bytes) -> Path:
    members = [(tarfile.TarInfo(name), content) for name, content in files.items()]
    content = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
    return write_tar(folder / "saved.tar", [*members, (tarfile.TarInfo("manifest.json"), content)])


MANIFESTS: dict[str, tuple[object, str]] = {
    "invalid": (b"[{", "the manifest.json is not valid"),
    "no list": ({}, "the manifest.json is not valid"),
    "no image": ([], "no image"),
    "repeated key": (b'[{"Config": "c", "Config": "d"}]', "the key 'Config' is repeated"),
    "no configuration": ([{"Config": "../c"}], r"\.\./c is missing in the archive"),
    "wrong digest": ([{"Config": "0" * 64 + ".json"}], "is missing in the archive"),
    "two images": ([{"Config": "c"}] * 2, "2 images in the archive: add :TAG; images: none has a tag"),
    "number of layers": ([{"Config": "c", "Layers": ["c", "c"]}], "describes 0 layers, and the manifest has 2"),
}


@pytest.mark.parametrize(("manifest", "message"), MANIFESTS.values(), ids=MANIFESTS)
def test_hostile_manifest_of_saved_image(manifest: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(ImageAccessError, match=message):
        open_image(f"docker-archive:{save(tmp_path, manifest, c=b'{}')}")


def test_configuration_with_another_digest(tmp_path: Path) -> None:
    name = "0" * 64 + ".json"
    with pytest.raises(ImageAccessError, match=r"0\.json is damaged: it has the digest sha256:44136"):
        open_image(f"docker-archive:{save(tmp_path, [{'Config': name}], **{name: b'{}'})}")


def head(size: bytes, kind: bytes = b"0", name: bytes = b"file") -> bytes:
    """Return the head of a member with any size field."""
    block = bytearray(tarfile.TarInfo(name.decode()).tobuf())
    block[124:136] = size
    block[156:157] = kind
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def number(value: int) -> bytes:
    return b"\x80" + value.to_bytes(11)


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", r"neither an OCI layout nor an archive of `docker save`"),
    "no archive": (b"nothing" * 1000, "is not a tar archive, or damaged at byte 0"),
    "short": (b"x", "is not a tar archive"),
    "wrong checksum": (head(number(0)).replace(b"file", b"fild"), "is not a tar archive"),
    "longer than the archive": (head(number(1 << 40)), "ends before a member of 1,099,511,627,776 bytes"),
    "longer than any archive": (head(b"\x80" + b"\xff" * 11), "ends before a member"),
    "negative size": (head(b"\xff" * 12), "ends before a member of -1 bytes"),
    "no number": (head(b"x" * 12), "ends before a member of -1 bytes"),
    "huge extended head": (head(number(2 << 20), b"x") + bytes(2 << 20), "a head of 2,097,152 bytes"),
    "huge long name": (head(number(2 << 20), b"L") + bytes(2 << 20), "a head of 2,097,152 bytes"),
    "long name": (
        head(number(5000), b"L") + b"x" * 5000 + bytes(120) + head(number(0)),
        "a name of 5,000 characters",
    ),
    "damaged extended head": (head(number(20), b"x") + b"9999 path=x\n".ljust(512, b"\0"), "a damaged extended head"),
    "extended head without length": (head(number(20), b"x") + b"path".ljust(512, b"\0"), "a damaged extended head"),
    "too many members": (head(number(0)) * 100_001, "more than 100,000 members"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(100), "is compressed: decompress it with `zstd -d` first"),
    "xz": (b"\xfd7zXZ\0" + bytes(100), "decompress it with `xz -d`"),
    "half a gzip": (gzip.compress(os.urandom(10_000))[:-100], "is damaged or incomplete"),
    "damaged gzip": (b"\x1f\x8b\x08\0" + bytes(1000), "is damaged or incomplete"),
    "gzip with another digest": (gzip.compress(bytes(10_000))[:-8] + bytes(8), "is damaged or incomplete"),
}


@pytest.mark.parametrize(("content", "message"), ARCHIVES.values(), ids=ARCHIVES)
def test_hostile_archive(content: bytes, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    (tmp_path / "saved.tar").write_bytes(content)
    with pytest.raises(ImageAccessError, match=message):
        open_image(str(tmp_path / "saved.tar"))
    assert not list((tmp_path / "temporary").iterdir())


def test_sparse_layer(tmp_path: Path) -> None:
    """The layer is declared to have a terabyte, and has 512 bytes in the archive."""
    members = []
    for key in ("GNU.sparse.size", "GNU.sparse.realsize"):
        info = tarfile.TarInfo("layer.tar")
        info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", key: str(1 << 40)}
        members.append((info, bytes(512)))
    config = json.dumps({"rootfs": {"diff_ids": ["sha256:" + "0" * 64]}}).encode()
    members.append((tarfile.TarInfo("c"), config))
    manifest = json.dumps([{"Config": "c", "Layers": ["layer.tar"]}]).encode()
    archive = write_tar(tmp_path / "saved.tar", [*members, (tarfile.TarInfo("manifest.json"), manifest)])
    with pytest.raises(ImageAccessError, match=r"layer\.tar is a sparse file"):
        open_image(str(archive))


@pytest.mark.parametrize("kind", ["pipe", "folder", "missing"])
def test_archive_that_is_no_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "saved.tar"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(ImageAccessError, match=r"is not a regular file|No such file"):
        open_image(f"docker-archive:{path}")


def test_bomb_takes_half_of_the_free_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    free = shutil.disk_usage(tmp_path)._replace(free=64 << 20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as stream:
        for _ in range(100):
            stream.write(bytes(1 << 20))
    (tmp_path / "bomb.tar.gz").write_bytes(content.getvalue())
    with pytest.raises(
        ImageAccessError, match=r"needs more than 33,554,432 bytes in .*half of the free space: set TMPDIR"
    ):
        open_image(str(tmp_path / "bomb.tar.gz"))
    assert [file.name for file in tmp_path.iterdir()] == ["bomb.tar.gz"]


class EndlessDaemon(socketserver.BaseRequestHandler):
    """A Docker daemon that sends an archive without an end."""

    def handle(self) -> None:
        self.request.recv(65536)
        self.request.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        try:
            for _ in range(1000):
                self.request.sendall(bytes(1 << 20))
        except OSError:
            pass


def test_endless_archive_of_a_daemon(short_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    free = shutil.disk_usage(tmp_path)._replace(free=16 << 20)
    monkeypatch.setattr("shutil.disk_usage", lambda _: free)
    with socketserver.UnixStreamServer(str(short_path / "docker.sock"), EndlessDaemon) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        with pytest.raises(ImageAccessError, match="needs more than 8,388,608 bytes"):
            open_image("docker-daemon:app", AccessOptions(docker_hosts=(f"unix://{short_path}/docker.sock",)))
        server.shutdown()
        thread.join()
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with many buckets, written by bbolt itself."""
    from tests.oracles.program import program  # noqa: PLC0415 - needs Go

    path = tmp_path_factory.mktemp("bolt") / "meta.db"
    subprocess.run([program("bolt"), path, "3000"], check=True)
    return path


def list_all(bucket: BoltBucket) -> list[bytes]:
    images = bucket.get_bucket(b"v1")
    assert images is not None
    names = list(images.list_keys())
    return [(child.get(b"digest") or b"") if (child := images.get_bucket(name)) else b"" for name in names]


def test_database_of_bbolt(database: Path) -> None:
    values = read_database(database, list_all)
    assert values == [f"digest-{number:06}".encode() for number in range(3000)]


def test_damaged_database(database: Path, tmp_path: Path) -> None:
    """Changed bytes end in an error or in other values, never in another exception or an endless loop."""
    content = database.read_bytes()
    randomness = random.Random(1)
    path = tmp_path / "meta.db"
    errors = 0
    for _ in range(60):
        damaged = bytearray(content)
        for _ in range(200):
            # Heads of pages are damaged most.
            page = randomness.randrange(len(content) // 4096) * 4096
            damaged[page + randomness.randrange(64)] = randomness.randrange(256)
        path.write_bytes(damaged)
        try:
            read_database(path, list_all)
        except (ImageAccessError, AssertionError):
            errors += 1
    assert errors > 50


@pytest.mark.parametrize("content", [b"", b"x" * 10_000, bytes(100_000)])
def test_file_that_is_no_database(content: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "io.containerd.metadata.v1.bolt"
    folder.mkdir()
    (folder / "meta.db").write_bytes(content)
    with pytest.raises(ImageAccessError, match="is not a bolt database, or damaged"):
        open_image("containerd://app", AccessOptions(containerd_root=str(tmp_path)))


def test_layer_of_a_folder(tmp_path: Path) -> None:
    layer = open_image(f"docker-archive:{LayoutBuilder(tmp_path / 'l').save_old_archive(['layer'])}").layers[0]
    with open_image(f"dir:{tmp_path}") as image, pytest.raises(ImageAccessError, match="is a folder and has no layer"):
        read_layer(image, layer)
