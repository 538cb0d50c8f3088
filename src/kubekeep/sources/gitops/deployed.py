"""Roots deployed by applications of Argo CD and Flux from the scanned repository, with their options.

Never renders and never fetches.
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
from kubekeep.sources.git.worktree import find_repository_root, read_repository
from kubekeep.sources.gitops import follow as gitops
from kubekeep.sources.gitops.follow import Elsewhere, Follow
from kubekeep.sources.options import ChartValues, HelmOptions, InlineValues
from kubekeep.sources.source import Root
from kubekeep.sources.walk import Walk


def deployed(
    applications: Sequence[Resource], options: HelmOptions, environment: Mapping[str, str], places: Mapping[str, str]
) -> Iterator[Root | Unread | Elsewhere]:
    """Yield the charts, kustomizations and files that applications deploy; options: of the user, with precedence.

    places: display paths by the real path of temporary folders; other paths are shown relative to the working folder.
    """
    places = {**places, os.path.realpath(os.getcwd()): ""}
    bases = dict.fromkeys(application.source.base for application in applications if application.source is not None)
    roots = dict.fromkeys(find_repository_root(base) or base for base in bases)
    for deployment in gitops.follow(applications, [_repository(root, environment) for root in roots]):
        if not isinstance(deployment, Follow):
            yield deployment
            continue
        root = _deployed(deployment, options, places)
        if deployment.kind is gitops.Kind.FOLDER:
            files = Walk().find(root.path, root.shown)
            yield from (file for file in files if isinstance(file, Root) and file.source == root.source)
        else:
            yield root


def _repository(root: str, environment: Mapping[str, str]) -> gitops.ScannedRepository:
    try:
        known = read_repository(root, environment)
    except GitError:
        # The remote is unknown: an application that names one does not match.
        known = None
    return gitops.ScannedRepository(root, known.remote if known is not None else "")


def _deployed(deployment: Follow, options: HelmOptions, places: Mapping[str, str]) -> Root:
    base = deployment.by.source.base if deployment.by.source is not None else os.getcwd()
    files = (*deployment.value_files, *(parameter.partition("=")[2] for parameter in deployment.set_file))
    values = ChartValues(
        files=deployment.value_files,
        inline=tuple(_inline(deployment.inline)),
        set=deployment.set,
        set_string=deployment.set_string,
        set_file=deployment.set_file,
        names={file: _shown(file, places) for file in files},
    )
    helm = msgspec.structs.replace(
        options,
        application_values=values,
        release=deployment.release or options.release,
        namespace=options.namespace or deployment.namespace,
        application=str(deployment.by.locate(()) or deployment.by.name),
    )
    shown = display_path(_shown(deployment.path, places))
    return Root(
        deployment.kind, deployment.path, shown, base, helm=helm if deployment.kind is gitops.Kind.CHART else None
    )


def _shown(path: str, places: Mapping[str, str]) -> str:
    """Return the display path."""
    for folder, shown in places.items():
        if path == folder or path.startswith(os.path.join(folder, "")):
            return os.path.normpath(os.path.join(shown, os.path.relpath(path, folder)))
    return path


def _inline(values: Iterable[gitops.ApplicationValues]) -> Iterator[InlineValues]:
    for inline in values:
        marks = inline.source_map.extract(inline.document, inline.root) if inline.source_map is not None else None
        below = marks.shift(inline.first_line - 1) if marks is not None else None
        yield InlineValues(inline.value, inline.file, below)
