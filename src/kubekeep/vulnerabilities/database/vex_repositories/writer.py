"""Writing of the file of one VEX repository from its files. Never uses the network, and never replaces a file in use."""

from __future__ import annotations

import contextlib
import posixpath
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.compression import zstd
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError, DatabaseError
from kubekeep.vulnerabilities.database.vex_repositories.files import RepositoryFiles
from kubekeep.vulnerabilities.database.vex_repositories.index import (
    INDEX,
    MAX_INDEX,
    IndexedPackage,
    RepositoryIndex,
    read_index,
)
from kubekeep.vulnerabilities.database.vex_repositories.reader import MAX_DOCUMENT, get_lookup_name
from kubekeep.vulnerabilities.vex.errors import VexError
from kubekeep.vulnerabilities.vex.read import read_vex

_LEVEL: Final = 9
_MOST_PROBLEMS: Final = 100


class WrittenRepository(msgspec.Struct, frozen=True):
    """A complete file. updated: microseconds since year 1. unread: documents and entries that are left out."""

    documents: int
    packages: int
    updated: int
    unread: int
    problems: tuple[str, ...]


def write_repository(files: RepositoryFiles, root: str, path: Path, facts: Mapping[str, object]) -> WrittenRepository:
    """Write a new file with the documents of a repository that can be read. root: folder with the index.

    Raises AdvisoryInputError if there are only others, and DatabaseError if the file cannot be written.
    """
    index = read_index(files.read(posixpath.join(root, INDEX), MAX_INDEX))
    by_path: dict[str, list[IndexedPackage]] = {}
    for package in index.packages:
        by_path.setdefault(package.path, []).append(package)
    problems = list(index.problems)
    try:
        with contextlib.closing(schema.create_file(path, schema.STATEMENTS)) as connection:
            connection.execute("BEGIN")
            counts = _write_documents(connection, _read_documents(files, root, by_path, problems))
            repository = _summarise(index, *counts, problems)
            schema.write_facts(
                connection,
                documents=repository.documents,
                packages=repository.packages,
                newest=repository.updated,
                **facts,
            )
            connection.execute("COMMIT")
        schema.seal_file(path)
    except (sqlite3.Error, OSError) as error:
        raise DatabaseError(f"{visible(str(path))} cannot be written: {error}") from error
    return repository


def _read_documents(
    files: RepositoryFiles, root: str, by_path: Mapping[str, list[IndexedPackage]], problems: list[str]
) -> Iterator[tuple[bytes, list[IndexedPackage]]]:
    """Yield the documents that can be read, each with its packages; the others are added to `problems`."""
    for path, packages in by_path.items():
        try:
            content = files.read(posixpath.join(root, path), MAX_DOCUMENT)
            read_vex(content, path)
        except (AdvisoryInputError, VexError) as error:
            problems.append(str(error))
            continue
        yield content, packages


def _write_documents(
    connection: sqlite3.Connection, documents: Iterable[tuple[bytes, list[IndexedPackage]]]
) -> tuple[int, int]:
    """Write documents and packages, and return their numbers."""
    count = packages = 0
    for content, own in documents:
        connection.execute("INSERT INTO documents VALUES (?, ?)", (count, zstd.compress(content, _LEVEL)))
        rows = ((get_lookup_name(package.package), package.id, count) for package in own)
        connection.executemany("INSERT INTO packages VALUES (?, ?, ?)", rows)
        count += 1
        packages += len(own)
    return count, packages


def _summarise(index: RepositoryIndex, documents: int, packages: int, problems: list[str]) -> WrittenRepository:
    if problems and not documents:
        raise AdvisoryInputError(f"none of its documents can be read, such as {problems[0]}")
    shown = tuple(problems[:_MOST_PROBLEMS])
    return WrittenRepository(documents, packages, index.updated, len(problems), shown)
