"""Parts of GitLab's security reports (schema 15) that are the same for all types of scans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.text import json_entries, json_text, utc_text, visible
from kubekeep.reports.shared.vulnerabilities import list_uncovered

MAX_NAME: Final = 255
MAX_SOLUTION: Final = 7000
MAX_DESCRIPTION: Final = 1_048_576
"""Maximum characters that the schema allows."""
MAX_IDENTIFIERS: Final = 20
"""Maximum number of identifiers that GitLab keeps per vulnerability."""
_VERSION: Final = "15.2.4"
_SCHEMAS: Final = f"https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v{_VERSION}/dist"
_PRODUCT: Final = "https://kubekeep.io"


def write_report(
    assessment: Assessment,
    scan_type: str,
    messages: Iterable[dict[str, str]],
    vulnerabilities: Iterable[dict[str, Any]],
    stream: TextIO,
) -> None:
    """Write the report as one line of JSON with a final line feed. scan_type: as "container_scanning".

    `messages` follow those about input that was not read and packages that no advisories cover. Coverage gaps do not change
    the status of the scan; each is a warning ("a partial error").
    """
    tool = {
        "id": "kubekeep",
        "name": "Kubekeep",
        "url": _PRODUCT,
        "version": assessment.version,
        "vendor": {"name": "Kubekeep"},
    }
    scan: dict[str, Any] = {
        "type": scan_type,
        "status": "success",
        "start_time": utc_text(assessment.started).removesuffix("Z"),
        "end_time": utc_text(assessment.finished).removesuffix("Z"),
        "analyzer": tool,
        "scanner": tool,
    }
    if entries := [*_list_gaps(assessment), *messages]:
        scan["messages"] = entries
    schema = f"{_SCHEMAS}/{scan_type.replace('_', '-')}-report-format.json"
    head = json_text({"version": _VERSION, "schema": schema, "scan": scan})
    stream.write(f'{head[:-1]},"vulnerabilities":[')
    stream.writelines(json_entries(vulnerabilities))
    stream.write("]}\n")


def _list_gaps(assessment: Assessment) -> Iterator[dict[str, str]]:
    for unread in assessment.unread:
        yield create_message("warn", f"not read: {unread.location}: {unread.message}")
    for uncovered in list_uncovered(assessment):
        yield create_message("info", f"{uncovered.location}: {uncovered.message}")


def create_message(level: str, text: str) -> dict[str, str]:
    """Return a message of the scan. level: "info", "warn" or "fatal"."""
    return {"level": level, "value": visible(text)}
