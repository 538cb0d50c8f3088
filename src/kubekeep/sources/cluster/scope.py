"""Scope of a scan in a cluster: the kinds and namespaces it needs. Values only; sends no request."""

from __future__ import annotations

import itertools
import re
from fnmatch import fnmatchcase
from typing import Final

import msgspec

MAX_NAMESPACE_QUERIES: Final = 20
"""Maximum number of namespaces to query one by one: a single long list costs less than many short ones, and URLs have
limits."""
_PATTERN = re.compile(r"[*?\[]")


class NamespaceSelection(msgspec.Struct, frozen=True):
    """Evaluated namespaces, by name or pattern: `included` ones (all if empty) without `excluded` ones."""

    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    is_empty: bool = False
    """True if no namespace is selected, as the patterns match none."""

    @property
    def has_patterns(self) -> bool:
        """True if the selection contains patterns, which only the names in the cluster resolve."""
        return any(_PATTERN.search(name) for name in (*self.included, *self.excluded))

    @property
    def query_names(self) -> tuple[str, ...]:
        """Names to query one by one; empty if they are unknown or too many."""
        return () if self.has_patterns or len(self.selected) > MAX_NAMESPACE_QUERIES else self.selected

    @property
    def selected(self) -> tuple[str, ...]:
        """Names of the selected namespaces; empty if all but the excluded ones are."""
        return tuple(name for name in self.included if name not in self.excluded)

    def resolve(self, names: tuple[str, ...]) -> NamespaceSelection:
        """Replace patterns by the matching names of namespaces."""
        included, excluded = _match_names(self.included, names), _match_names(self.excluded, names)
        return NamespaceSelection(included, excluded, is_empty=bool(self.included) and not {*included} - {*excluded})


class ClusterScope(msgspec.Struct, frozen=True, kw_only=True):
    """Kinds in the names of controls (also `workload` and `rbac-subject`).

    `complete` kinds are read with all fields; of other kinds with large or secret data only metadata is read. `local`
    kinds matter only in the selected `namespaces`; cluster-scoped objects of them not at all. `cluster_wide` kinds
    matter in all namespaces, even those with pods. A failure to list `optional` kinds is no coverage gap.
    """

    kinds: frozenset[str]
    complete: frozenset[str] = frozenset()
    cluster_wide: frozenset[str] = frozenset()
    local: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    namespaces: NamespaceSelection = NamespaceSelection()


def _match_names(patterns: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    matches = (
        [name for name in names if fnmatchcase(name, pattern)] if _PATTERN.search(pattern) else [pattern]
        for pattern in patterns
    )
    return tuple(dict.fromkeys(itertools.chain.from_iterable(matches)))
