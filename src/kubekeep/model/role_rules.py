"""Search of the rules of a role for those that allow a request, with the names of objects that they are limited to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from kubekeep.model.permissions import PermissionRule


class _ParsedRule(msgspec.Struct, frozen=True, eq=False):
    position: int
    groups: frozenset[str]
    resources: frozenset[str]
    verbs: frozenset[str]
    names: tuple[str, ...]


class RuleGrant(msgspec.Struct, frozen=True, eq=False):
    """A rule that allows a request, for objects of these names or, without names, for all."""

    rule: int
    names: tuple[str, ...]


class RoleRules:
    """The rules of a role."""

    def __init__(self, rules: Iterable[PermissionRule]) -> None:
        self._rules = [
            _ParsedRule(
                position,
                frozenset(rule.api_groups),
                frozenset(rule.resources),
                frozenset(rule.verbs),
                rule.resource_names,
            )
            for position, rule in enumerate(rules)
        ]

    def find_grants(self, group: str, resource: str, verbs: Iterable[str]) -> Iterator[RuleGrant]:
        """Yield the rules that allow one of `verbs` on a resource or subresource (`pods/exec`) of an API group."""
        resources = {resource, "*"}
        if "/" in resource:
            resources.add(f"*/{resource.partition('/')[2]}")
        allowed_verbs = {*verbs, "*"}
        for rule in self._rules:
            if rule.groups & {group, "*"} and rule.resources & resources and rule.verbs & allowed_verbs:
                yield RuleGrant(rule.position, rule.names)

    def allows(self, group: str, resource: str, verbs: Iterable[str]) -> bool:
        """Return True if a rule allows one of `verbs`, at least for objects of some names."""
        return any(True for _ in self.find_grants(group, resource, verbs))

    def find_unrestricted(self, group: str, resource: str, verbs: Iterable[str]) -> int | None:
        """Return the position of the first rule that allows one of `verbs` for objects of all names, else None."""
        return next((grant.rule for grant in self.find_grants(group, resource, verbs) if not grant.names), None)

    def has_wildcard(self, position: int) -> bool:
        """Return True if the rule has a wildcard in groups, resources or verbs."""
        rule = self._rules[position]
        return any("*" in words for words in (rule.groups, rule.resources, rule.verbs))

    def is_for_all_resources(self, position: int) -> bool:
        """Return True if the rule is for resources of all kinds."""
        return "*" in self._rules[position].resources

    @property
    def allows_everything(self) -> bool:
        """True if one rule allows everything."""
        return any(
            "*" in rule.groups and "*" in rule.resources and "*" in rule.verbs and not rule.names
            for rule in self._rules
        )
