"""The repository that the input of a scan is in. Never fails a scan: what git does not tell is left out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from kubekeep.model.assessment import ResourceResult
from kubekeep.model.git import GitRepository
from kubekeep.sources.inputs import Inputs


def repository_of(
    results: Sequence[ResourceResult], source: Inputs, environment: Mapping[str, str]
) -> GitRepository | None:
    """The repository that the first resource with a file is in; None if that is in none, or git does not say."""
    place = next(
        (
            source.path_of(origin.path, result.resource)
            for result in results
            if (origin := result.resource.source) is not None
        ),
        "",
    )
    if not os.path.lexists(place):
        return None
    from kubekeep.sources.git.program import GitError  # noqa: PLC0415 - only who asks pays for loading what runs git
    from kubekeep.sources.git.worktree import repository  # noqa: PLC0415

    try:
        return repository(place, environment)
    except GitError:
        return None
