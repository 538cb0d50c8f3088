"""Known vulnerabilities in the Markdown report: a table of packages for each image or SBOM, upgrades first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from kubekeep.model.finding import Finding
from kubekeep.model.resource import Resource
from kubekeep.reports.markdown.page import MarkdownPage
from kubekeep.reports.markdown.text import cell, code, html_code, linked
from kubekeep.reports.shared.affected_packages import AffectedPackageRow, group_by_resource, is_exploited, list_packages
from kubekeep.reports.shared.wording import count_noun

_PACKAGES: Final = 20
"""Maximum number of packages of an image or SBOM, unless verbose."""
_RESOURCES: Final = 10
_IDS: Final = 5
"""Maximum number of vulnerabilities named for one package, unless verbose."""
_MIN_FREE: Final = 1_000
"""Minimum free characters to begin a table."""


def write_vulnerabilities(page: MarkdownPage, findings: Iterable[Finding], *, verbose: bool) -> int:
    """Write the tables and return the number of vulnerabilities that are not shown."""
    groups = group_by_resource(findings)
    omitted_count = sum(map(len, groups))
    for group in groups if verbose else groups[:_RESOURCES]:
        omitted_count -= _write_resource(page, group[0].resource, group, verbose=verbose)
    return omitted_count


def _write_resource(page: MarkdownPage, resource: Resource, findings: list[Finding], *, verbose: bool) -> int:
    rows = list_packages(resource, findings)
    has_line = any(row.line for row in rows)
    if not page.write(_describe_head(resource, findings, has_line=has_line), keep=_MIN_FREE):
        return 0
    shown: set[str] = set()
    limit = len(rows) if verbose else _PACKAGES
    count = 0
    for row in rows[:limit]:
        if not page.write(_describe_row(row, len(row.findings) if verbose else _IDS, has_line=has_line), keep=200):
            break
        shown.update(finding.id for finding in row.findings)
        count += 1
    if count < len(rows):
        page.write(f"\nand {count_noun(len(rows) - count, 'more package')}\n")
    return len(shown)


def _describe_head(resource: Resource, findings: Sequence[Finding], *, has_line: bool) -> str:
    """Return the heading, the figures, and the head of the table; `has_line` adds the file of an SBOM and a column."""
    fixable = sum(finding.has_fix for finding in findings)
    exploited = sum(map(is_exploited, findings))
    facts = f"{count_noun(len(findings), 'vulnerability')}, {fixable:,} with a fix"
    facts += f", {exploited:,} known to be exploited" if exploited else ""
    facts += f", in {code(resource.source.path)}" if has_line and resource.source is not None else ""
    columns = ("Priority", "Package", "Installed", "Upgrade to", *(("Line",) if has_line else ()), "Vulnerabilities")
    return (
        f"\n### {code(resource.name or resource.label)}\n\n{facts}\n\n"
        f"| {' | '.join(columns)} |\n| {' | '.join('---' for _ in columns)} |\n"
    )


def _describe_row(row: AffectedPackageRow, limit: int, *, has_line: bool) -> str:
    names = " ".join(linked(html_code(finding.id), finding.control.link) for finding in row.findings[:limit])
    more = f" and {len(row.findings) - limit:,} more" if len(row.findings) > limit else ""
    exploited = " (exploited)" if row.is_exploited else ""
    fixed = html_code(row.fixed_version) if row.fixed_version else ""
    line = f"{row.line} | " if has_line else ""
    package = f"{cell(row.name)} | {html_code(row.version)} | {fixed}"
    return f"| {row.level.label}{exploited} | {package} | {line}{names}{more} |\n"
