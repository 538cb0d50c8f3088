"""What would mend the findings of an assessment: values to set and things to remove, one wish a place.

Values only: where a place stands in a file, and whether the wish comes true there, is decided elsewhere.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Control
from kubekeep.model.finding import Evidence, Status
from kubekeep.model.location import Path, format_path, has_path, parse_path, value_at
from kubekeep.model.resource import Resource

_PLACEHOLDER: Final = re.compile(r"YOUR_|<[A-Za-z][\w -]*>")
"""What stands for a value that only a person knows, in the rules of other people."""
NO_FIX: Final = "no change is known that fits everyone"
NEEDS_VALUE: Final = "needs a value from you: --value {}=VALUE"
TAKES_AWAY: Final = "removing it takes away what the workload may need: to have that, name the control"
DECIDED: Final = "another control asks for something else there"
_INSIDE: Final = "it stands in a text inside of the object"


Asked = Callable[[Control, Resource], bool]
"""Whether the findings of a control in an object are to be mended."""


class Why(enum.Enum):
    """Why a finding stays."""

    UNKNOWN = "no fix is known"
    YOURS = "needs you"
    REFUSED = "not fixed"


class Left(msgspec.Struct, frozen=True):
    """A finding that is not fixed, and why."""

    control: Control
    resource: Resource
    evidence: Evidence
    why: Why
    reason: str


class Finding(msgspec.Struct, frozen=True):
    """A piece of evidence with what it is evidence of."""

    control: Control
    resource: Resource
    evidence: Evidence


class Wish(msgspec.Struct, frozen=True):
    """A value to set in an object, or without one something to remove, and the findings that ask for it."""

    resource: Resource
    path: Path
    value: Any
    findings: tuple[Finding, ...]

    @property
    def severity(self) -> float:
        """The score of the most severe control that asks for it."""
        return max(finding.control.severity for finding in self.findings)


class Wishes(msgspec.Struct, frozen=True):
    """What is to be done, what is left, and findings whose wish another one at their place may grant too."""

    wishes: tuple[Wish, ...]
    left: tuple[Left, ...]
    decided: tuple[Finding, ...]


def wishes(
    assessment: Assessment,
    asked: Asked,
    *,
    named: frozenset[str] = frozenset(),
    values: Mapping[Path, Any],
) -> Wishes:
    """What would mend the findings of `assessment` that are `asked` for.

    Only for controls `named` by their slug are items of lists removed that are mappings, such as volumes. `values`
    are those that the user gives for findings without a fix, by the end of their path.
    """
    left: list[Left] = []
    found: dict[tuple[str, Path, bytes], list[tuple[Resource, Any, Finding]]] = {}
    for finding in _findings(assessment, asked):
        wish = _wish(finding, named, values)
        if isinstance(wish, Left):
            left.append(wish)
            continue
        target, path, value = wish
        for leaf, item in _leaves(target.object, path, value):
            key = (key_of(target), leaf, msgspec.json.encode(None if item is msgspec.UNSET else [item]))
            found.setdefault(key, []).append((target, item, finding))
    by_object: dict[str, list[Wish]] = {}
    for (place, leaf, _), rows in found.items():
        united = Wish(rows[0][0], leaf, rows[0][1], tuple(finding for *_, finding in rows))
        by_object.setdefault(place, []).append(united)
    chosen: list[Wish] = []
    decided: list[Finding] = []
    for group in by_object.values():
        _choose(group, chosen, decided)
    return Wishes(tuple(chosen), tuple(left), tuple(decided))


def _findings(assessment: Assessment, asked: Asked) -> Iterator[Finding]:
    controls = {summary.control.slug: summary.control for summary in assessment.controls}
    for result in assessment.results:
        for slug, verdict in result.verdicts.items():
            if verdict.status is Status.FAILED and asked(controls[slug], result.resource):
                for evidence in verdict.standing.evidence:
                    yield Finding(controls[slug], result.resource, evidence)


def _wish(finding: Finding, named: frozenset[str], values: Mapping[Path, Any]) -> tuple[Resource, Path, Any] | Left:
    """The object, the path in it and the value that would mend a finding."""
    evidence = finding.evidence
    target, path = _target(finding.resource, parse_path(evidence.path))
    fix = None if evidence.fix is None else json.loads(evidence.fix)
    if evidence.delete:
        if not (path and has_path(target.object, path)):
            return _left(finding, Why.REFUSED, _INSIDE)
        is_part = isinstance(path[-1], int) and isinstance(value_at(target.object, path), dict)
        if is_part and finding.control.slug not in named:
            return _left(finding, Why.YOURS, TAKES_AWAY)
        return target, path, msgspec.UNSET
    if fix is None or (isinstance(fix, str) and _PLACEHOLDER.search(fix)):
        given = next((value for end, value in values.items() if path[-len(end) :] == end), msgspec.UNSET)
        if given is msgspec.UNSET:
            wanted = fix is not None and bool(path)
            reason = NEEDS_VALUE.format(format_path(path[-2:])) if wanted else NO_FIX
            return _left(finding, Why.YOURS if wanted else Why.UNKNOWN, reason)
        fix = given
    if not path or evidence.location != finding.resource.locate(parse_path(evidence.path)):
        return _left(finding, Why.REFUSED, _INSIDE)
    return target, path, fix


def alone(finding: Finding) -> tuple[Wish, ...]:
    """What would mend one finding, whatever others ask for; nothing where no change is known that fits everyone."""
    wish = _wish(finding, frozenset(), {})
    if isinstance(wish, Left):
        return ()
    target, path, value = wish
    return tuple(Wish(target, leaf, item, (finding,)) for leaf, item in _leaves(target.object, path, value))


def _left(finding: Finding, why: Why, reason: str) -> Left:
    return Left(finding.control, finding.resource, finding.evidence, why, reason)


def _target(resource: Resource, path: Path) -> tuple[Resource, Path]:
    """The object that `path` leads into, and the path in it; joined resources name theirs first."""
    match path:
        case ("relatedObjects", int(number), *rest) if number < len(resource.related):
            return resource.related[number], tuple(rest)
        case _:
            return resource, path


def key_of(resource: Resource, name: Callable[[str], str] = str) -> str:
    """The place of an object in a scan; `name` turns the names of files into those that another scan has too."""
    if resource.source is None:
        beside = " ".join(key_of(item, name) for item in resource.related)
        return f"{resource.identity} of {beside}"
    source = resource.source
    return f"{name(source.path)}:{source.document}:{format_path(source.root)} {resource.identity}"


def _leaves(document: Any, path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """A mapping to set where nothing is, key by key, so that it goes together with other wishes for the same place."""
    if isinstance(value, dict) and value and not (has_path(document, path) and value_at(document, path)):
        for key, item in value.items():
            yield from _leaves(document, (*path, key), item)
    else:
        yield path, value


def _choose(group: Iterable[Wish], chosen: list[Wish], decided: list[Finding]) -> None:
    """One wish a place of one object: setting before removing, then the more severe, and nothing inside another."""
    taken: dict[Path, Wish] = {}
    ranked = sorted(group, key=lambda wish: (len(wish.path), wish.value is msgspec.UNSET, -wish.severity))
    for wish in ranked:
        path = wish.path
        while path in taken and _appends(wish, path):
            path = (*path[:-1], int(path[-1]) + 1)
        if any(path[:length] in taken for length in range(1, len(path) + 1)):
            decided += wish.findings
        else:
            taken[path] = msgspec.structs.replace(wish, path=path)
    chosen += taken.values()


def _appends(wish: Wish, path: Path) -> bool:
    """Whether it adds an item to a list, beside which others can be added."""
    return wish.value is not msgspec.UNSET and isinstance(path[-1], int) and not has_path(wish.resource.object, path)
