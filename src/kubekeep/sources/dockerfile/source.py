"""Detection of Dockerfiles by their names. Reads nothing itself."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH100

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Final

from kubekeep.model.assessment import UnreadInput
from kubekeep.model.resource import Resource
from kubekeep.sources.dockerfile.names import is_dockerfile_name
from kubekeep.sources.source import ReadContext, Root, SourceType


class DockerfileSource(SourceType):
    """Files named `Dockerfile`, `Containerfile`, `Dockerfile.*` and `*.Dockerfile`."""

    name = "dockerfile"
    order = 55

    def matches_file(self, name: str) -> bool:
        """Return True for names of Dockerfiles."""
        return is_dockerfile_name(name)

    def matches_entry(self, name: str) -> bool:
        """Return True for names of Dockerfiles."""
        return is_dockerfile_name(name)

    def read(self, roots: Sequence[Root], context: ReadContext) -> Iterator[Resource | UnreadInput]:
        """Yield a resource for each file."""
        if not roots:
            return
        # The reader is loaded only for scans with Dockerfiles.
        from kubekeep.sources.dockerfile.read import read_root  # noqa: PLC0415

        for root in roots:
            path = os.path.abspath(root.path)
            context.files += 1
            context.changed_files.record_changes(root.shown_path, (root.path,))
            yield from read_root(root, path, context.options.unsaved, context.limits)


SOURCE: Final = DockerfileSource()
