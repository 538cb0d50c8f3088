"""Exceptions as objects of a cluster: `SecurityException` and `ClusterSecurityException` of `kubescape.io`.

Takes their `posture` part; of the one on vulnerabilities only the keys are held to what is known. Refuses what it does
not know: a misspelt key must not make an exception cover more than it says. Reads objects that somebody else has
parsed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.exceptions.kubescape_format import (
    empty_of,
    ending,
    keyed,
    listed,
    mapping_of,
    selector,
    text_of,
    unselective,
)
from kubekeep.exceptions.policy_exception import (
    EVERYTHING,
    KIND,
    NAME,
    NAMESPACE,
    Designator,
    FlawError,
    Policy,
    PolicyException,
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
    """Whether an object is one of the two kinds."""
    if not isinstance(value, dict):
        return False
    group = str(value.get("apiVersion") or "").rpartition("/")[0]
    return group == _GROUP and value.get("kind") in {_NAMESPACED, _OF_CLUSTER}


def security_exception(value: Mapping[str, Any], location: Location | None) -> PolicyException | None:
    """The exception that an object describes; None if it is for vulnerabilities alone. Raises FlawError."""
    whole = keyed(value, _OBJECT)
    if whole.get("spec") is None:
        raise FlawError("it has no spec", _AT_SPEC)
    spec = keyed(whole["spec"], _SPEC, _AT_SPEC)
    namespace = _namespace(whole)
    match = keyed(mapping_of(spec, "match", _AT_SPEC), _MATCH, _AT_MATCH)
    if namespace and match.get("namespaceSelector") is not None:
        raise FlawError("only a ClusterSecurityException has a namespaceSelector", (*_AT_MATCH, "namespaceSelector"))
    found = PolicyException(
        exception=exception_of(value, location, text_of(spec, "reason", _AT_SPEC), ending(spec, "expiresAt", _AT_SPEC)),
        policies=tuple(_policies(spec)),
        designators=tuple(_designators(match, namespace)),
        objects=selector(match.get("objectSelector"), (*_AT_MATCH, "objectSelector")),
        namespaces=selector(match.get("namespaceSelector"), (*_AT_MATCH, "namespaceSelector")),
        home=namespace,
        flaw="match.images is for vulnerabilities alone" if match.get("images") else "",
    )
    vulnerabilities = _vulnerabilities(spec)
    if not found.policies:
        if not vulnerabilities:
            raise FlawError("it has neither posture nor vulnerabilities", _AT_SPEC)
        return None
    return msgspec.structs.replace(found, doubts=tuple(_doubts(spec, match, found)))


def _doubts(spec: Mapping[str, Any], match: Mapping[str, Any], read: PolicyException) -> Iterator[str]:
    """Where an object that can be read says nothing."""
    yield from empty_of(spec, "expiresAt", "it never ends")
    if "match" in spec and spec["match"] is None:
        yield "match is empty: every resource is meant"
    yield from empty_of(match, "resources", "every resource is meant")
    yield from unselective(match, "objectSelector", read.objects)
    yield from unselective(match, "namespaceSelector", read.namespaces)
    for number, item in enumerate(listed(match, "resources")):
        said = keyed(item, _RESOURCE)
        # An empty group beside a kind is how people call the core group, and Kubescape takes any.
        asked = _RESOURCE if said["kind"] in {None, "", EVERYTHING} else _RESOURCE[1:]
        for key in asked:
            if key in said and not said[key]:
                yield f"{key} of match.resources[{number}] is empty, so that any is meant"


def exception_of(
    value: Mapping[str, Any], location: Location | None, reason: str = "", until: dt.datetime | None = None
) -> AppliedException:
    """What reports name an object."""
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
    """The only namespace it is for; empty for that of a cluster. Raises FlawError."""
    metadata = mapping_of(whole, "metadata")
    if whole["kind"] == _OF_CLUSTER:
        for key, said in metadata.items():
            if str(key).casefold() == NAMESPACE and said:
                raise FlawError(
                    f"a {_OF_CLUSTER} is of no namespace: say match.namespaceSelector, or make it a {_NAMESPACED}",
                    ("metadata", key),
                )
        return ""
    namespace = metadata.get(NAMESPACE)
    if not (isinstance(namespace, str) and namespace):
        raise FlawError("it names no namespace, so nobody knows which one it is for", ("metadata",))
    return namespace


def _policies(spec: Mapping[str, Any]) -> Iterator[Policy]:
    for number, item in enumerate(listed(spec, "posture", _AT_SPEC)):
        at: Path = (*_AT_SPEC, "posture", number)
        said = keyed(item, _POSTURE, at)
        control, framework, action = (text_of(said, key, at) for key in _POSTURE)
        if not control:
            raise FlawError("controlID is missing: it names no control", at)
        if action and action not in _ACTIONS:
            raise FlawError(f"action is {action[:60]!r}, not {' or '.join(_ACTIONS)}", (*at, "action"))
        yield Policy(framework=framework, control=control, exact=True)


def _designators(match: Mapping[str, Any], namespace: str) -> Iterator[Designator]:
    here = ((NAMESPACE, namespace),) if namespace else ()
    found = listed(match, "resources", _AT_MATCH)
    for number, item in enumerate(found):
        at: Path = (*_AT_MATCH, "resources", number)
        said = keyed(item, _RESOURCE, at)
        if "kind" not in said:
            raise FlawError(f"kind is missing: {EVERYTHING} for any", at)
        names = {KIND: text_of(said, "kind", at), NAME: text_of(said, "name", at)}
        pairs = tuple((key, name) for key, name in names.items() if name not in {"", EVERYTHING})
        group = text_of(said, "apiGroup", at)
        yield Designator((*pairs, *here), "" if group == EVERYTHING else group, exact=True)
    if here and not found:
        yield Designator(here, exact=True)


def _vulnerabilities(spec: Mapping[str, Any]) -> int:
    """How many entries there are on vulnerabilities. Raises FlawError for keys that nobody knows."""
    found = listed(spec, "vulnerabilities", _AT_SPEC)
    for number, item in enumerate(found):
        at: Path = (*_AT_SPEC, "vulnerabilities", number)
        said = keyed(item, _VULNERABILITIES, at)
        if said.get("vulnerability") is not None:
            keyed(said["vulnerability"], _VULNERABILITY, (*at, "vulnerability"))
    return len(found)
