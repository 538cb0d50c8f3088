"""Updates of VEX repositories: the manifest, then the archive if it has changed, verified before it replaces the last one."""

from __future__ import annotations

import datetime as dt
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.bundle import is_feed_name
from kubekeep.vulnerabilities.database.download import Downloader, Reply, show_url
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError, DatabaseError, UpdateError
from kubekeep.vulnerabilities.database.locking import publish
from kubekeep.vulnerabilities.database.records import format_time, parse_time
from kubekeep.vulnerabilities.database.update import DOWNLOADS, SHRUNK, UpdatedFile
from kubekeep.vulnerabilities.database.vex_repositories.address import get_manifest_url, show_location
from kubekeep.vulnerabilities.database.vex_repositories.files import MAX_ARCHIVE, find_root, open_repository
from kubekeep.vulnerabilities.database.vex_repositories.manifest import (
    ArchiveLocation,
    RepositoryManifest,
    read_manifest,
)
from kubekeep.vulnerabilities.database.vex_repositories.reader import (
    get_repository_name,
    get_repository_path,
    list_repository_files,
    read_known_facts,
)
from kubekeep.vulnerabilities.database.vex_repositories.signature import MAX_SIGNATURE, SUFFIX, check_signature
from kubekeep.vulnerabilities.database.vex_repositories.writer import WrittenRepository, write_repository

_MAX_MANIFEST: Final = 1 << 20
_MICROSECONDS: Final = 1_000_000


def list_repository_steps(
    downloader: Downloader, folder: Path, staging: Path, sources: Mapping[str, str], *, key: str = "", renews: bool
) -> list[Callable[[], UpdatedFile]]:
    """Return the updates of the repositories in `sources` (URL by name), at once, and with `renews` of all known ones.

    key: public key of those in `sources`; without one, the last key of each counts. Raises UpdateError.
    """
    for name, url in sources.items():
        if not is_feed_name(name):
            raise UpdateError(
                f"{name!r} is not a name of a VEX repository: use lower-case letters, digits, dots and hyphens"
            )
        get_manifest_url(url)
    updates = {name: RepositoryUpdate(downloader, folder, staging, name, url, key) for name, url in sources.items()}
    if renews:
        for path in list_repository_files(folder):
            name = get_repository_name(path)
            if name not in updates and (update := RepositoryUpdate(downloader, folder, staging, name)).has_source:
                updates[name] = update
    return [updates[name].run for name in sorted(updates)]


