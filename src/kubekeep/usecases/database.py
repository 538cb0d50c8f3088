"""Tasks of the advisory database: update, status, import, export and build. Never prints; uses the network in updates only."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.build import BuildResult, build_database, get_feed_folder
from kubekeep.vulnerabilities.database.bundle import (
    BundleIndex,
    describe_file,
    is_bundle,
    is_feed_name,
    list_bundled_files,
    read_bundle,
    receive_file,
    write_bundle,
)
from kubekeep.vulnerabilities.database.errors import DatabaseError, MissingSourceError, UpdateError
from kubekeep.vulnerabilities.database.locking import change_folder, publish
from kubekeep.vulnerabilities.database.reader import EcosystemFile, SignalFile, get_time
from kubekeep.vulnerabilities.database.records import get_base_ecosystem
from kubekeep.vulnerabilities.database.scanner_databases import ScannerImport, find_scanner_database, write_records
from kubekeep.vulnerabilities.database.sources import list_database_files
from kubekeep.vulnerabilities.database.vex_repositories.importing import VexImport, write_import
from kubekeep.vulnerabilities.database.vex_repositories.reader import (
    VexRepositoryFile,
    has_repositories,
    list_repository_files,
)
from kubekeep.vulnerabilities.database.vex_repositories.signature import normalise_key

IMPORTED: Final = "imported"
"""Feed of OSV records that were imported without the name of a feed."""


class UpdateRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The files to update and their sources.

    ecosystems: empty for those that the feed has, else for a default set. source: URL of a server with the layout of OSV's
    bucket; empty for the source of the last update, else OSV. feed: name of a private feed; empty for the public one.
    kev and epss: URLs; empty for those of the last update, else of the mirror, else the public ones. vex_repositories: URL
    by name of VEX repositories to check at once; if nothing else is named, only they are updated. vex_key: public key in PEM
    of their archives; empty for the last key of each.
    """

    folder: Path
    ecosystems: tuple[str, ...] = ()
    source: str = ""
    feed: str = ""
    kev: str = ""
    epss: str = ""
    authority_file: str = ""
    vex_repositories: Mapping[str, str] = {}
    vex_key: bytes = b""

    @property
    def updates_advisories(self) -> bool:
        """True unless only VEX repositories are named."""
        return not self.vex_repositories or bool(self.ecosystems or self.source or self.feed or self.kev or self.epss)

    @property
    def updates_everything(self) -> bool:
        """True without names of ecosystems, a feed or VEX repositories: all files of the database are updated."""
        return not (self.ecosystems or self.feed or self.vex_repositories)


class UpdateResult(msgspec.Struct, frozen=True):
    """Updated files with their name, kind and numbers, and failures as messages: those files are as before."""

    files: tuple[Any, ...]
    failures: tuple[str, ...]


