"""Attack paths for people: each as a chain with the places that open it, and what ends most of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.attack import AttackPath, Attacks, Edge, NodeKind, Opening, PrioritisedResource
from kubekeep.model.control import Control
from kubekeep.model.severity import Severity
from kubekeep.reports.format import Options
from kubekeep.reports.pretty.findings import place_span
from kubekeep.reports.shared.terminal import Span, Terminal

_PRIORITIES: Final = 3
"""Resources by priority that are named, as Kubescape does."""
_OPENINGS: Final = 3
"""Openings of one step that are named before the others are only counted."""


def write_attacks(assessment: Assessment, attacks: Attacks, stream: TextIO, options: Options) -> None:
    """Write what was found, and what could not be seen, to a stream."""
    terminal = Terminal(stream, options)
    base = assessment.target.base
    terminal.line()
    for path in attacks.paths:
        _write_path(terminal, path, base)
    if attacks.left_out:
        terminal.line(Span(f"… and {_many(attacks.left_out, 'more path')} (use --max-paths)", "dim"))
        terminal.line()
    _write_cuts(terminal, attacks, base)
    _write_priorities(terminal, attacks.prioritised, base)
    _write_summary(terminal, attacks)
    if attacks.notes:
        terminal.line()
        terminal.line(Span("What else to know", "bold"))
        for note in attacks.notes:
            terminal.line(f"• {note}", indent=2, hang=2)


def _write_path(terminal: Terminal, path: AttackPath, base: str) -> None:
    terminal.line(
        Span(f"✖ {path.severity.label.upper()}", f"bold {path.severity.colour}", whole=True),
        "  ",
        Span(f"{path.source.label} → {path.target.label}", "bold"),
    )
    terminal.line(path.source.label, indent=2)
    for edge in path.edges:
        terminal.line("→ ", Span(edge.target.label, "bold"), indent=2, hang=4)
        for opening in edge.openings[:_OPENINGS]:
            terminal.line(*_opening(opening, base), indent=6, hang=2)
        if len(edge.openings) > _OPENINGS:
            more = len(edge.openings) - _OPENINGS
            terminal.line(Span(f"… and {_many(more, 'other reason')}", "dim"), indent=6)
    for text in path.assumptions:
        terminal.line(Span("Provided that ", "yellow"), text, indent=2)
    terminal.line()


def _opening(opening: Opening, base: str) -> Iterator[Span | str]:
    if opening.location is not None:
        yield place_span(str(opening.location), opening.location, base)
        yield "  "
    yield opening.text
    for control in opening.controls:
        yield "  "
        yield Span(control.id, "cyan", whole=True, url=control.link)


def _write_cuts(terminal: Terminal, attacks: Attacks, base: str) -> None:
    if not attacks.cuts:
        return
    terminal.line(Span("What ends most paths", "bold"))
    for number, cut in enumerate(attacks.cuts, start=1):
        text = f"{cut.edge.source.label} → {cut.edge.target.label}"
        ends = Span(f"ends {_many(cut.count, 'path')}", "green")
        around = f", {cut.detours} of them with a way around it" if cut.detours else ""
        terminal.line(f"{number}. ", Span(text, "bold"), "  ", ends, around, indent=2, hang=5)
        for opening in cut.edge.openings:
            terminal.line(*_opening(opening, base), indent=5, hang=2)
        for control in _distinct(cut.edge):
            advice = " ".join(control.fix.strip().partition("\n\n")[0].split())
            terminal.line(Span(f"{control.id} ", "cyan", whole=True), advice, indent=5, hang=2)
    terminal.line()


def _distinct(edge: Edge) -> Iterable[Control]:
    """For each opening the first control that fails there: mending it closes the opening."""
    first = (opening.controls[0] for opening in edge.openings if opening.controls)
    return {control.slug: control for control in first}.values()


def _write_priorities(terminal: Terminal, found: tuple[PrioritisedResource, ...], base: str) -> None:
    if not found:
        return
    terminal.line(Span("Workloads to mend first", "bold"))
    for item in found[:_PRIORITIES]:
        resource = item.resource
        place = resource.locate(())
        where: list[Span | str] = []
        if place is not None:
            where = [place_span(str(place), place, base), "  "]
        names = ", ".join(dict.fromkeys(vector.track for vector in item.vectors))
        label = Span(resource.label, "bold", whole=True)
        level = Span(item.severity.label, item.severity.colour)
        terminal.line(*where, label, "  ", level, f" on {names}", indent=2)
        controls = {step.control.slug: step.control for vector in item.vectors for step in vector.steps}
        terminal.line(Span("mend ", "green"), ", ".join(control.id for control in controls.values()), indent=4)
    terminal.line()


def _write_summary(terminal: Terminal, attacks: Attacks) -> None:
    if not attacks.paths:
        # Green only where nothing is missing that a path could lead through.
        terminal.line(Span("No attack path was found.", "bold" if attacks.notes else "bold green"))
        return
    levels = [path.severity for path in attacks.paths]
    counts = ", ".join(
        f"{levels.count(level)} {level.label.lower()}" for level in reversed(Severity) if level in levels
    )
    total = len(attacks.paths) + attacks.left_out
    listed = f" of {total}" if attacks.left_out else ""
    outside = sum(path.source.kind is NodeKind.INTERNET for path in attacks.paths)
    terminal.line(
        Span(f"{len(attacks.paths)}{listed} {_noun(total, 'attack path')}", "bold"),
        f": {counts}; {outside} from the internet",
    )


def _many(number: int, noun: str) -> str:
    return f"{number} {_noun(number, noun)}"


def _noun(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
