"""Exceptions in Kubescape's file format, `PostureExceptionPolicy`, from parsed YAML or JSON values. No I/O.

Unknown keys are refused, because a misspelt key must not widen an exception.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.exceptions.policy_exception import (
    Designator,
    InvalidExceptionError,
    PackageSelector,
    PolicyException,
    PosturePolicy,
    check_pattern,
    convert_glob,
    is_glob,
    matches,
    parse_expiry,
)
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.label_selector import LabelSelector, SelectorRequirement
from kubekeep.model.location import Location, Path
from kubekeep.model.similar_names import find_similar
from kubekeep.model.text import json_text

_TYPE: Final = "postureExceptionPolicy"
_KEYS: Final = (
    *("guid", "name", "attributes", "policyType", "creationTime", "updatedTime", "actions", "resources"),
    *("objectSelector", "packages", "exposed", "unread", "posturePolicies", "reason", "expirationDate", "createdBy"),
)
_POLICY_KEYS: Final = ("frameworkName", "controlName", "controlID", "ruleName", "severityScore")
_NAMES: Final = _POLICY_KEYS[1:4]
_RESOURCE_KEYS: Final = ("designatorType", "attributes", "wlid", "wildwlid", "sid")
_PACKAGE_KEYS: Final = ("purl", "type", "name", "version", "path")
_SELECTOR_KEYS: Final = ("matchLabels", "matchExpressions")
_REQUIREMENT_KEYS: Final = ("key", "operator", "values")
_OPERATORS: Final = ("In", "NotIn", "Exists", "DoesNotExist")
_OTHER_DESIGNATORS: Final = _RESOURCE_KEYS[2:]
_UNREAD_SAMPLES: Final = ("q7!/z9", "registry.example:5000/q/z:1!/q7/zz.jar", "oci:z!/var/lib/a")
"""Files in images; a pattern that matches all of them accepts every file."""
_FINDING_KEYS: Final = ("resources", "objectSelector", "packages", "exposed", "posturePolicies")
"""Keys that select findings."""
_NO_ATTRIBUTES: Final = "an entry of resources without attributes matches nothing"
_NO_PACKAGES: Final = "an entry of packages without conditions matches nothing"


def is_policy(value: Any) -> bool:
    """Return True if the document is a single exception."""
    return isinstance(value, dict) and any(str(key).casefold() in {"policytype", "posturepolicies"} for key in value)


def parse_exception(value: Any, location: Location, number: int) -> PolicyException:
    """Parse value, entry `number` (from 0) of its file. Raises InvalidExceptionError."""
    entry = normalise_keys(value, _KEYS)
    kind = get_text(entry, "policyType")
    if kind.casefold() not in {"", _TYPE.casefold()}:
        raise InvalidExceptionError(f"policyType is {kind[:60]!r}, not {_TYPE}", ("policyType",))
    exception = AppliedException(
        name=get_text(entry, "name") or f"exception {number + 1}",
        source=ExceptionSource.FILE,
        reason=get_text(entry, "reason"),
        expires=get_expiry(entry, "expirationDate"),
        location=location,
        text=json_text(value),
    )
    designators = tuple(_designators(entry))
    packages = tuple(_package_selectors(entry))
    objects = parse_selector(entry.get("objectSelector"), ("objectSelector",))
    empty = bool(entry.get("resources")) and not designators
    unread = tuple(_list_unread_paths(entry))
    flaw = _NO_ATTRIBUTES if empty else _NO_PACKAGES if entry.get("packages") and not packages else ""
    return PolicyException(
        exception=exception,
        policies=tuple(_policies(entry)),
        designators=designators,
        objects=objects,
        packages=packages,
        exposed=_get_exposed(entry),
        unread=unread,
        is_about_files="unread" in entry,
        flaw=flaw or (_find_unread_flaw(entry, exception, unread) if "unread" in entry else ""),
        doubts=tuple(_doubts(entry, objects)),
    )


def _list_unread_paths(entry: Mapping[str, Any]) -> Iterator[str]:
    for number, part in enumerate(get_list(entry, "unread")):
        at: Path = ("unread", number)
        pattern = get_text(normalise_keys(part, ("path",), at), "path", at)
        check_text(pattern, (*at, "path"))
        if pattern:
            yield pattern


def _find_unread_flaw(entry: Mapping[str, Any], exception: AppliedException, patterns: Sequence[str]) -> str:
    """Return the reason why an exception for unread files cannot be used; empty if it can."""
    if others := [key for key in _FINDING_KEYS if entry.get(key)]:
        return f"unread is about files, {others[0]} about findings: use two exceptions"
    if not patterns:
        return "an entry of unread without a path matches nothing"
    if any(all(matches(pattern, sample) for sample in _UNREAD_SAMPLES) for pattern in patterns):
        return "it would accept every file of every image: name the file"
    missing = "reason" if not exception.reason else "expirationDate" if exception.expires is None else ""
    return f"an unread file is accepted only with {missing}" if missing else ""


def _get_exposed(entry: Mapping[str, Any]) -> bool | None:
    value = entry.get("exposed")
    if value is not None and not isinstance(value, bool):
        raise InvalidExceptionError("exposed is neither true nor false", ("exposed",))
    return value


def _doubts(policy_exception: Mapping[str, Any], objects: LabelSelector | None) -> Iterator[str]:
    """Yield warnings for keys that are present but empty."""
    yield from warn_if_empty(policy_exception, "expirationDate", "it has no expiry")
    yield from warn_if_empty(policy_exception, "resources", "it matches every resource")
    yield from warn_if_unselective(policy_exception, "objectSelector", objects)
    yield from warn_if_empty(policy_exception, "packages", "it matches findings that are not about a package too")
    yield from warn_if_empty(policy_exception, "posturePolicies", "it matches every control")
    for number, entry in enumerate(get_list(policy_exception, "posturePolicies")):
        policy = normalise_keys(entry, _POLICY_KEYS)
        # `{}` means every control in Kubescape's own files.
        is_specific = policy.keys() & set(_NAMES) or policy.get("severityScore")
        if is_specific and not any(policy.get(key) for key in _NAMES):
            yield f"posturePolicies[{number}] names no control and matches every one"
    for number, entry in enumerate(get_list(policy_exception, "resources")):
        attributes = normalise_keys(entry, _RESOURCE_KEYS).get("attributes") or {}
        at = f"resources[{number}]"
        if not any(attributes.values()):
            yield f"{at} is empty and matches nothing"
            continue
        for key, pattern in attributes.items():
            if not pattern:
                yield f"{key} of {at} is empty and matches any value"


def warn_if_empty(mapping: Mapping[str, Any], key: str, meaning: str) -> Iterator[str]:
    """Yield a warning if the key is present without a value; meaning: the consequence."""
    if key in mapping and not mapping[key]:
        yield f"{key} is empty: {meaning}"


def warn_if_unselective(mapping: Mapping[str, Any], key: str, selector: LabelSelector | None) -> Iterator[str]:
    """Yield a warning if the key is present and the parsed selector selects everything."""
    if key in mapping and not (selector and selector.requirements):
        yield f"{key} is empty and selects everything"


def get_expiry(mapping: Mapping[str, Any], key: str, at: Path = ()) -> dt.datetime | None:
    """Return the expiry at a key, None if there is none. Raises InvalidExceptionError."""
    value = mapping.get(key)
    if value is None:
        return None
    path = (*at, key)
    if not isinstance(value, str):
        raise InvalidExceptionError(f"{key} is neither a date (2027-01-31) nor RFC 3339 (2027-01-31T12:00:00Z)", path)
    if not value:
        raise InvalidExceptionError(
            f"{key} is empty: set a date, or remove the key for an exception without expiry", path
        )
    try:
        return parse_expiry(value)
    except ValueError as error:
        raise InvalidExceptionError(f"{key}: {error}", path) from error


def _policies(entry: Mapping[str, Any]) -> Iterator[PosturePolicy]:
    for number, policy_entry in enumerate(get_list(entry, "posturePolicies")):
        at: Path = ("posturePolicies", number)
        policy = normalise_keys(policy_entry, _POLICY_KEYS, at)
        names = {key: get_text(policy, key, at) for key in _POLICY_KEYS[:4]}
        for key, pattern in names.items():
            check_text(pattern, (*at, key))
        yield PosturePolicy(
            framework=names["frameworkName"],
            control=names["controlID"],
            # Kubescape never reads controlName; beside an id it is only a copied title.
            title="" if names["controlID"] else names["controlName"],
            rule=names["ruleName"],
        )


def _designators(entry: Mapping[str, Any]) -> Iterator[Designator]:
    for number, resource_entry in enumerate(get_list(entry, "resources")):
        at: Path = ("resources", number)
        designator = normalise_keys(resource_entry, _RESOURCE_KEYS, at)
        kind = get_text(designator, "designatorType", at) or "Attributes"
        if kind.casefold() not in {"attributes", "attribute"}:
            raise InvalidExceptionError(f"designatorType is {kind[:60]!r}: only Attributes is supported", at)
        for other in _OTHER_DESIGNATORS:
            if designator.get(other):
                raise InvalidExceptionError(f"{other} has no effect: only attributes are supported", (*at, other))
        attributes = get_mapping(designator, "attributes", at)
        pairs = []
        for key in attributes:
            path = (*at, "attributes", str(key))
            pattern = get_text(attributes, key, path[:-1])
            check_text(pattern, path)
            if pattern:
                pairs.append((str(key), pattern))
        if pairs:
            yield Designator(tuple(pairs))


def _package_selectors(entry: Mapping[str, Any]) -> Iterator[PackageSelector]:
    entries = get_list(entry, "packages")
    if not entries:
        return
    # Few scans have exceptions for packages.
    from kubekeep.vulnerabilities.vex.identities import parse_purl  # noqa: PLC0415

    for number, package_entry in enumerate(entries):
        at: Path = ("packages", number)
        selector = normalise_keys(package_entry, _PACKAGE_KEYS, at)
        texts = {key: get_text(selector, key, at) for key in _PACKAGE_KEYS}
        text = texts.pop("purl")
        try:
            purl = parse_purl(text) if text else None
        except ValueError as error:
            raise InvalidExceptionError(str(error), (*at, "purl")) from error
        for key, pattern in texts.items():
            check_text(pattern, (*at, key))
        patterns = tuple((key, pattern) for key, pattern in texts.items() if pattern)
        if purl is not None or patterns:
            yield PackageSelector(purl, patterns)


def parse_selector(value: Any, at: Path) -> LabelSelector | None:
    """Parse a label selector, None for None. Raises InvalidExceptionError."""
    if value is None:
        return None
    selector = normalise_keys(value, _SELECTOR_KEYS, at)
    labels = get_mapping(selector, "matchLabels", at)
    if not all(isinstance(text, str) for pair in labels.items() for text in pair):
        raise InvalidExceptionError("matchLabels is not a mapping of text", (*at, "matchLabels"))
    return LabelSelector(dict(labels), tuple(_requirements(selector, at)))


def _requirements(selector: Mapping[str, Any], at: Path) -> Iterator[SelectorRequirement]:
    for number, entry in enumerate(get_list(selector, "matchExpressions", at)):
        path = (*at, "matchExpressions", number)
        try:
            requirement = msgspec.convert(normalise_keys(entry, _REQUIREMENT_KEYS, path), SelectorRequirement)
        except msgspec.ValidationError as error:
            raise InvalidExceptionError(str(error), path) from error
        if requirement.operator not in _OPERATORS:
            raise InvalidExceptionError(
                f"operator is {requirement.operator[:60]!r}, not one of {', '.join(_OPERATORS)}", path
            )
        if (requirement.operator in _OPERATORS[:2]) != bool(requirement.values):
            raise InvalidExceptionError(
                f"{requirement.operator} with {'values' if requirement.values else 'no values'}", path
            )
        yield requirement


def normalise_keys(value: Any, names: tuple[str, ...], at: Path = ()) -> dict[str, Any]:
    """Return value with its keys spelt as in names; case is ignored, as in Kubescape.

    Raises InvalidExceptionError if unknown.
    """
    if not isinstance(value, dict):
        raise InvalidExceptionError("keys and values expected", at)
    known = {name.casefold(): name for name in names}
    normalised: dict[str, Any] = {}
    for key, entry in value.items():
        name = known.get(str(key).casefold())
        if name is None:
            near = find_similar(str(key).casefold(), known)
            hint = f"did you mean {known[near]}?" if near else f"known keys: {', '.join(names)}"
            raise InvalidExceptionError(f"unknown key {str(key)[:60]!r}: {hint}", (*at, str(key)))
        if name in normalised:
            raise InvalidExceptionError(f"{name} occurs twice", (*at, str(key)))
        normalised[name] = entry
    return normalised


def get_list(mapping: Mapping[str, Any], key: str, at: Path = ()) -> list[Any]:
    """Return the list at a key, [] if absent. Raises InvalidExceptionError."""
    value = mapping.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise InvalidExceptionError(f"{key} is not a list", (*at, key))
    return value


def get_mapping(mapping: Mapping[str, Any], key: str, at: Path = ()) -> dict[str, Any]:
    """Return the mapping at a key, {} if absent. Raises InvalidExceptionError."""
    value = mapping.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidExceptionError(f"{key} is not a mapping", (*at, key))
    return value


def get_text(mapping: Mapping[str, Any], key: str, at: Path = ()) -> str:
    """Return the text at a key, "" if absent. Raises InvalidExceptionError."""
    value = mapping.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidExceptionError(f"{key} is not text: quote the value", (*at, key))
    return value


def check_text(pattern: str, path: Path) -> None:
    """Raise InvalidExceptionError if the text at `path` is not a valid RE2 expression."""
    try:
        check_pattern(pattern)
    except ValueError as error:
        hint = f"; use {convert_glob(pattern)[:60]}" if is_glob(pattern) else ""
        raise InvalidExceptionError(f"{error}{hint}", path) from error
