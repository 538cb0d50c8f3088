"""Exceptions in Kubescape's file form: `PostureExceptionPolicy`, as values of YAML or JSON that somebody else read.

Refuses what it does not know: a misspelt key must not make an exception cover more than it says. Reads no file.
"""

from __future__ import annotations

import datetime as dt
import difflib
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.exceptions.policy_exception import (
    Designator,
    FlawError,
    Policy,
    PolicyException,
    check_pattern,
    expiry,
    is_glob,
    without_globs,
)
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.label_selector import LabelSelector, SelectorRequirement
from kubekeep.model.location import Location, Path
from kubekeep.model.text import json_text

_TYPE: Final = "postureExceptionPolicy"
_KEYS: Final = (
    *("guid", "name", "attributes", "policyType", "creationTime", "updatedTime", "actions", "resources"),
    *("objectSelector", "posturePolicies", "reason", "expirationDate", "createdBy"),
)
_POLICY_KEYS: Final = ("frameworkName", "controlName", "controlID", "ruleName", "severityScore")
_NAMES: Final = _POLICY_KEYS[1:4]
_RESOURCE_KEYS: Final = ("designatorType", "attributes", "wlid", "wildwlid", "sid")
_SELECTOR_KEYS: Final = ("matchLabels", "matchExpressions")
_REQUIREMENT_KEYS: Final = ("key", "operator", "values")
_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")
_OTHER_DESIGNATORS: Final = _RESOURCE_KEYS[2:]
_NO_ATTRIBUTES: Final = "an entry of resources without attributes matches nothing"


def is_policy(value: Any) -> bool:
    """Whether a document is one exception by itself."""
    return isinstance(value, dict) and any(str(key).casefold() in {"policytype", "posturepolicies"} for key in value)


def policy_exception(value: Any, location: Location, number: int) -> PolicyException:
    """The exception that `value` describes, the `number`th of its file from 0. Raises FlawError."""
    found = keyed(value, _KEYS)
    kind = text_of(found, "policyType")
    if kind.casefold() not in {"", _TYPE.casefold()}:
        raise FlawError(f"policyType is {kind[:60]!r}, not {_TYPE}", ("policyType",))
    exception = AppliedException(
        name=text_of(found, "name") or f"exception {number + 1}",
        source=ExceptionSource.FILE,
        reason=text_of(found, "reason"),
        expires=ending(found, "expirationDate"),
        location=location,
        text=json_text(value),
    )
    designators = tuple(_designators(found))
    objects = selector(found.get("objectSelector"), ("objectSelector",))
    empty = bool(found.get("resources")) and not designators
    return PolicyException(
        exception=exception,
        policies=tuple(_policies(found)),
        designators=designators,
        objects=objects,
        flaw=_NO_ATTRIBUTES if empty else "",
        doubts=tuple(_doubts(found, objects)),
    )


def _doubts(found: Mapping[str, Any], objects: LabelSelector | None) -> Iterator[str]:
    """Where an exception that can be read says nothing."""
    yield from empty_of(found, "expirationDate", "it never ends")
    yield from empty_of(found, "resources", "every resource is meant")
    yield from unselective(found, "objectSelector", objects)
    yield from empty_of(found, "posturePolicies", "every control is meant")
    for number, item in enumerate(listed(found, "posturePolicies")):
        said = keyed(item, _POLICY_KEYS)
        # `{}` is how Kubescape's own files say every control.
        unsaid = said.keys() & set(_NAMES) or said.get("severityScore")
        if unsaid and not any(said.get(key) for key in _NAMES):
            yield f"posturePolicies[{number}] names no control, so every one is meant"
    for number, item in enumerate(listed(found, "resources")):
        attributes = keyed(item, _RESOURCE_KEYS).get("attributes") or {}
        at = f"resources[{number}]"
        if not any(attributes.values()):
            yield f"{at} says nothing, so it matches nothing"
            continue
        for key, pattern in attributes.items():
            if not pattern:
                yield f"{key} of {at} is empty, so that any is meant"


def empty_of(found: Mapping[str, Any], key: str, meaning: str) -> Iterator[str]:
    """The doubt about a key that is there and says nothing, with what that means."""
    if key in found and not found[key]:
        yield f"{key} is empty: {meaning}"


def unselective(found: Mapping[str, Any], key: str, read: LabelSelector | None) -> Iterator[str]:
    """The doubt about a selector that is there and, as `read`, selects everything."""
    if key in found and not (read and read.requirements):
        yield f"{key} is empty, so that it selects everything"


def ending(found: Mapping[str, Any], key: str, at: Path = ()) -> dt.datetime | None:
    """The moment at a key from which on an exception covers nothing; None for never. Raises FlawError."""
    value = found.get(key)
    if value is None:
        return None
    place = (*at, key)
    if not isinstance(value, str):
        raise FlawError(f"{key} is neither a date (2027-01-31) nor RFC 3339 (2027-01-31T12:00:00Z)", place)
    if not value:
        raise FlawError(f"{key} is empty: give a date, or leave it out for an exception without an end", place)
    try:
        return expiry(value)
    except ValueError as error:
        raise FlawError(f"{key}: {error}", place) from error


