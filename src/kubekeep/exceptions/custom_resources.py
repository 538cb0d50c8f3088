"""Exceptions as custom resources: `SecurityException` and `ClusterSecurityException` of `kubescape.io`. No I/O.

Uses the `posture` entries; keys of `vulnerabilities` are only validated. Unknown keys are refused, because a misspelt
key must not widen an exception.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.exceptions.kubescape_format import (
    get_expiry,
    get_list,
    get_mapping,
    get_text,
    normalise_keys,
    parse_selector,
    warn_if_empty,
    warn_if_unselective,
)
from kubekeep.exceptions.policy_exception import (
    EVERYTHING,
    KIND,
    NAME,
    NAMESPACE,
    Designator,
    InvalidExceptionError,
    PolicyException,
    PosturePolicy,
)
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Location, Path
from kubekeep.model.text import json_text

_GROUP: Final = "kubescape.io"
_NAMESPACED: Final = "SecurityException"
_OF_CLUSTER: Final = "ClusterSecurityException"
_OBJECT: Final = ("apiVersion", "kind", "metadata", "spec", "status")
_SPEC: Final = ("author", "reason", "expiresAt", "match", "vulnerabilities", "posture")
_MATCH: Final = ("namespaceSelector", "objectSelector", "resources", "images")
_POSTURE: Final = ("controlID", "frameworkName", "action")
_ACTIONS: Final = ("ignore", "alert_only")
_RESOURCE: Final = ("apiGroup", "kind", "name")
_VULNERABILITIES: Final = (
    *("vulnerability", "status", "justification", "impactStatement", "expiredOnFix"),
    *("expiresAt", "actionStatement", "response", "subcomponents"),
)
_VULNERABILITY: Final = ("id", "aliases")
_AT_SPEC: Final[Path] = ("spec",)
_AT_MATCH: Final[Path] = ("spec", "match")


def is_security_exception(value: Any) -> bool:
    """Return True if value is an object of one of the two kinds."""
    if not isinstance(value, dict):
        return False
    group = str(value.get("apiVersion") or "").rpartition("/")[0]
    return group == _GROUP and value.get("kind") in {_NAMESPACED, _OF_CLUSTER}


def parse_security_exception(value: Mapping[str, Any], location: Location | None) -> PolicyException | None:
    """Parse an object; return None if it concerns only vulnerabilities. Raises InvalidExceptionError."""
    whole = normalise_keys(value, _OBJECT)
    if whole.get("spec") is None:
        raise InvalidExceptionError("it has no spec", _AT_SPEC)
    spec = normalise_keys(whole["spec"], _SPEC, _AT_SPEC)
    namespace = _namespace(whole)
    match = normalise_keys(get_mapping(spec, "match", _AT_SPEC), _MATCH, _AT_MATCH)
    if namespace and match.get("namespaceSelector") is not None:
        raise InvalidExceptionError(
            "only a ClusterSecurityException has a namespaceSelector", (*_AT_MATCH, "namespaceSelector")
        )
    exception = PolicyException(
        exception=describe_object(
            value, location, get_text(spec, "reason", _AT_SPEC), get_expiry(spec, "expiresAt", _AT_SPEC)
        ),
        policies=tuple(_policies(spec)),
        designators=tuple(_designators(match, namespace)),
        objects=parse_selector(match.get("objectSelector"), (*_AT_MATCH, "objectSelector")),
        namespaces=parse_selector(match.get("namespaceSelector"), (*_AT_MATCH, "namespaceSelector")),
        home=namespace,
        flaw="match.images applies only to vulnerabilities" if match.get("images") else "",
    )
    vulnerabilities = _vulnerabilities(spec)
    if not exception.policies:
        if not vulnerabilities:
            raise InvalidExceptionError("it has neither posture nor vulnerabilities", _AT_SPEC)
        return None
    return msgspec.structs.replace(exception, doubts=tuple(_doubts(spec, match, exception)))


def _doubts(spec: Mapping[str, Any], match: Mapping[str, Any], read: PolicyException) -> Iterator[str]:
    """Yield warnings for keys that are present but empty."""
    yield from warn_if_empty(spec, "expiresAt", "it has no expiry")
    if "match" in spec and spec["match"] is None:
        yield "match is empty, so it matches every resource"
    yield from warn_if_empty(match, "resources", "it matches every resource")
    yield from warn_if_unselective(match, "objectSelector", read.objects)
    yield from warn_if_unselective(match, "namespaceSelector", read.namespaces)
    for number, entry in enumerate(get_list(match, "resources")):
        resource = normalise_keys(entry, _RESOURCE)
        # Users write an empty apiGroup for the core group, and Kubescape takes any value.
        keys = _RESOURCE if resource["kind"] in {None, "", EVERYTHING} else _RESOURCE[1:]
        for key in keys:
            if key in resource and not resource[key]:
                yield f"{key} of match.resources[{number}] is empty and matches any value"


def describe_object(
    value: Mapping[str, Any], location: Location | None, reason: str = "", until: dt.datetime | None = None
) -> AppliedException:
    """Describe an object as reports name it."""
    metadata = as_mapping(value.get("metadata"))
    name = "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))
    return AppliedException(
        name=f"{value.get('kind')} {name}".rstrip(),
        source=ExceptionSource.OBJECT,
        reason=reason,
        expires=until,
        location=location,
        text=json_text({key: value.get(key) for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name}}),
    )


def _namespace(whole: Mapping[str, Any]) -> str:
    """Return the namespace the object is limited to, empty for a cluster-wide one. Raises InvalidExceptionError."""
    metadata = get_mapping(whole, "metadata")
    if whole["kind"] == _OF_CLUSTER:
        for key, value in metadata.items():
            if str(key).casefold() == NAMESPACE and value:
                raise InvalidExceptionError(
                    f"a {_OF_CLUSTER} has no namespace: use match.namespaceSelector, or a {_NAMESPACED}",
                    ("metadata", key),
                )
        return ""
    namespace = metadata.get(NAMESPACE)
    if not (isinstance(namespace, str) and namespace):
        raise InvalidExceptionError("it has no namespace, so its scope is unknown", ("metadata",))
    return namespace


def _policies(spec: Mapping[str, Any]) -> Iterator[PosturePolicy]:
    for number, entry in enumerate(get_list(spec, "posture", _AT_SPEC)):
        at: Path = (*_AT_SPEC, "posture", number)
        policy = normalise_keys(entry, _POSTURE, at)
        control, framework, action = (get_text(policy, key, at) for key in _POSTURE)
        if not control:
            raise InvalidExceptionError("controlID is missing", at)
        if action and action not in _ACTIONS:
            raise InvalidExceptionError(f"action is {action[:60]!r}, not {' or '.join(_ACTIONS)}", (*at, "action"))
        yield PosturePolicy(framework=framework, control=control, exact=True)


def _designators(match: Mapping[str, Any], namespace: str) -> Iterator[Designator]:
    here = ((NAMESPACE, namespace),) if namespace else ()
    resources = get_list(match, "resources", _AT_MATCH)
    for number, entry in enumerate(resources):
        at: Path = (*_AT_MATCH, "resources", number)
        resource = normalise_keys(entry, _RESOURCE, at)
        if "kind" not in resource:
            raise InvalidExceptionError(f"kind is missing: use {EVERYTHING} for any kind", at)
        names = {KIND: get_text(resource, "kind", at), NAME: get_text(resource, "name", at)}
        pairs = tuple((key, name) for key, name in names.items() if name not in {"", EVERYTHING})
        group = get_text(resource, "apiGroup", at)
        yield Designator((*pairs, *here), "" if group == EVERYTHING else group, exact=True)
    if here and not resources:
        yield Designator(here, exact=True)


def _vulnerabilities(spec: Mapping[str, Any]) -> int:
    """Count the entries on vulnerabilities. Raises InvalidExceptionError for unknown keys."""
    entries = get_list(spec, "vulnerabilities", _AT_SPEC)
    for number, entry in enumerate(entries):
        at: Path = (*_AT_SPEC, "vulnerabilities", number)
        vulnerability = normalise_keys(entry, _VULNERABILITIES, at)
        if vulnerability.get("vulnerability") is not None:
            normalise_keys(vulnerability["vulnerability"], _VULNERABILITY, (*at, "vulnerability"))
    return len(entries)
