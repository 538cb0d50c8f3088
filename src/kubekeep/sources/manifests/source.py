"""Detection of manifests: standard input, named files, and YAML and JSON files in folders. Reads nothing itself."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH109

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.location import Location
from kubekeep.model.paths import error_reason
from kubekeep.model.resource import Resource
from kubekeep.sources.manifests.names import COMPRESSED, EXTENSIONS
from kubekeep.sources.notes import count_noun, list_first
from kubekeep.sources.sboms.address import ENDINGS
from kubekeep.sources.source import ReadContext, Root, SourceType
from kubekeep.sources.unsaved import find_unsaved

_STDIN: Final = "-"
_ACTION: Final = "{{"


class ManifestSource(SourceType):
    """Files of YAML and JSON, and standard input. Reads every file that no other source matches."""

    name = "manifests"
    order = 50
    is_fallback = True
    is_followed = True

    def matches_address(self, address: str) -> bool:
        """Return True for `-`."""
        return address == _STDIN

    def open_address(self, address: str, context: ReadContext) -> Iterator[Root | UnreadInput]:
        """Yield standard input."""
        del context
        yield Root(self.name, address, "<stdin>", os.getcwd())

    def matches_entry(self, name: str) -> bool:
        """Return True for YAML and JSON files, also those compressed by gzip."""
        return name.lower().endswith((*EXTENSIONS, *COMPRESSED))

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield the objects of files that no kustomization has read."""
        data_files: list[str] = []
        sboms = _list_sboms(roots, context)
        for root in roots:
            resources = _read_root(root, context)
            yield from _select_objects(resources, root, data_files) if root.is_data else resources
        if data_files:
            files = f"{count_noun(len(data_files), 'file')} of charts ({list_first(data_files)})"
            context.notes.append(f"not read: {files}; Helm does not deploy files outside of templates and crds")
        if sboms:
            files = f"{count_noun(len(sboms), 'SBOM')} ({list_first(sboms)})"
            context.notes.append(f"not scanned: {files}; sbom:FILE scans the packages of one")


def _list_sboms(roots: Iterable[Root], context: ReadContext) -> list[str]:
    """Return the shown paths of SBOMs whose packages are not in the scan."""
    scanned = {os.path.abspath(path) for path in context.opened_paths}
    files = (root for root in roots if root.path.lower().endswith(ENDINGS))
    return [root.shown_path for root in files if os.path.abspath(root.path) not in scanned]


def _read_root(root: Root, context: ReadContext) -> Iterator[Resource | UnreadInput]:
    from kubekeep.sources.files import is_pipe, open_file  # noqa: PLC0415
    from kubekeep.sources.manifests.read import read_file  # noqa: PLC0415

    if root.path == _STDIN:
        if context.stdin is None:
            yield UnreadInput(Location(root.shown_path), "standard input is not available")
            return
        context.files += 1
        yield from _read_once(context.stdin, root, root.path, context)
    elif (real_path := os.path.realpath(root.path)) not in context.read_paths:
        path = os.path.abspath(root.path)
        context.read_paths.add(real_path)
        context.files += 1
        context.changed_files.record_changes(root.shown_path, (root.path,))
        context.add_manifest(root, path)
        unsaved = find_unsaved(context.options.unsaved, path)
        if unsaved is not None:
            yield from _read_once(io.BytesIO(unsaved), root, path, context)
            return
        if not is_pipe(root.path):
            yield from read_file(root, context.limits)
            return
        try:
            with open_file(root.path) as stream:
                yield from _read_once(stream, root, path, context)
        except OSError as error:
            yield UnreadInput(Location(root.shown_path), error_reason(error))


def _select_objects(
    resources: Iterable[Resource | UnreadInput], root: Root, data_files: list[str]
) -> Iterator[Resource]:
    """Yield the complete objects of a file that may be data; add its shown path to `data_files` if there is more in it.

    An object with an action of a template in its name is the text of a template, even if it is valid YAML.
    """
    is_complete = True
    for resource in resources:
        if isinstance(resource, UnreadInput) or _ACTION in f"{resource.namespace}/{resource.name}":
            is_complete = False
        else:
            yield resource
    if not is_complete:
        data_files.append(root.shown_path)


def _read_once(stream: BinaryIO, root: Root, path: str, context: ReadContext) -> Iterator[Resource | UnreadInput]:
    """Yield the objects of a pipe; its content is stored because it cannot be read a second time."""
    from kubekeep.sources.manifests.read import read_stream  # noqa: PLC0415

    content = stream.read(context.limits.bytes + 1)
    context.add_manifest(root, path, content)
    yield from read_stream(io.BytesIO(content), root, context.limits)


SOURCE: Final = ManifestSource()
