"""All that a person names on the command line as resources.

Joins the readers of this package and decides who reads what; each object is given once. Never judges.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH109, PTH118

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import BinaryIO, Self

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location
from kubekeep.model.paths import error_reason
from kubekeep.model.resource import Resource
from kubekeep.sources.applications import Elsewhere, is_application
from kubekeep.sources.manifests import is_pipe, opened, read_file, read_stream
from kubekeep.sources.named import STANDARD_INPUT, Named
from kubekeep.sources.options import ChartValues, HelmOptions, ReadOptions
from kubekeep.sources.signals import ends_on_signals
from kubekeep.sources.touched import Touched
from kubekeep.sources.tree import DEFAULT_LIMITS, Limits
from kubekeep.sources.walk import CHART, Kind, Root, Walk


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
    """The resources of some paths: those of kustomizations, then of files, Terraform modules and charts.

    Each in the order of paths, of names in a folder and of documents in what is read. Iterating reads; `files`
    counts the files that were read so far, also those without an object, and `notes` are what a person should know
    though nothing is wrong. What could not be read, or only in doubt, is an Unread among the resources. A file that a
    kustomization brings in is read only there.

    Use it as a context manager if anything but iterating is to be done: what was fetched or unpacked is gone after.
    """

    def __init__(self, paths: Sequence[str], *, stdin: BinaryIO | None, limits: Limits, options: ReadOptions) -> None:
        self.files = 0
        self.notes: list[str] = []
        self._paths = paths
        self._stdin = stdin
        self._limits = limits
        self._options = options
        self._stack = ExitStack()
        self._touched = Touched(options.changed_since, options.access.environment)
        self._homes: dict[str, str] = {}
        self._places: dict[str, str] = {}
        self.manifests: dict[tuple[str, str], str] = {}
        """The files that were read as they are: their paths by the folder of the scan and what people see."""
        self._piped: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        self._stack.enter_context(ends_on_signals())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[Resource | Unread]:
        self.files = 0
        named = Named(self._options, self._stack)
        self._homes, self._places, self.notes = named.homes, named.places, named.notes
        roots: list[Root] = []
        for path in self._paths:
            for found in named.roots(path):
                if isinstance(found, Unread):
                    yield found
                else:
                    roots.append(found)
        yield from named.ended()
        yield from self._read(roots)

    def is_touched(self, resource: Resource) -> bool:
        """Whether a file that `resource` was made from has changed, if only what changed is asked for."""
        return self._touched.holds(resource)

    def path_of(self, file: str, resource: Resource) -> str:
        """The path of a file that a place of `resource` names."""
        sources = (item.source for item in (resource, *resource.related))
        base = next((source.base for source in sources if source is not None), "")
        if (base, file) in self.manifests:
            return self.manifests[base, file]
        for folder, shown in self._places.items():
            if shown and file.startswith(shown + os.sep):
                return os.path.join(folder, file[len(shown) + 1 :])
        return os.path.join(self._homes.get(base, os.getcwd()), file)

    def content(self, path: str) -> bytes | None:
        """What a file says, by its path from `path_of`; None where that is not at hand any more."""
        if path in self._piped:
            return self._piped[path]
        try:
            with opened(path) as stream:
                data = stream.read(self._limits.bytes + 1)
        except (OSError, ValueError):
            return None
        return data if len(data) <= self._limits.bytes else None

    def _read(self, roots: Sequence[Root]) -> Iterator[Resource | Unread]:
        by_kind = {kind: [root for root in roots if root.kind is kind] for kind in Kind}
        seen = _Seen()
        yield from seen.noting(self._kustomizations(by_kind[Kind.KUSTOMIZATION], seen))
        yield from seen.noting(self._files(by_kind[Kind.FILE], seen))
        yield from self._modules(by_kind[Kind.TERRAFORM])
        # An application says how a chart is really rendered: its values stand in for the chart's own.
        yield from self._deployed(seen)
        charts = [root for root in by_kind[Kind.CHART] if not seen.has(root.path, CHART)]
        if charts:
            yield from self._charts(charts, self._options.helm)

    def _files(self, roots: Sequence[Root], seen: _Seen) -> Iterator[Resource | Unread]:
        for root in roots:
            if root is STANDARD_INPUT:
                yield from self._standard_input()
            elif not seen.has(root.path):
                seen.paths.add(os.path.realpath(root.path))
                self.files += 1
                self._touched.look(root.shown, (root.path,))
                self.manifests[root.base, root.shown] = os.path.abspath(root.path)
                yield from self._pipe(root) if is_pipe(root.path) else read_file(root, self._limits)

    def _pipe(self, root: Root) -> Iterator[Resource | Unread]:
        """The objects of what can be read only once, and is kept for that."""
        try:
            with opened(root.path) as stream:
                yield from self._kept(stream, root)
        except OSError as error:
            yield Unread(Location(root.shown), error_reason(error))

    def _kept(self, stream: BinaryIO, root: Root) -> Iterator[Resource | Unread]:
        data = stream.read(self._limits.bytes + 1)
        self._piped[self.manifests.setdefault((root.base, root.shown), root.path)] = data
        return read_stream(io.BytesIO(data), root, self._limits)

    def _modules(self, roots: Sequence[Root]) -> Iterator[Resource | Unread]:
        if not roots:
            return
        # Only a scan with Terraform pays for loading what reads it.
        from kubekeep.sources.terraform.read import read_modules  # noqa: PLC0415

        for item in read_modules(roots):
            if isinstance(item, Resource) and item.source is not None:
                self._touched.look(item.source.path, (self.path_of(item.source.path, item),))
            yield item

    def _deployed(self, seen: _Seen) -> Iterator[Resource | Unread]:
        if not seen.applications:
            return
        from kubekeep.sources.deployed import deployed  # noqa: PLC0415 - as above

        helm, environment = self._options.helm, self._options.access.environment
        charts: list[tuple[Root, HelmOptions]] = []
        for item in deployed(seen.applications, helm, environment, self._places):
            if isinstance(item, Unread):
                yield item
            elif isinstance(item, Elsewhere):
                self.notes.append(f"{item.location}: {item.message}")
            elif item.root.kind is Kind.CHART:
                charts.append((item.root, item.helm))
            elif item.root.kind is Kind.KUSTOMIZATION:
                if item.root.path not in seen.built:
                    yield from self._kustomizations([item.root], seen)
            else:
                yield from self._files(self._below(item.root), seen)
        for root, options in charts:
            seen.paths.add(os.path.realpath(os.path.join(root.path, CHART)))
            yield from self._charts([root], options)

    def _below(self, root: Root) -> list[Root]:
        """The files of a folder that an application deploys."""
        found = Walk().found(root.path, root.shown)
        return [item for item in found if isinstance(item, Root) and item.kind is Kind.FILE]

    def _kustomizations(self, roots: Sequence[Root], seen: _Seen) -> Iterator[Resource | Unread]:
        if not roots:
            return
        from kubekeep.sources.kustomize.build import Kustomizations  # noqa: PLC0415 - as above

        builder = Kustomizations(self._limits, allow_helm=self._options.kustomize_helm)
        looked: set[str] = set()
        for item in builder.read(roots):
            if isinstance(item, Resource) and item.source is not None and item.source.path not in looked:
                looked.add(item.source.path)
                self._touched.look(item.source.path, builder.files_of[item.source.path])
            yield item
        seen.built.update(os.path.realpath(root.path) for root in roots)
        seen.paths |= builder.reached
        self.files += len(builder.reached)

    def _charts(self, roots: Sequence[Root], options: HelmOptions) -> Iterator[Resource | Unread]:
        from kubekeep.sources.git.worktree import root_of  # noqa: PLC0415 - as above
        from kubekeep.sources.helm.reader import ChartReader  # noqa: PLC0415

        for root in roots:
            mine = options.per_chart.get(os.path.abspath(root.path), ChartValues())
            self._touched.look(root.shown, (root.path, *mine.files, *options.values.files))
        # A chart may take in another of its repository, by a dependency or a link.
        helm, fence = shutil.which("helm"), lambda base: root_of(base) or base
        with ChartReader(options, helm=helm, fence=fence, yaml_limits=self._limits) as charts:
            templates: set[str] = set()
            for item in charts.read(root for root in roots if not root.only):
                if isinstance(item, Resource) and item.source is not None:
                    templates.add(item.source.path)
                yield item
            for root in roots:
                if root.only:
                    templates.add(os.path.join(root.path, root.only))
                    yield from (item for item in charts.read([root]) if _is_part(item, root))
            self.files += len(templates)

    def _standard_input(self) -> Iterator[Resource | Unread]:
        if self._stdin is None:
            yield Unread(Location(STANDARD_INPUT.shown), "there is no standard input")
            return
        self.files += 1
        found = msgspec.structs.replace(STANDARD_INPUT, base=os.getcwd())
        yield from self._kept(self._stdin, found)


class _Seen:
    """What has been read so far: files and kustomizations by their real paths, and applications."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.built: set[str] = set()
        self.applications: list[Resource] = []

    def has(self, *parts: str) -> bool:
        """Whether the file with these parts of a path has been read."""
        return os.path.realpath(os.path.join(*parts)) in self.paths

    def noting(self, items: Iterable[Resource | Unread]) -> Iterator[Resource | Unread]:
        """The same items; the applications among them are noted."""
        for item in items:
            if isinstance(item, Resource) and is_application(item):
                self.applications.append(item)
            yield item


def _is_part(item: Resource | Unread, root: Root) -> bool:
    """Whether `item` is of the part of a chart that a person named; what could not be read always is."""
    if isinstance(item, Unread) or item.source is None:
        return True
    part = os.path.normpath(os.path.join(root.shown, root.only))
    return item.source.path == part or item.source.path.startswith(part + os.sep)
