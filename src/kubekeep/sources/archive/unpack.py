"""Unpacking of archives into a private temporary folder.

Archives are hostile: paths that lead elsewhere, links, devices and bombs are rejected before anything is written. Never
opens an archive in an archive; packed charts are detected by `is_chart` and left to the chart reader.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH103, PTH118, PTH120

from __future__ import annotations

import contextlib
import os
import re
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.paths import display_path, error_reason
from kubekeep.sources.archive import tar
from kubekeep.sources.archive import zip as zip_archive
from kubekeep.sources.archive.member import ArchiveError, ArchiveLimits, Member
from kubekeep.sources.archive.names import ARCHIVES
from kubekeep.sources.dockerfile.names import is_dockerfile_name
from kubekeep.sources.files import open_file
from kubekeep.sources.helm.names import CHART
from kubekeep.sources.manifests.names import EXTENSIONS
from kubekeep.sources.temporary import temporary_folder

__all__ = ["ArchiveError", "ArchiveLimits", "Unpacked", "is_archive", "is_chart", "unpack"]

_CHART_NAMES: Final = (".tgz", ".tar.gz")
_REPORTED_EXTENSIONS: Final = (*EXTENSIONS, ".tpl", ".tf", ".tofu", *ARCHIVES)
"""Extensions of files reported if they are omitted."""
DEFAULT_LIMITS: Final = ArchiveLimits()
_CHART_SEARCH_BYTES: Final = 16 << 20
"""Maximum bytes searched for a Chart.yaml; Helm writes it first."""
_HEAD: Final = 8
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f]")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_LONGEST_PART: Final = 255


class Unpacked(msgspec.Struct, frozen=True):
    """The folder with the content of an archive, and the omitted files by their path in the archive."""

    folder: str
    skipped: tuple[UnreadInput, ...]


def is_archive(path: str) -> bool:
    """Return True for the extension of an archive; it may be a chart, see `is_chart`."""
    return path.lower().endswith(ARCHIVES)


def is_chart(path: str) -> bool:
    """Return True for a packed chart: one folder with a Chart.yaml. Never fails.

    Reads the beginning of the archive only.
    """
    if not path.lower().endswith(_CHART_NAMES):
        return False
    top_folder, has_chart = None, False
    try:
        with open_file(path) as file:
            head = file.read(_HEAD)
            file.seek(0)
            for member in tar.read_members(file, head, _CHART_SEARCH_BYTES) if head.startswith(tar.GZIP) else ():
                folder, _, rest = member.name.removeprefix("./").partition("/")
                if not folder or folder == ".":
                    continue
                top_folder = top_folder or folder
                if folder != top_folder or not (rest or member.is_folder):
                    return False
                has_chart = has_chart or (rest == CHART and not member.is_folder)
    except (ArchiveError, OSError):
        # The chart reader reports the error.
        return has_chart
    return has_chart


@contextlib.contextmanager
def unpack(path: str, limits: ArchiveLimits = DEFAULT_LIMITS) -> Iterator[Unpacked]:
    """Unpack an archive into a folder that only this user can read and that is removed afterwards.

    The format is detected by the first bytes. Raises ArchiveError for a damaged or hostile archive, before the folder is
    returned, and OSError if it cannot be read.
    """
    with temporary_folder() as folder:
        with open_file(path) as file:
            skipped = tuple(_unpack(file, folder, limits))
        yield Unpacked(folder, skipped)


def _unpack(file: BinaryIO, folder: str, limits: ArchiveLimits) -> Iterator[UnreadInput]:
    packed = os.fstat(file.fileno()).st_size
    if packed > limits.bytes:
        raise ArchiveError(f"archive larger than {limits.bytes} bytes")
    head = file.read(_HEAD)
    file.seek(0)
    maximum_size = limits.maximum_size(packed)
    is_zip = head.startswith(zip_archive.MAGIC)
    names = _PathChecker(limits)
    for member in (
        zip_archive.read_members(file, maximum_size) if is_zip else tar.read_members(file, head, maximum_size)
    ):
        parts = names.parts(member)
        if not parts:
            continue
        shown_path, target = display_path("/".join(parts)), os.path.join(folder, *parts)
        if member.size > limits.file:
            if parts[-1].lower().endswith(_REPORTED_EXTENSIONS) or is_dockerfile_name(parts[-1]):
                yield UnreadInput(Location(shown_path), f"larger than {limits.file} bytes: not read")
            continue
        _write(member, target)
        if is_archive(parts[-1]) and not member.is_folder and not is_chart(target):
            yield UnreadInput(Location(shown_path), "archive inside an archive: not read")


def _write(member: Member, target: str) -> None:
    try:
        os.makedirs(target if member.is_folder else os.path.dirname(target), mode=0o700, exist_ok=True)
        if not member.is_folder:
            with open(target, "xb", opener=_open_private) as file:
                file.writelines(member.content)
    except OSError as error:
        raise ArchiveError(f"cannot be unpacked: {error_reason(error)}", member.name) from error


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), mode=0o600)


class _PathChecker:
    """Check of the names in an archive: each must be one path on every system."""

    def __init__(self, limits: ArchiveLimits) -> None:
        self._limits = limits
        self._entries = 0
        # By normalised and case-folded path: the path as written, and whether it is a folder.
        self._seen: dict[str, tuple[str, bool]] = {}

    def parts(self, member: Member) -> list[str]:
        """Return the parts of a member's path, empty for the folder of the archive. Raises ArchiveError."""
        self._entries += 1
        self._check(member)
        parts = [part for part in member.name.split("/") if part not in {"", os.curdir}]
        if os.pardir in parts:
            raise ArchiveError("path outside the archive", member.name)
        if not parts and not member.is_folder:
            raise ArchiveError("file without a name", member.name)
        if len(parts) > self._limits.depth or any(len(os.fsencode(part)) > _LONGEST_PART for part in parts):
            raise ArchiveError("path too deep, or name too long", member.name)
        for count in range(1, len(parts) + 1):
            self._add_path("/".join(parts[:count]), member, is_folder=count < len(parts) or member.is_folder)
        if max(self._entries, len(self._seen)) > self._limits.entries:
            raise ArchiveError(f"more than {self._limits.entries} files and folders", member.name)
        return parts

    def _check(self, member: Member) -> None:
        name = member.name
        if _CONTROL.search(name):
            raise ArchiveError("name contains control characters", name)
        if "\\" in name:
            raise ArchiveError("name contains a backslash, a path separator on some systems", name)
        if name.startswith("/") or _DRIVE.match(name):
            raise ArchiveError("absolute path", name)
        if len(name) > self._limits.name:
            raise ArchiveError(f"name longer than {self._limits.name} characters", name)

    def _add_path(self, path: str, member: Member, *, is_folder: bool) -> None:
        key = unicodedata.normalize("NFC", path).casefold()
        previous = self._seen.get(key)
        if previous is None:
            self._seen[key] = (path, is_folder)
        elif previous[0] != path:
            raise ArchiveError(f"same path as {display_path(previous[0])} on some systems", member.name)
        elif not (previous[1] and is_folder):
            raise ArchiveError("duplicate entry in the archive", member.name)
