"""Identity of the input of a scan for submissions: a cluster, a repository or a registry. Runs no program, opens no file."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from kubekeep.images.access.references import find_local_path
from kubekeep.kube.errors import KubeError
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.cluster import IDENTITY_NAMESPACE, ClusterFacts
from kubekeep.model.errors import RequestError
from kubekeep.model.git import GitRepository
from kubekeep.model.image import Image
from kubekeep.model.repository_address import normalise_address
from kubekeep.model.scanned_source import SourceCluster, SourceRegistry, SourceRepository
from kubekeep.model.text import visible
from kubekeep.registry.reference import parse_image_name
from kubekeep.sources.images.address import is_image_address, to_reference
from kubekeep.sources.pattern import expand
from kubekeep.sources.registry import load_sources
from kubekeep.sources.sboms.address import STDIN, is_sbom_address, to_path
from kubekeep.usecases.git import read_repository_at
from kubekeep.usecases.request import ScanInput

_WORKSPACES: Final = (
    "GITHUB_WORKSPACE",
    "CI_PROJECT_DIR",
    "WORKSPACE",
    "CIRCLE_WORKING_DIRECTORY",
    "BUILD_SOURCESDIRECTORY",
)
"""Variables of CI systems with the folder of their checkout: GitHub Actions, GitLab, Jenkins, CircleCI, Azure Pipelines."""


class SourceError(RequestError):
    """The results of an input cannot be submitted, because nothing identifies it from scan to scan."""


class IdentifiedCluster(Protocol):
    """A live cluster that tells its identity."""

    def read_uid(self) -> str:
        """Return the UID of the Namespace kube-system. Raises KubeError."""

    def facts(self) -> ClusterFacts:
        """Return the facts that a report shows."""


def identify_cluster(cluster: IdentifiedCluster | None, uid: str) -> SourceCluster:
    """Return the identity of a cluster, live or recorded in files (None). uid: that of kube-system, if it was read.

    Raises SourceError if the UID cannot be read.
    """
    if cluster is None:
        if not uid:
            raise SourceError(
                f"the snapshot has no Namespace {IDENTITY_NAMESPACE} with a metadata.uid, which identifies its cluster:"
                " add the output of `kubectl get namespaces --output yaml` to it"
            )
        return SourceCluster(uid)
    try:
        uid = uid or cluster.read_uid()
    except KubeError as error:
        raise SourceError(
            f"the cluster cannot be identified: its Namespace {IDENTITY_NAMESPACE} cannot be read: {error};"
            " grant the permission get for this namespace"
        ) from None
    return SourceCluster(uid, cluster.facts().name)


def check_source(scan_input: ScanInput) -> None:
    """Raise SourceError before a scan for files that belong to no repository.

    The identity of clusters, registries and remote inputs is known only when they are read.
    """
    if scan_input.is_whole_cluster:
        return
    paths = [path for name in scan_input.paths for path in _list_local_paths(name)]
    if paths:
        environment = scan_input.read.access.environment
        identify_repository(read_repository_at(paths[0], environment), paths, environment)


def _list_local_paths(name: str) -> list[str]:
    """Return the absolute paths that an input of a scan names; standard input as it is."""
    if name == STDIN:
        paths = [name]
    elif is_image_address(name):
        paths = [find_local_path(to_reference(name))]
    elif is_sbom_address(name):
        paths = [to_path(name)]
    elif any(source.matches_address(name) for source in load_sources().values()):
        paths = []
    else:
        paths = expand(name) or [name]
    # The scan reports paths that do not exist.
    return [
        path if path == STDIN else str(Path.cwd() / path) for path in paths if path == STDIN or os.path.lexists(path)
    ]


def identify_registry(results: Sequence[SubjectResult]) -> SourceRegistry:
    """Return the registry of scanned images. Raises SourceError for several registries."""
    hosts = sorted({host for result in results if (host := _find_registry(result))})
    if len(hosts) != 1:
        raise SourceError(
            f"a submission has the images of one registry, and these are of {', '.join(hosts)}: scan them one at a time"
            if hosts
            else "no image of a registry was read"
        )
    return SourceRegistry(hosts[0])


def _find_registry(result: SubjectResult) -> str:
    if not isinstance(result.subject, Image):
        return ""
    try:
        # The platform follows the name of an image with several.
        return parse_image_name(result.subject.name.partition(" ")[0]).registry
    except ValueError:
        return ""


def identify_repository(
    repository: GitRepository | None, opened_paths: Sequence[str], environment: Mapping[str, str]
) -> SourceRepository:
    """Return the identity of scanned folders of a repository.

    opened_paths: absolute paths, or addresses of other inputs. environment: variables of this process, for the branch of a CI
    job. Raises SourceError for files outside of the repository, and without a remote.
    """
    if repository is None:
        raise SourceError(
            "the input is in no Git repository, so nothing identifies it from scan to scan: scan a clone of a repository,"
            " a cluster, or images by their name in a registry"
        )
    url = normalise_address(repository.remote)
    if not url:
        raise SourceError(
            f"{visible(repository.root)} has no remote with a network address, which identifies it from scan to scan:"
            " add one with `git remote add origin URL`"
        )
    paths: set[str] = set()
    for path in map(_resolve, opened_paths):
        if path != repository.root and not path.startswith(repository.root + os.sep):
            raise SourceError(
                f"{visible(path)} is not in the repository {visible(repository.root)}: scan it separately"
            )
        paths.add(path[len(repository.root) + 1 :].replace(os.sep, "/"))
    return SourceRepository(
        url,
        () if "" in paths else tuple(sorted(paths)),
        _find_branch(repository, environment),
        repository.head.hash if repository.head else "",
    )


def _resolve(path: str) -> str:
    """Return the real path of an absolute path; addresses, and texts that are no paths, as they are."""
    try:
        return os.path.realpath(path) if Path(path).is_absolute() else path
    except ValueError:
        return path


def _find_branch(repository: GitRepository, environment: Mapping[str, str]) -> str:
    """Return the branch, or the proposed change of a CI job: its checkout has a detached head, or is a fork's branch."""
    workspaces = {os.path.realpath(Path(path).expanduser()) for name in _WORKSPACES if (path := environment.get(name))}
    if repository.root not in workspaces:
        return repository.branch
    return _find_change(environment) or repository.branch or _find_built_branch(environment)


def _find_change(environment: Mapping[str, str]) -> str:
    """Return the pull or merge request of a CI job, as `pull/12`; empty for another job."""
    ref = environment.get("GITHUB_REF", "")
    if ref.startswith("refs/pull/"):
        return f"pull/{ref.split('/')[2]}"
    if number := environment.get("CI_MERGE_REQUEST_IID"):
        return f"merge_requests/{number}"
    number = environment.get("CHANGE_ID") or environment.get("SYSTEM_PULLREQUEST_PULLREQUESTNUMBER") or ""
    number = number or environment.get("CIRCLE_PULL_REQUEST", "").rpartition("/pull/")[2]
    return f"pull/{number}" if number else ""


def _find_built_branch(environment: Mapping[str, str]) -> str:
    """Return the branch or tag that a CI job builds."""
    names = ("GITHUB_REF_NAME", "CI_COMMIT_REF_NAME", "TAG_NAME", "BRANCH_NAME", "CIRCLE_TAG", "CIRCLE_BRANCH")
    name = next((value for key in names if (value := environment.get(key))), "")
    return name or environment.get("BUILD_SOURCEBRANCH", "").removeprefix("refs/heads/").removeprefix("refs/tags/")
