"""Exceptions as objects of a cluster: `SecurityException` and `ClusterSecurityException` of `kubescape.io`.

Takes their `posture` part; the one on vulnerabilities is left. Reads objects that somebody else has parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from kubekeep.library.exception import (
    EVERYTHING,
    KIND,
    NAME,
    NAMESPACE,
    Designator,
    Exemption,
    FlawError,
    Policy,
    expiry,
    literal,
)
from kubekeep.library.exception_policies import keyed, listed, selector, text_of
from kubekeep.model.location import Location, Path
from kubekeep.model.text import json_text
from kubekeep.model.waiver import Waiver, WaiverSource

_GROUP: Final = "kubescape.io"
_NAMESPACED: Final = "SecurityException"
_OF_CLUSTER: Final = "ClusterSecurityException"
_MATCH: Final = ("namespaceSelector", "objectSelector", "resources", "images")
_POSTURE: Final = ("controlID", "frameworkName", "action")
_RESOURCE: Final = ("apiGroup", "kind", "name")


def is_security_exception(value: Any) -> bool:
    """Whether an object is one of the two kinds."""
    if not isinstance(value, dict):
        return False
    group = str(value.get("apiVersion") or "").rpartition("/")[0]
    return group == _GROUP and value.get("kind") in {_NAMESPACED, _OF_CLUSTER}


def security_exemption(value: Mapping[str, Any], location: Location | None) -> Exemption | None:
    """The exception that an object describes; None if it says nothing of posture. Raises FlawError."""
    spec = value.get("spec")
    if not isinstance(spec, dict):
        raise FlawError("it has no spec", ("spec",))
    posture = listed(spec, "posture", ("spec",))
    if not posture:
        return None
    expires = text_of(spec, "expiresAt", ("spec",))
    try:
        until = expiry(expires) if expires else None
    except ValueError as error:
        raise FlawError(f"expiresAt: {error}", ("spec", "expiresAt")) from error
    match = keyed(spec.get("match") or {}, _MATCH, ("spec", "match"))
    namespace = _namespace(value)
    if namespace and match.get("namespaceSelector") is not None:
        raise FlawError(
            "only a ClusterSecurityException has a namespaceSelector", ("spec", "match", "namespaceSelector")
        )
    at: Path = ("spec", "match")
    return Exemption(
        waiver=waiver_of(value, location, text_of(spec, "reason", ("spec",)), until=until),
        policies=tuple(_policies(posture)),
        designators=tuple(_designators(match, namespace)),
        objects=selector(match.get("objectSelector"), (*at, "objectSelector")),
        namespaces=selector(match.get("namespaceSelector"), (*at, "namespaceSelector")),
        flaw="match.images is for vulnerabilities alone" if match.get("images") else "",
    )


def waiver_of(value: Mapping[str, Any], location: Location | None, reason: str = "", until: Any = None) -> Waiver:
    """What reports name an object."""
    metadata = value.get("metadata")
    said = metadata if isinstance(metadata, dict) else {}
    name = "/".join(str(said[key]) for key in ("namespace", "name") if said.get(key))
    return Waiver(
        name=f"{value.get('kind')} {name}".rstrip(),
        source=WaiverSource.OBJECT,
        reason=reason,
        expires=until,
        location=location,
        text=json_text({key: value.get(key) for key in ("apiVersion", "kind", "spec")} | {"metadata": {"name": name}}),
    )


def _namespace(value: Mapping[str, Any]) -> str:
    """The only namespace it is for; empty for that of a cluster."""
    if value.get("kind") == _OF_CLUSTER:
        return ""
    metadata = value.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    if not (isinstance(namespace, str) and namespace):
        raise FlawError("it names no namespace, so nobody knows which one it is for", ("metadata",))
    return namespace


def _policies(posture: list[Any]) -> Iterator[Policy]:
    for number, item in enumerate(posture):
        at: Path = ("spec", "posture", number)
        said = keyed(item, _POSTURE, at)
        names = {key: text_of(said, key, at) for key in _POSTURE[:2]}
        patterns = {key: literal(name) if name not in {"", EVERYTHING} else name for key, name in names.items()}
        yield Policy(framework=patterns["frameworkName"], control=patterns["controlID"])


def _designators(match: Mapping[str, Any], namespace: str) -> Iterator[Designator]:
    here = ((NAMESPACE, literal(namespace)),) if namespace else ()
    found = listed(match, "resources", ("spec", "match"))
    for number, item in enumerate(found):
        at: Path = ("spec", "match", "resources", number)
        said = keyed(item, _RESOURCE, at)
        names = {KIND: text_of(said, "kind", at), NAME: text_of(said, "name", at)}
        pairs = tuple((key, literal(name)) for key, name in names.items() if name not in {"", EVERYTHING})
        group = text_of(said, "apiGroup", at)
        yield Designator((*pairs, *here), "" if group == EVERYTHING else group)
    if here and not found:
        yield Designator(here)
