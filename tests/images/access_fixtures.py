"""Fixtures for tests that open images: an image built by buildah, in a layout and in a real registry.

`tests/conftest.py` exports them. Skips tests if the programs are not installed, except in CI.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.images.access.opened import FileRange, LayerReference, OpenedImage
from tests.registry.service import Service, run_registry

SECONDS = 60


def require(*programs: str) -> None:
    """Skip the test if a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            assert "CI" not in os.environ, f"CI needs the program {program}"
            pytest.skip(f"{program} is not installed")


def run(*command: object, **environment: str) -> str:
    """Run a program and return its output."""
    result = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env={**os.environ, **environment},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def copy_image(source: str, target: str, *options: str) -> None:
    """Copy an image with skopeo."""
    command = ("skopeo", "copy", "-q", "--insecure-policy", "--src-tls-verify=false", "--dest-tls-verify=false")
    run(*command, *options, source, target)


def read_layer(image: OpenedImage, layer: LayerReference) -> bytes:
    """Return the content of a layer as stored."""
    source = image.open_layer(layer)
    if isinstance(source, FileRange):
        with Path(source.path).open("rb") as stream:
            stream.seek(source.offset)
            return stream.read(source.size)
    parts = []
    while part := source.read(1 << 20):
        parts.append(part)
    source.close()
    return b"".join(parts)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def assert_complete(image: OpenedImage, layers: int = 2) -> None:
    """Assert that all layers can be read and have their digests."""
    assert len(image.layers) == layers
    for layer in image.layers:
        content = read_layer(image, layer)
        assert digest_of(content) == (layer.digest or layer.diff_id)
        assert layer.size in (None, len(content))
    image.close()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A temporary folder with a short path, for sockets and for programs that limit the length of paths."""
    with tempfile.TemporaryDirectory(prefix="k") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def built_layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI layout with the tag 1: an index of two platforms, each with two layers compressed by gzip."""
    require("buildah", "skopeo")
    folder = tmp_path_factory.mktemp("built")
    (folder / "usr").mkdir()
    # More than one chunk of a stream.
    (folder / "usr" / "data").write_bytes(os.urandom(1_500_000))
    (folder / "etc").mkdir()
    (folder / "etc" / "app.conf").write_text("level = info\n")
    buildah = ("buildah", "--root", folder / "root", "--runroot", folder / "run", "--storage-driver", "vfs")
    run(*buildah, "manifest", "create", "app:1")
    for architecture in ("amd64", "arm64"):
        for base, source, target in (("scratch", "usr", "base"), (f"base-{architecture}", "etc", "app")):
            container = run(*buildah, "from", "--pull-never", base)
            run(*buildah, "copy", "-q", container, folder / source, f"/{source}")
            run(*buildah, "config", "--arch", architecture, "--label", f"built={architecture}", container)
            run(*buildah, "commit", "-q", container, f"{target}-{architecture}")
            run(*buildah, "rm", container)
        run(*buildah, "manifest", "add", "--arch", architecture, "app:1", f"app-{architecture}")
    run(*buildah, "manifest", "push", "--all", "app:1", f"oci:{folder}/layout:1")
    return folder / "layout"


@pytest.fixture(scope="session")
def image_registry(built_layout: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A real registry without passwords, with the image as `team/app:1`."""
    with run_registry(tmp_path_factory.mktemp("images")) as service:
        copy_image(f"oci:{built_layout}:1", f"docker://{service.address}/team/app:1", "--all")
        yield service
