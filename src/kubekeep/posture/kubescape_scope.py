"""What rules in Kubescape's form look at: the resources they match, in the form they want them, and back again.

Finds and names; never evaluates a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from kubekeep.library.kubescape_rules import ANY, API_SERVER, SUBJECTS, KubescapeRule, RuleMatch
from kubekeep.model.json_values import as_list
from kubekeep.model.location import parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.text import json_text
from kubekeep.model.workload import value_at_or

_API_SERVERS: Final = ("apiserver", "api-server")


class Scope:
    """The resources of a scan, as rules over arrays of objects ask for them. Resources go by their place."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        """Sort `resources` by kind; joined RBAC subjects are kept apart."""
        self.resources = resources
        self._kinds: dict[tuple[str, str, str], list[int]] = {}
        self._joined: list[int] = []
        self._named: dict[tuple[str, str], list[int]] = {}
        self._texts: dict[int, str] = {}
        for place, resource in enumerate(resources):
            if resource.related:
                self._joined.append(place)
            else:
                kind = (resource.group.casefold(), resource.version.casefold(), resource.kind.casefold())
                self._kinds.setdefault(kind, []).append(place)
            self._named.setdefault((resource.kind, resource.name), []).append(place)

    def of(self, rule: KubescapeRule) -> tuple[int, ...]:
        """The places of what `rule` looks at, in the order of its matches."""
        if rule.aggregator == SUBJECTS:
            return tuple(place for place in self._joined if self._is_joined_of(rule, self.resources[place]))
        found = (place for match in rule.matches for place in self._matching(match))
        places = tuple(dict.fromkeys(found))
        if rule.aggregator == API_SERVER:
            return tuple(place for place in places if _is_api_server(self.resources[place]))
        return places

    def _is_joined_of(self, rule: KubescapeRule, joined: Resource) -> bool:
        return all(any(_matches(match, part) for match in rule.matches) for part in joined.related)

    def _matching(self, match: RuleMatch) -> list[int]:
        found = sorted(place for kind, places in self._kinds.items() if _matches_kind(match, *kind) for place in places)
        return [place for place in found if _has_fields(match, self.resources[place])] if match.fields else found

    def array(self, places: Iterable[int]) -> msgspec.Raw:
        """The JSON array of the objects at `places`; each is turned into text once."""
        return msgspec.Raw(f"[{','.join(map(self._text, places))}]".encode())

    def _text(self, place: int) -> str:
        text = self._texts.get(place)
        if text is None:
            text = self._texts[place] = json_text(self.resources[place].object)
        return text

    def find(self, said: dict[str, Any], among: AbstractSet[int]) -> list[int]:
        """The places in `among` that `said`, an object in a response, can mean; empty when it means none.

        A joined subject means itself, or else what it was joined from. Files may hold several objects of one
        name: an equal one is meant before the others, and when none is equal, all of them.
        """
        wanted = Resource(said)
        named = [place for place in self._named.get((wanted.kind, wanted.name), ()) if place in among]
        found = [place for place in named if _is_meant(wanted, self.resources[place])]
        related = [item for item in as_list(said.get("relatedObjects")) if isinstance(item, dict)]
        if related and not found:
            return [place for item in related for place in self._anywhere(item)]
        if related:
            parts = sorted(Resource(item).identity for item in related)
            whole = [place for place in found if _parts(self.resources[place]) == parts]
            found = whole or found
        equal = [place for place in found if self.resources[place].object == said]
        return equal or found

    def _anywhere(self, said: dict[str, Any]) -> list[int]:
        wanted = Resource(said)
        places = self._named.get((wanted.kind, wanted.name), ())
        return [place for place in places if self.resources[place].identity == wanted.identity]

    def locate(self, said: dict[str, Any]) -> Resource | None:
        """The resource that `said`, an object beside the one that failed, is; None when the input has none."""
        return next((self.resources[place] for place in self._anywhere(said)), None)


def _is_meant(wanted: Resource, resource: Resource) -> bool:
    """What a response leaves out is not compared."""
    return wanted.api_version in ("", resource.api_version) and wanted.namespace in ("", resource.namespace)


def _parts(resource: Resource) -> list[str]:
    return sorted(part.identity for part in resource.related)


def _matches(match: RuleMatch, resource: Resource) -> bool:
    kind = (resource.group.casefold(), resource.version.casefold(), resource.kind.casefold())
    return _matches_kind(match, *kind) and _has_fields(match, resource)


def _matches_kind(match: RuleMatch, group: str, version: str, kind: str) -> bool:
    """Whether a kind, its words in lower case, is one of `match`."""
    return (
        _has_word(match.groups, {group})
        and _has_word(match.versions, {version})
        and _has_word(match.kinds, _spellings(kind))
    )


def _has_word(words: Iterable[str], known: AbstractSet[str]) -> bool:
    return any(word == ANY or word.casefold() in known for word in words)


def _spellings(kind: str) -> frozenset[str]:
    """A kind and how its plural may be spelled, as the API names its resources."""
    plurals = [f"{kind}s", f"{kind}es"]
    if kind.endswith("y"):
        plurals.append(f"{kind[:-1]}ies")
    return frozenset((kind, *plurals))


def _has_fields(match: RuleMatch, resource: Resource) -> bool:
    return all(
        (str(value_at_or(resource.object, parse_path(path), "")) == value) is wanted
        for path, wanted, value in match.fields
    )


def _is_api_server(resource: Resource) -> bool:
    return (
        resource.kind == "Pod"
        and resource.namespace == "kube-system"
        and any(word in resource.name for word in _API_SERVERS)
    )
