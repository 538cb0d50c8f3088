"""Names of frameworks and controls in the library, in bundles and in custom rules. Evaluates nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from kubekeep.library.extra import CUSTOM_RULES, load_rules
from kubekeep.model.control import Control
from kubekeep.posture.select import find_controls, find_frameworks


class RuleNames:
    """The names of rules that a command line loads. Raises KubekeepError for rules that cannot be read."""

    def __init__(self, custom: Sequence[Path], bundles: Sequence[Path]) -> None:
        self._rules = load_rules(custom, bundles)

    def list_frameworks(self) -> list[str]:
        """Return the names of the frameworks of bundles, or else the library's."""
        rules = self._rules
        frameworks = rules.frameworks if rules.has_bundles else rules.library.frameworks.values()
        return [framework.name for framework in frameworks]

    def list_bundled(self) -> set[str]:
        """Return the names of frameworks of bundles, in lowercase."""
        return {framework.name.casefold() for framework in self._rules.frameworks}

    def intersect_frameworks(self, names: Iterable[str], included: Iterable[str]) -> list[str]:
        """Return the controls of `included` that are in one of the frameworks. Raises KubekeepError for an unknown name."""
        rules = self._rules
        custom = (CUSTOM_RULES,) if rules.has_custom_rules else ()
        frameworks = (*find_frameworks(names, rules.library, (*rules.frameworks, *custom)), *custom)
        members = [control for control in rules.all_controls if any(framework.has(control) for framework in frameworks)]
        return self._intersect(members, included)

    def intersect_controls(self, names: Iterable[str], included: Iterable[str]) -> list[str]:
        """Return the controls of `included` that are among the named ones. Raises KubekeepError for an unknown name."""
        return self._intersect(self._find(names), included)

    def list_others(self, included: Iterable[str]) -> list[str]:
        """Return every control except `included`. Raises KubekeepError for an unknown name."""
        slugs = {control.slug for control in self._find(included)}
        return [control.slug for control in self._rules.all_controls if control.slug not in slugs]

    def _intersect(self, controls: Iterable[Control], included: Iterable[str]) -> list[str]:
        slugs = {control.slug for control in controls}
        return [name for name in included if {control.slug for control in self._find([name])} <= slugs]

    def _find(self, names: Iterable[str]) -> tuple[Control, ...]:
        third_party = tuple(control.control for control in self._rules.controls)
        return find_controls(names, self._rules.library, third_party)
