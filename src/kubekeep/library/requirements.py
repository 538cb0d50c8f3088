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
    def required_data(self) -> RequiredData | None:
        """The data that evaluates at least one of the controls, the most available kind first; None without controls."""
        return min((control.required_data for control in self.controls), key=list(RequiredData).index, default=None)


def list_requirements(library: Library, framework: Framework) -> tuple[Requirement, ...]:
    """Return the requirements of `framework` in its own order.

    In a framework without numbers, each control is a requirement.
    """
    members = library.select_members(framework)
    controls_by_number: dict[str, list[Control]] = {}
    for control in members:
        for number in control.satisfies.get(framework.slug, ()):
            controls_by_number.setdefault(number, []).append(control)
    titles = {section.id: section.title for section in framework.sections}
    if not controls_by_number and not titles:
        return tuple(Requirement(control.id, control.title, (control,)) for control in members)
    uncovered = [
        section for section in titles if not any(is_in_section(number, section) for number in controls_by_number)
    ]
    return tuple(
        Requirement(number, titles.get(number, ""), tuple(controls_by_number.get(number, ())))
        for number in sorted((*controls_by_number, *uncovered), key=framework.sort_key)
    )


def is_numbered(library: Library, framework: Framework) -> bool:
    """Return True if `framework` has requirements of its own; otherwise each control is one."""
    return bool(framework.sections) or any(
        control.satisfies.get(framework.slug) for control in library.select_members(framework)
    )


def count_by_required_data(requirements: tuple[Requirement, ...]) -> Mapping[str, int]:
    """Count the requirements by required data: automated, host data, ... in the order of `RequiredData`.

    Requirements without controls are counted last, as `not covered`.
    """
    counts = Counter(requirement.required_data for requirement in requirements)
    covered = {answer.value: counts[answer] for answer in RequiredData if counts[answer]}
    return covered | ({"not covered": counts[None]} if counts[None] else {})
