"""What a framework asks for, requirement by requirement, and what it takes to answer each. Never evaluates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from kubekeep.library.load import Library
from kubekeep.model.control import Answer, Control
from kubekeep.model.framework import Framework, is_in_section


class Requirement(msgspec.Struct, frozen=True):
    """A numbered part of a framework with the controls that serve it; without any, it is not covered."""

    id: str
    title: str
    controls: tuple[Control, ...]

    @property
    def answer(self) -> Answer | None:
        """What it takes at least to answer it; None when no control does."""
        return min((control.answer for control in self.controls), key=list(Answer).index, default=None)


def requirements(library: Library, framework: Framework) -> tuple[Requirement, ...]:
    """The requirements of `framework` in its own order.

    A framework that cites no numbers asks for its controls: each is a requirement.
    """
    members = library.members(framework)
    cited: dict[str, list[Control]] = {}
    for control in members:
        for number in control.satisfies.get(framework.slug, ()):
            cited.setdefault(number, []).append(control)
    titles = {section.id: section.title for section in framework.sections}
    if not cited and not titles:
        return tuple(Requirement(control.id, control.title, (control,)) for control in members)
    uncovered = [section for section in titles if not any(is_in_section(number, section) for number in cited)]
    return tuple(
        Requirement(number, titles.get(number, ""), tuple(cited.get(number, ())))
        for number in sorted((*cited, *uncovered), key=framework.sort_key)
    )


def answers(found: tuple[Requirement, ...]) -> Mapping[str, int]:
    """How many requirements are automated, need host data, ... in that order; `not covered` at the end."""
    counts = Counter(item.answer for item in found)
    known = {answer.value: counts[answer] for answer in Answer if counts[answer]}
    return known | ({"not covered": counts[None]} if counts[None] else {})
