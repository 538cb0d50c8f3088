"""Reports on images: what one or more sources have submitted about the problems of an image, stored once if it is equal.

A problem is open while the last report of any source has it. A source can therefore add problems to an image that others have as
well, and can never hide those that others report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, delete, exists, select

from kubekeep.model.package import ImagePackages
from kubekeep.model.submission import SubjectEntry, SubmittedFinding
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.compression import compress, decompress
from kubekeep_server.store.image_schema import image_content, image_report, source_image
from kubekeep_server.store.packages import NO_PACKAGE
from kubekeep_server.store.upsert import insert_missing

NOTHING: Final = b""
"""The digest of a source's report or packages if it has submitted none."""
_DIGEST_BYTES: Final = 16


class ImageReport(msgspec.Struct, frozen=True):
    """The entry of an image in a submission, and the open findings that this submission did not evaluate."""

    entry: SubjectEntry
    retained: tuple[SubmittedFinding, ...] = ()

    def pack(self) -> bytes:
        """Return the report as MessagePack."""
        return msgspec.msgpack.encode(self)


class Problem(NamedTuple):
    """A problem of an image: key of the definition, and package URL."""

    definition: str
    purl: str


class ProblemState(NamedTuple):
    """The state of a problem. is_unknown: no source could see if it is still there."""

    fixed_version: str
    is_suppressed: bool
    is_unknown: bool


def compute_digest(content: bytes) -> bytes:
    """Return the digest of a packed report or list of packages."""
    return hashlib.blake2b(content, digest_size=_DIGEST_BYTES).digest()


def load_reports(connection: Connection, keys: Iterable[tuple[int, bytes]]) -> dict[tuple[int, bytes], ImageReport]:
    """Return reports by image and digest."""
    table, required = image_report, set(keys)
    query = select(table).where(is_key(table.c.image))
    rows = select_by_keys(connection, query, {image for image, _ in required})
    return {
        (row.image, row.digest): msgspec.msgpack.decode(decompress(row.content), type=ImageReport)
        for row in rows
        if (row.image, row.digest) in required
    }


def load_contents(connection: Connection, images: Iterable[int]) -> Iterator[tuple[int, ImagePackages]]:
    """Yield each list of packages of images that a source has."""
    query = select(image_content).where(is_key(image_content.c.image))
    for row in select_by_keys(connection, query, images):
        yield row.image, msgspec.json.decode(decompress(row.content), type=ImagePackages)


def store_parts(
    connection: Connection, reports: Mapping[tuple[int, bytes], bytes], contents: Mapping[tuple[int, bytes], bytes]
) -> None:
    """Store packed reports and lists of packages, by image and digest."""
    for table, parts in ((image_report, reports), (image_content, contents)):
        rows = [
            {"image": image, "digest": digest, "content": compress(parts[image, digest])}
            for image, digest in sorted(parts)
        ]
        insert_missing(connection, table, rows)


def remove_unused_parts(connection: Connection, images: Iterable[int]) -> None:
    """Remove the reports and lists of packages that no source has, if a source has another one."""
    for table, column in ((image_report, source_image.c.report), (image_content, source_image.c.content)):
        used = exists().where(source_image.c.image == table.c.image, column == table.c.digest)
        is_replaced = exists().where(source_image.c.image == table.c.image, column != NOTHING)
        statement = delete(table).where(is_key(table.c.image), is_replaced, ~used)
        connection.execute(statement, {"keys": sorted(images)})


def merge_reports(reports: Iterable[ImageReport]) -> dict[Problem, ProblemState]:
    """Return the open problems of an image with the reports of all its sources."""
    merged: dict[Problem, ProblemState] = {}
    for report in reports:
        for problem, state in _list_problems(report):
            known = merged.get(problem)
            merged[problem] = state if known is None else join_states(known, state)
    return merged


def join_states(known: ProblemState, other: ProblemState) -> ProblemState:
    """Return the state of a problem that two reports have."""
    return ProblemState(
        max(known.fixed_version, other.fixed_version),
        known.is_suppressed and other.is_suppressed,
        known.is_unknown and other.is_unknown,
    )


def _list_problems(report: ImageReport) -> Iterator[tuple[Problem, ProblemState]]:
    for findings, is_unknown in ((report.entry.findings, False), (report.retained, True)):
        for finding in findings:
            for purl, fixed_version, is_suppressed in _list_packages(finding):
                yield Problem(finding.definition, purl), ProblemState(fixed_version, is_suppressed, is_unknown)


def _list_packages(finding: SubmittedFinding) -> Iterator[tuple[str, str, bool]]:
    """Yield package URL, fixed version and True for a suppressed one; an empty package URL for a problem without package."""
    suppressed = [evidence for group in finding.suppressed for evidence in group.evidence]
    documents = [(evidence, False) for evidence in finding.evidence] + [(evidence, True) for evidence in suppressed]
    if not documents:
        yield NO_PACKAGE, "", False
    for evidence, is_suppressed in documents:
        package = evidence.package
        yield (package.purl, package.fixed_version, is_suppressed) if package else (NO_PACKAGE, "", is_suppressed)