class DatabaseFile(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of the database. name: the ecosystem, "KEV", "EPSS" or "VEX". updated: time at which its data was current.

    records: advisories, vulnerabilities with a signal, or documents. size: bytes on disk; 0 for EPSS, which shares the file
    of KEV. feed: also the name of a VEX repository. is_imported: True for a feed without a source, which only an import
    renews. is_signed: True for a VEX repository whose archives need a signature.
    """

    name: str
    records: int
    updated: dt.datetime | None = None
    size: int = 0
    feed: str = ""
    releases: tuple[str, ...] = ()
    origin: str = ""
    is_imported: bool = False
    is_signed: bool = False


def update_database(
    request: UpdateRequest,
    on_bytes: Callable[[str, int, int | None], None],
    on_file: Callable[[Any], None] = lambda _: None,
) -> UpdateResult:
    """Update the files one after the other; a failure leaves the others.

    Raises UpdateError, DatabaseError, and KeyFileError for an invalid key of VEX repositories.
    """
    # Importing an HTTP client takes a tenth of a second.
    from kubekeep.vulnerabilities.database.download import Downloader, DownloadSettings  # noqa: PLC0415

    files, failures = [], []
    settings = DownloadSettings(authority_file=request.authority_file)
    with change_folder(request.folder) as staging, Downloader(settings, on_bytes) as downloader:
        for step in _list_steps(request, downloader, staging):
            try:
                updated = step()
            except (UpdateError, DatabaseError) as error:
                failures.append(str(error))
                continue
            if updated is not None:
                files.append(updated)
                on_file(updated)
    return UpdateResult(tuple(files), tuple(failures))


def _list_steps(request: UpdateRequest, downloader: Any, staging: Path) -> list[Callable[[], Any]]:
    """Return the updates of advisories and exploit signals, then those of VEX repositories."""
    from kubekeep.vulnerabilities.database.plan import list_steps  # noqa: PLC0415 - they import the HTTP client
    from kubekeep.vulnerabilities.database.vex_repositories.update import list_repository_steps  # noqa: PLC0415

    repository_steps = list_repository_steps(
        downloader,
        request.folder,
        staging,
        request.vex_repositories,
        key=normalise_key(request.vex_key) if request.vex_key else "",
        renews=request.updates_everything,
    )
    if not request.updates_advisories:
        return [*repository_steps]
    try:
        steps = list_steps(
            downloader,
            request.folder,
            staging,
            ecosystems=tuple(filter(None, map(get_base_ecosystem, request.ecosystems))),
            source=request.source,
            feed=request.feed,
            signals={"kev": request.kev, "epss": request.epss},
        )
    except MissingSourceError:
        if not repository_steps:
            raise
        steps = []
    return [*steps, *repository_steps]


def list_status(folder: Path) -> list[DatabaseFile]:
    """Return the status of each file. Raises DatabaseError for a damaged one."""
    rows = []
    for paths in list_database_files(folder).values():
        for path in paths:
            file = EcosystemFile(path)
            try:
                state = file.get_state()
            finally:
                file.close()
            releases = tuple(sorted(state.releases - {state.ecosystem}))
            rows.append(
                DatabaseFile(
                    *(state.ecosystem, state.records, state.updated, path.stat().st_size, file.feed, releases),
                    origin=str(file.facts.get("source", "")) or state.origin,
                    is_imported=file.is_imported,
                )
            )
    return [
        *rows,
        *_list_signals(folder / schema.SIGNALS_FILE),
        *map(_describe_repository, list_repository_files(folder)),
    ]


def import_database(
    path: Path, folder: Path, feed: str = "", *, allow_older: bool = False
) -> BuildResult | BundleIndex | ScannerImport | VexImport:
    """Import a bundle, a folder that `db build` wrote, a VEX repository, a database of Grype or Trivy, or OSV records.

    A VEX repository replaces the one with its name, or the named one; a database of another scanner the feed with the name
    of the scanner, or the named one. OSV records are added to a feed.

    Nothing is replaced unless everything is valid, and no file by an older one unless `allow_older`. Raises DatabaseError
    and AdvisoryInputError.
    """
    if feed and not is_feed_name(feed):
        raise DatabaseError(f"{feed!r} is not a name of a feed: use lower-case letters, digits, dots and hyphens")
    if is_bundle(path) or (path.is_dir() and (list_database_files(path) or has_repositories(path))):
        if feed:
            raise DatabaseError(f"{visible(str(path))} is a database and has its own feeds: --feed is for OSV records")
        with change_folder(folder) as staging:
            index = read_bundle(path, staging) if path.is_file() else _copy_files(path, staging)
            names = [file.name for file in index.files]
            refuse_other_keys(staging, folder, names, str(path))
            if not allow_older:
                refuse_older(staging, folder, names, str(path))
            for name in names:
                publish(staging / name, folder / name)
            return index
    with change_folder(folder) as staging:
        repository = write_import(path, folder, staging, feed)
        if repository is not None:
            if not allow_older:
                refuse_older(staging, folder, [repository.file], str(path))
            publish(staging / repository.file, folder / repository.file)
            return repository
    result = _import_scanner_database(path, folder, feed, allow_older=allow_older)
    if result is not None:
        return result
    return build_database([path], folder, feed=feed or IMPORTED, is_addition=True, origin=str(path))


def _import_scanner_database(path: Path, folder: Path, feed: str, *, allow_older: bool) -> ScannerImport | None:
    """Replace a feed by the records of a database of another scanner; return None for other files."""
    with change_folder(folder) as staging:
        database = find_scanner_database(path, staging)
        if database is None:
            return None
        result = write_records(database, feed or database.feed, staging, folder)
        target = get_feed_folder(folder, result.feed)
        if not allow_older:
            refuse_older(staging, folder, result.files, str(path))
        for name in result.files:
            publish(staging / name, folder / name)
        for file in target.glob(f"*{schema.SUFFIX}"):
            if file.relative_to(folder).as_posix() not in result.files:
                file.unlink()
        return result


def refuse_older(staging: Path, folder: Path, names: Iterable[str], origin: str) -> None:
    """Raise DatabaseError if a file of the database is newer than the one in `staging` that would replace it."""
    for name in names:
        present, new = (_read_times(database / name, schema.get_kind(name)) for database in (folder, staging))
        for part, time in present.items():
            if part in new and new[part] < time:
                raise DatabaseError(
                    f"{visible(name)} is of {time:%Y-%m-%d %H:%M} in the database and of {new[part]:%Y-%m-%d %H:%M} in "
                    f"{visible(origin)}: nothing was replaced; --allow-older replaces it"
                )


def refuse_other_keys(staging: Path, folder: Path, names: Iterable[str], origin: str) -> None:
    """Raise DatabaseError if a signed VEX repository would be replaced by one without its key.

    The next update would not require its signature any more.
    """
    for name in names:
        if schema.get_kind(name) == schema.STATEMENTS:
            present, new = (
                schema.read_file_facts(database / name, schema.STATEMENTS).get("key") for database in (folder, staging)
            )
            if present and present != new:
                raise DatabaseError(
                    f"{visible(name)} is signed in the database, and has no signature by the same key in {visible(origin)}: "
                    f"nothing was replaced; delete {visible(str(folder / name))} to replace it"
                )


def _read_times(path: Path, kind: int) -> dict[str, dt.datetime]:
    """Return the times at which the parts of a file were current; of a VEX repository, the time in its index."""
    facts = schema.read_file_facts(path, kind)
    if kind == schema.STATEMENTS:
        facts.pop("current", None)
    parts = {part: _select_facts(facts, part) for part in ("kev", "epss")} if kind == schema.SIGNALS else {"": facts}
    return {part: time for part, values in parts.items() if (time := get_time(values))}


def _select_facts(facts: Mapping[str, Any], part: str) -> dict[str, Any]:
    return {name.removeprefix(f"{part}_"): value for name, value in facts.items() if name.startswith(f"{part}_")}


def export_database(folder: Path, ecosystems: Sequence[str], stream: IO[bytes]) -> tuple[BundleIndex, str]:
    """Write a bundle and return its index and SHA-256. Raises DatabaseError and OSError."""
    hashing = _HashingStream(stream)
    index = write_bundle(folder, list_bundled_files(folder, ecosystems), hashing)  # type: ignore[arg-type]
    return index, hashing.digest.hexdigest()


def build(sources: Sequence[Path], folder: Path) -> BuildResult:
    """Build a database in `folder` from OSV records, KEV and EPSS. Raises DatabaseError and AdvisoryInputError."""
    origin = ", ".join(source.name for source in sources)
    return build_database(sources, folder, origin=origin)


def _copy_files(source: Path, staging: Path) -> BundleIndex:
    """Copy the files of another database folder."""
    files = []
    for path in list_bundled_files(source):
        bundled = describe_file(source, path)
        with path.open("rb") as stream:
            receive_file(stream, bundled, staging, str(source))
        files.append(bundled)
    return BundleIndex("", tuple(files))


def _describe_repository(path: Path) -> DatabaseFile:
    repository = VexRepositoryFile(path)
    repository.close()
    facts = repository.facts
    return DatabaseFile(
        *("VEX", int(facts.get("documents", 0)), get_time(facts), path.stat().st_size, repository.name),
        origin=str(facts.get("origin", "")),
        is_imported=not facts.get("source"),
        is_signed=bool(facts.get("key")),
    )


def _list_signals(path: Path) -> Iterator[DatabaseFile]:
    if not path.is_file():
        return
    file = SignalFile(path)
    try:
        counts, facts = file.count(), file.facts
    finally:
        file.close()
    size = path.stat().st_size
    for kind, count in counts.items():
        own_facts = _select_facts(facts, kind)
        if count:
            source = str(own_facts.get("source") or own_facts.get("origin", ""))
            yield DatabaseFile(kind.upper(), count, get_time(own_facts), size, origin=source)
            size = 0


class _HashingStream:
    """A stream that computes the digest of what is written."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        return self._stream.write(content)