def _policies(found: Mapping[str, Any]) -> Iterator[Policy]:
    for number, item in enumerate(listed(found, "posturePolicies")):
        at: Path = ("posturePolicies", number)
        said = keyed(item, _POLICY_KEYS, at)
        names = {key: text_of(said, key, at) for key in _POLICY_KEYS[:4]}
        for key, pattern in names.items():
            _checked(pattern, (*at, key))
        yield Policy(
            framework=names["frameworkName"],
            control=names["controlID"],
            # Kubescape never reads it; beside an id it is a title that somebody copied.
            title="" if names["controlID"] else names["controlName"],
            rule=names["ruleName"],
        )


def _designators(found: Mapping[str, Any]) -> Iterator[Designator]:
    for number, item in enumerate(listed(found, "resources")):
        at: Path = ("resources", number)
        said = keyed(item, _RESOURCE_KEYS, at)
        kind = text_of(said, "designatorType", at) or "Attributes"
        if kind.casefold() not in {"attributes", "attribute"}:
            raise FlawError(f"designatorType is {kind[:60]!r}: only Attributes says what it is for", at)
        for other in _OTHER_DESIGNATORS:
            if said.get(other):
                raise FlawError(f"{other} says nothing here: only attributes say what it is for", (*at, other))
        attributes = mapping_of(said, "attributes", at)
        pairs = []
        for key in attributes:
            place = (*at, "attributes", str(key))
            pattern = text_of(attributes, key, place[:-1])
            _checked(pattern, place)
            if pattern:
                pairs.append((str(key), pattern))
        if pairs:
            yield Designator(tuple(pairs))


def selector(value: Any, at: Path) -> LabelSelector | None:
    """The label selector that `value` describes; None for none. Raises FlawError."""
    if value is None:
        return None
    said = keyed(value, _SELECTOR_KEYS, at)
    labels = mapping_of(said, "matchLabels", at)
    if not all(isinstance(item, str) for pair in labels.items() for item in pair):
        raise FlawError("matchLabels is no mapping of text", (*at, "matchLabels"))
    return LabelSelector(dict(labels), tuple(_requirements(said, at)))


def _requirements(said: Mapping[str, Any], at: Path) -> Iterator[SelectorRequirement]:
    for number, item in enumerate(listed(said, "matchExpressions", at)):
        place = (*at, "matchExpressions", number)
        try:
            found = msgspec.convert(keyed(item, _REQUIREMENT_KEYS, place), SelectorRequirement)
        except msgspec.ValidationError as error:
            raise FlawError(str(error), place) from error
        if found.operator not in _OPERATORS:
            raise FlawError(f"operator is {found.operator[:60]!r}, not one of {', '.join(_OPERATORS)}", place)
        if (found.operator in _OPERATORS[:2]) != bool(found.values):
            raise FlawError(f"{found.operator} with {'values' if found.values else 'no values'}", place)
        yield found


def keyed(value: Any, names: tuple[str, ...], at: Path = ()) -> dict[str, Any]:
    """`value` with its keys as `names` spell them: Kubescape takes them in any case. Raises FlawError for others."""
    if not isinstance(value, dict):
        raise FlawError("keys and values expected", at)
    known = {name.casefold(): name for name in names}
    found: dict[str, Any] = {}
    for key, item in value.items():
        name = known.get(str(key).casefold())
        if name is None:
            near = difflib.get_close_matches(str(key).casefold(), known, n=1)
            hint = f"did you mean {known[near[0]]}?" if near else f"known are {', '.join(names)}"
            raise FlawError(f"unknown key {str(key)[:60]!r}: {hint}", (*at, str(key)))
        if name in found:
            raise FlawError(f"{name} is said twice", (*at, str(key)))
        found[name] = item
    return found


def listed(found: Mapping[str, Any], key: str, at: Path = ()) -> list[Any]:
    """The list at a key; none for nothing. Raises FlawError."""
    value = found.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise FlawError(f"{key} is no list", (*at, key))
    return value


def mapping_of(found: Mapping[str, Any], key: str, at: Path = ()) -> dict[str, Any]:
    """The mapping at a key; empty for nothing. Raises FlawError."""
    value = found.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise FlawError(f"{key} is no mapping", (*at, key))
    return value


def text_of(found: Mapping[str, Any], key: str, at: Path = ()) -> str:
    """The text at a key; empty for nothing. Raises FlawError."""
    value = found.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise FlawError(f"{key} is no text: put it in quotes", (*at, key))
    return value


def _checked(pattern: str, place: Path) -> None:
    try:
        check_pattern(pattern)
    except ValueError as error:
        hint = f"; say {without_globs(pattern)[:60]}" if is_glob(pattern) else ""
        raise FlawError(f"{error}{hint}", place) from error
