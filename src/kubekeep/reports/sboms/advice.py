"""The upgrades and base images that remove most vulnerabilities of an image, for terminals and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TextIO

from kubekeep.model.text import json_text
from kubekeep.model.vulnerability import Vulnerability
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.sboms.unassessed import write_unassessed
from kubekeep.reports.shared.terminal import Span, Terminal
from kubekeep.reports.shared.wording import count_noun, shorten
from kubekeep.vulnerabilities.comparison import ImageAdvice
from kubekeep.vulnerabilities.upgrades import BaseAdvice, BaseCandidate, Upgrade, Weight, weigh

_UPGRADES: Final = 20
_LONGEST: Final = 40


def write_advice(advice: ImageAdvice, stream: TextIO, options: ReportOptions) -> None:
    """Write the upgrades, then the vulnerabilities by origin and with other base images."""
    terminal = Terminal(stream, options)
    if advice.upgrades:
        terminal.line(Span("Upgrades", "bold"))
        heads = [Span(head, "dim") for head in ("Package", "Installed", "Upgrade to", "Removes", "Remaining")]
        rows = [_describe_upgrade(upgrade) for upgrade in advice.upgrades[:_UPGRADES]]
        terminal.table([heads, *rows], indent=2, left=len(heads))
        left = len(advice.upgrades) - len(rows)
        if left > 0:
            terminal.line(Span(f"… and {count_noun(left, 'more upgrade')}", "dim"), indent=2)
    else:
        terminal.line("No upgrade removes a vulnerability.")
    terminal.line()
    if advice.bases is not None:
        _write_bases(terminal, advice.base_name, advice.bases)
    elif advice.stated_base:
        terminal.line(
            f"The image names its base, {advice.stated_base}: compare newer ones with ",
            Span("--newer-bases", "bold cyan"),
        )
    elif advice.has_layers:
        terminal.line("The base image is unknown: name it with ", Span("--base", "bold cyan"))
    write_unassessed(terminal, advice.not_assessed)


def _describe_upgrade(upgrade: Upgrade) -> list[Span]:
    return [
        Span(shorten(upgrade.name, _LONGEST), "bold", whole=True),
        Span(shorten(upgrade.version, _LONGEST), whole=True),
        Span(shorten(upgrade.fixed_version, _LONGEST), "green", whole=True),
        Span(_describe_weight(upgrade.weight), whole=True),
        Span(f"{len(upgrade.remaining):,}" if upgrade.remaining else "", "dim", whole=True),
    ]


def _describe_weight(weight: Weight) -> str:
    """Return the number of vulnerabilities with the urgent ones, as `7 (1 exploited, 2 critical)`."""
    urgent = {"exploited": weight.known_exploited, "critical": weight.critical, "high": weight.high}
    facts = ", ".join(f"{count} {name}" for name, count in urgent.items() if count)
    return f"{weight.count:,} ({facts})" if facts else f"{weight.count:,}"


def _write_bases(terminal: Terminal, name: str, bases: BaseAdvice) -> None:
    terminal.line(Span("Base image", "bold"))
    rows = [
        [
            Span(shorten(name or "by its history", _LONGEST), "bold", whole=True),
            Span("present base"),
            Span(_describe_weight(weigh(bases.base))),
        ],
        [Span(""), Span("own layers"), Span(_describe_weight(weigh(bases.own)))],
        *(_describe_candidate(candidate) for candidate in bases.candidates),
    ]
    terminal.table(rows, indent=2, left=3)


def _describe_candidate(candidate: BaseCandidate) -> list[Span]:
    change = f"{len(candidate.removed)} fewer, {len(candidate.added)} new"
    state = f"{candidate.not_assessed} packages not assessed" if candidate.not_assessed else change
    return [
        Span(shorten(candidate.name, _LONGEST), "bold green" if candidate.improves else "bold", whole=True),
        Span(state, "yellow" if candidate.not_assessed else ""),
        Span(_describe_weight(candidate.weight)),
    ]


def write_advice_json(advice: ImageAdvice, stream: TextIO) -> None:
    """Write the advice as JSON."""
    document: dict[str, Any] = {
        "reference": advice.reference,
        "upgrades": [
            {
                "package": upgrade.name,
                "version": upgrade.version,
                "fixedVersion": upgrade.fixed_version,
                "removes": _list_ids(upgrade.removed),
                "remaining": _list_ids(upgrade.remaining),
            }
            for upgrade in advice.upgrades
        ],
        "base": advice.base_name,
        "statedBase": advice.stated_base,
    }
    if advice.bases is not None:
        document["baseVulnerabilities"] = _list_ids(advice.bases.base)
        document["ownVulnerabilities"] = _list_ids(advice.bases.own)
        document["candidates"] = [
            {
                "name": candidate.name,
                "improves": candidate.improves,
                "removed": _list_ids(candidate.removed),
                "remaining": _list_ids(candidate.remaining),
                "added": _list_ids(candidate.added),
                "notAssessed": candidate.not_assessed,
            }
            for candidate in advice.bases.candidates
        ]
    stream.write(json_text(document) + "\n")


def _list_ids(vulnerabilities: Iterable[Vulnerability]) -> list[str]:
    return sorted({vulnerability.id for vulnerability in vulnerabilities})
