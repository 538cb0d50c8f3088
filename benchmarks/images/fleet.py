"""Inspect many images on few bases: `python benchmarks/images/fleet.py LAYOUT [--images 1000] [--bases 10]`.

Each base is the first layer of LAYOUT with one more file; each image adds a layer with one Python distribution. Prints the
bytes of layers that were read with a shared cache, in percent of those of separate scans, and the time per image. Asserts
nothing, because machines differ.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from kubekeep.images.inspection import inspect_image
from kubekeep.images.options import ImageOptions

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def write_archive(path: str, text: str) -> bytes:
    """Return an archive with one file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo(path)
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


class Layout:
    """An OCI layout that images are added to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._blobs = folder / "blobs" / "sha256"
        self._blobs.mkdir(parents=True)
        self._entries: list[dict[str, Any]] = []
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add(self, content: bytes, media_type: str) -> dict[str, Any]:
        """Store a blob and return its descriptor."""
        digest = hashlib.sha256(content).hexdigest()
        (self._blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    def add_image(self, name: str, layers: list[tuple[dict[str, Any], str]]) -> None:
        """Store an image of layers with their diff ids."""
        config = {
            "architecture": "amd64",
            "os": "linux",
            "rootfs": {"type": "layers", "diff_ids": [d for _, d in layers]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": self.add(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
            "layers": [descriptor for descriptor, _ in layers],
        }
        entry = self.add(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
        self._entries.append(entry | {"annotations": {"org.opencontainers.image.ref.name": name}})

    def finish(self) -> None:
        """Write the index."""
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self._entries}))


def pack(layout: Layout, archive: bytes) -> tuple[dict[str, Any], str]:
    """Store an archive as a layer; return its descriptor and diff id."""
    return layout.add(gzip.compress(archive, 1), LAYER), f"sha256:{hashlib.sha256(archive).hexdigest()}"


def read_first_layer(folder: Path) -> bytes:
    """Return the archive of the first layer of the only image in a layout."""

    def read(descriptor: dict[str, Any]) -> bytes:
        digest: str = descriptor["digest"]
        return (folder / "blobs" / digest.replace(":", "/")).read_bytes()

    (entry,) = json.loads((folder / "index.json").read_text())["manifests"]
    return gzip.decompress(read(json.loads(read(entry))["layers"][0]))


def main() -> None:
    """Build the images, inspect them, and print the figures."""
    parser = argparse.ArgumentParser(description="Inspect many images on few bases.")
    parser.add_argument("layout", type=Path)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--bases", type=int, default=10)
    options = parser.parse_args()
    base = read_first_layer(options.layout).rstrip(b"\0")
    base += b"\0" * (-len(base) % 512)
    with tempfile.TemporaryDirectory() as name:
        layout = Layout(Path(name) / "layout")
        bases = [pack(layout, base + write_archive(f"etc/base-{n}", "base")) for n in range(options.bases)]
        separate = 0
        for number in range(options.images):
            path = f"usr/lib/python3/site-packages/app_{number}-1.0.dist-info/METADATA"
            own = pack(layout, write_archive(path, f"Metadata-Version: 2.1\nName: app-{number}\nVersion: 1.0\n"))
            first = bases[number % len(bases)]
            layout.add_image(f"image-{number}", [first, own])
            separate += first[0]["size"] + own[0]["size"]
        layout.finish()
        read = 0

        def count(_: str, size: int, __: int | None) -> None:
            sizes[0] = size

        image_options = ImageOptions(cache_folder=str(Path(name) / "cache"), on_bytes=count)
        start = time.process_time()
        for number in range(options.images):
            sizes = [0]
            inspect_image(f"oci:{layout.folder}:image-{number}", image_options)
            read += sizes[0]
        seconds = time.process_time() - start
    print(f"{options.images} images on {options.bases} bases: {read / 1e6:,.0f} of {separate / 1e6:,.0f} MB read, "
          f"{100 * read / separate:.2f} %; {1000 * seconds / options.images:.1f} ms per image")  # fmt: skip


if __name__ == "__main__":
    main()
