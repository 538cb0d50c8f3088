"""Options of finding vulnerabilities in a scan. Reads nothing."""

from __future__ import annotations

import datetime as dt

import msgspec


class VulnerabilityOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The advisories and statements to use.

    database: folder of the advisory database; empty for none. advisories: files and folders of OSV records. grype: file of
    a database of Grype; empty for none. vex: files with VEX documents. maximum_age: of the data of an ecosystem; older data
    makes the scan incomplete.
    """

    database: str = ""
    advisories: tuple[str, ...] = ()
    grype: str = ""
    vex: tuple[str, ...] = ()
    maximum_age: dt.timedelta | None = None
