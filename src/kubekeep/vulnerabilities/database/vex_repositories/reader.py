"""Reading of the file of one VEX repository: documents by package. Never writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from kubekeep.model.package import Package
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.compression import zstd
from kubekeep.vulnerabilities.database.errors import DatabaseError

MAX_DOCUMENT: Final = 16 << 20
"""Maximum size of a document."""
_BATCH: Final = 500
"""Names of one query."""


class VexRepositoryFile:
    """The documents of one repository. Raises DatabaseError for a missing, damaged or foreign file."""

    def __init__(self, path: Path) -> None:
        """Open the file; it stays the same until it is closed, even if an update replaces it."""
        self._path = path
        self._connection = schema.open_file(path, schema.STATEMENTS)
        self.facts: dict[str, Any] = dict(self._query("SELECT name, value FROM facts", ()))

    @property
    def name(self) -> str:
        """The name of the repository."""
        return get_repository_name(self._path)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def find(self, names: Iterable[str]) -> Iterator[tuple[str, int]]:
        """Yield the package URL and the number of the document for names of `get_lookup_name`."""
        ordered = sorted(set(names))
        for start in range(0, len(ordered), _BATCH):
            batch = json.dumps(ordered[start : start + _BATCH])
            query = "SELECT p.id, p.document FROM json_each(?) j JOIN packages p ON p.name = j.value"
            for purl, number in self._query(query, (batch,)):
                if not (isinstance(purl, str) and isinstance(number, int)):
                    raise schema.damaged(self._path, ValueError("a package URL is not text"))
                yield purl, number

    def read(self, number: int) -> bytes:
        """Return the content of a document."""
        rows = self._query("SELECT content FROM documents WHERE number = ?", (number,))
        try:
            decompressor = zstd.ZstdDecompressor()
            content = decompressor.decompress(rows[0][0], MAX_DOCUMENT)
        except (zstd.ZstdError, EOFError, TypeError, IndexError) as error:
            raise schema.damaged(self._path, error) from error
        if not decompressor.eof:
            raise DatabaseError(f"{visible(str(self._path))}: a document is incomplete or too large")
        return content

    def _query(self, query: str, values: tuple[object, ...]) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except schema.READ_ERRORS as error:
            raise schema.damaged(self._path, error) from error


def get_repository_path(folder: Path, name: str) -> Path:
    """Return the file of a repository in a database."""
    return folder / schema.REPOSITORIES / f"{name}{schema.REPOSITORY_SUFFIX}"


def read_known_facts(path: Path) -> dict[str, Any]:
    """Return the facts about a repository; none without a file. Raises DatabaseError for an unusable one.

    Its source and its key are unknown then, and without the key the next archive would need no signature.
    """
    if not path.exists():
        return {}
    try:
        repository = VexRepositoryFile(path)
    except DatabaseError as error:
        raise DatabaseError(f"{error}; then name the VEX repository again, with its key") from error
    repository.close()
    return repository.facts


def list_repository_files(folder: Path) -> list[Path]:
    """Return the files of the repositories in a database in the order of their priority."""
    return sorted((folder / schema.REPOSITORIES).glob(f"*{schema.REPOSITORY_SUFFIX}"), key=get_repository_name)


def has_repositories(folder: Path) -> bool:
    """Return True if a database has VEX repositories."""
    return bool(list_repository_files(folder))


def get_repository_name(path: Path) -> str:
    """Return the name of the repository of a file."""
    return path.name.removesuffix(schema.REPOSITORY_SUFFIX)


def get_lookup_name(package: Package) -> str:
    """Return the name under which documents about a package are looked up: without namespace, version and qualifiers."""
    return f"{package.type}/{package.name}"
