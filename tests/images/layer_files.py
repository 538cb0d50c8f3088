"""Layers for tests: archives built by `tarfile`, and images that serve them."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from kubekeep import _native
from kubekeep.images.access.opened import ByteStream, FileRange, LayerReference, OpenedImage


def digest(content: bytes) -> str:
    """Return the digest of a blob as images name it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def entry(path: str, **fields: object) -> tarfile.TarInfo:
    """Return the header of an entry with the given fields of TarInfo."""
    info = tarfile.TarInfo(path)
    for name, value in fields.items():
        setattr(info, name, value)
    return info


def build_tar(
    files: Mapping[str, bytes] | Sequence[tuple[tarfile.TarInfo, bytes]], format: int = tarfile.PAX_FORMAT
) -> bytes:
    """Return an archive with files, or with any entries."""
    entries = [(entry(path), content) for path, content in files.items()] if isinstance(files, Mapping) else files
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def read_native(
    blob: bytes,
    folder: Path,
    patterns: Sequence[str] = (),
    versions: Sequence[tuple[str, str, str]] = (),
    limits: Mapping[str, int] | None = None,
    *,
    symbols: bool = False,
) -> _native.NativeLayer:
    """Read a layer with the native reader alone; the number of a pattern is its index."""
    reader = _native.LayerReader([(glob, number) for number, glob in enumerate(patterns)], versions, limits or {})
    return reader.read(io.BytesIO(blob), str(folder), symbols=symbols)


def select(blob: bytes, folder: Path, *patterns: str) -> dict[str, bytes]:
    """Return the content of the selected files of a layer by path."""
    native = read_native(blob, folder, patterns)
    files = [native.file(index) for index in range(native.file_count)]
    return {path: Path(spill).read_bytes() if spill else content for path, _, content, spill in files}


class MemoryImage(OpenedImage):
    """An image whose layers are in memory, and by default compressed with gzip."""

    def __init__(self, *archives: bytes, blobs: Sequence[bytes] = ()) -> None:
        """Build an image of archives; `blobs` are these as stored."""
        self.reference = "registry.test/app:1"
        self.digest = ""
        self.platform = "linux/amd64"
        self.config = b"{}"
        self.blobs = tuple(blobs) or tuple(gzip.compress(archive, 1, mtime=0) for archive in archives)
        self.layers = tuple(
            LayerReference(digest(blob), len(blob), digest(archive), "application/vnd.oci.image.layer.v1.tar+gzip")
            for archive, blob in zip(archives, self.blobs, strict=True)
        )
        self.opened: list[LayerReference] = []

    def open_layer(self, layer: LayerReference) -> FileRange | ByteStream:
        """Return the blob as a stream."""
        self.opened.append(layer)
        return io.BytesIO(self.blobs[self.layers.index(layer)])


class FolderImage(MemoryImage):
    """The same with its layers one after the other in a file."""

    def __init__(self, folder: Path, *archives: bytes, blobs: Sequence[bytes] = ()) -> None:
        """Write the blobs to a file in a folder."""
        super().__init__(*archives, blobs=blobs)
        self.file = folder / "blobs"
        self.file.write_bytes(b"".join(self.blobs))

    def open_layer(self, layer: LayerReference) -> FileRange:
        """Return the part of the file."""
        self.opened.append(layer)
        index = self.layers.index(layer)
        return FileRange(str(self.file), sum(map(len, self.blobs[:index])), len(self.blobs[index]))
