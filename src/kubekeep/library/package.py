"""Reproducible archive of a library: the controls, frameworks and shared Rego of a folder.

Packs and unpacks only files of a library, within size limits: no links, no paths outside of it. Writes no files.
"""

from __future__ import annotations

import hashlib
import io
import re
import struct
import tarfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.library.cases import list_cases
from kubekeep.library.load import (
    CONTROL_FILE,
    ROOT,
    RULE_FILE,
    Library,
    LibraryError,
    read_limited,
    refuse_outside_links,
)

MAX_BYTES: Final = 16 << 20
"""Limit for the packed file."""
ORIGIN: Final = "kubekeep-library.json"
"""File in a pulled folder with the origin of the library."""

_MAX_FILES: Final = 20_000
_MAX_FILE_BYTES: Final = 1 << 20
_MAX_UNPACKED: Final = 64 << 20
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_FOLDERS: Final = ("controls", "frameworks", "lib")
_MAX_DEPTH: Final = 8
_DEFAULT_AREA: Final = "custom"
"""Area in the package of controls that are not in the folder of an area."""
_GZIP: Final = struct.pack("<4BL2B", 0x1F, 0x8B, 8, 0, 0, 2, 255)
"""Header by RFC 1952 §2.3.1: deflate, no name, no time, maximum compression, unknown operating system."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Origin of a pulled library: its reference, version, signature and digests."""

    reference: str
    digest: str
    title: str = ""
    version: str = ""
    signed_by: str = ""
    """SHA-256 of the public key that verified the signature; empty if it was not verified."""
    content: str
    """Digest of the pulled files, to detect later changes."""


def collect_files(library: Library) -> dict[str, bytes]:
    """Return the files of `library`'s own folder, by path in the package. Raises LibraryError for invalid files."""
    root = library.root
    files = {f"frameworks/{file.name}": file for file in root.glob("frameworks/*.yaml")}
    files |= {f"lib/{file.name}": file for file in root.glob("lib/*.rego")}
    for control in library.own_controls:
        folder = library.get_folder(control)
        target = f"controls/{_DEFAULT_AREA if root in {folder, folder.parent} else folder.parent.name}/{folder.name}"
        files |= {f"{target}/{name}": folder / name for name in (CONTROL_FILE, RULE_FILE) if (folder / name).exists()}
        files |= {f"{target}/cases/{case.file.name}": case.file for case in list_cases(library, [control])}
    if not library.own_controls:
        raise LibraryError(f"{root}: the folder contains no control")
    _check_shareable(root, files)
    contents_by_path = {path: read_limited(files[path], _MAX_FILE_BYTES) for path in sorted(files)}
    _check_names(contents_by_path)
    return contents_by_path


def _check_shareable(root: Path, files: Mapping[str, Path]) -> None:
    # A user's library must not replace built-in controls, frameworks or modules.
    shadowing = next((path for path in files if root != ROOT and (ROOT / path).exists()), None)
    if shadowing:
        raise LibraryError(f"{root}: {shadowing}: the name is used by the built-in library")
    refuse_outside_links(files.values(), root)


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return `files` as a gzip archive that depends only on paths and contents. Raises LibraryError above the limits."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(files):
            member = tarfile.TarInfo(path)
            member.size, member.mode = len(files[path]), 0o644
            tar.addfile(member, io.BytesIO(files[path]))
    plain = archive.getvalue()
    deflate = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, -zlib.MAX_WBITS)
    end = struct.pack("<2L", zlib.crc32(plain), len(plain) & 0xFFFFFFFF)
    packed = b"".join((_GZIP, deflate.compress(plain), deflate.flush(), end))
    if len(packed) > MAX_BYTES or len(plain) > _MAX_UNPACKED or len(files) > _MAX_FILES:
        raise LibraryError(
            f"the library is too large: {len(files)} files, {len(plain) >> 20} MiB, {len(packed) >> 20} MiB packed; "
            f"limits: {_MAX_FILES} files, {_MAX_UNPACKED >> 20} MiB, {MAX_BYTES >> 20} MiB packed"
        )
    return packed


def unpack(packed: bytes) -> dict[str, bytes]:
    """Return the files of a package by path. Raises LibraryError for anything but the files of a library."""
    plain = _decompress(packed)
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise LibraryError(f"{member.name!r}: neither a file nor a folder")
                if member.name in files:
                    raise LibraryError(f"{member.name!r}: duplicate entry")
                if member.size > _MAX_FILE_BYTES or len(files) == _MAX_FILES:
                    raise LibraryError(f"more than {_MAX_FILES} files, or a file larger than 1 MiB")
                content = tar.extractfile(member)
                files[member.name] = content.read() if content else b""
    except (tarfile.TarError, EOFError, OverflowError, ValueError) as error:
        if isinstance(error, LibraryError):
            raise
        raise LibraryError(f"not an archive: {error}") from error
    _check_names(files)
    return files


def compute_digest(files: Mapping[str, bytes]) -> str:
    """Return a digest of paths and contents that does not depend on the packing."""
    lines = sorted(f"{hashlib.sha256(content).hexdigest()}  {path}\n" for path, content in files.items())
    return f"sha256:{hashlib.sha256(''.join(lines).encode(errors='surrogatepass')).hexdigest()}"


def read_origin(folder: Path) -> Origin | None:
    """Return the origin of the pulled library in `folder`, or None if it was not pulled or was changed since."""
    try:
        recorded = msgspec.json.decode(read_limited(folder / ORIGIN, _MAX_FILE_BYTES), type=Origin)
        files = [file for file in folder.rglob("*") if file.is_symlink() or not file.is_dir()]
        if len(files) > _MAX_FILES + 1 or any(file.is_symlink() for file in files):
            return None
        names = {file.relative_to(folder).as_posix(): file for file in files}
        content = {name: read_limited(file, _MAX_FILE_BYTES) for name, file in names.items() if name != ORIGIN}
    except (LibraryError, msgspec.DecodeError, UnicodeDecodeError):
        return None
    return recorded if compute_digest(content) == recorded.content else None


def _decompress(packed: bytes) -> bytes:
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = inflate.decompress(packed, _MAX_UNPACKED)
    except zlib.error as error:
        raise LibraryError(f"invalid compression: {error}") from error
    if inflate.unconsumed_tail:
        raise LibraryError(f"larger than {_MAX_UNPACKED >> 20} MiB when unpacked")
    if not inflate.eof or inflate.unused_data:
        raise LibraryError("not a single complete compressed archive")
    return plain


def _check_names(paths: Mapping[str, object]) -> None:
    """Raise LibraryError for a path that is outside of the folders of a library on some operating system."""
    for path in paths:
        parts = path.split("/")
        if parts[0] not in _FOLDERS or not 2 <= len(parts) <= _MAX_DEPTH or not all(map(_NAME.fullmatch, parts)):
            raise LibraryError(f"{path!r}: not a valid path in a control library")
    folded = {path.casefold(): path for path in paths}
    duplicate = next((path for path in paths if folded[path.casefold()] != path), None)
    if duplicate:
        raise LibraryError(f"{duplicate!r} and {folded[duplicate.casefold()]!r} are the same file on some systems")
