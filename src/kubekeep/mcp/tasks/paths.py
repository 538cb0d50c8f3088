"""Task of the tool `attack_paths`: attack paths through the input, and the steps that break most of them."""

from __future__ import annotations

from typing import Final

from kubekeep.mcp.answers import AttackPathEntry, CutEntry, PathsAnswer, PathStep, UntrustedText
from kubekeep.mcp.tasks.task_input import TaskInput, check_confined, open_input
from kubekeep.mcp.text import clean
from kubekeep.model.attack import AttackPath, AttackQuery, Attacks, Cut, Edge
from kubekeep.usecases.paths import PathsRequest, scan_attack_paths

_MAX_CUTS: Final = 5
_MAX_NOTES: Final = 5
_MAX_STEPS: Final = 20
_MAX_OPENINGS: Final = 2
_TEXT: Final = 250


def run_paths(task_input: TaskInput, query: AttackQuery) -> PathsAnswer:
    """Return the attack paths of a query."""
    with open_input(task_input) as source:
        assessment = scan_attack_paths(PathsRequest(input=source, query=query))
    check_confined(assessment, task_input)
    attacks = assessment.attacks or Attacks()
    return PathsAnswer(
        total_entries=len(attacks.paths),
        paths_left_out=attacks.unlisted_path_count,
        cuts=[_make_cut(cut) for cut in attacks.cuts[:_MAX_CUTS]],
        untrusted_notes=[UntrustedText(text=clean(note, _TEXT)) for note in attacks.notes[:_MAX_NOTES]],
        unread=len(assessment.unread),
        entries=[_make_entry(path) for path in attacks.paths],
    )


def _make_entry(path: AttackPath) -> AttackPathEntry:
    return AttackPathEntry(
        severity=path.severity.name.lower(),
        controls=[control.id for control in path.controls],
        untrusted=[_make_step(edge) for edge in path.edges[:_MAX_STEPS]],
        untrusted_assumptions=[clean(text, _TEXT) for text in path.assumptions[:_MAX_NOTES]],
    )


def _make_step(edge: Edge) -> PathStep:
    locations = (opening.location for opening in edge.openings)
    location = next((location for location in locations if location is not None), None)
    return PathStep(
        source=clean(edge.source.label, _TEXT),
        target=clean(edge.target.label, _TEXT),
        reasons=[clean(opening.text, _TEXT) for opening in edge.openings[:_MAX_OPENINGS]],
        location=clean(str(location), _TEXT) if location else "",
    )


def _make_cut(cut: Cut) -> CutEntry:
    controls = {control.id: None for opening in cut.edge.openings for control in opening.controls}
    return CutEntry(paths_broken=cut.count, controls=list(controls), untrusted=_make_step(cut.edge))
