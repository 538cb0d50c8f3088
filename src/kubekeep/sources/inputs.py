"""All that a person names on the command line as resources: files, folders and standard input.

Joins the readers of this package and decides who reads what; each object is given once. Never judges.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.sources.manifests import read_file, read_stream
from kubekeep.sources.options import ReadOptions
from kubekeep.sources.tree import DEFAULT_LIMITS, Limits
from kubekeep.sources.walk import Found, Kind, Skipped, Walk

STDIN: Final = "-"
_SHOWN_STDIN: Final = "<stdin>"


def read(
    paths: Sequence[str],
    *,
    stdin: BinaryIO | None = None,
    limits: Limits = DEFAULT_LIMITS,
    options: ReadOptions = ReadOptions(),  # noqa: B008 - a frozen value
) -> Inputs:
    """The resources at some paths; `-` is standard input. See `Inputs`."""
    return Inputs(paths, stdin=stdin, limits=limits, options=options)


class Inputs:
    """The resources of some paths, in the order of paths, of names in a folder and of documents in a file.

    Iterating reads; `files` counts the files that were read so far, also those without an object. What could not
    be read, or only in doubt, is an Unread among the resources.
    """

    def __init__(self, paths: Sequence[str], *, stdin: BinaryIO | None, limits: Limits, options: ReadOptions) -> None:
        self.files = 0
        self._paths = paths
        self._stdin = stdin
        self._limits = limits
        self._options = options

    def __iter__(self) -> Iterator[Resource | Unread]:
        self.files = 0
        walk = Walk()
        for path in self._paths:
            if path == STDIN:
                yield from self._standard_input()
                continue
            for found in walk.found(path):
                if isinstance(found, Skipped):
                    yield Unread(Location(found.shown), found.message)
                elif found.kind is Kind.FILE:
                    self.files += 1
                    yield from read_file(found, self._limits)

    def _standard_input(self) -> Iterator[Resource | Unread]:
        if self._stdin is None:
            yield Unread(Location(_SHOWN_STDIN), "there is no standard input")
            return
        self.files += 1
        # Paths stay the text that people typed.
        found = Found(Kind.FILE, _SHOWN_STDIN, _SHOWN_STDIN, os.getcwd())  # noqa: PTH109
        yield from read_stream(self._stdin, found, self._limits)
