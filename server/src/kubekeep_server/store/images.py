"""Images of a source in a submission: their problems, packages and names, and the workloads that run them.

An image is stored once for all sources. Its rows are locked in the order of their numbers after the definitions, so that sources
that submit the same images at once wait for each other, and never for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, select, update

from kubekeep.model.image import ImageSubject
from kubekeep.model.submission import SubjectEntry, SubmittedFinding
from kubekeep_server.store.batches import is_key, lock_rows, select_by_keys
from kubekeep_server.store.document import SubmittedDocument
from kubekeep_server.store.image_findings import refresh_findings, refresh_uses
from kubekeep_server.store.image_packages import refresh_packages
from kubekeep_server.store.image_reports import (
    NOTHING,
    ImageReport,
    compute_digest,
    load_reports,
    remove_unused_parts,
    store_parts,
)
from kubekeep_server.store.image_schema import image, source_image
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.packages import store_image_names
from kubekeep_server.store.pending_matches import add_images
from kubekeep_server.store.repository_findings import refresh_history
from kubekeep_server.store.runs import ImageUse, RunChanges, load_uses
from kubekeep_server.store.schema import definition, subject
from kubekeep_server.store.stored_scopes import refresh_scopes
from kubekeep_server.store.upsert import insert_missing, replace_rows

_TEXTS: Final = ("id", "digest", "platform", "distribution", "created")
"""The columns of `image` that a new image does not have as zero."""
_COLUMNS: Final = ("subject", "report", "content", "exposure", "workloads", "exposed_workloads")
_Parts = dict[tuple[int, bytes], bytes]
"""Contents by image and digest."""
_Rows = dict[int, dict[str, Any]]
"""Rows of `source_image` of one source, by image."""


def get_image_digest(entry: SubjectEntry) -> str:
    """Return the digest of an image; empty for other subjects, and for an image without one, which is one of them."""
    return entry.subject.digest if isinstance(entry.subject, ImageSubject) else ""


class ImageChanges:
    """The images that a submission changes."""

    def __init__(self, connection: Connection, document: SubmittedDocument, source: int) -> None:
        self._connection = connection
        self._document = document
        self._source = source
        self._moment = to_number(document.submission.finished)
        self._compared: dict[int, tuple[SubjectEntry, ImageReport | None]] = {}
        self._ids: dict[str, int] = {}
        """Numbers of images by digest."""
        self.runs = RunChanges(connection, source)
        self.changed: frozenset[int] = frozenset()
        """Images with opened or closed problems, after `write`."""

    def load(self, subjects: Iterable[int]) -> dict[int, ImageReport]:
        """Return the last reports of the source on images, by subject."""
        table = source_image
        query = select(table.c.subject, table.c.image, table.c.report)
        query = query.where(table.c.source == self._source, is_key(table.c.subject))
        keys = {row.subject: (row.image, row.report) for row in select_by_keys(self._connection, query, subjects)}
        reports = load_reports(self._connection, keys.values())
        return {number: reports[key] for number, key in keys.items()}

    def compare(self, key: int, entry: SubjectEntry, before: ImageReport | None) -> None:
        """Note an image with its report."""
        self._compared[key] = entry, before

    def write(self, present: frozenset[int]) -> tuple[int, int]:
        """Write the rows; return the numbers of opened and closed findings. present: the subjects of the state."""
        self._ids = self._store_images()
        before, reports = self._load_rows(), self._pack_reports()
        moved = self.runs.write(self._ids)
        contents = {
            (self._ids[entry.digest], compute_digest(bytes(entry.content))): bytes(entry.content)
            for entry in self._document.images.values()
        }
        if not (moved or reports or contents or before):
            return 0, 0
        after = self._build_rows(before, reports, contents, present)
        changed = {number for number in {*before, *after} if before.get(number) != after.get(number)}
        names = {
            self._ids[entry.digest]: entry.references
            for entry in self._document.images.values()
            if self._ids[entry.digest] in after
        }
        # A scope with some namespaces has other workloads of an image, though the source has as many.
        lock_rows(self._connection, image, changed | moved)
        if not changed:
            refresh_scopes(self._connection, self._source, moved)
            return self._refresh_names(names)
        store_parts(self._connection, reports, {key: value for key, value in contents.items() if key[0] in changed})
        self._write_rows(changed, before, after)
        refresh_scopes(self._connection, self._source, changed | moved)
        renamed = store_image_names(self._connection, names)
        return self._refresh(changed, renamed, before, after)

    def _refresh_names(self, names: Mapping[int, Iterable[str]]) -> tuple[int, int]:
        renamed = store_image_names(self._connection, names)
        refresh_history(self._connection, renamed, self._moment)
        return 0, 0

    def _refresh(self, changed: set[int], renamed: Iterable[int], before: _Rows, after: _Rows) -> tuple[int, int]:
        """Write what follows from the rows of images."""
        first, last = refresh_uses(self._connection, changed)
        # The problems and packages of an image that no source has any more stay as they were.
        current = changed - last
        reported = {number for number in current if number in first or _differ("report", number, before, after)}
        opened, closed = refresh_findings(self._connection, reported, self._moment)
        self.changed = frozenset(number for number, _, _ in (*opened, *closed))
        remove_unused_parts(self._connection, current)
        listed = {number for number in current if _differ("content", number, before, after)}
        refresh_packages(self._connection, listed)
        add_images(self._connection, {*listed, *first})
        refresh_history(self._connection, {*reported, *first, *last, *renamed}, self._moment)
        return len(opened), len(closed)

    def _store_images(self) -> dict[str, int]:
        """Store new images and return the numbers of those of the submission by digest."""
        platforms = dict.fromkeys(self.runs.digests, "")
        for entry, _ in self._compared.values():
            platforms[get_image_digest(entry)] = getattr(entry.subject, "platform", "")
        platforms |= {entry.digest: entry.platform for entry in self._document.images.values()}
        query = select(image.c.digest, image.c.id).where(is_key(image.c.digest))
        known = dict(select_by_keys(self._connection, query, platforms))
        missing = sorted(platforms.keys() - known.keys())
        zero = {column.name: 0 for column in image.c if column.name not in _TEXTS}
        rows = [
            {"digest": digest, "platform": platforms[digest], "distribution": "", "created": self._moment, **zero}
            for digest in missing
        ]
        insert_missing(self._connection, image, rows)
        return known | dict(select_by_keys(self._connection, query, missing))

    def _load_rows(self) -> _Rows:
        rows = self._connection.execute(select(source_image).where(source_image.c.source == self._source)).mappings()
        return {row["image"]: dict(row) for row in rows}

    def _build_rows(self, before: _Rows, reports: _Parts, contents: _Parts, present: frozenset[int]) -> _Rows:
        """Return the rows of the source after the submission.

        An image is in its source while a workload runs it. One that no workload runs, as in a registry, is there until a scan
        of everything lists other images.
        """
        uses, unused = load_uses(self._connection, self._source), ImageUse()._asdict()
        subjects = {self._ids[get_image_digest(entry)]: key for key, (entry, _) in self._compared.items()}
        lists_all = not self._document.submission.scope.is_partial
        lists_images = bool(subjects) or any(row["subject"] in present for row in before.values())
        rows: _Rows = {}
        for number, row in before.items():
            is_removed = bool(row["workloads"]) or not row["subject"] or (lists_all and lists_images)
            if number in uses or row["subject"] in present or not is_removed:
                rows[number] = {**row, **unused}
        for number in {*uses, *subjects} - rows.keys():
            empty = {"subject": 0, "report": NOTHING, "content": NOTHING}
            rows[number] = {"source": self._source, "image": number, **empty, **unused}
        for number, use in uses.items():
            rows[number] |= use._asdict()
        for number, digest in reports:
            rows[number] |= {"report": digest, "subject": subjects[number]}
        for number, digest in contents:
            if number in rows:
                rows[number]["content"] = digest
        return rows

    def _pack_reports(self) -> _Parts:
        kinds = self._load_kinds()
        packed = {}
        for entry, before in self._compared.values():
            retained = tuple(self._retain(entry, before, kinds)) if before else ()
            content = ImageReport(entry, retained).pack()
            packed[self._ids[get_image_digest(entry)], compute_digest(content)] = content
        return packed

    def _load_kinds(self) -> dict[str, str]:
        """Return the kinds of the definitions of what was reported before, by key."""
        reports = [report for _, report in self._compared.values() if report is not None]
        keys = {finding.definition for report in reports for finding in (*report.entry.findings, *report.retained)}
        query = select(definition.c.key, definition.c.kind).where(is_key(definition.c.key))
        return dict(select_by_keys(self._connection, query, keys))

    def _retain(self, entry: SubjectEntry, before: ImageReport, kinds: Mapping[str, str]) -> Iterator[SubmittedFinding]:
        """Yield the findings of the report before that the submission says nothing about."""
        current = {finding.fingerprint for finding in entry.findings}
        for finding in (*before.entry.findings, *before.retained):
            kind = kinds[finding.definition]
            scope = self._document.submission.scope
            if finding.fingerprint not in current and not entry.shows_absence(finding, kind, scope):
                yield finding

    def _write_rows(self, changed: Iterable[int], before: _Rows, after: _Rows) -> None:
        removed = sorted(number for number in changed if number not in after)
        if removed:
            condition = (source_image.c.source == self._source) & (source_image.c.image == bindparam("number"))
            self._connection.execute(delete(source_image).where(condition), [{"number": number} for number in removed])
        subjects = [{"key": before[number]["subject"]} for number in removed if before[number]["subject"]]
        if subjects:
            condition = (subject.c.source == self._source) & (subject.c.id == bindparam("key"))
            self._connection.execute(
                update(subject).where(condition).values(digest=None, closed=self._moment), subjects
            )
        rows = [after[number] for number in sorted(changed) if number in after]
        replace_rows(self._connection, source_image, _COLUMNS, rows)


def _differ(column: str, number: int, before: _Rows, after: _Rows) -> bool:
    """Return True if a source has another value for an image than before."""
    return before.get(number, {}).get(column) != after.get(number, {}).get(column)
