"""Parts of GitLab's security reports (schema 15) that are the same for all types of scans. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from kubekeep.model.assessment import Assessment
from kubekeep.model.text import utc_text, visible

MAX_NAME: Final = 255
MAX_SOLUTION: Final = 7000
MAX_DESCRIPTION: Final = 1_048_576
"""Maximum characters that the schema allows."""
MAX_IDENTIFIERS: Final = 20
"""Maximum number of identifiers that GitLab keeps per vulnerability."""
_VERSION: Final = "15.2.4"
_SCHEMAS: Final = f"https://gitlab.com/gitlab-org/security-products/security-report-schemas/-/raw/v{_VERSION}/dist"
_PRODUCT: Final = "https://kubekeep.io"


def describe_head(assessment: Assessment, scan_type: str, messages: Iterable[dict[str, str]]) -> dict[str, Any]:
    """Return the keys before `vulnerabilities`. scan_type: as "container_scanning".

    Coverage gaps do not change the status of the scan; each is a warning ("a partial error").
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
    if entries := list(messages):
        scan["messages"] = entries
    schema = f"{_SCHEMAS}/{scan_type.replace('_', '-')}-report-format.json"
    return {"version": _VERSION, "schema": schema, "scan": scan}


def create_message(level: str, text: str) -> dict[str, str]:
    """Return a message of the scan. level: "info", "warn" or "fatal"."""
    return {"level": level, "value": visible(text)}
