"""Documentation of the library for clients: controls, frameworks, and close matches of unknown names. Evaluates nothing."""

from __future__ import annotations

import difflib
from typing import Final

from kubekeep.library.load import builtin
from kubekeep.library.requirements import list_requirements
from kubekeep.library.search import search_controls
from kubekeep.mcp.answers import ControlText, ExplainAnswer, RequirementEntry
from kubekeep.mcp.text import clean, clean_lines
from kubekeep.model.control import Control
from kubekeep.model.framework import Framework
from kubekeep.posture.select import UnknownNameError, find_controls, find_frameworks

_MAX_MATCHES: Final = 8
_CHAPTER: Final = 2_000
_TEXT: Final = 300
_MAX_LISTED: Final = 20


def explain(name: str) -> ExplainAnswer:
    """Return the documentation of a control or framework, or close matches of an unknown name."""
    try:
        (control,) = find_controls([name])
        return ExplainAnswer(kind="control", control=_describe_control(control), total_entries=0, entries=[])
    except UnknownNameError:
        pass
    try:
        (framework,) = find_frameworks([name])
    except UnknownNameError:
        return ExplainAnswer(kind="unknown", matches=find_matches(name), total_entries=0, entries=[])
    return _describe_framework(framework)


def find_matches(name: str) -> list[str]:
    """Return names of controls and frameworks that contain the words of `name`, or are spelled like it."""
    words = name.casefold().split()
    matches = [f"{control.id} {control.title}" for control in search_controls(words)[:_MAX_MATCHES]] if words else []
    names = {framework.slug.casefold(): framework.slug for framework in builtin().frameworks.values()}
    for control in builtin().controls.values():
        for word in (*control.ids, control.slug, control.title):
            names.setdefault(word.casefold(), f"{control.id} {control.title}")
    similar = difflib.get_close_matches(name.casefold(), names, n=_MAX_MATCHES, cutoff=0.5)
    return list(dict.fromkeys([*matches, *(names[word] for word in similar)]))[:_MAX_MATCHES]


def _describe_control(control: Control) -> ControlText:
    frameworks = [framework for framework in builtin().frameworks.values() if framework.slug in control.satisfies]
    return ControlText(
        id=control.id,
        slug=control.slug,
        title=control.title,
        severity=control.level.name.lower(),
        score=control.severity,
        required_data=control.required_data.value,
        chapters={heading: clean_lines(text, _CHAPTER) for heading, text in control.chapters[:_MAX_LISTED]},
        targets=list(control.targets[:_MAX_LISTED]),
        parameters={name: clean(parameter.description, _TEXT) for name, parameter in control.params.items()},
        frameworks=[
            f"{framework.slug} {', '.join(control.satisfies[framework.slug])}".rstrip() for framework in frameworks
        ],
        references=list(control.references[:_MAX_LISTED]),
    )


def _describe_framework(framework: Framework) -> ExplainAnswer:
    entries = [
        RequirementEntry(
            id=requirement.id, title=requirement.title, controls=[control.id for control in requirement.controls]
        )
        for requirement in list_requirements(builtin(), framework)
    ]
    return ExplainAnswer(
        kind="framework",
        name=framework.slug,
        title=framework.title,
        description=clean_lines(framework.description.strip(), _CHAPTER),
        url=framework.url,
        total_entries=len(entries),
        entries=entries,
    )


def write_control(name: str) -> str:
    """Return a control as Markdown. Raises UnknownNameError."""
    (control,) = find_controls([name])
    text = _describe_control(control)
    lines = [f"# {text.id} {text.title}", "", f"{text.slug} · {text.severity} ({text.score:g}) · {text.required_data}"]
    for heading, chapter in text.chapters.items():
        lines += ["", f"## {heading}", "", chapter]
    lists = (("Applies to", text.targets), ("Frameworks", text.frameworks), ("References", text.references))
    for heading, entries in lists:
        if entries:
            lines += ["", f"## {heading}", "", *(f"- {entry}" for entry in entries)]
    return "\n".join(lines) + "\n"


def write_framework(name: str) -> str:
    """Return a framework with its requirements and the numbers of their controls as Markdown. Raises UnknownNameError."""
    (framework,) = find_frameworks([name])
    answer = _describe_framework(framework)
    lines = [f"# {answer.title}", "", answer.description, *([answer.url] if answer.url else []), ""]
    for entry in answer.entries:
        controls = ", ".join(number for number in entry.controls if number != entry.id)
        lines.append(f"- {entry.id} {entry.title}{f' ({controls})' if controls else ''}".replace("  ", " "))
    return "\n".join(lines) + "\n"
