"""Bundles: one file with a whole database, for networks without access to its sources.

A bundle is a tar archive: `bundle.json` with the size and SHA-256 of each file, then the files. Everything is verified
before anything is replaced. A bundle protects against damage, not against forgery: that is the task of signed artifacts.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.sources import list_database_files
from kubekeep.vulnerabilities.database.vex_repositories.reader import get_repository_name, list_repository_files

INDEX: Final = "bundle.json"
_FORMAT: Final = "kubekeep-advisories-1"
_MOST_INDEX: Final = 4 << 20
_MOST_BYTES: Final = 64 << 30
"""Bytes of all files of a bundle."""
_CHUNK: Final = 1 << 20
_FEED: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


class ReadableStream(Protocol):
    """A stream of bytes, such as a file or a blob of a registry."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; empty bytes at the end."""


class BundledFile(msgspec.Struct, frozen=True):
    """A file of a bundle. name: its path in the folder of the database."""

    name: str
    size: int
    sha256: str


class BundleIndex(msgspec.Struct, frozen=True):
    """The index of a bundle."""

    format: str
    files: tuple[BundledFile, ...]


def list_bundled_files(folder: Path, ecosystems: Iterable[str] = ()) -> list[Path]:
    """Return the files of a database for a bundle: of all ecosystems, or of those named, and all others.

    Raises DatabaseError.
    """
    by_ecosystem = list_database_files(folder)
    selected = list(ecosystems) or list(by_ecosystem)
    if missing := [ecosystem for ecosystem in selected if ecosystem not in by_ecosystem]:
        raise DatabaseError(
            f"the database in {visible(str(folder))} has no advisories for {visible(', '.join(missing))}"
        )
    repositories = list_repository_files(folder)
    if not (selected or repositories):
        raise DatabaseError(f"there is no advisory database in {visible(str(folder))}: run `kubekeep db update`")
    signals = folder / schema.SIGNALS_FILE
    files = [path for ecosystem in selected for path in by_ecosystem[ecosystem]]
    files += [signals] if signals.is_file() else []
    files += repositories
    for path in files:
        schema.open_file(path, schema.get_kind(path.name)).close()
    return files


def describe_file(folder: Path, path: Path) -> BundledFile:
    """Return the entry of a file in the index."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return BundledFile(path.relative_to(folder).as_posix(), path.stat().st_size, digest)


def write_bundle(folder: Path, files: Iterable[Path], stream: BinaryIO) -> BundleIndex:
    """Write a bundle with `files` of the database in `folder`. Raises OSError."""
    paths = list(files)
    index = BundleIndex(_FORMAT, tuple(describe_file(folder, path) for path in paths))
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        content = msgspec.json.format(msgspec.json.encode(index)) + b"\n"
        archive.addfile(_describe_member(INDEX, len(content)), io.BytesIO(content))
        for path, bundled in zip(paths, index.files, strict=True):
            with path.open("rb") as file:
                archive.addfile(_describe_member(bundled.name, bundled.size), file)
    return index


def is_bundle(path: Path) -> bool:
    """Return True if the file begins as a bundle does."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(INDEX) + 1) == INDEX.encode() + b"\0"


def read_bundle(path: Path, staging: Path) -> BundleIndex:
    """Unpack and verify a bundle in the private folder `staging`. Raises DatabaseError."""
    name = visible(str(path))
    try:
        with path.open("rb") as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            members = iter(archive)
            index = _read_index(archive, next(members, None), name)
            missing = {file.name: file for file in index.files}
            for member in members:
                bundled = missing.pop(member.name, None)
                # A file with holes is larger than its part of the bundle.
                content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
                if bundled is None or content is None or member.size != bundled.size:
                    raise DatabaseError(f"{name}: {visible(member.name)} is not in the index of the bundle")
                receive_file(content, bundled, staging, name)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DatabaseError(f"{name} cannot be read: {visible(str(error))}") from error
    if missing:
        raise DatabaseError(f"{name} is incomplete: {visible(next(iter(missing)))} is missing")
    return index


def receive_file(stream: ReadableStream, bundled: BundledFile, staging: Path, origin: str) -> None:
    """Write the content of a file below `staging` and verify it. Raises DatabaseError and OSError."""
    target = staging / check_name(bundled.name, origin)
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    if digest.hexdigest() != bundled.sha256:
        raise DatabaseError(f"{origin}: {visible(bundled.name)} has been changed or damaged: its checksum differs")
    _verify(target, bundled.name, origin)


def check_name(name: str, origin: str) -> str:
    """Return the name of a file of a database. Raises DatabaseError for another path."""
    *folders, file_name = name.split("/")
    is_feed = len(folders) == 2 and folders[0] == schema.FEEDS and is_feed_name(folders[1])
    path = Path(file_name)
    is_repository = (
        folders == [schema.REPOSITORIES]
        and file_name.endswith(schema.REPOSITORY_SUFFIX)
        and is_feed_name(get_repository_name(path))
    )
    is_file = file_name.endswith(schema.SUFFIX) and file_name == schema.get_file_name(schema.get_ecosystem(path))
    if (is_file and (is_feed or not folders)) or is_repository or name == schema.SIGNALS_FILE:
        return name
    raise DatabaseError(f"{origin}: {visible(name)} is not a file of a database")


def is_feed_name(text: str) -> bool:
    """Return True for a name of a private feed or VEX repository: lower-case letters, digits, dots, hyphens and underscores."""
    return bool(_FEED.fullmatch(text))


def _read_index(archive: tarfile.TarFile, member: tarfile.TarInfo | None, name: str) -> BundleIndex:
    content = archive.extractfile(member) if member and member.isreg() else None
    if member is None or content is None or member.name != INDEX or member.size > _MOST_INDEX:
        raise DatabaseError(f"{name} is not a bundle of an advisory database")
    try:
        index = msgspec.json.decode(content.read(), type=BundleIndex)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DatabaseError(f"{name} has a damaged index: {visible(str(error))}") from error
    if index.format != _FORMAT:
        raise DatabaseError(f"{name} has the format {visible(index.format)}, and this program reads {_FORMAT}")
    if sum(file.size for file in index.files) > _MOST_BYTES:
        raise DatabaseError(f"{name} has more than {_MOST_BYTES:,} bytes")
    return index


def _verify(path: Path, name: str, origin: str) -> None:
    """Raise DatabaseError unless the file is of its kind and has the ecosystem of its name."""
    kind = schema.get_kind(name)
    try:
        connection = schema.open_file(path, kind)
    except DatabaseError as error:
        raise DatabaseError(f"{origin}: {error}") from error
    try:
        ecosystem = schema.read_facts(connection).get("ecosystem")
    finally:
        connection.close()
    if kind == schema.ADVISORIES and ecosystem != schema.get_ecosystem(path):
        raise DatabaseError(f"{origin}: {visible(name)} has the advisories of {visible(str(ecosystem))}")


def _describe_member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o644
    return member
