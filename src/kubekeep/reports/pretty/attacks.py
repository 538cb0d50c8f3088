"""Attack paths for terminals: each as a chain with the openings of its steps, and the changes that break most paths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.attack import AttackNodeKind, AttackPath, Attacks, Edge, Opening, PrioritisedResource
from kubekeep.model.definition import Definition
from kubekeep.model.severity import Severity
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.pretty.findings import location_span
from kubekeep.reports.shared.terminal import Span, Terminal

_PRIORITIES: Final = 3
"""Maximum number of resources by priority, as in Kubescape."""
_OPENINGS: Final = 3
"""Maximum number of openings of a step; the others are counted."""


def write_attacks(assessment: Assessment, attacks: Attacks, stream: TextIO, options: ReportOptions) -> None:
    """Write the attack paths, the changes that break them, and notes on missing input."""
    terminal = Terminal(stream, options)
    base = assessment.target.base
    terminal.line()
    for path in attacks.paths:
        _write_path(terminal, path, base)
    if attacks.unlisted_path_count:
        terminal.line(Span(f"… and {_count_noun(attacks.unlisted_path_count, 'more path')} (use --max-paths)", "dim"))
        terminal.line()
    _write_cuts(terminal, attacks, base)
    _write_priorities(terminal, attacks.prioritised, base)
    _write_summary(terminal, attacks)
    if attacks.notes:
        terminal.line()
        terminal.line(Span("Notes", "bold"))
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
            terminal.line(Span(f"… and {_count_noun(more, 'other reason')}", "dim"), indent=6)
    for text in path.assumptions:
        terminal.line(Span("Provided that ", "yellow"), text, indent=2)
    terminal.line()


def _opening(opening: Opening, base: str) -> Iterator[Span | str]:
    if opening.location is not None:
        yield location_span(str(opening.location), opening.location, base)
        yield "  "
    yield opening.text
    for control in opening.controls:
        yield "  "
        yield Span(control.id, "cyan", whole=True, url=control.link)


def _write_cuts(terminal: Terminal, attacks: Attacks, base: str) -> None:
    if not attacks.cuts:
        return
    terminal.line(Span("Changes that break most paths", "bold"))
    for number, cut in enumerate(attacks.cuts, start=1):
        text = f"{cut.edge.source.label} → {cut.edge.target.label}"
        ends = Span(f"breaks {_count_noun(cut.count, 'path')}", "green")
        detours = f", {cut.detours} of them with an alternative" if cut.detours else ""
        terminal.line(f"{number}. ", Span(text, "bold"), "  ", ends, detours, indent=2, hang=5)
        for opening in cut.edge.openings:
            terminal.line(*_opening(opening, base), indent=5, hang=2)
        for control in _closing_controls(cut.edge):
            advice = " ".join(control.fix.strip().partition("\n\n")[0].split())
            terminal.line(Span(f"{control.id} ", "cyan", whole=True), advice, indent=5, hang=2)
    terminal.line()


def _closing_controls(edge: Edge) -> Iterable[Definition]:
    """Return the first failing control of each opening; fixing it closes the opening."""
    first = (opening.controls[0] for opening in edge.openings if opening.controls)
    return {control.slug: control for control in first}.values()


def _write_priorities(terminal: Terminal, resources: tuple[PrioritisedResource, ...], base: str) -> None:
    if not resources:
        return
    terminal.line(Span("Workloads to fix first", "bold"))
    for prioritised in resources[:_PRIORITIES]:
        resource = prioritised.resource
        location = resource.locate(())
        location_spans: list[Span | str] = []
        if location is not None:
            location_spans = [location_span(str(location), location, base), "  "]
        names = ", ".join(dict.fromkeys(vector.track for vector in prioritised.vectors))
        label = Span(resource.label, "bold", whole=True)
        level = Span(prioritised.severity.label, prioritised.severity.colour)
        terminal.line(*location_spans, label, "  ", level, f" on {names}", indent=2)
        controls = {step.control.slug: step.control for vector in prioritised.vectors for step in vector.steps}
        terminal.line(Span("fix ", "green"), ", ".join(control.id for control in controls.values()), indent=4)
    terminal.line()


def _write_summary(terminal: Terminal, attacks: Attacks) -> None:
    if not attacks.paths:
        # Green only if no missing input could hide a path.
        style = "bold" if attacks.notes or attacks.escaping else "bold green"
        terminal.line(Span(f"No attack path was found{' from outside' if attacks.is_from_outside else ''}.", style))
        if attacks.escaping:
            number = len(attacks.escaping)
            subject = f"{_count_noun(number, 'workload')} {'does' if number == 1 else 'do'}"
            terminal.line(
                f"{subject} not isolate {'its' if number == 1 else 'their'} processes from the node: `--from {attacks.escaping[0]}` shows the paths"
            )
        return
    levels = [path.severity for path in attacks.paths]
    counts = ", ".join(
        f"{levels.count(level)} {level.label.lower()}" for level in reversed(Severity) if level in levels
    )
    total = len(attacks.paths) + attacks.unlisted_path_count
    total_text = f" of {total}" if attacks.unlisted_path_count else ""
    internet_paths = sum(path.source.kind is AttackNodeKind.INTERNET for path in attacks.paths)
    terminal.line(
        Span(f"{len(attacks.paths)}{total_text} {_noun(total, 'attack path')}", "bold"),
        f": {counts}; {internet_paths} from the internet",
    )


def _count_noun(number: int, noun: str) -> str:
    return f"{number} {_noun(number, noun)}"


def _noun(number: int, noun: str) -> str:
    return noun if number == 1 else f"{noun}s"
