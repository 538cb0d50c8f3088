"""All that a person names on the command line as resources: files, folders and standard input.

Joins the readers of this package and decides who reads what; each object is given once. Never judges.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH109, PTH118

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from typing import BinaryIO, Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.sources.manifests import read_file, read_stream
from kubekeep.sources.options import ReadOptions
from kubekeep.sources.tree import DEFAULT_LIMITS, Limits
from kubekeep.sources.walk import CHART, Kind, Root, Skipped, Walk

STDIN: Final = "-"
_STANDARD_INPUT: Final = Root(Kind.FILE, STDIN, "<stdin>", "")


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
    """The resources of some paths: those of kustomizations, then of charts, then of files.

    Each in the order of paths, of names in a folder and of documents in what is read. Iterating reads; `files`
    counts the files that were read so far, also those without an object. What could not be read, or only in doubt,
    is an Unread among the resources. A file that a kustomization brings in is read only there.
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
        roots: list[Root] = []
        for path in self._paths:
            for found in (_STANDARD_INPUT,) if path == STDIN else walk.found(path):
                if isinstance(found, Skipped):
                    yield Unread(Location(found.shown), found.message)
                else:
                    roots.append(found)
        yield from self._read(roots)

    def _read(self, roots: Sequence[Root]) -> Iterator[Resource | Unread]:
        by_kind = {kind: [root for root in roots if root.kind is kind] for kind in Kind}
        reached: set[str] = set()
        if by_kind[Kind.KUSTOMIZATION]:
            yield from self._kustomizations(by_kind[Kind.KUSTOMIZATION], reached)
        charts = [root for root in by_kind[Kind.CHART] if os.path.realpath(_below(root, CHART)) not in reached]
        if charts:
            yield from self._charts(charts)
        for root in by_kind[Kind.FILE]:
            if root is _STANDARD_INPUT:
                yield from self._standard_input()
            elif os.path.realpath(root.path) not in reached:
                self.files += 1
                yield from read_file(root, self._limits)

    def _kustomizations(self, roots: Sequence[Root], reached: set[str]) -> Iterator[Resource | Unread]:
        # Only a scan with kustomizations pays for loading what builds them.
        from kubekeep.sources.kustomize.build import Kustomizations  # noqa: PLC0415

        builder = Kustomizations(self._limits, allow_helm=self._options.kustomize_helm)
        yield from builder.read(roots)
        reached |= builder.reached
        self.files += len(reached)

    def _charts(self, roots: Sequence[Root]) -> Iterator[Resource | Unread]:
        from kubekeep.sources.helm.charts import Charts  # noqa: PLC0415 - as above

        with Charts(self._options.helm, helm=shutil.which("helm"), yaml_limits=self._limits) as charts:
            templates: set[str] = set()
            for item in charts.read(root for root in roots if not root.only):
                if isinstance(item, Resource) and item.source is not None:
                    templates.add(item.source.path)
                yield item
            for root in roots:
                if root.only:
                    templates.add(_below(root, root.only))
                    yield from (item for item in charts.read([root]) if _is_part(item, root))
            self.files += len(templates)

    def _standard_input(self) -> Iterator[Resource | Unread]:
        if self._stdin is None:
            yield Unread(Location(_STANDARD_INPUT.shown), "there is no standard input")
            return
        self.files += 1
        # Paths stay the text that people typed.
        found = msgspec.structs.replace(_STANDARD_INPUT, base=os.getcwd())
        yield from read_stream(self._stdin, found, self._limits)


def _below(root: Root, name: str) -> str:
    return os.path.join(root.path, name)


def _is_part(item: Resource | Unread, root: Root) -> bool:
    """Whether `item` is of the part of a chart that a person named; what could not be read always is."""
    if isinstance(item, Unread) or item.source is None:
        return True
    part = os.path.normpath(os.path.join(root.shown, root.only))
    return item.source.path == part or item.source.path.startswith(part + os.sep)
