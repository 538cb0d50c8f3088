"""Suggestions for a word that is no command. Runs nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Final

import click

from kubekeep.model.similar_names import find_similar

_IMAGE: Final = re.compile(r"[a-z0-9][a-z0-9._/-]*(?::[\w.-]+|@sha256:[0-9a-f]{64})")
_OTHER_NAMES: Final = {
    "analyze": "scan",
    "audit": "scan",
    "check": "scan",
    "docs": "explain",
    "frameworks": "list frameworks",
    "controls": "list controls",
    "images": "image scan",
    "operator": "watch",
    "serve": "mcp",
    "upgrade": "db update",
    "update": "db update",
    "vuln": "image scan",
}
"""Commands that other programs have under these names."""


def refuse_unknown(ctx: click.Context, word: str, commands: Iterable[str]) -> None:
    """Raise a usage error for a word that is no command, with the command that was probably meant."""
    program = ctx.command_path
    suggestion = _find(word, commands, is_main=ctx.parent is None)
    hint = f"; did you mean `{program} {suggestion}`?" if suggestion else f"; `{program} --help` lists the commands"
    raise click.UsageError(f"{program} has no command {word!r}{hint}", ctx)


def _find(word: str, commands: Iterable[str], *, is_main: bool) -> str:
    if word == "help":
        return "--help"
    if is_main:
        if os.path.lexists(word):
            return f"scan {word}"
        if word in _OTHER_NAMES:
            return _OTHER_NAMES[word]
        if _IMAGE.fullmatch(word):
            return f"image scan {word}"
    return find_similar(word.casefold(), commands) or ""
