"""The controls and frameworks of the library: listed, selected, searched and found by name. Evaluates nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.library.load import builtin
from kubekeep.library.requirements import Requirement, count_by_required_data, is_numbered, list_requirements
from kubekeep.library.search import search_controls
from kubekeep.model.control import WORKLOAD, Control
from kubekeep.model.framework import Framework
from kubekeep.model.severity import Severity
from kubekeep.model.workload import POD_KINDS, POD_TEMPLATE
from kubekeep.posture.select import UnknownNameError, find_controls, find_frameworks

_POD_KINDS: Final = frozenset(kind.casefold() for _, kind in POD_KINDS - {POD_TEMPLATE})


class FrameworkContent(msgspec.Struct, frozen=True):
    """A framework with its requirements. counts: of requirements by the data that they require.

    is_numbered: the requirements have numbers of the framework, and are not just its controls.
    """

    framework: Framework
    controls: int
    requirements: tuple[Requirement, ...]
    counts: Mapping[str, int]
    is_numbered: bool


def list_frameworks() -> list[Framework]:
    """Return the frameworks, in the order of the library."""
    return list(builtin().frameworks.values())


def list_controls() -> list[Control]:
    """Return the controls, in the order of the library."""
    return list(builtin().controls.values())


def read_content(framework: Framework) -> FrameworkContent:
    """Return a framework with its requirements."""
    library = builtin()
    requirements = list_requirements(library, framework)
    return FrameworkContent(
        framework,
        len(library.select_members(framework)),
        requirements,
        count_by_required_data(requirements),
        is_numbered(library, framework),
    )


def select_controls(framework_names: Iterable[str], lowest: Severity | None, kind: str) -> list[Control]:
    """Return the controls of one of the frameworks, of a severity or above and for a kind of resource, by id.

    Without names, a severity or a kind, all of them. Raises KubekeepError for an unknown framework.
    """
    frameworks = find_frameworks(framework_names)
    return [
        control
        for control in sorted(builtin().controls.values(), key=lambda control: control.id)
        if (not frameworks or any(framework.has(control) for framework in frameworks))
        and (lowest is None or control.level >= lowest)
        and (not kind or _applies_to(control, kind))
    ]


def _applies_to(control: Control, kind: str) -> bool:
    """Return True if a control applies to resources of a kind; `workload` targets include every kind with pods."""
    names = {target.rpartition("/")[2].casefold() for target in control.targets}
    return kind.casefold() in names or (WORKLOAD in names and kind.casefold() in _POD_KINDS)


def find(name: str) -> Control | Framework:
    """Return the control with this number, slug or title, else the framework. Raises KubekeepError without either."""
    try:
        (control,) = find_controls([name])
    except UnknownNameError as error:
        try:
            (framework,) = find_frameworks([name])
        except UnknownNameError:
            raise error from None
        return framework
    return control


def search(words: Sequence[str]) -> tuple[list[Framework], list[Control]]:
    """Return the frameworks and the controls that contain all words, in any case; the best matches first."""
    terms = [word.casefold() for word in words]
    frameworks = [
        framework
        for framework in builtin().frameworks.values()
        if all(word in f"{framework.slug} {framework.name} {framework.title}".casefold() for word in terms)
    ]
    return frameworks, search_controls(terms)