class RepositoryUpdate:
    """The update of one repository. `run` raises UpdateError and DatabaseError.

    url: without one, the last source is used, after the interval of its manifest.
    """

    def __init__(
        self, downloader: Downloader, folder: Path, staging: Path, name: str, url: str = "", key: str = ""
    ) -> None:
        self._downloader = downloader
        self._staging = staging
        self._name = f"VEX ({name})"
        self._target = get_repository_path(folder, name)
        self._new = staging / self._target.name
        self._archive = folder / DOWNLOADS / f"{self._target.name}.archive"
        self._is_forced = bool(url)
        self._problem = ""
        self._facts: dict[str, Any] = {}
        try:
            self._facts = read_known_facts(self._target)
        except DatabaseError as error:
            self._problem = str(error)
        self._url = url or str(self._facts.get("source", ""))
        self._key = key or str(self._facts.get("key", ""))
        self._is_same = self._facts.get("source") == show_url(self._url) and self._facts.get("key", "") == self._key
        """True if the last content has the same source and the same key, so that it needs no second download."""

    @property
    def has_source(self) -> bool:
        """True unless the repository was imported; an unusable file is reported by `run`."""
        return bool(self._url or self._problem)

    def run(self) -> UpdatedFile:
        """Update the file. Of several locations, the first with usable content counts."""
        if self._problem:
            raise DatabaseError(self._problem)
        now = _now()
        if (
            not self._is_forced
            and abs(now - self._get_number("current")) < self._get_number("interval") * _MICROSECONDS
        ):
            return UpdatedFile(self._name, "recent", self._get_number("documents"))
        manifest, facts = self._load_manifest()
        facts |= {"current": now, "interval": manifest.interval, "source": show_url(self._url), "key": self._key}
        failures = []
        for location in manifest.locations:
            try:
                return self._load(location, facts)
            except UpdateError as error:
                failures.append(str(error))
            finally:
                self._archive.unlink(missing_ok=True)
                self._new.unlink(missing_ok=True)
        raise UpdateError("; ".join(failures))

    def _load_manifest(self) -> tuple[RepositoryManifest, dict[str, object]]:
        """Return the manifest, and the facts with which the next update asks for a change of it."""
        url = get_manifest_url(self._url)
        known = self._facts.get("manifest") if self._is_same else None
        etag = str(self._facts.get("manifest_etag", "")) if isinstance(known, bytes) else ""
        reply = self._downloader.get(url, _MAX_MANIFEST, etag)
        if reply.status == 304 and isinstance(known, bytes):
            reply = Reply(200, known, etag)
        if reply.status != 200:
            raise UpdateError(f"{show_url(url)}: the server responded with {reply.status}")
        try:
            return read_manifest(reply.body), {"manifest": reply.body, "manifest_etag": reply.etag}
        except ValueError as error:
            raise UpdateError(f"{show_url(url)} is not the manifest of a VEX repository: {error}") from error

    def _load(self, location: ArchiveLocation, facts: Mapping[str, object]) -> UpdatedFile:
        url = get_manifest_url(self._url)
        self._archive.parent.mkdir(parents=True, exist_ok=True)
        is_known = self._is_same and self._facts.get("location") == show_location(location)
        etag = str(self._facts.get("etag", "")) if is_known else ""
        reply = self._downloader.save(location.url, self._archive, etag, limit=MAX_ARCHIVE, referrer=url)
        if reply.status == 304 and etag:
            return self._keep(facts)
        if reply.status != 200:
            raise UpdateError(f"{show_location(location)}: the server responded with {reply.status}")
        if self._key:
            self._verify(location, url)
        facts = {**facts, "location": show_location(location), "etag": reply.etag, "origin": show_url(self._url)}
        try:
            with open_repository(self._archive, self._staging) as files:
                root = find_root(files, location.folder)
                repository = write_repository(files, root, self._new, facts)
        except AdvisoryInputError as error:
            raise UpdateError(f"{show_location(location)} is not usable: {error}") from error
        self._check_content(repository, location)
        publish(self._new, self._target)
        return UpdatedFile(
            self._name, "documents", repository.documents, unread=repository.unread, problems=repository.problems
        )

    def _verify(self, location: ArchiveLocation, referrer: str) -> None:
        parts = urlsplit(location.url)
        url = urlunsplit(parts._replace(path=f"{parts.path}{SUFFIX}"))
        reply = self._downloader.get(url, MAX_SIGNATURE, referrer=referrer)
        if reply.status != 200:
            raise UpdateError(
                f"{show_location(location)} is not signed: the server responded with {reply.status} for {show_url(url)}"
            )
        check_signature(self._key, reply.body, self._archive.read_bytes(), show_location(location))

    def _check_content(self, repository: WrittenRepository, location: ArchiveLocation) -> None:
        """Raise UpdateError for an incomplete archive, and for an old signed one that another server may repeat."""
        old = self._get_number("packages")
        if repository.packages < old * SHRUNK:
            raise UpdateError(
                f"{show_location(location)} has {repository.packages:,} packages and the database {old:,}: the archive seems "
                f"incomplete; delete {visible(str(self._target))} to use it"
            )
        newest = self._get_number("newest")
        if self._is_same and self._key and repository.updated < newest:
            raise UpdateError(
                f"{show_location(location)} is of {format_time(repository.updated)} and the database of {format_time(newest)}: an older "
                f"archive does not replace a newer one; delete {visible(str(self._target))} to use it"
            )

    def _keep(self, facts: Mapping[str, object]) -> UpdatedFile:
        """Note the check of content that has not changed."""
        shutil.copyfile(self._target, self._new)
        try:
            connection = schema.open_for_writing(self._new, schema.STATEMENTS)
            try:
                schema.write_facts(connection, **facts)
            finally:
                connection.close()
            schema.seal_file(self._new)
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(f"{visible(str(self._new))} cannot be written: {error}") from error
        publish(self._new, self._target)
        return UpdatedFile(self._name, "same-documents", self._get_number("documents"))

    def _get_number(self, name: str) -> int:
        value: Any = self._facts.get(name, 0)
        return value if isinstance(value, int) else 0


def _now() -> int:
    return parse_time(dt.datetime.now(dt.UTC).isoformat())
