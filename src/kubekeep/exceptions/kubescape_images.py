"""Exceptions for vulnerabilities of images in Kubescape's file format, `VulnerabilitiesIgnorePolicy`. No I/O.

Unknown keys are refused, because a misspelt key must not widen an exception.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekeep.exceptions.kubescape_format import check_text, get_list, get_mapping, get_text, normalise_keys
from kubekeep.exceptions.policy_exception import (
    ALL_VULNERABILITIES,
    IMAGE_PARTS,
    IMAGE_PREFIX,
    Designator,
    InvalidExceptionError,
    PolicyException,
    PosturePolicy,
)
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.location import Location, Path
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text

_TYPE: Final = "VulnerabilitiesIgnorePolicy"
_KEYS: Final = ("metadata", "kind", "targets", "vulnerabilities", "severities")
_TARGET_KEYS: Final = ("designatorType", "attributes")
_NEGLIGIBLE: Final = "negligible"
"""Severity of Grype that is Low here."""
_LEVELS: Final = {level.label.casefold(): level.label for level in Severity} | {_NEGLIGIBLE: Severity.LOW.label}
_NO_TARGETS: Final = "without an entry of targets with attributes it matches no image"
_NO_VULNERABILITIES: Final = "it names no vulnerability and no severity"


def is_image_policy(value: Any) -> bool:
    """Return True if the document is a single exception for images."""
    return isinstance(value, dict) and value.get("kind") == _TYPE


def parse_image_policy(value: Mapping[str, Any], location: Location, number: int) -> PolicyException:
    """Parse value, entry `number` (from 0) of its file. Raises InvalidExceptionError."""
    entry = normalise_keys(value, _KEYS)
    policies = tuple(_list_policies(entry))
    designators = tuple(_list_designators(entry))
    return PolicyException(
        exception=AppliedException(
            name=_find_name(entry) or f"exception {number + 1}",
            source=ExceptionSource.FILE,
            location=location,
            text=json_text(value),
        ),
        policies=policies,
        designators=designators,
        flaw=_NO_TARGETS if not designators else "" if policies else _NO_VULNERABILITIES,
    )


def _find_name(entry: Mapping[str, Any]) -> str:
    return get_text(get_mapping(entry, "metadata"), "name", ("metadata",))


def _list_policies(entry: Mapping[str, Any]) -> Iterator[PosturePolicy]:
    """Yield one policy for each vulnerability and each severity: an exception covers what one of them matches."""
    for number, name in enumerate(get_list(entry, "vulnerabilities")):
        if not isinstance(name, str) or not name:
            raise InvalidExceptionError("a vulnerability is a text that is not empty", ("vulnerabilities", number))
        yield PosturePolicy(control=name, exact=True)
    for number, severity in enumerate(get_list(entry, "severities")):
        level = _LEVELS.get(str(severity).casefold())
        if level is None:
            raise InvalidExceptionError(
                f"unknown severity {str(severity)[:60]!r}: use one of {', '.join(_LEVELS)}", ("severities", number)
            )
        yield PosturePolicy(control=ALL_VULNERABILITIES, severity=level)


def _list_designators(entry: Mapping[str, Any]) -> Iterator[Designator]:
    """Yield the images of an exception: a regular expression for each part of the name."""
    for number, target_entry in enumerate(get_list(entry, "targets")):
        at: Path = ("targets", number)
        target = normalise_keys(target_entry, _TARGET_KEYS, at)
        attributes = normalise_keys(get_mapping(target, "attributes", at), IMAGE_PARTS, (*at, "attributes"))
        pairs = []
        for key in attributes:
            pattern = get_text(attributes, key, (*at, "attributes"))
            check_text(pattern, (*at, "attributes", key))
            if pattern:
                pairs.append((f"{IMAGE_PREFIX}{key}", pattern))
        if pairs:
            yield Designator(tuple(pairs))
