"""The sources of advisories of a scan: the database, files and folders of OSV records, and databases of Grype.

Never uses the network, and never creates a database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from kubekeep.vulnerabilities.database.sources import (
    AdvisoryDatabase,
    ClosableSource,
    JoinedSources,
    list_database_files,
)

_SQLITE: Final = b"SQLite format 3\0"


class OpenAdvisories(JoinedSources):
    """The sources of a scan; use it as a context.

    unread: number of records in files that could not be read; `problems` has the first ones. A scan with any is
    incomplete.
    """

    def __init__(self, sources: Sequence[ClosableSource]) -> None:
        super().__init__(sources)
        self.unread = sum(source.unread for source in sources)
        self.problems = tuple(str(problem) for source in sources for problem in source.problems)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_advisories(database: Path | None, paths: Sequence[Path] = ()) -> OpenAdvisories:
    """Return the sources of a scan.

    database: folder of the database, or None to use only `paths`. A path is a file or folder with OSV records, a folder
    that `db build` wrote, or a database of Grype. Raises MissingDatabaseError without a database in its folder,
    DatabaseError and AdvisoryInputError.
    """
    sources: list[ClosableSource] = []
    files = []
    with contextlib.ExitStack() as failed:
        failed.callback(lambda: JoinedSources(sources).close())
        if database is not None:
            sources.append(AdvisoryDatabase(database))
        for path in paths:
            if path.is_dir() and list_database_files(path):
                sources.append(AdvisoryDatabase(path))
            elif _is_sqlite(path):
                sources.append(_open_grype(path))
            else:
                files.append(path)
        if files:
            sources.append(_read_files(files))
        failed.pop_all()
    return OpenAdvisories(sources)


def _is_sqlite(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def _read_files(paths: Sequence[Path]) -> ClosableSource:
    # A scan with a database needs no code that reads files.
    from kubekeep.vulnerabilities.database.advisory_files import AdvisoryFiles  # noqa: PLC0415

    return AdvisoryFiles(paths)


def _open_grype(path: Path) -> ClosableSource:
    # Loaded only if such a database is used.
    from kubekeep.vulnerabilities.database.grype.source import GrypeDatabase  # noqa: PLC0415

    return GrypeDatabase(path)
