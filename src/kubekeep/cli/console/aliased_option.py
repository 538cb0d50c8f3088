"""Click option with former names. Parses only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click


class AliasedOption(click.Option):
    """An option that also accepts former names, which help texts do not show."""

    def __init__(self, *declarations: Any, aliases: Sequence[str] = (), **attributes: Any) -> None:
        super().__init__(*declarations, **attributes)
        self.aliases = tuple(aliases)

    def add_to_parser(self, parser: Any, ctx: click.Context) -> None:
        """Add the option with all names to the parser."""
        shown = self.opts
        self.opts = [*shown, *self.aliases]
        try:
            super().add_to_parser(parser, ctx)
        finally:
            self.opts = shown
