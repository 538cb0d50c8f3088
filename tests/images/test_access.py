"""Images in folders and archives, written by buildah, skopeo, umoci, podman and by hand."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import pytest

from kubekeep.images.access.open_image import open_image
from kubekeep.images.access.opened import FileRange, OpenedImage
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from tests.images.access_fixtures import assert_complete, copy_image, read_layer, require, run
from tests.images.building import LayoutBuilder, pack


def open_platform(reference: str, platform: str) -> OpenedImage:
    return open_image(reference, AccessOptions(platform=platform))


@pytest.mark.parametrize("suffix", ["", ":1"])
def test_layout(built_layout: Path, suffix: str) -> None:
    image = open_image(f"oci:{built_layout}{suffix}")
    index = json.loads((built_layout / "index.json").read_bytes())["manifests"][0]["digest"]
    assert (image.platform, image.index_digest) == ("linux/amd64", index)
    assert all(isinstance(image.open_layer(layer), FileRange) for layer in image.layers)
    assert json.loads(image.config)["config"]["Labels"]["built"] == "amd64"
    assert json.loads(image.config)["rootfs"]["diff_ids"] == [layer.diff_id for layer in image.layers]
    assert_complete(image)


def test_platform_is_selected(built_layout: Path) -> None:
    image = open_platform(f"oci:{built_layout}", "linux/aarch64")
    assert image.platform == "linux/arm64"
    assert image.digest != open_image(f"oci:{built_layout}").digest
    assert open_image(f"oci:{built_layout}@{image.index_digest}").platform == "linux/amd64"
    with pytest.raises(ImageAccessError, match=r"no image for linux/s390x; platforms: linux/amd64, linux/arm64"):
        open_platform(f"oci:{built_layout}", "linux/s390x")
    with pytest.raises(ImageAccessError, match="'arm64' is not a platform: use os/architecture"):
        open_platform(f"oci:{built_layout}", "arm64")


def test_plain_paths_are_recognised(built_layout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_image(f"oci:{built_layout}:1", f"docker-archive:{tmp_path}/app.tar:app:1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nginx").mkdir()
    assert open_image("app.tar").platform == "linux/amd64"
    assert open_image(str(built_layout)).platform == "linux/amd64"
    assert open_image("./nginx").folder == "./nginx"
    assert open_image("dir:nginx").folder == "nginx"
    with pytest.raises(ImageAccessError, match=r"nginx: both a path and an image name: use \./nginx or dir:nginx"):
        open_image("nginx")
    with pytest.raises(ImageAccessError, match=r"\./missing: no such file or folder"):
        open_image("./missing")
    for reference, message in {
        "dir:missing": "no such folder",
        "oci:missing:1": "missing:1 is not an OCI layout: there is no such folder",
        "oci:nginx": "nginx is not an OCI layout: it has no file oci-layout",
        "oci:": "the path is missing",
        "": "the reference is empty",
        "https://registry.example/app": "an image has no URL scheme",
        "sbom:app.cdx.json": "it names an SBOM, and this command reads images",
        "Nginx": "'Nginx' is not an image name",
    }.items():
        with pytest.raises(ImageAccessError, match=message):
            open_image(reference)


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
@pytest.mark.parametrize("compressed", [False, True])
def test_archives(kind: str, compressed: bool, built_layout: Path, tmp_path: Path) -> None:  # noqa: FBT001
    archive = tmp_path / "app.tar"
    copy_image(f"oci:{built_layout}:1", f"{kind}:{archive}:example.com/team/app:1")
    if compressed:
        archive.write_bytes(gzip.compress(archive.read_bytes(), 1))
    folders = set(tmp_path.iterdir())
    for reference in (f"{kind}:{archive}", f"{kind}:{archive}:example.com/team/app:1", str(archive)):
        image = open_image(reference)
        assert bool(image.digest) == (kind == "oci-archive")
        ranges = [image.open_layer(layer) for layer in image.layers]
        assert all(isinstance(position, FileRange) and Path(position.path).is_absolute() for position in ranges)
        assert_complete(image)
        if compressed:
            assert not any(Path(position.path).exists() for position in ranges if isinstance(position, FileRange))
    assert set(tmp_path.iterdir()) == folders
    with pytest.raises(ImageAccessError, match=r"no image other:1.*example\.com/team/app:1"):
        open_image(f"{kind}:{archive}:other:1")


def test_archive_of_podman_with_two_images(built_layout: Path, tmp_path: Path, short_path: Path) -> None:
    require("podman")
    podman = ("podman", "--root", short_path / "root", "--runroot", short_path / "run", "--storage-driver", "vfs")
    for tag, architecture in (("one", "amd64"), ("two", "arm64")):
        target = f"docker-archive:{tmp_path}/{tag}.tar:localhost/{tag}:1"
        copy_image(f"oci:{built_layout}:1", target, f"--override-arch={architecture}")
        run(*podman, "load", "-q", "-i", tmp_path / f"{tag}.tar")
    run(*podman, "save", "-q", "-m", "-o", tmp_path / "both.tar", "localhost/one:1", "localhost/two:1")
    assert_complete(open_image(f"docker-archive:{tmp_path}/both.tar:localhost/one:1"))
    two = open_image(f"docker-archive:{tmp_path}/both.tar:localhost/two:1")
    assert two.platform == "linux/arm64"
    assert_complete(two)
    with pytest.raises(
        ImageAccessError, match=r"2 images in the archive: add :TAG; images: localhost/one:1, localhost"
    ):
        open_image(f"docker-archive:{tmp_path}/both.tar")


def test_layout_of_umoci_with_several_tags(tmp_path: Path) -> None:
    require("umoci")
    layout = tmp_path / "with:colon"
    (tmp_path / "file").write_text("x")
    run("umoci", "init", "--layout", tmp_path / "layout")
    for tag in ("first", "second"):
        run("umoci", "new", "--image", f"{tmp_path}/layout:{tag}")
        run("umoci", "insert", "--image", f"{tmp_path}/layout:{tag}", tmp_path / "file", f"/{tag}")
    (tmp_path / "layout").rename(layout)
    assert_complete(open_image(f"oci:{layout}:second"), 1)
    with pytest.raises(ImageAccessError, match=r"several images: add :TAG or @DIGEST; images: first, second"):
        open_image(f"oci:{layout}")
    with pytest.raises(ImageAccessError, match=r"no image third; images: first, second"):
        open_image(f"oci:{layout}:third")


def test_archive_of_docker_25(tmp_path: Path) -> None:
    """Docker 25 and newer write an OCI layout with names of containerd, and manifest.json for older programs."""
    builder = LayoutBuilder(tmp_path / "layout")
    entry = builder.add_image([b"content"])
    entry["annotations"] = {
        "io.containerd.image.name": "docker.io/library/app:2.0",
        "org.opencontainers.image.ref.name": "2.0",
    }
    builder.write_index([entry])
    manifest = json.loads(builder.read(entry["digest"]))
    saved = {
        "Config": blob_path(manifest["config"]["digest"]),
        "RepoTags": ["app:2.0"],
        "Layers": [blob_path(layer["digest"]) for layer in manifest["layers"]],
    }
    (tmp_path / "layout" / "manifest.json").write_text(json.dumps([saved]))
    archive = pack(tmp_path / "layout", tmp_path / "app.tar")
    for version in ("", ":app:2.0", ":2.0", ":docker.io/library/app:2.0"):
        image = open_image(f"docker-archive:{archive}{version}")
        assert image.digest == entry["digest"]
        assert_complete(image, 1)


def blob_path(digest: str) -> str:
    return digest.replace("sha256:", "blobs/sha256/")


def test_links_between_layers_of_old_archives(tmp_path: Path) -> None:
    """Old versions of Docker saved a repeated layer as a link to the first one."""
    builder = LayoutBuilder(tmp_path)
    archive = builder.save_old_archive(["layer", "link:layer", "hard:layer"])
    image = open_image(f"docker-archive:{archive}")
    assert len({read_layer(image, layer) for layer in image.layers}) == 1
    assert_complete(image, 3)


def test_variants_of_arm(tmp_path: Path) -> None:
    builder = LayoutBuilder(tmp_path)
    entries = [builder.add_image([variant.encode()], f"linux/arm/{variant}") for variant in ("v5", "v7", "v6")]
    builder.write_index([*entries, builder.add_image([b"x"], "linux/arm64/v8")])
    assert open_platform(f"oci:{tmp_path}", "linux/arm").digest == entries[1]["digest"]
    assert open_platform(f"oci:{tmp_path}", "linux/arm/v6").digest == entries[2]["digest"]
    assert open_platform(f"oci:{tmp_path}", "linux/arm64").platform == "linux/arm64"


def test_only_platform_is_used_by_default(tmp_path: Path) -> None:
    builder = LayoutBuilder(tmp_path)
    builder.write_index([builder.add_image([b"x"], "windows/amd64")])
    assert open_image(f"oci:{tmp_path}").platform == "windows/amd64"
    with pytest.raises(ImageAccessError, match="no image for linux/amd64; platforms: windows/amd64"):
        open_platform(f"oci:{tmp_path}", "linux/amd64")


def test_attestations_are_no_images(tmp_path: Path) -> None:
    builder = LayoutBuilder(tmp_path)
    image = builder.add_image([b"x"], "linux/amd64")
    attestation = builder.add_image([b"{}"], "unknown/unknown")
    attestation["annotations"] = {"vnd.docker.reference.digest": image["digest"]}
    builder.write_index([builder.add_index([attestation, image])])
    assert open_image(f"oci:{tmp_path}").digest == image["digest"]


def test_layout_needs_no_network_client(built_layout: Path) -> None:
    code = (
        "import sys; from kubekeep.images.access.open_image import open_image\n"
        f"image = open_image({f'oci:{built_layout}'!r}); image.open_layer(image.layers[0])\n"
        "loaded = {'httpx2', 'ssl', 'asyncio', 'tarfile', 'cryptography', 'nacl'} & set(sys.modules)\n"
        "assert not loaded, loaded"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
