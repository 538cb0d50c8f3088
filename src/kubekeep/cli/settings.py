"""The environment variables that the terminal face obeys; no other module of it reads any."""

from __future__ import annotations

import os

import msgspec


class Settings(msgspec.Struct, frozen=True):
    """How the terminal wants output."""

    colour: bool
    """NO_COLOR is unset or empty (no-color.org)."""
    links: bool
    """TERM names a terminal that is known not to print hyperlinks as rubbish."""


def settings() -> Settings:
    """The settings of this process."""
    return Settings(
        colour=not os.environ.get("NO_COLOR"),
        links=os.environ.get("TERM") not in (None, "", "dumb", "linux"),
    )
