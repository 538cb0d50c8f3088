"""Databases of Grype with vulnerable packages, and changes of their values and tables."""

# Statements of hostile databases are text:
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.hostile.classes.sboms import RECORDS
from tests.vulnerabilities.database.test_grype import GrypeWriter

CONSTRAINTS: Final = (
    "> 1.0." + "9" * 5_000,
    "> 1.0.\u0661",
    "< " + "1" * 19_000,
    "||" * 9_000,
    "< 1 < 2",
    "= ",
    "~> x",
    "\x1b[31m",
    "< 3.0.0,," * 2_000,
    "x" * 30_000,
)
"""Constraints of versions that are invalid or long."""
_ENDLESS: Final = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c)"
TABLE_CHANGES: Final[tuple[tuple[str, ...], ...]] = (
    (
        "DROP TABLE epss_handles",
        (f"CREATE VIEW epss_handles AS {_ENDLESS} SELECT n AS id, 'x' AS cve, 1.0 AS epss, 1.0 AS percentile FROM c"),
    ),
    (
        "DROP TABLE operating_systems",
        (
            f"CREATE VIEW operating_systems AS {_ENDLESS} "
            "SELECT n AS id, 'x' AS name, '' AS major_version, '' AS minor_version, "
            "'' AS label_version, '' AS codename FROM c"
        ),
    ),
    ("ALTER TABLE packages RENAME TO p", "CREATE VIEW packages AS SELECT * FROM p"),
    ("DROP TABLE db_metadata",),
    ("UPDATE db_metadata SET build_timestamp = 'x'",),
    ("UPDATE db_metadata SET build_timestamp = '9999-12-31 00:00:00-23:00'",),
    ("UPDATE db_metadata SET model = 'x'",),
    ("UPDATE vulnerability_handles SET name = x'ff'",),
    ("UPDATE vulnerability_handles SET status = x'00'",),
    ("UPDATE vulnerability_handles SET modified_date = 5, published_date = x'ff'",),
    ("UPDATE blobs SET value = x'ff'",),
    ("UPDATE blobs SET value = 5",),
    ("UPDATE blobs SET value = '[' || hex(zeroblob(100000))",),
    ("INSERT INTO epss_handles (cve, epss, percentile) VALUES ('CVE-ACME-1001', 'x', x'00')",),
    ("INSERT INTO cwe_handles (cve, cwe) VALUES ('ACME-1001', x'ff')",),
)
"""Statements that replace, remove or damage tables."""


def write_grype_database(folder: str, blob: Mapping[str, Any], package: Mapping[str, Any], *statements: str) -> bytes:
    path = Path(folder, "g.db")
    path.unlink(missing_ok=True)
    writer = GrypeWriter(path)
    for name, ecosystem, constraint in (
        ("left-pad", "npm", "< 3.0.0"),
        ("canary", "npm", "< 3.0.0"),
        ("requests", "python", "< 3.0.0"),
    ):
        number = writer.insert("packages", ecosystem=ecosystem, name=name)
        record = next(record["id"] for record in RECORDS if record["affected"][0]["package"]["name"] == name)
        is_changed = name == "left-pad"
        vulnerability = writer.add_vulnerability(record, "github", **(blob if is_changed else {}))
        writer.affect(
            vulnerability, number, constraint, kind="semver", fix=("3.0.0", "fixed"), **(package if is_changed else {})
        )
    for statement in statements:
        writer.execute(statement)
    writer.close()
    return path.read_bytes()
