"""An SBOM for terminals: one screen with subject, distribution, counts and gaps, or a table of its packages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TextIO

from kubekeep.images.sbom.document import Sbom
from kubekeep.model.package import Package, qualify_name
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms.words import count_licences, count_types, describe_distribution, name_type
from kubekeep.reports.shared.terminal import Span, Terminal, cells
from kubekeep.reports.shared.wording import count_noun, shorten

_MAX_LICENCES: Final = 8
_MAX_PROBLEMS: Final = 8
_MAX_PARTS: Final = 20
_WIDEST: Final = (44, 30, 12, 60)
"""Maximum columns of name, version, type and licences; the location gets the rest."""
_NARROWEST_LOCATION: Final = 24


def write_summary(sbom: Sbom, stream: TextIO, options: ReportOptions) -> None:
    """Write one screen."""
    terminal = Terminal(stream, options)
    _write_heading(terminal, sbom)
    terminal.line()
    terminal.line(Span(count_noun(len(sbom.packages), "package"), "bold"))
    _write_counts(terminal, count_types(sbom.packages))
    declared = sum(package.declared for package in sbom.packages)
    if declared:
        terminal.line(Span(f"{declared:,} only in lock files, not known to be installed", "dim"), indent=2)
    licences, missing = count_licences(sbom.packages)
    if licences:
        terminal.line()
        terminal.line(Span("Licences", "bold"), Span(f"  {count_noun(len(licences), 'licence')}", "dim"))
        _write_counts(terminal, licences[:_MAX_LICENCES])
        if missing:
            terminal.line(Span(f"{count_noun(missing, 'package')} without a licence", "dim"), indent=2)
    _write_problems(terminal, sbom)


def _write_heading(terminal: Terminal, sbom: Sbom) -> None:
    subject = sbom.subject
    name = subject.name or "no subject"
    terminal.line(Span(name, "bold"), Span(f" {subject.version}" if subject.version else "", "bold"))
    if not sbom.parts:
        terminal.line(" · ".join(filter(None, (subject.kind.value, subject.platform, subject.digest))))
    if system := describe_distribution(sbom.distribution):
        terminal.line(system)
    tools = [" ".join(filter(None, tool)) for tool in ((sbom.tool, sbom.tool_version), *sbom.origins)]
    made_of = f" from {', '.join(tools[1:])}" if sbom.origins else ""
    origin = [f"{sbom.format} by {tools[0]}{made_of}" if sbom.tool else sbom.format, sbom.created]
    terminal.line(Span(" · ".join(filter(None, origin)), "dim"))
    if sbom.parts:
        terminal.line()
        terminal.line(Span(count_noun(len(sbom.parts), "subject"), "bold"))
        for part in sbom.parts[:_MAX_PARTS]:
            system = describe_distribution(part.distribution)
            facts = ", ".join(filter(None, (system, count_noun(len(part.packages), "package"))))
            terminal.line(part.subject.name, Span(f"  {facts}", "dim"), indent=2)
        if len(sbom.parts) > _MAX_PARTS:
            terminal.line(Span(f"… {len(sbom.parts) - _MAX_PARTS} more", "dim"), indent=2)


def _write_counts(terminal: Terminal, counts: Sequence[tuple[str, int]]) -> None:
    rows = [(Span(shorten(name, 60)), Span(f"{count:,}")) for name, count in counts]
    if rows:
        terminal.table(rows, indent=2)


def _write_problems(terminal: Terminal, sbom: Sbom) -> None:
    if sbom.problems:
        terminal.line()
        terminal.line(Span("Incomplete:", "bold yellow"), " packages may be missing")
        for problem in sbom.problems[:_MAX_PROBLEMS]:
            path = Span(f"{problem.path}: ", whole=True) if problem.path else ""
            terminal.line(path, problem.message, indent=2)
        if len(sbom.problems) > _MAX_PROBLEMS:
            terminal.line(Span(f"… {len(sbom.problems) - _MAX_PROBLEMS} more in -f json", "dim"), indent=2)
    if sbom.omitted:
        terminal.line()
        terminal.line(Span(f"Not read: {', '.join(sbom.omitted)}", "dim"))


def write_packages(packages: Sequence[Package], stream: TextIO, options: ReportOptions) -> None:
    """Write a row for each package; a cell that is too wide is shortened."""
    terminal = Terminal(stream, options)
    rows = [("NAME", "VERSION", "TYPE", "LICENCES", "LOCATION"), *map(_list_cells, packages)]
    widths = _fit(rows, terminal.width)
    for number, row in enumerate(rows):
        texts = [_pad(text, width) for text, width in zip(row, widths, strict=False)]
        while len(texts) > 1 and not texts[-1].strip():
            texts.pop()
        texts[-1] = texts[-1].rstrip()
        styles = ("bold", "", "", "dim", "dim") if number else ("bold",) * len(texts)
        others = (Span(f"  {text}", style, whole=True) for text, style in zip(texts[1:], styles[1:], strict=False))
        terminal.line(Span(texts[0], "bold", whole=True), *others)


def _list_cells(package: Package) -> tuple[str, ...]:
    location = package.locations[0] if package.locations else None
    return (
        qualify_name(package),
        package.version,
        name_type(package),
        ", ".join(package.licences),
        location.path if location else "",
    )


def _fit(rows: Iterable[Sequence[str]], width: int) -> list[int]:
    """Return the widths of the columns that fit; the columns at the right are left out first."""
    longest = [max(cells(shorten(text, 400)) for text in column) for column in zip(*rows, strict=True)]
    widths = [min(size, widest) for size, widest in zip(longest, _WIDEST, strict=False)]
    while len(widths) > 1 and sum(widths[:-1]) + 2 * len(widths) > width - 8:
        widths.pop()
    rest = width - sum(widths[:-1]) - 2 * (len(widths) - 1)
    widths[-1] = min(widths[-1], max(rest, 8))
    left = width - sum(widths) - 2 * len(widths)
    if len(widths) == len(_WIDEST) and longest[-1] and left >= _NARROWEST_LOCATION:
        widths.append(min(longest[-1], left))
    return widths


def _pad(text: str, width: int) -> str:
    """Return text with exactly `width` columns."""
    short = shorten(text, 400)
    while cells(short) > width:
        short = f"{short.removesuffix('…')[: width - 1 if cells(short) > 2 * width else -1]}…"
    return short + " " * (width - cells(short))
