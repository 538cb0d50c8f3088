"""Which frameworks and controls a command line of Kubescape scans for, as words of ours.

Reads the rules that the command line brings along; judges nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kubekeep.cli.kubescape.parse import FlagError, Given, value_of
from kubekeep.library.extra import CUSTOM_RULES, ExtraRules, gather
from kubekeep.library.load import LibraryError
from kubekeep.model.control import Control
from kubekeep.posture.select import UnknownNameError, find_controls, find_frameworks

_FILES: Final = ("workloadscan", "allcontrols")
"""What Kubescape scans files for when nothing is named, and a workload wherever it is."""
_CLUSTER: Final = ("clusterscan", "mitre", "nsa")
"""What it scans a cluster for when nothing is named."""
_VIEW: Final = ("allcontrols", "nsa", "mitre")
"""What it scans either for with `--view control` or `--view resource`."""


def every_framework(given: Sequence[Given]) -> list[str]:
    """The names that `framework all` stands for: those of bundles, or else the library's."""
    rules = _rules(given)
    frameworks = rules.frameworks if rules.bundled else rules.library.frameworks.values()
    return [framework.name for framework in frameworks]


def unnamed(task: str, given: Sequence[Given], *, live: bool) -> str:
    """The frameworks of a scan that names none, comma separated; `live` is one of a cluster.

    Empty where bundles hold none of those that Kubescape scans for: then it is for all that they hold.
    """
    if task == "workload":
        names: tuple[str, ...] = _FILES
    elif value_of(given, "view") in {"control", "resource"}:
        names = _VIEW
    else:
        names = _CLUSTER if live else _FILES
    if _bundles(given):
        held = {framework.name.casefold() for framework in _rules(given).frameworks}
        names = tuple(name for name in names if name in held)
    return ",".join(names)


def included(task: str, names: Sequence[str], only: Sequence[str], given: Sequence[Given]) -> list[str]:
    """Those of the controls `only` that are among `names`, frameworks or controls as `task` says.

    Raises FlagError for a name that nobody knows, and if there are none.
    """
    rules = _rules(given)
    try:
        if task == "framework":
            more = (CUSTOM_RULES,) if rules.custom else ()
            frameworks = (*find_frameworks(names, rules.library, (*rules.frameworks, *more)), *more)
            within = [item for item in rules.known if any(framework.has(item) for framework in frameworks)]
        else:
            within = [*find_controls(names, rules.library, _brought(rules))]
        slugs = {item.slug for item in within}
        found = [name for name in only if {item.slug for item in _named([name], rules)} <= slugs]
    except UnknownNameError as error:
        raise FlagError(str(error)) from error
    if not found:
        raise FlagError(
            f"none of --include-controls {','.join(only)} is in {task} {','.join(names)}: nothing to scan for"
        )
    return found


def others(only: Sequence[str], given: Sequence[Given]) -> list[str]:
    """Every control but those called `only`. Raises FlagError for a name that nobody knows."""
    rules = _rules(given)
    try:
        kept = {item.slug for item in _named(only, rules)}
    except UnknownNameError as error:
        raise FlagError(str(error)) from error
    return [item.slug for item in rules.known if item.slug not in kept]


def _named(names: Sequence[str], rules: ExtraRules) -> tuple[Control, ...]:
    return find_controls(names, rules.library, _brought(rules))


def _brought(rules: ExtraRules) -> tuple[Control, ...]:
    return tuple(item.control for item in rules.controls)


def _bundles(given: Sequence[Given]) -> list[Path]:
    return [Path(value) for flag, value in given if flag.name in {"use-from", "use-artifacts-from"} and value]


def _rules(given: Sequence[Given]) -> ExtraRules:
    custom = value_of(given, "custom-rules")
    try:
        return gather([Path(custom)] if custom else [], _bundles(given))
    except LibraryError as error:
        raise FlagError(str(error)) from error
