"""Requirements of a framework with their controls and the input needed to evaluate them. Evaluates no rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import msgspec

from kubekeep.library.load import Library
from kubekeep.model.control import Control, RequiredData
from kubekeep.model.framework import Framework, is_in_section


class Requirement(msgspec.Struct, frozen=True):
    """Numbered part of a framework with the controls that implement it. Without controls it is not covered."""

    id: str
    title: str
    controls: tuple[Control, ...]

    @property
    def answer(self) -> RequiredData | None:
        """Least demanding kind of input that evaluates one of the controls; None without controls."""
        return min((control.required_data for control in self.controls), key=list(RequiredData).index, default=None)


def requirements(library: Library, framework: Framework) -> tuple[Requirement, ...]:
    """Return the requirements of `framework` in its own order.

    In a framework without numbers, each control is a requirement.
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


def answers(requirements: tuple[Requirement, ...]) -> Mapping[str, int]:
    """Return the number of requirements by answer: automated, host data, ... in that order, `not covered` last."""
    counts = Counter(requirement.answer for requirement in requirements)
    known = {answer.value: counts[answer] for answer in RequiredData if counts[answer]}
    return known | ({"not covered": counts[None]} if counts[None] else {})
