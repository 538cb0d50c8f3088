"""The records behind a vulnerability of an image or SBOM, for terminals and as JSON."""

from __future__ import annotations

from typing import Any, Final, TextIO

import msgspec

from kubekeep.images.package_url import format_package_url
from kubekeep.model.package import qualify_name
from kubekeep.model.text import json_text
from kubekeep.model.vulnerability import MatchedRecord, Vulnerability
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms.unassessed import describe_unassessed, write_unassessed
from kubekeep.reports.shared.terminal import Span, Terminal
from kubekeep.reports.shared.wording import shorten
from kubekeep.vulnerabilities.comparison import Explanation, PackageExplanation

_LONGEST: Final = 400
_REFERENCES: Final = 5


def write_explanation(explanation: Explanation, stream: TextIO, options: ReportOptions) -> None:
    """Write the vulnerability, then each package with its records: affected packages first."""
    terminal = Terminal(stream, options)
    affected = [entry.vulnerability for entry in explanation.packages if entry.vulnerability is not None]
    if affected:
        _write_vulnerability(terminal, affected[0])
    elif explanation.packages:
        unknown = any(entry.is_unknown for entry in explanation.packages)
        text = " cannot be compared with packages of " if unknown else " affects no package of "
        terminal.line(Span(explanation.name, "bold"), text, Span(explanation.reference, whole=True))
    else:
        terminal.line(
            "No advisory about ",
            Span(explanation.name, "bold"),
            " names an assessed package of " if explanation.not_assessed else " names a package of ",
            Span(explanation.reference, whole=True),
        )
    for entry in explanation.packages:
        terminal.line()
        _write_package(terminal, entry, explanation.steps)
    if explanation.not_assessed:
        terminal.line()
    write_unassessed(terminal, explanation.not_assessed)


def _write_vulnerability(terminal: Terminal, vulnerability: Vulnerability) -> None:
    rating, signal = vulnerability.rating, vulnerability.signal
    score = "" if rating.score is None else f" {rating.score:g}"
    terminal.line(
        Span(f"{rating.level.label.upper()}{score}", f"bold {rating.level.colour}"),
        "  ",
        Span(vulnerability.id, "bold"),
        "  ",
        Span(" ".join(vulnerability.aliases), "dim"),
    )
    if vulnerability.summary:
        terminal.line(shorten(vulnerability.summary, _LONGEST))
    facts = [f"{rating.vector or 'no vector'} ({rating.source})" if rating.source else "no rating"]
    if signal.known_exploited:
        facts.append(f"known to be exploited since {signal.known_exploited}")
    if signal.epss is not None:
        facts.append(f"EPSS {signal.epss:.1%}")
    terminal.line(Span(" · ".join(facts), "dim"))
    for reference in vulnerability.references[:_REFERENCES]:
        terminal.line(
            Span(reference, "dim underline", whole=True, url=reference if reference.startswith("https://") else "")
        )


def _write_package(terminal: Terminal, entry: PackageExplanation, steps: dict[str, str]) -> None:
    package, vulnerability = entry.package, entry.vulnerability
    terminal.line(Span(qualify_name(package), "bold", whole=True), f" {package.version}  ", _describe_state(entry))
    if vulnerability is not None:
        fixed = vulnerability.fixed_version
        terminal.line(f"fixed in {fixed}" if fixed else "no fixed version known", indent=2)
        for note in vulnerability.notes:
            terminal.line(note, indent=2)
        if vulnerability.vex is not None:
            vex = vulnerability.vex
            terminal.line(f"VEX: {vex.summary} (", Span(vex.origin, whole=True), ")", indent=2)
    for location in package.locations:
        layer = f"  layer {location.layer.removeprefix('sha256:')[:12]}" if location.layer else ""
        terminal.line(Span(f"/{location.path}", whole=True), Span(layer, "dim"), indent=2)
        step = steps.get(location.layer, "")
        if step:
            terminal.line(Span(shorten(step, _LONGEST), "dim"), indent=4)
    for record in entry.records:
        terminal.line(
            Span(record.id, "cyan", whole=True),
            Span(f"  {record.ecosystem} {record.name} {record.version}", "dim"),
            f"  {_describe_record(record)}",
            indent=2,
            hang=4,
        )


def _describe_state(entry: PackageExplanation) -> Span:
    if entry.is_unknown:
        return Span("not known", "bold yellow")
    if entry.vulnerability is None:
        return Span("not affected", "green")
    return Span("suppressed", "yellow") if entry.vulnerability.is_suppressed else Span("affected", "bold red")


def _describe_record(record: MatchedRecord) -> str:
    """Return the outcome of the comparison with one record."""
    if record.reason:
        return record.reason
    scheme = f" (compared as {record.scheme})" if record.scheme else ""
    return f"{record.version} is in {record.range}{scheme}"


def write_explanation_json(explanation: Explanation, stream: TextIO) -> None:
    """Write the explanation as JSON."""
    document: dict[str, Any] = {
        "reference": explanation.reference,
        "name": explanation.name,
        "packages": [_describe_package(entry, explanation.steps) for entry in explanation.packages],
        "notAssessed": describe_unassessed(explanation.not_assessed),
    }
    stream.write(json_text(document) + "\n")


def _describe_package(entry: PackageExplanation, steps: dict[str, str]) -> dict[str, Any]:
    package, vulnerability = entry.package, entry.vulnerability
    is_affected = vulnerability is not None and not vulnerability.is_suppressed
    description: dict[str, Any] = {
        "purl": format_package_url(package),
        # Null: the version cannot be compared.
        "affected": None if entry.is_unknown else is_affected,
        "locations": [
            {"path": f"/{location.path}", "layer": location.layer, "createdBy": steps.get(location.layer, "")}
            for location in package.locations
        ],
        "records": [msgspec.to_builtins(record) for record in entry.records],
    }
    if vulnerability is not None:
        description |= {
            "id": vulnerability.id,
            "aliases": list(vulnerability.aliases),
            "severity": vulnerability.rating.level.label,
            "score": vulnerability.rating.score,
            "vector": vulnerability.rating.vector,
            "fixedVersion": vulnerability.fixed_version,
            "notes": list(vulnerability.notes),
            "vex": msgspec.to_builtins(vulnerability.vex) if vulnerability.vex else None,
        }
    return description
