"""The documents of VEX repositories for the subject of a scan: those of its packages, and of the image itself.

Reads no other document. Never decides if a statement applies.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.package import Package
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.vex_repositories.index import IMAGE_TYPES
from kubekeep.vulnerabilities.database.vex_repositories.reader import (
    VexRepositoryFile,
    get_lookup_name,
    list_repository_files,
)
from kubekeep.vulnerabilities.vex.document import VexDocument, VexIdentity
from kubekeep.vulnerabilities.vex.errors import VexError
from kubekeep.vulnerabilities.vex.identities import parse_purl
from kubekeep.vulnerabilities.vex.ownership import is_superseded, names_repository, restrict_document
from kubekeep.vulnerabilities.vex.read import read_vex
from kubekeep.vulnerabilities.vex.subject import VexSubject

_CACHED: Final = 256
"""Documents that stay in memory for the next image."""

_Owner = tuple[str, str, str]
"""Type, namespace and name of a package."""
_IMAGE: Final = ("oci", "", "")
"""The image that is scanned, however its registry is spelled."""


class VexRepositories:
    """The VEX repositories of a database. Those after one that cannot be read are not used."""

    def __init__(self, folder: Path) -> None:
        """Open the files of the repositories."""
        self._problems: dict[str, None] = {}
        self._files: list[VexRepositoryFile] = []
        self._load = functools.lru_cache(_CACHED)(self._load_document)
        for path in list_repository_files(folder):
            try:
                self._files.append(VexRepositoryFile(path))
            except DatabaseError as error:
                # It might overrule the repositories after it.
                self._report(error)
                break

    @property
    def problems(self) -> tuple[str, ...]:
        """Messages about repositories and documents that cannot be read."""
        return tuple(self._problems)

    def close(self) -> None:
        """Close the files."""
        for file in self._files:
            file.close()

    def list_documents(self, subject: VexSubject, others: Sequence[VexDocument]) -> tuple[VexDocument, ...]:
        """Return the documents about the subject and its packages, each limited to its package.

        Of several repositories with a package, the first counts. others: documents that may supersede them.
        """
        owners = _list_owners(subject)
        names = _list_names(subject)
        sources: dict[_Owner, VexRepositoryFile] = {}
        documents: list[VexDocument] = []
        # A document of the image may be listed under many spellings of its repository.
        known: set[tuple[VexRepositoryFile, _Owner, int]] = set()
        for file in self._files:
            try:
                for purl, number in file.find(names):
                    package = parse_purl(purl)
                    owner = _find_owner(package, owners, subject)
                    if owner is None or sources.setdefault(owner, file) is not file or (file, owner, number) in known:
                        continue
                    known.add((file, owner, number))
                    document = self._load(file, number)
                    if document is not None and not is_superseded(document, others):
                        restricted = restrict_document(document, package)
                        documents.append(msgspec.structs.replace(restricted, origin=f"{file.name}: {purl}"))
            except (DatabaseError, ValueError) as error:
                self._report(error)
                break
        return tuple(documents)

    def _load_document(self, file: VexRepositoryFile, number: int) -> VexDocument | None:
        try:
            return read_vex(file.read(number), file.name)
        except (DatabaseError, VexError) as error:
            self._report(error)
            return None

    def _report(self, error: Exception) -> None:
        self._problems[str(error)] = None


def _get_owner(package: Package) -> _Owner:
    return (package.type, package.namespace, package.name)


def _list_owners(subject: VexSubject) -> set[_Owner]:
    """Return the packages of the subject and their source packages."""
    owners = set()
    for package in subject.packages:
        owners.add(_get_owner(package))
        if package.source is not None:
            owners.add((package.type, package.namespace, package.source.name))
    return owners


def _list_names(subject: VexSubject) -> set[str]:
    """Return the names under which documents about the subject and its packages are looked up."""
    names = {f"{kind}/{name}" for kind, _, name in _list_owners(subject)}
    names.update(map(get_lookup_name, subject.purls))
    if subject.image is not None:
        name = subject.image.repository.rpartition("/")[2]
        names.update(f"{kind}/{name}" for kind in IMAGE_TYPES)
    return names


def _find_owner(package: Package, owners: set[_Owner], subject: VexSubject) -> _Owner | None:
    """Return the part of the subject that a package URL names; None if it is not in the subject."""
    owner = _get_owner(package)
    if owner in owners:
        return owner
    if not subject.matches(VexIdentity(purls=(package,))):
        return None
    is_exact = package.type == "docker" or names_repository(package)
    return _IMAGE if package.type in IMAGE_TYPES and is_exact else owner
