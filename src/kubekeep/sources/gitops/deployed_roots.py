"""Roots deployed by applications of Argo CD and Flux from the scanned repository, with their options.

Never renders and never fetches.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH109, PTH118, PTH120

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.paths import display_path
from kubekeep.model.resource import Resource
from kubekeep.sources.git.errors import GitError
from kubekeep.sources.git.root import find_repository_root
from kubekeep.sources.git.worktree import read_repository
from kubekeep.sources.gitops.applications import (
    Deployment,
    DeploymentKind,
    ScannedRepository,
    find_deployments,
)
from kubekeep.sources.options import ChartValues, HelmOptions
from kubekeep.sources.source import Root
from kubekeep.sources.walk import Walk


def find_deployed_roots(
    applications: Sequence[Resource],
    options: HelmOptions,
    environment: Mapping[str, str],
    shown_folders: Mapping[str, str],
) -> Iterator[Root | UnreadInput]:
    """Yield the charts, kustomizations and files that applications deploy.

    options: options of the user, with precedence over the application. shown_folders: shown paths of temporary folders
    by their real path; other paths are shown relative to the working folder.
    """
    shown_folders = {**shown_folders, os.path.realpath(os.getcwd()): ""}
    bases = dict.fromkeys(application.source.base for application in applications if application.source is not None)
    roots = dict.fromkeys(find_repository_root(base) or base for base in bases)
    for deployment in find_deployments(applications, [_describe_repository(root, environment) for root in roots]):
        if not isinstance(deployment, Deployment):
            yield deployment
            continue
        root = _create_root(deployment, options, shown_folders)
        if deployment.kind is DeploymentKind.FOLDER:
            yield from _find_files(root, is_recursive=deployment.is_recursive)
        else:
            yield root


def _find_files(folder: Root, *, is_recursive: bool) -> Iterator[Root]:
    for file in Walk().find(folder.path, folder.shown_path):
        if not isinstance(file, Root) or file.source != folder.source:
            continue
        if is_recursive or os.path.dirname(file.path) == folder.path:
            yield file


def _describe_repository(root: str, environment: Mapping[str, str]) -> ScannedRepository:
    try:
        repository = read_repository(root, environment)
    except GitError:
        # The remote is unknown: an application that names one does not match.
        repository = None
    return ScannedRepository(root, repository.remote if repository is not None else "")


def _create_root(deployment: Deployment, options: HelmOptions, shown_folders: Mapping[str, str]) -> Root:
    application = deployment.application
    base = application.source.base if application.source is not None else os.getcwd()
    files = (*deployment.value_files, *(parameter.partition("=")[2] for parameter in deployment.set_file))
    values = ChartValues(
        files=deployment.value_files,
        inline=deployment.inline,
        set=deployment.set,
        set_string=deployment.set_string,
        set_file=deployment.set_file,
        names={file: _show_path(file, shown_folders) for file in files},
    )
    helm = msgspec.structs.replace(
        options,
        application_values=values,
        release=deployment.release or options.release,
        namespace=options.namespace or deployment.namespace,
        application=str(application.locate(()) or application.name),
    )
    shown_path = display_path(_show_path(deployment.path, shown_folders))
    is_chart = deployment.kind is DeploymentKind.CHART
    return Root(deployment.kind, deployment.path, shown_path, base, helm=helm if is_chart else None)


def _show_path(path: str, shown_folders: Mapping[str, str]) -> str:
    for folder, shown_folder in shown_folders.items():
        if path == folder or path.startswith(os.path.join(folder, "")):
            return os.path.normpath(os.path.join(shown_folder, os.path.relpath(path, folder)))
    return path
