"""What applications of Argo CD and Flux deploy from the scanned repository, as what there is to read.

Turns what `gitops` found into roots with the options to read them by. Never renders and never fetches.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH109, PTH118

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.paths import display_path
from kubekeep.model.resource import Resource
from kubekeep.sources.git.program import GitError
from kubekeep.sources.git.worktree import repository, root_of
from kubekeep.sources.gitops import follow as gitops
from kubekeep.sources.gitops.follow import Elsewhere, Follow
from kubekeep.sources.options import ChartValues, HelmOptions, InlineValues
from kubekeep.sources.source import Root
from kubekeep.sources.walk import Walk


def deployed(
    applications: Sequence[Resource], options: HelmOptions, environment: Mapping[str, str], places: Mapping[str, str]
) -> Iterator[Root | Unread | Elsewhere]:
    """What `applications` deploy; `options` are the user's, which win.

    `places` are folders by their real path, and what people see in place of them; other paths are shown relative to
    the working folder.
    """
    places = {**places, os.path.realpath(os.getcwd()): ""}
    bases = dict.fromkeys(item.source.base for item in applications if item.source is not None)
    roots = dict.fromkeys(root_of(base) or base for base in bases)
    for found in gitops.follow(applications, [_repository(root, environment) for root in roots]):
        if not isinstance(found, Follow):
            yield found
            continue
        root = _deployed(found, options, places)
        if found.kind is gitops.Kind.FOLDER:
            files = Walk().find(root.path, root.shown)
            yield from (file for file in files if isinstance(file, Root) and file.source == root.source)
        else:
            yield root


def _repository(root: str, environment: Mapping[str, str]) -> gitops.ScannedRepository:
    try:
        known = repository(root, environment)
    except GitError:
        # Which remote it has is then not known, and an application that names one is taken to mean another.
        known = None
    return gitops.ScannedRepository(root, known.remote if known is not None else "")


def _deployed(found: Follow, options: HelmOptions, places: Mapping[str, str]) -> Root:
    base = found.by.source.base if found.by.source is not None else os.getcwd()
    files = (*found.value_files, *(item.partition("=")[2] for item in found.set_file))
    values = ChartValues(
        files=found.value_files,
        inline=tuple(_inline(found.inline)),
        set=found.set,
        set_string=found.set_string,
        set_file=found.set_file,
        names={file: _shown(file, places) for file in files},
    )
    helm = msgspec.structs.replace(
        options,
        deployed=values,
        release=found.release or options.release,
        namespace=options.namespace or found.namespace,
        application=str(found.by.locate(()) or found.by.name),
    )
    shown = display_path(_shown(found.path, places))
    return Root(found.kind, found.path, shown, base, deployed=helm if found.kind is gitops.Kind.CHART else None)


def _shown(path: str, places: Mapping[str, str]) -> str:
    """What people call `path`."""
    for folder, shown in places.items():
        if path == folder or path.startswith(os.path.join(folder, "")):
            return os.path.normpath(os.path.join(shown, os.path.relpath(path, folder)))
    return path


def _inline(found: Iterable[gitops.InlineValues]) -> Iterator[InlineValues]:
    for item in found:
        marks = item.source_map.extract(item.document, item.root) if item.source_map is not None else None
        below = marks.shift(item.first_line - 1) if marks is not None else None
        yield InlineValues(item.value, item.file, below)
