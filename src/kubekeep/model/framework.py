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
