"""What a report format is: a name, what its files are called, and a function that writes one.

Knows no format of its own and opens no file.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any

import msgspec

from kubekeep.model.assessment import Assessment


class Extra(enum.StrEnum):
    """What an assessment holds only if a format wants it, as it costs time to find."""

    EXCERPTS = "excerpts"
    """The text around each place: `Evidence.excerpt`."""
    EDITS = "edits"
    """Exact changes of files: `Evidence.edits`."""
    REPOSITORY = "repository"
    """Where the input is under version control: `Assessment.repository`."""
    ATTACK_PATHS = "attack paths"
    """How workloads could be taken over: `Assessment.attacks`."""
    PRIORITIES = "priorities"
    """Which resources attack tracks lead through: `Attacks.prioritised` alone."""


class Options(msgspec.Struct, frozen=True):
    """How people want their output; formats for machines look at nothing else but `audit`."""

    colour: bool = False
    width: int = 100
    """Columns of the terminal; nothing but single words and paths is longer."""
    verbose: bool = False
    """Show every failed resource and every passed control."""
    by_resource: bool = False
    """Show each failed resource with its controls, and not each failed control with its resources."""
    audit: bool = False
    """Tell of every exception what became of it; those for machines do so too."""
    links: bool = False
    """The terminal understands hyperlinks (OSC 8)."""


class Format(msgspec.Struct, frozen=True, kw_only=True):
    """One format. `render(assessment, stream, options)` writes a whole report to a stream.

    It is a text stream (TextIO), or one of bytes (BinaryIO) for a format that is `binary`. The stream belongs to the
    caller: a format neither closes it nor seeks in it. Text that is written is valid Unicode, so any UTF-8 stream
    takes it. Errors of the stream (OSError) pass through.
    """

    name: str
    """What `--format` takes: the name of the module with dashes for underscores."""
    extension: str
    """With its dot: `.json`."""
    media_type: str
    description: str
    render: Callable[[Assessment, Any, Options], None]
    aliases: tuple[str, ...] = ()
    wants: frozenset[Extra] = frozenset()
    to_file_by_default: bool = False
    """Without a file name given it goes to `report<extension>`, as it is of no use on a terminal."""
    binary: bool = False
    """It is no text: `render` gets a stream of bytes, and no terminal is ever given them."""
    library: str = ""
    """The module that it needs beside those of every installation; the extra called like the format brings it."""
