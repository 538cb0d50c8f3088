"""A comparison of SBOMs for terminals, and as a comment on a merge request."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final, TextIO

from kubekeep.images.sbom.compare import PackageChange, PackageChangeKind, SbomComparison
from kubekeep.model.package import qualify_name
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms import json as json_report
from kubekeep.reports.sboms.words import describe_licences, describe_totals, describe_versions, name_type
from kubekeep.reports.shared.comment_tables import LIMIT, format_row, write_rows
from kubekeep.reports.shared.terminal import Span, Terminal, cells
from kubekeep.reports.shared.wording import escape_markdown, shorten

_HEADINGS: Final = {
    PackageChangeKind.ADDED: ("+", "Added", "bold green"),
    PackageChangeKind.REMOVED: ("-", "Removed", "bold red"),
    PackageChangeKind.UPGRADED: ("↑", "Upgraded", "bold cyan"),
    PackageChangeKind.DOWNGRADED: ("↓", "Downgraded", "bold yellow"),
    PackageChangeKind.CHANGED: ("~", "Other version", "bold yellow"),
    PackageChangeKind.LICENCE: ("§", "Other licences", "bold yellow"),
}
"""Sign, title and style of each kind of change."""
_LONGEST: Final = 200
_WIDEST_NAME: Final = 40


def write_terminal(comparison: SbomComparison, names: tuple[str, str], stream: TextIO, options: ReportOptions) -> None:
    """Write the changes by kind, then the totals; `names` are those of the documents."""
    terminal = Terminal(stream, options)
    for kind, changes in _group(comparison):
        sign, title, style = _HEADINGS[kind]
        terminal.line(Span(f"{sign} {title.upper()}", style), Span(f"  {len(changes)}", "dim"))
        width = min(max(cells(shorten(qualify_name(change.package), 400)) for change in changes), _WIDEST_NAME)
        for change in changes:
            name = shorten(qualify_name(change.package), 400)
            padding = " " * (width - cells(name))
            licences = describe_licences(change)
            terminal.line(
                Span(f"{name_type(change.package):<9} ", "dim", whole=True),
                Span(f"{name}{padding}  ", "bold", whole=True),
                describe_versions(change),
                Span(f"  {licences}" if licences else "", "dim"),
                indent=2,
                hang=10,
            )
        terminal.line()
    for warning in comparison.warnings:
        terminal.line(Span("the documents differ:", "yellow"), " ", warning)
    terminal.line(Span(describe_totals(comparison), "bold"), Span(f"  from {names[0]} to {names[1]}", "dim"))


def write_markdown(comparison: SbomComparison, names: tuple[str, str], stream: TextIO) -> None:
    """Write a table for each kind of change. Text from the documents can neither link nor mention."""
    stream.write(f"## Packages: {describe_totals(comparison)}\n\n")
    stream.write(f"From {escape_markdown(names[0], _LONGEST)} to {escape_markdown(names[1], _LONGEST)}\n")
    stream.writelines(f"\n> {escape_markdown(warning, _LONGEST)}\n" for warning in comparison.warnings)
    room = LIMIT
    for kind, changes in _group(comparison):
        room = _write_table(stream, kind, changes, room)


def _write_table(stream: TextIO, kind: PackageChangeKind, changes: Sequence[PackageChange], room: int) -> int:
    """Write the rows that fit into `room` characters, and return the room that is left."""
    stream.write(f"\n### {_HEADINGS[kind][1]}\n\n| Type | Package | Version | Licences |\n| --- | --- | --- | --- |\n")
    return write_rows(stream, map(_format_row, changes), len(changes), room)


def _format_row(change: PackageChange) -> str:
    package = change.package
    cells = (name_type(package), qualify_name(package), describe_versions(change), describe_licences(change))
    return format_row(cells, _LONGEST)


def _group(comparison: SbomComparison) -> list[tuple[PackageChangeKind, list[PackageChange]]]:
    order = list(PackageChangeKind)
    ordered = sorted(comparison.changes, key=lambda change: order.index(change.kind))
    return [(kind, list(changes)) for kind, changes in groupby(ordered, key=lambda change: change.kind)]


def write_comparison(
    comparison: SbomComparison, names: tuple[str, str], layout: str, stream: TextIO, options: ReportOptions
) -> None:
    """Write the comparison as `json`, as `markdown` or for a terminal."""
    match layout:
        case "json":
            json_report.write_comparison(comparison, names, stream)
        case "markdown":
            write_markdown(comparison, names, stream)
        case _:
            write_terminal(comparison, names, stream, options)
