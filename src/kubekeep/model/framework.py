"""A framework: sections in order and which controls serve them. Never holds a rule."""

from __future__ import annotations

import msgspec

from kubekeep.model.control import Control, Provider


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A numbered or named part of a framework; `id` is what `satisfies` of a control cites."""

    id: str
    title: str


class Framework(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One framework of the library, as its file says; membership is written in the controls."""

    slug: str = ""
    name: str
    """The name reports print, in the spelling that scripts compare with."""
    title: str
    version: str = ""
    description: str
    url: str = ""
    aliases: tuple[str, ...] = ()
    provider: Provider | None = None
    """The managed platform that it is written for: whoever asks for it says that theirs is one."""
    all_controls: bool = False
    """Every control with a number belongs to it; those without ask the same again for a standard of their own."""
    sections: tuple[Section, ...] = ()

    def has(self, control: Control) -> bool:
        """Whether `control` serves it."""
        return bool(control.ids) if self.all_controls else self.slug in control.satisfies

    def find_section(self, number: str) -> str:
        """The section that holds requirement `number`: itself, or the one whose number it continues; empty for none."""
        return max((item.id for item in self.sections if is_in_section(number, item.id)), key=len, default="")

    def sort_key(self, number: str) -> tuple[int, list[tuple[int, str]]]:
        """What requirements sort by: the place of their section, then their own numbers."""
        places = (place for place, item in enumerate(self.sections) if is_in_section(number, item.id))
        parts = [(int(part) if part.isdecimal() else 0, part) for part in number.split(".")]
        return next(places, len(self.sections)), parts


def is_in_section(number: str, section: str) -> bool:
    """Whether requirement `number` is `section` or a part of it."""
    return number == section or number.startswith(f"{section}.")
