"""Identities of scanned clusters, repositories and registries, to which submissions belong. Values only."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote

import msgspec

ANY_SOURCE: Final = "*"
"""The scope of all sources, and the end of one of all sources whose keys begin with the text before it."""


def covers_source(scope: str, key: str) -> bool:
    """Return True if a scope contains a source: `*`, its key, or the beginning of its key with `*` at the end."""
    if scope.endswith(ANY_SOURCE):
        return key.startswith(scope[: -len(ANY_SOURCE)])
    return key == scope


class _SourcePart(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """Base of the identities: camelCase names; fields with default values are omitted."""

    @property
    def branch_name(self) -> str:
        """The branch, which has findings of its own; empty for a source with one state."""
        return ""


class SourceCluster(_SourcePart, frozen=True, tag="cluster", tag_field="type"):
    """A cluster, identified by the UID of its Namespace `kube-system`. name: for people, it may change."""

    uid: Annotated[str, msgspec.Meta(min_length=1)]
    name: str = ""

    @property
    def key(self) -> str:
        """The identity, the same in all submissions."""
        return f"cluster/{self.uid}"


class SourceRepository(_SourcePart, frozen=True, tag="repository", tag_field="type"):
    """Folders of a repository on one branch.

    url: address without scheme and credentials, `github.com/shop/web`. paths: scanned files and folders, sorted; empty for the
    whole repository. branch: name of the branch or tag, `pull/12` or `merge_requests/12` for a proposed change, empty on
    a detached head. commit: hash of the commit.
    """

    url: Annotated[str, msgspec.Meta(min_length=1)]
    paths: tuple[str, ...] = ()
    branch: str = ""
    commit: str = ""

    @property
    def key(self) -> str:
        """The identity without the branch, the same in all submissions."""
        return f"repository/{self.url}//{','.join(quote(path, safe='/') for path in self.paths)}"

    @property
    def branch_name(self) -> str:
        """The branch; each has findings of its own."""
        return self.branch


class SourceRegistry(_SourcePart, frozen=True, tag="registry", tag_field="type"):
    """A registry, by its host and port."""

    host: Annotated[str, msgspec.Meta(min_length=1)]

    @property
    def key(self) -> str:
        """The identity, the same in all submissions."""
        return f"registry/{self.host}"


ScannedSource = SourceCluster | SourceRepository | SourceRegistry
