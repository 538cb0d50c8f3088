"""Known vulnerabilities in the Markdown report: a table of packages for each image or SBOM, upgrades first."""

from __future__ import annotations

from typing import Final

from kubekeep.model.assessment import Assessment
from kubekeep.reports.markdown.page import MarkdownPage
from kubekeep.reports.markdown.text import cell, code, html_code, linked
from kubekeep.reports.shared.affected_packages import AffectedPackageRow, SubjectRows, list_affected
from kubekeep.reports.shared.vulnerability_text import describe_container
from kubekeep.reports.shared.wording import count_noun

_PACKAGES: Final = 20
"""Maximum number of packages of an image or SBOM, unless verbose."""
_RESOURCES: Final = 10
_IDS: Final = 5
"""Maximum number of vulnerabilities named for one package, unless verbose."""
_CONTAINERS: Final = 5
"""Maximum number of containers named for one image."""
_MIN_FREE: Final = 1_000
"""Minimum free characters to begin a table."""


def write_vulnerabilities(page: MarkdownPage, assessment: Assessment, *, verbose: bool) -> int:
    """Write the tables and return the number of vulnerabilities that are not shown."""
    affected = list_affected(assessment)
    omitted_count = sum(len(rows.levels) for rows in affected)
    for rows in affected if verbose else affected[:_RESOURCES]:
        omitted_count -= _write_subject(page, rows, verbose=verbose)
    return omitted_count


def _write_subject(page: MarkdownPage, rows: SubjectRows, *, verbose: bool) -> int:
    has_line = any(row.line for row in rows.packages)
    if not page.write(_describe_head(rows, has_line=has_line), keep=_MIN_FREE):
        return 0
    limit = len(rows.packages) if verbose else _PACKAGES
    texts = (_describe_row(row, len(row.entries) if verbose else _IDS, has_line=has_line) for row in rows.packages)
    count = page.write_rows(texts, len(rows.packages), "package", limit=limit, keep=200)
    return len({entry.id for row in rows.packages[:count] for entry in row.entries})


def _describe_head(rows: SubjectRows, *, has_line: bool) -> str:
    """Return the heading, the figures, and the head of the table; `has_line` adds the file of an SBOM and a column."""
    resource = rows.subject.resource
    facts = f"{count_noun(len(rows.levels), 'vulnerability')}, {rows.fixable:,} with a fix"
    facts += f", {rows.exploited:,} known to be exploited" if rows.exploited else ""
    facts += f", {rows.investigated:,} under investigation" if rows.investigated else ""
    coverage = rows.subject.coverage.describe()
    facts += f", {coverage}" if coverage else ""
    facts += f", in {code(resource.source.path)}" if has_line and resource.source is not None else ""
    columns = ("Priority", "Package", "Installed", "Upgrade to", *(("Line",) if has_line else ()), "Vulnerabilities")
    return (
        f"\n### {code(resource.name or resource.label)}\n\n{facts}\n\n{_describe_containers(rows)}"
        f"| {' | '.join(columns)} |\n| {' | '.join('---' for _ in columns)} |\n"
    )


def _describe_containers(rows: SubjectRows) -> str:
    """Return a list of the containers that run an image; empty without any."""
    containers = rows.subject.containers
    lines = [f"- run by {code(describe_container(container))}\n" for container in containers[:_CONTAINERS]]
    if len(containers) > _CONTAINERS:
        lines.append(f"- and by {count_noun(len(containers) - _CONTAINERS, 'more container')}\n")
    return f"{''.join(lines)}\n" if lines else ""


def _describe_row(row: AffectedPackageRow, limit: int, *, has_line: bool) -> str:
    names = " ".join(linked(html_code(entry.id), entry.definition.link) for entry in row.entries[:limit])
    more = f" and {len(row.entries) - limit:,} more" if len(row.entries) > limit else ""
    exploited = " (exploited)" if row.is_exploited else ""
    fixed = html_code(row.fixed_version) if row.fixed_version else ""
    line = f"{row.line} | " if has_line else ""
    package = f"{cell(row.package)} | {html_code(row.version)} | {fixed}"
    return f"| {row.level.label}{exploited} | {package} | {line}{names}{more} |\n"
