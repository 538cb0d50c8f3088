"""Images by hand, correct and incorrect: OCI layouts and archives that no program would write."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from tests.images.access_fixtures import digest_of

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"

Descriptor = dict[str, Any]


class LayoutBuilder:
    """Writes blobs, manifests and indexes to an OCI layout, without checks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.blobs = folder / "blobs" / "sha256"
        self.blobs.mkdir(parents=True, exist_ok=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def add_blob(self, content: bytes, media_type: str = LAYER, **fields: Any) -> Descriptor:
        digest = digest_of(content)
        self.path(digest).write_bytes(content)
        return {"mediaType": media_type, "digest": digest, "size": len(content), **fields}

    def add_json(self, document: object, media_type: str) -> Descriptor:
        return self.add_blob(json.dumps(document).encode(), media_type)

    def add_image(self, layers: list[bytes], platform: str = "", **fields: Any) -> Descriptor:
        """Add an image with uncompressed layers; `fields` replace those of the manifest."""
        os, _, rest = (platform or "linux/amd64").partition("/")
        architecture, _, variant = rest.partition("/")
        system = {"os": os, "architecture": architecture, **({"variant": variant} if variant else {})}
        diff_ids = [digest_of(layer) for layer in layers]
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add_json({**system, "rootfs": {"type": "layers", "diff_ids": diff_ids}}, CONFIG),
            "layers": [self.add_blob(layer) for layer in layers],
            **fields,
        }
        return {**self.add_json(manifest, MANIFEST), **({"platform": system} if platform else {})}

    def add_index(self, entries: list[Descriptor]) -> Descriptor:
        return self.add_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, INDEX)

    def write_index(self, entries: list[Descriptor]) -> None:
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))

    def path(self, digest: str) -> Path:
        return self.blobs / digest.removeprefix("sha256:")

    def read(self, digest: str) -> bytes:
        return self.path(digest).read_bytes()

    def save_old_archive(self, layers: list[str], *, config: bytes | None = None) -> Path:
        """Write an archive as `docker save` did before version 25, and return its path.

        A layer is `layer`, a link to the layer of that name as `link:NAME` or `hard:NAME`, or any other path that is
        not added.
        """
        content = b"a layer"
        diff_ids = [digest_of(content)] * len(layers)
        config = (
            config or json.dumps({"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": diff_ids}}).encode()
        )
        config_name = f"{digest_of(config).removeprefix('sha256:')}.json"
        names = []
        members: list[tuple[tarfile.TarInfo, bytes]] = [(tarfile.TarInfo(config_name), config)]
        for number, layer in enumerate(layers):
            kind, _, target = layer.partition(":")
            name = f"{number}/layer.tar" if kind in ("link", "hard") else f"{layer}/layer.tar"
            names.append(name if kind in ("link", "hard", "layer") else layer)
            info = tarfile.TarInfo(name)
            if kind == "layer":
                members.append((info, content))
            elif kind in ("link", "hard"):
                info.type = tarfile.SYMTYPE if kind == "link" else tarfile.LNKTYPE
                info.linkname = f"../{target}/layer.tar" if kind == "link" else f"{target}/layer.tar"
                members.append((info, b""))
        manifest = [{"Config": config_name, "RepoTags": ["app:1"], "Layers": names}]
        members.append((tarfile.TarInfo("manifest.json"), json.dumps(manifest).encode()))
        return write_tar(self.folder / "saved.tar", members)


def write_tar(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    """Write an archive with exactly these members."""
    with tarfile.open(path, "w") as archive:
        for info, content in members:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def pack(folder: Path, path: Path) -> Path:
    """Pack the files of a folder."""
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.add(file, str(file.relative_to(folder)), recursive=False)
    return path
