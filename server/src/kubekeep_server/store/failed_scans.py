"""Scans of images that failed, by the container that runs the image. A scan that succeeds removes the failure before it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, select

from kubekeep.model.scanned_source import ScannedSource
from kubekeep_server.store.image_schema import failed_scan
from kubekeep_server.store.numbers import to_key, to_number
from kubekeep_server.store.schema import source
from kubekeep_server.store.upsert import replace_rows


class FailedScan(msgspec.Struct, frozen=True):
    """A scan that failed. subject: key of the workload. image: reference or digest. reason: empty for one that succeeded."""

    subject: str
    container: str
    image: str
    reason: str


def store_scan_results(
    connection: Connection, scanned: ScannedSource, scans: Iterable[FailedScan], moment: dt.datetime
) -> None:
    """Store the failures of a source that exists, and remove those of scans that have succeeded since."""
    query = select(source.c.id).where(source.c.key == scanned.key, source.c.branch == scanned.branch_name)
    number = connection.execute(query).scalar_one()
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for scan in scans:
        key = {"source": number, "subject": to_key(scan.subject), "container": scan.container}
        if scan.reason:
            row = {**key, "image": scan.image, "reason": scan.reason, "moment": to_number(moment)}
            rows[scan.subject, scan.container] = row
        else:
            connection.execute(delete(failed_scan).where(*(failed_scan.c[name] == key[name] for name in key)))
    replace_rows(connection, failed_scan, ("image", "reason", "moment"), list(rows.values()))
