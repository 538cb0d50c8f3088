"""Which controls of a scan an exception is for, by the names that it gives. Never looks at a resource."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from kubekeep.exceptions.policy_exception import EVERYTHING, Policy, is_glob, is_plain, matches, without_globs
from kubekeep.model.control import Control
from kubekeep.model.framework import Framework
from kubekeep.posture.select import Selection

_OVERVIEWS: Final = frozenset({"clusterscan", "workloadscan"})
"""What Kubescape shows when nothing is named: like all controls together no framework in particular."""
_NUMBER: Final = re.compile(r"c?-?0*(\d{1,4})", re.ASCII)
"""The number of a control, written with too few or too many zeros."""


class Reach(msgspec.Struct, frozen=True):
    """The controls that an exception is for.

    `slugs` are those in the scan; `unknown` the names that nobody knows, with a `hint` where one is nearly a name.
    `everything` says that it leaves out no control, but for those of other frameworks. `shared` are controls that it
    names for one framework while the scan judges by another one that holds them too.
    """

    slugs: frozenset[str]
    unknown: tuple[str, ...] = ()
    everything: bool = False
    shared: tuple[str, ...] = ()
    hint: str = ""


class Controls:
    """The controls and frameworks that exceptions may name: those of the library and of the scan."""

    def __init__(self, selection: Selection) -> None:
        known = {**selection.library.controls, **{control.slug: control for control in selection.controls}}
        self._controls: tuple[Control, ...] = tuple(known.values())
        self._names = {control.slug: (control.slug, control.title, *control.ids) for control in self._controls}
        self._frameworks: tuple[Framework, ...] = (*selection.frameworks, *selection.library.frameworks.values())
        self._by_name: dict[str, set[str]] = {}
        self._spelt: dict[str, str] = {}
        for slug, names in self._names.items():
            for name in names:
                self._by_name.setdefault(_key(name), set()).add(slug)
                self._spelt.setdefault(_key(name), name)
        self._members: dict[str, frozenset[str]] = {}
        self._found: dict[tuple[str, bool], frozenset[str]] = {}
        # What matches all of the numbers is written to match all controls, those without a number or not.
        self._numbered = frozenset(control.slug for control in self._controls if control.ids)
        self._ids = {control.slug: control.id for control in selection.controls}
        self._selected = frozenset(self._ids)
        self._judged_by = [
            item for item in selection.frameworks if not item.all_controls and item.slug not in _OVERVIEWS
        ]

    def id_of(self, slug: str) -> str:
        """What reports call the control."""
        return self._ids[slug]

    def named(self, name: str) -> frozenset[str]:
        """The slugs of the controls that are called exactly `name`, in any case."""
        return frozenset(self._by_name.get(_key(name), ()))

    def reach(self, policies: Sequence[Policy]) -> Reach:
        """What `policies` name."""
        if not policies:
            return Reach(self._selected, everything=True)
        unknown: list[str] = []
        for_all: set[str] = set()
        by_framework: dict[str, set[str]] = {}
        all_named: set[str] = set()
        for policy in policies:
            slugs = self._slugs(policy, unknown)
            all_named |= slugs
            if not policy.framework or policy.framework == EVERYTHING:
                for_all |= slugs
                continue
            frameworks = [
                item for item in self._frameworks if _is_called(policy.framework, _words(item), exact=policy.exact)
            ]
            if not frameworks:
                unknown.append(f"framework {policy.framework}")
            for framework in frameworks:
                for slug in slugs & self._held_by(framework):
                    by_framework.setdefault(slug, set()).add(framework.slug)
        shared = {slug for slug, named in by_framework.items() if self._others(slug, named)} - for_all
        covered = (for_all | (by_framework.keys() - shared)) & self._selected
        told = tuple(sorted(map(self.id_of, shared & self._selected)))
        return Reach(
            slugs=frozenset(covered),
            unknown=tuple(dict.fromkeys(unknown)),
            everything=all_named >= self._numbered,
            shared=told,
            hint=self._hint(unknown),
        )

    def _hint(self, unknown: Iterable[str]) -> str:
        """The name that one of `unknown` was perhaps meant to be."""
        for name in unknown:
            if is_glob(name):
                return f"; a pattern is a regular expression: {without_globs(name)}"
            number = _NUMBER.fullmatch(_key(name))
            if number and (same := f"c-{number[1]:0>4}") in self._by_name:
                return f"; did you mean {self._spelt[same]}?"
            near = difflib.get_close_matches(_key(name), self._by_name, n=1, cutoff=0.7)
            if near:
                return f"; did you mean {self._spelt[near[0]]}?"
        return ""

    def _slugs(self, policy: Policy, unknown: list[str]) -> frozenset[str]:
        """The controls that match all patterns of `policy`; without one, every control."""
        found = frozenset(self._names)
        for pattern in filter(None, (policy.control, policy.title)):
            called = self._called(pattern, exact=policy.exact)
            if not called:
                unknown.append(pattern)
            found &= called
        if policy.rule:
            # The rule of a control is named after it; a name of Kubescape's own rules is none of ours.
            ruled = frozenset(slug for slug in found if _is_called(policy.rule, (slug,), exact=policy.exact))
            if not ruled:
                unknown.append(f"rule {policy.rule}")
            found &= ruled
        return found

    def _called(self, pattern: str, *, exact: bool) -> frozenset[str]:
        """The slugs of the controls that `pattern` names."""
        key = pattern, exact
        if key not in self._found:
            found = self.named(pattern)
            if not found and not is_plain(pattern):
                found = frozenset(
                    slug for slug, names in self._names.items() if _is_called(pattern, names, exact=exact)
                )
            self._found[key] = found
        return self._found[key]

    def _held_by(self, framework: Framework) -> frozenset[str]:
        if framework.slug not in self._members:
            members = (control.slug for control in self._controls if framework.has(control))
            self._members[framework.slug] = frozenset(members)
        return self._members[framework.slug]

    def _others(self, slug: str, named: Iterable[str]) -> bool:
        """Whether the scan judges the control by a framework that is not named: one verdict counts for both."""
        return any(item.slug not in named and slug in self._held_by(item) for item in self._judged_by)


def _words(framework: Framework) -> tuple[str, ...]:
    return (framework.slug, framework.name, *framework.aliases)


def _is_called(pattern: str, names: Iterable[str], *, exact: bool) -> bool:
    if exact and pattern != EVERYTHING:
        return any(_key(pattern) == _key(name) for name in names)
    return any(_key(pattern) == _key(name) or matches(pattern, name, any_case=True) for name in names)


def _key(name: str) -> str:
    return " ".join(name.casefold().split())
