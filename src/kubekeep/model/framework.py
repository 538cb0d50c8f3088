"""Frameworks: their sections in order, and the controls that belong to them. Never holds a rule."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from kubekeep.model.control import Control, Provider
from kubekeep.model.definition import Definition


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A numbered or named section of a framework; controls refer to its `id` in `satisfies`."""

    id: str
    title: str


class Implication(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A control whose failure on a subject implies failures of other controls, which the framework does not report there.

    same_entries: only failures about the same `resources` of role rules are implied, which then have a wildcard.
    """

    control: str
    implies: tuple[str, ...]
    same_entries: bool = False


class Framework(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A framework of the library, decoded from its file; the controls list the frameworks they belong to."""

    slug: str = ""
    name: str
    """Name in formats for programs, with the spelling that scripts rely on. Other reports use the slug or the title."""
    title: str
    version: str = ""
    description: str
    url: str = ""
    aliases: tuple[str, ...] = ()
    provider: Provider | None = None
    """The managed platform of the framework: selecting it asserts that the cluster is on that platform."""
    all_controls: bool = False
    """True if all controls with a number belong to it; controls without one are not controls of Kubescape, or repeat a check."""
    kubescape_set: bool = False
    """True for a set of controls of Kubescape that implements no published standard."""
    sections: tuple[Section, ...] = ()
    implications: tuple[Implication, ...] = ()

    def has(self, control: Definition) -> bool:
        """Return True if `control` belongs to the framework."""
        return bool(control.ids) if self.all_controls else self.slug in control.satisfies

    def select_members(self, controls: Iterable[Control]) -> tuple[Control, ...]:
        """Return the controls that belong to the framework, in the order of `controls`."""
        return tuple([control for control in controls if self.has(control)])

    def find_section(self, number: str) -> str:
        """Return the section of requirement `number`: itself, or the longest section that contains it; else ""."""
        return max((section.id for section in self.sections if is_in_section(number, section.id)), key=len, default="")

    def sort_key(self, number: str) -> tuple[int, list[tuple[int, str]]]:
        """Return the sort key of a requirement: the index of its section, then its numbers."""
        indexes = (index for index, section in enumerate(self.sections) if is_in_section(number, section.id))
        parts = [(int(part) if part.isdecimal() else 0, part) for part in number.split(".")]
        return next(indexes, len(self.sections)), parts


def is_in_section(number: str, section: str) -> bool:
    """Return True if requirement `number` is `section` or a part of it."""
    return number == section or number.startswith(f"{section}.")
