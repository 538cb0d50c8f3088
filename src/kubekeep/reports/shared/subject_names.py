"""Identities of subjects in submissions: of a resource, in a repository with the file that it comes from. Reads no file."""

from __future__ import annotations

import os

from kubekeep.model.fingerprint import Identity, create_short_fingerprint
from kubekeep.model.git import GitRepository
from kubekeep.model.scanned_source import ScannedSource, SourceRepository
from kubekeep.model.source import Source
from kubekeep.model.subject import Subject


class SubjectNames:
    """Identities of the subjects of one source. base: absolute folder that shown paths start from."""

    def __init__(self, source: ScannedSource | None, repository: GitRepository | None, base: str) -> None:
        self.has_origins = isinstance(source, SourceRepository)
        """True if subjects have files that tell them apart; those of a recorded cluster tell nothing."""
        self._folder = repository.root if self.has_origins and repository else ""
        self._base = base

    def create_fingerprint(self, definition: str, subject: Subject) -> str:
        """Return the fingerprint of a finding: 16 hexadecimal digits. definition: its key."""
        origin, _ = self.find_origin(subject)
        return create_short_fingerprint(definition, Identity.stable(subject), origin)

    def locate(self, file: str) -> str:
        """Return the path of a shown file in the repository, with slashes; the shown path for other files."""
        path = os.path.normpath(os.path.join(self._base, file)) if self._folder else file  # noqa: PTH118 - opens no file
        if self._folder and path.startswith(self._folder + os.sep):
            return path[len(self._folder) + 1 :].replace(os.sep, "/")
        return file.replace(os.sep, "/")

    def find_origin(self, subject: Subject) -> tuple[str, bool]:
        """Return the file of a subject in a repository, or what generated it, and True if it was generated."""
        source = _find_source(subject)
        if not self.has_origins or source is None:
            return "", False
        origin = source.origin
        if origin is None:
            return self.locate(source.path), False
        folder, settings = self.locate(origin.folder), ", ".join(filter(None, (*origin.values, origin.application)))
        return f"{folder} ({settings})" if settings else folder, True

    def find_file(self, subject: Subject) -> str:
        """Return the file of a subject in a repository, for a generated one any file of its chart or kustomization; empty elsewhere."""
        source = _find_source(subject)
        if not self.has_origins or source is None:
            return ""
        return self.locate(source.path if source.origin is None else os.path.join(source.origin.folder, "values.yaml"))  # noqa: PTH118 - opens no file


def _find_source(subject: Subject) -> Source | None:
    sources = (part.source for part in (subject, *subject.related))
    return next((source for source in sources if source is not None), None)
