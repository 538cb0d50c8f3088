"""State of registry scans between runs: the content of images by digest, so that no image is read twice.

One SQLite file in a folder; several runs may use it at the same time, and a killed run loses only the image it was
reading. Holds names of files and packages, and never content of files. An entry is valid for one version of the program.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from kubekeep import _native
from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.registries.state_file import convert_errors, open_database, open_folder, write

FILE: Final = "images.sqlite"
_APPLICATION: Final = 0x6B6B7273
_VERSION: Final = 2
_SIZE: Final = 4
_MAX_ENTRY: Final = 512 << 20
"""Bytes of the content of one image after decompression."""
_SCHEMA: Final = """
CREATE TABLE image (digest TEXT PRIMARY KEY, program BLOB NOT NULL, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE root (
    root TEXT NOT NULL, platform TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY (root, platform)
) WITHOUT ROWID;
CREATE TABLE description (root TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE name (
    repository TEXT NOT NULL, tag TEXT NOT NULL, root TEXT NOT NULL, platform TEXT NOT NULL, label TEXT NOT NULL,
    seen REAL NOT NULL, PRIMARY KEY (repository, tag, platform, label)
) WITHOUT ROWID;
CREATE INDEX name_by_root ON name (root, platform);
"""
_ADD_LABEL: Final = """
ALTER TABLE name RENAME TO old_name;
DROP INDEX name_by_root;
CREATE TABLE name (
    repository TEXT NOT NULL, tag TEXT NOT NULL, root TEXT NOT NULL, platform TEXT NOT NULL, label TEXT NOT NULL,
    seen REAL NOT NULL, PRIMARY KEY (repository, tag, platform, label)
) WITHOUT ROWID;
INSERT INTO name SELECT repository, tag, root, platform, '', seen FROM old_name;
DROP TABLE old_name;
CREATE INDEX name_by_root ON name (root, platform);
"""
"""Change of a state of version 1, in which a tag had the image of one platform only."""


class PlatformDescription(msgspec.Struct, frozen=True, omit_defaults=True):
    """One image behind a manifest or index: its digest, platform, compressed bytes and time of creation (RFC 3339)."""

    digest: str
    platform: str = ""
    size: int = 0
    created: str = ""


class RootDescription(msgspec.Struct, frozen=True, omit_defaults=True):
    """A manifest or index: the image of the selected platform, or the reason why there is none.

    is_artifact: True for a chart, signature or another artifact that is no image. platforms: of an index.
    """

    image: PlatformDescription | None = None
    reason: str = ""
    is_artifact: bool = False
    platforms: tuple[PlatformDescription, ...] = ()


class ImageName(msgspec.Struct, frozen=True):
    """A name of an image: its tag, or its digest after `@`, and the digest of the manifest or index.

    platform: the requested one for an index; empty for the default. label: the platform, if the tag has several images.
    """

    repository: str
    tag: str
    root: str
    platform: str = ""
    label: str = ""

    def __str__(self) -> str:
        separator = "" if self.tag.startswith("@") else ":"
        return f"{self.repository}{separator}{self.tag}"


class RegistryState:
    """The state in a folder, which is created. Raises StateError.

    `program` identifies the version of the program: content of another version is read again. Threads may share it.
    """

    def __init__(self, folder: Path, program: bytes) -> None:
        self.path = folder / FILE
        self._program = program
        self._lock = threading.RLock()
        with self._convert_errors():
            open_folder(folder)
            self._connection = open_database(self.path, _APPLICATION, _VERSION, _SCHEMA, {1: _ADD_LABEL})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._connection.close()

    def find_image(self, root: str, platform: str) -> InspectedImage | None:
        """Return the content of the image that a manifest or index has for a platform; None if it must be read."""
        query = (
            "SELECT image.content FROM root JOIN image USING (digest)"
            " WHERE root.root = ? AND root.platform = ? AND image.program = ?"
        )
        rows = self._select(query, root, platform, self._program)
        return _decode(rows[0][0], InspectedImage) if rows else None

    def put_image(self, root: str, platform: str, image: InspectedImage) -> None:
        """Store the content of an image."""
        text = msgspec.msgpack.encode(image)
        if len(text) > _MAX_ENTRY:
            return
        with self._write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO image VALUES (?, ?, ?)", (image.digest, self._program, _native.pack(text))
            )
            connection.execute("INSERT OR REPLACE INTO root VALUES (?, ?, ?)", (root, platform, image.digest))

    def find_description(self, root: str, platform: str) -> RootDescription | None:
        """Return the description of a manifest or index for a platform; None if it must be read."""
        rows = self._select("SELECT content FROM description WHERE root = ?", f"{root} {platform}")
        return _decode(rows[0][0], RootDescription) if rows else None

    def put_description(self, root: str, platform: str, description: RootDescription) -> None:
        """Store the description of a manifest or index."""
        content = _native.pack(msgspec.msgpack.encode(description))
        with self._write() as connection:
            connection.execute("INSERT OR REPLACE INTO description VALUES (?, ?)", (f"{root} {platform}", content))

    def record_names(self, names: Iterable[ImageName]) -> None:
        """Record the names of the selected images; the platforms of a tag replace those that it had before."""
        now, names = time.time(), list(names)
        with self._write() as connection:
            connection.executemany(
                "DELETE FROM name WHERE repository = ? AND tag = ? AND platform = ? AND label != ''",
                {(name.repository, name.tag, name.platform) for name in names if name.label},
            )
            connection.executemany(
                "INSERT OR REPLACE INTO name VALUES (?, ?, ?, ?, ?, ?)",
                ((name.repository, name.tag, name.root, name.platform, name.label, now) for name in names),
            )

    def remove_missing_names(self, repository: str, tags: Iterable[str]) -> None:
        """Forget the tags of a repository that are not in `tags`, the complete list of them; digests are kept."""
        remaining = set(tags)
        query = "SELECT DISTINCT tag FROM name WHERE repository = ?"
        removed = [
            tag for (tag,) in self._select(query, repository) if tag not in remaining and not tag.startswith("@")
        ]
        with self._write() as connection:
            connection.executemany(
                "DELETE FROM name WHERE repository = ? AND tag = ?", ((repository, tag) for tag in removed)
            )

    def list_names(self) -> list[tuple[str, ImageName]]:
        """Return (digest, name) for all images that have been read and whose tags are known to exist, by name."""
        query = (
            "SELECT root.digest, name.repository, name.tag, name.root, name.platform, name.label"
            " FROM name JOIN root USING (root, platform) JOIN image USING (digest)"
            " ORDER BY name.repository, name.tag, name.label"
        )
        return [(digest, ImageName(*fields)) for digest, *fields in self._select(query)]

    def list_versions(self) -> dict[str, str]:
        """Return the version of the program that read each image, by digest."""
        return {digest: program.hex() for digest, program in self._select("SELECT digest, program FROM image")}

    def list_outdated(self) -> set[str]:
        """Return the digests of the images that another version of the program read."""
        return {digest for (digest,) in self._select("SELECT digest FROM image WHERE program != ?", self._program)}

    def iterate_images(self, digests: Iterable[str]) -> Iterator[InspectedImage]:
        """Yield the content of images, also that of other versions of the program."""
        for digest in digests:
            for (content,) in self._select("SELECT content FROM image WHERE digest = ?", digest):
                image = _decode(content, InspectedImage)
                if image is not None:
                    yield image

    def prune(self) -> None:
        """Delete the images that no name refers to."""
        with self._write() as connection:
            connection.execute(
                "DELETE FROM root WHERE NOT EXISTS"
                " (SELECT 1 FROM name WHERE name.root = root.root AND name.platform = root.platform)"
            )
            connection.execute(
                "DELETE FROM image WHERE NOT EXISTS (SELECT 1 FROM root WHERE root.digest = image.digest)"
            )

    def _select(self, query: str, *parameters: object) -> list[Any]:
        with self._lock, self._convert_errors():
            return self._connection.execute(query, parameters).fetchall()

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection in a transaction."""
        with self._lock, self._convert_errors(), write(self._connection) as connection:
            yield connection

    @contextlib.contextmanager
    def _convert_errors(self) -> Iterator[None]:
        with convert_errors(self.path):
            yield


def _decode(content: bytes, kind: Any) -> Any:
    """Return stored content; None if it is damaged, or of another version of the program."""
    if int.from_bytes(content[:_SIZE], "little") > _MAX_ENTRY:
        return None
    try:
        return msgspec.msgpack.decode(_native.unpack(content), type=kind)
    except (ValueError, msgspec.MsgspecError, MemoryError, RecursionError):
        return None
