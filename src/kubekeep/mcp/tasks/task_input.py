"""Input of a task: a path in a root, text in a scratch folder, or the cluster; and the check that nothing else was read."""

# Paths stay the text that clients sent, so os.path and not pathlib:
# ruff: noqa: PTH118

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.confinement import confine, list_refused
from kubekeep.kube.access import ClusterRequest
from kubekeep.kube.settings import read_cluster_settings, resolve_access
from kubekeep.mcp.roots import is_below
from kubekeep.model.assessment import Assessment
from kubekeep.model.errors import KubekeepError
from kubekeep.model.subject import Subject
from kubekeep.model.text import visible
from kubekeep.sources.images.address import is_image_address
from kubekeep.sources.images.settings import select_read_options
from kubekeep.usecases.request import ScanInput
from kubekeep.vulnerabilities.options import VulnerabilityOptions

INLINE_NAME: Final = "input.yaml"
"""Name of the file with inline text."""


class TaskError(Exception):
    """An error for the client: the thing, the cause and the next step."""


class TaskInput(msgspec.Struct, frozen=True, kw_only=True):
    """Input of a task.

    `path` is relative to `folder`, or a URL or the name of an image (`docker://...`). `scheme` is the kind of image at a
    path in a root, as `oci:`. `allowed` are the folders that files may be in. `scratch` is a folder for
    temporary files, which the server removes even if the task is ended. `database` is the folder of the advisory database
    for images; empty to leave vulnerabilities out. `image` is the address of an image beside the input; empty without one.
    """

    scratch: str
    folder: str = ""
    path: str = ""
    scheme: str = ""
    allowed: tuple[str, ...] = ()
    cluster: bool = False
    kubeconfig: str = ""
    context: str = ""
    database: str = ""
    image: str = ""


def add_image(task_input: TaskInput, image: TaskInput) -> TaskInput:
    """Return the input with an image, the input of another task, beside it."""
    # Only an image in a root has a scheme, and its path is relative to its own folder.
    address = f"{image.scheme}{os.path.join(image.folder, image.path)}" if image.scheme else image.path
    allowed = tuple(dict.fromkeys((*task_input.allowed, *image.allowed)))
    return msgspec.structs.replace(task_input, image=address, database=image.database, allowed=allowed)


@contextlib.contextmanager
def open_input(task_input: TaskInput) -> Iterator[ScanInput]:
    """Yield the input of a scan; in the block, the folder of the input is the working folder, and no file is opened elsewhere.

    Raises TaskError for the errors of a scan.
    """
    tempfile.tempdir = task_input.scratch
    try:
        if task_input.cluster:
            yield ScanInput(cluster=_request_cluster(task_input))
        else:
            with confine((*task_input.allowed, task_input.scratch)), contextlib.chdir(task_input.folder):
                address = f"{task_input.scheme}{task_input.path}"
                addresses = tuple(filter(None, (address, task_input.image)))
                read = select_read_options(addresses)
                if task_input.database and any(map(is_image_address, addresses)):
                    vulnerabilities = VulnerabilityOptions(database=task_input.database)
                    read = msgspec.structs.replace(read, vulnerabilities=vulnerabilities)
                yield ScanInput(paths=addresses, read=read)
                _check_refused()
    except (KubekeepError, ValueError, OSError) as error:
        raise TaskError(visible(str(error).strip("'\""))) from error


def _request_cluster(task_input: TaskInput) -> ClusterRequest:
    settings = read_cluster_settings()
    access, name = resolve_access(settings, task_input.kubeconfig, task_input.context)
    return ClusterRequest(
        access=access,
        environment=settings.environment,
        reload_access=lambda: resolve_access(settings, task_input.kubeconfig, name)[0],
    )


def check_confined(assessment: Assessment, task_input: TaskInput) -> None:
    """Raise TaskError if a resource or a finding of the assessment is in a file outside of the allowed folders.

    A kustomization can name bases, and a part of a chart belongs to a chart, above the path that the client named.
    """
    _check_refused()
    if task_input.cluster or "://" in task_input.path:
        return
    for file, base in _list_files(assessment):
        try:
            paths = {os.path.realpath(os.path.join(start, file)) for start in (task_input.folder, base)}
        except OSError as error:
            # A link that vanishes while it is resolved.
            raise TaskError(f"{visible(file)}: the input has changed while it was read; call again") from error
        existing = [path for path in paths if os.path.lexists(path)]
        if any(not _is_allowed(path, task_input.allowed) for path in existing):
            raise _refuse(file)


def _check_refused() -> None:
    """Raise TaskError if the input refers to a file that the confinement did not open."""
    for path in list_refused():
        if os.path.lexists(path):
            raise _refuse(path)


def _refuse(file: str) -> TaskError:
    return TaskError(
        f"{visible(file)}: the input refers to this file outside of the roots; "
        "start the server with a --root that contains it, or name another path"
    )


def is_allowed(path: str, task_input: TaskInput) -> bool:
    """Return True if a path, with its links followed, is in an allowed folder."""
    return _is_allowed(os.path.realpath(path), task_input.allowed)


def _is_allowed(real: str, allowed: Iterable[str]) -> bool:
    return any(is_below(real, folder) for folder in allowed)


def _list_files(assessment: Assessment) -> set[tuple[str, str]]:
    """Return the display paths of the files of all resources and evidence, with the folder of their scan."""
    files: set[tuple[str, str]] = set()
    for result in assessment.results:
        for resource in (result.subject, *result.subject.related):
            if resource.source is not None:
                files |= {(file, resource.source.base) for file in _list_resource_files(resource)}
        base = result.subject.source.base if result.subject.source is not None else ""
        for verdict in result.verdicts.values():
            for evidence in verdict.evidence:
                if evidence.location is not None:
                    files.add((evidence.location.file, base))
                    if evidence.location.setting is not None:
                        files.add((evidence.location.setting.file, base))
    return files


def _list_resource_files(resource: Subject) -> Iterator[str]:
    source = resource.source
    if source is not None:
        yield source.path
        if source.origin is not None:
            yield source.origin.folder
            yield from source.origin.values
