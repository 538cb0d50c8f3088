"""Import of VEX repositories from their archives or folders, for networks without access to their servers."""

from __future__ import annotations

import contextlib
import posixpath
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database.bundle import is_feed_name
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError, DatabaseError
from kubekeep.vulnerabilities.database.vex_repositories.files import RepositoryFiles, find_root, open_repository
from kubekeep.vulnerabilities.database.vex_repositories.index import INDEX, MAX_INDEX
from kubekeep.vulnerabilities.database.vex_repositories.manifest import MANIFEST, read_name
from kubekeep.vulnerabilities.database.vex_repositories.reader import get_repository_path, read_known_facts
from kubekeep.vulnerabilities.database.vex_repositories.signature import MAX_SIGNATURE, SUFFIX, check_signature
from kubekeep.vulnerabilities.database.vex_repositories.writer import write_repository

_SUFFIXES: Final = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar", ".zip")
_MAX_MANIFEST: Final = 1 << 20
_KEPT: Final = ("source", "key", "interval")
"""Facts about a repository that stay if an archive replaces its documents."""


class VexImport(msgspec.Struct, frozen=True):
    """A repository that was imported. file: its path in the folder of the database."""

    name: str
    file: str
    documents: int
    unread: int
    problems: tuple[str, ...]


def write_import(path: Path, folder: Path, staging: Path, name: str = "") -> VexImport | None:
    """Write the repository in an archive or a folder to a file below `staging`; return None for other content.

    folder: of the database. Raises AdvisoryInputError, UpdateError for a wrong signature, and DatabaseError.
    """
    with contextlib.ExitStack() as stack:
        try:
            files = stack.enter_context(open_repository(path, staging))
            root = find_root(files)
            if not _is_index(files.read(posixpath.join(root, INDEX), MAX_INDEX)):
                return None
        except AdvisoryInputError:
            return None
        name = name or _find_name(path, files, root)
        target = get_repository_path(folder, name)
        present = read_known_facts(target)
        facts: dict[str, object] = {fact: present[fact] for fact in _KEPT if fact in present}
        if key := str(facts.get("key", "")):
            _verify(path, key, name, target)
        new = get_repository_path(staging, name)
        new.parent.mkdir(parents=True, exist_ok=True)
        try:
            written = write_repository(files, root, new, {**facts, "origin": str(path)})
        except AdvisoryInputError as error:
            raise AdvisoryInputError(f"{visible(str(path))} is not usable: {error}") from error
    file = new.relative_to(staging).as_posix()
    return VexImport(name, file, written.documents, written.unread, written.problems)


def _is_index(content: bytes) -> bool:
    """Return True for the index of a repository: other archives and folders may have a file with its name."""
    return b'"packages"' in content and b'"updated_at"' in content


def _find_name(path: Path, files: RepositoryFiles, root: str) -> str:
    """Return the name in the manifest, else that of the archive or folder. Raises DatabaseError if neither is a name."""
    manifest = ""
    with contextlib.suppress(AdvisoryInputError):
        manifest = read_name(files.read(posixpath.join(root, MANIFEST), _MAX_MANIFEST))
    base = path.resolve().name
    suffix = next((suffix for suffix in _SUFFIXES if base.lower().endswith(suffix)), "")
    for name in (manifest, base.removesuffix(base[len(base) - len(suffix) :]) if suffix else base):
        if is_feed_name(name):
            return name
    raise DatabaseError(
        f"{visible(str(path))} is a VEX repository without a usable name: add --feed NAME, with lower-case letters, digits, "
        "dots and hyphens"
    )


def _verify(path: Path, key: str, name: str, target: Path) -> None:
    """Verify the signature beside an archive: a file must not replace signed documents without one."""
    signature = path.with_name(f"{path.name}{SUFFIX}")
    if path.is_dir() or not signature.is_file():
        raise DatabaseError(
            f"the VEX repository {name} of the database is signed: put the signature of the archive into "
            f"{visible(str(signature))}, or delete {visible(str(target))}"
        )
    with signature.open("rb") as file:
        check_signature(key, file.read(MAX_SIGNATURE), path.read_bytes(), visible(str(path)))
