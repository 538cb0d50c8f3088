"""What a scan needs of a cluster. Values only; asks nothing."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Final

import msgspec

MAX_NAMESPACE_QUERIES: Final = 20
"""Namespaces up to which each is asked for by itself: one long list is less than many short ones, and addresses have limits."""
_PATTERN = re.compile(r"[*?\[]")


class NamespaceSelection(msgspec.Struct, frozen=True):
    """The namespaces whose objects are judged, each a name or a pattern: those `included` (none for all) but for others."""

    included: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    none: bool = False
    """Whether no namespace is meant, as patterns match none."""

    @property
    def has_patterns(self) -> bool:
        """Whether only a cluster can tell which namespaces are meant."""
        return any(_PATTERN.search(name) for name in (*self.included, *self.excluded))

    @property
    def named(self) -> tuple[str, ...]:
        """The names of those that are meant, where they are few and nobody has to be asked for them."""
        return () if self.has_patterns or len(self.judged) > MAX_NAMESPACE_QUERIES else self.judged

    @property
    def judged(self) -> tuple[str, ...]:
        """The names of those that are meant; empty where those are all but some."""
        return tuple(name for name in self.included if name not in self.excluded)

    def resolved(self, known: tuple[str, ...]) -> NamespaceSelection:
        """The same with the names of `known` namespaces in place of patterns."""
        included, excluded = _named(self.included, known), _named(self.excluded, known)
        return NamespaceSelection(included, excluded, none=bool(self.included) and not {*included} - {*excluded})


class ClusterScope(msgspec.Struct, frozen=True, kw_only=True):
    """Kinds as controls name them (`workload` and `rbac-subject` too), of which `whole` are read with all they say.

    What is needed of other kinds that can hold much or secrets is their metadata. Of those in `near` only what is in the
    `namespaces` matters, and so nothing of a kind that is in none. Those `everywhere` matter wherever they are, even if they
    carry pods. Those in `beside` are not missed where they are not shown.
    """

    kinds: frozenset[str]
    complete: frozenset[str] = frozenset()
    cluster_wide: frozenset[str] = frozenset()
    local: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    namespaces: NamespaceSelection = NamespaceSelection()


def _named(patterns: tuple[str, ...], known: tuple[str, ...]) -> tuple[str, ...]:
    found = (
        name
        for pattern in patterns
        for name in ([item for item in known if fnmatchcase(item, pattern)] if _PATTERN.search(pattern) else [pattern])
    )
    return tuple(dict.fromkeys(found))
