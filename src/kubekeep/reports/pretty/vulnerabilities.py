"""Known vulnerabilities in the overview: for each image or SBOM, the upgrades that remove most, then the other packages.

Shows a part of the packages and always the number of the others.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from kubekeep.model.assessment import Assessment
from kubekeep.model.image import KIND as IMAGE_KIND
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.subject import Subject
from kubekeep.reports.pretty.findings import count_levels
from kubekeep.reports.shared.affected_packages import AffectedPackageRow, SubjectRows, list_affected
from kubekeep.reports.shared.terminal import Span, Terminal
from kubekeep.reports.shared.wording import count_noun, shorten

_PACKAGES: Final = 10
"""Maximum number of packages of one image or SBOM."""
_LEAST: Final = 2
"""Minimum number of packages of an image or SBOM."""
_FRAME: Final = 5
"""Lines of an image or SBOM beside those of its packages."""
_RESOURCES: Final = 3
_WIDTH_PER_ID: Final = 60
"""Columns of the terminal for each vulnerability that a row names."""


def write_vulnerabilities(terminal: Terminal, assessment: Assessment, lines: int) -> int:
    """Write the packages to upgrade for the most urgent images and SBOMs; return the number of vulnerabilities shown.

    lines: those that all images and SBOMs may take.
    """
    affected = list_affected(assessment)
    shown = 0
    first = affected[:_RESOURCES]
    for number, rows in enumerate(first):
        # Each of the following ones has room for some packages, too.
        room = lines - _FRAME - (len(first) - number - 1) * (_FRAME + _LEAST)
        limit = min(max(room, _LEAST), _PACKAGES)
        shown += _write_subject(terminal, rows, limit)
        lines -= _FRAME + min(limit, len(rows.packages))
    if len(affected) > _RESOURCES:
        terminal.line(Span(f"… and {count_noun(len(affected) - _RESOURCES, 'more image')} with vulnerabilities", "dim"))
        terminal.line()
    return shown


def _write_subject(terminal: Terminal, rows: SubjectRows, limit: int) -> int:
    resource = rows.subject.resource
    name = Span(resource.name or resource.label, "bold", whole=True)
    terminal.line(name, Span(f"  {_describe_subject(resource)}", "dim"))
    facts = [f"{rows.fixable:,} with a fix"]
    if rows.exploited:
        facts.append(f"{rows.exploited:,} known to be exploited")
    if rows.investigated:
        facts.append(f"{rows.investigated:,} under investigation")
    coverage = rows.subject.coverage.describe()
    count = count_noun(len(rows.levels), "vulnerability")
    terminal.line(
        count,
        ": ",
        *count_levels(Counter(rows.levels), "bold"),
        " · ",
        " · ".join(facts),
        Span(f" · {coverage}" if coverage else "", "bold yellow"),
    )
    shown = rows.packages[:limit]
    lines = ["Line"] if any(row.line for row in shown) else []
    heads = [Span(head, "dim") for head in ("", "Package", "Installed", "Upgrade to", *lines, "Vulnerabilities", "")]
    cells = (_describe_row(row, terminal.width, has_line=bool(lines)) for row in shown)
    terminal.table([heads, *cells], indent=2, left=len(heads))
    if len(rows.packages) > len(shown):
        terminal.line(Span(f"… and {count_noun(len(rows.packages) - len(shown), 'more package')}", "dim"), indent=2)
    terminal.line()
    return len({entry.id for row in shown for entry in row.entries})


def _describe_subject(resource: Subject) -> str:
    """Return distribution, number of packages, and the file of an SBOM, to which the lines of packages belong."""
    document = resource.object
    distribution = as_mapping(document.get("distribution"))
    count = len(as_list(document.get("packages")))
    file = resource.source.path if resource.source is not None and resource.kind != IMAGE_KIND else ""
    return " · ".join(filter(None, (str(distribution.get("name", "")), count_noun(count, "package"), file)))


def _describe_row(row: AffectedPackageRow, width: int, *, has_line: bool) -> list[Span]:
    """Return the cells of a row, shortened to a part of the columns of the terminal."""
    names = [entry.id for entry in row.entries[: max(1, width // _WIDTH_PER_ID)]]
    rest = len(row.entries) - len(names)
    return [
        Span(row.level.label.upper(), f"bold {row.level.colour}", whole=True),
        Span(shorten(row.package, width // 4), "bold", whole=True),
        Span(shorten(row.version, width // 7), whole=True),
        Span(shorten(row.fixed_version, width // 7) or "-", "green" if row.fixed_version else "dim", whole=True),
        *([Span(row.line, whole=True)] if has_line else []),
        Span(" ".join(names) + (f" +{rest}" if rest else ""), "cyan", whole=True),
        Span("exploited" if row.is_exploited else "", "bold red", whole=True),
    ]
