"""What rules in Kubescape's form say, and the evidence in it. Never evaluates; what it cannot read is an error."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.finding import Evidence
from kubekeep.model.location import Path, has_path, parse_path
from kubekeep.model.resource import Resource
from kubekeep.posture.kubescape_scope import Scope

_GATHERING: Final = frozenset(("deny", "violation", "warn"))
"""Names of rules that hold responses and nothing else: what is none in them is a mistake of the author."""
_SCALAR: Final = re.compile(r"true|false|-?(?:0|[1-9]\d*)")
_TEXTS: Final = ("annotations", "labels")
"""Fields whose values are text even when they look like something else."""


class ResponseError(ValueError):
    """A rule said something that is no response."""


class _Fix(msgspec.Struct):
    path: str = ""
    value: Any = ""


class _Places(msgspec.Struct, rename="camel"):
    failed_paths: list[str] | str | None = None
    review_paths: list[str] | str | None = None
    delete_paths: list[str] | str | None = None
    fix_paths: list[_Fix] | str | None = None


class _Related(_Places, rename="camel"):
    object: dict[str, Any] = {}


class _Objects(msgspec.Struct, rename="camel"):
    k8s_api_objects: list[dict[str, Any]] | None = msgspec.field(name="k8sApiObjects", default=None)
    external_objects: dict[str, Any] | list[dict[str, Any]] | None = None


class Response(_Places, rename="camel"):
    """One failure: a message, the objects that fail, and places in them."""

    alert_message: str = ""
    alert_object: _Objects = msgspec.field(default_factory=_Objects)
    related_objects: list[_Related] | None = None

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects that fail."""
        outside = self.alert_object.external_objects or []
        found = [*(self.alert_object.k8s_api_objects or []), *([outside] if isinstance(outside, dict) else outside)]
        return [item for item in found if item]


def responses(said: Mapping[str, Any]) -> list[Response]:
    """The responses in the values of a package. Raises ResponseError for what is none where one has to be.

    Sets whose elements have no `alertObject` are what a rule computes with, unless their name says otherwise.
    """
    found = []
    for name, value in said.items():
        meant = name in _GATHERING
        if meant and not isinstance(value, list):
            raise ResponseError(f"{name} is no set of responses; `{name} contains response if {{ ... }}` makes one")
        for item in value if isinstance(value, list) else ():
            if isinstance(item, dict) and "alertObject" in item:
                found.append(_response(name, item))
            elif meant:
                raise ResponseError(f"{name} holds what is no response: an object with alertObject is due")
    return found


def _response(name: str, item: dict[str, Any]) -> Response:
    try:
        found = msgspec.convert(item, Response)
    except msgspec.ValidationError as error:
        raise ResponseError(f"{name}: {error}") from error
    if not found.objects:
        raise ResponseError(f"{name} names no object: {found.alert_message or 'no message'}")
    return found


def evidence(response: Response, resource: Resource, others: Sequence[Resource], scope: Scope) -> Iterator[Evidence]:
    """The places in `resource` that `response` names.

    With `others` failing in the same response, a place that one of them has and `resource` has not is theirs.
    """
    message, told = response.alert_message, False
    for item in _in(response, message):
        path = _path(item.path)
        exists = bool(path) and has_path(resource.object, path)
        if item.fix is None and not exists and any(path and has_path(other.object, path) for other in others):
            continue
        told = True
        yield msgspec.structs.replace(item, exists=exists, location=resource.locate(path))
    for related in response.related_objects or ():
        beside = scope.locate(related.object)
        if beside is None:
            continue
        for item in _in(related, f"{message} ({beside.kind} {beside.name})"):
            told = True
            yield msgspec.structs.replace(item, path="", location=beside.locate(_path(item.path)), fix=None)
    if not told:
        yield Evidence(path="", exists=False, location=resource.locate(()), message=message)


def _in(places: _Places, message: str) -> Iterator[Evidence]:
    """One piece of evidence for each path, with its fix where there is one."""
    fixes = places.fix_paths if isinstance(places.fix_paths, list) else []
    values = {fix.path: _json(fix) for fix in fixes if fix.path}
    deleted = _texts(places.delete_paths)
    paths = dict.fromkeys((*_texts(places.failed_paths), *_texts(places.review_paths), *deleted, *values))
    for path in paths:
        fix = values.get(path)
        yield Evidence(path, exists=False, fix=fix, delete=path in deleted and fix is None, message=message)


def _texts(value: list[str] | str | None) -> list[str]:
    return [text for text in ([value] if isinstance(value, str) else value or ()) if text]


def _json(fix: _Fix) -> str:
    """The value as JSON: rules write every value as text, and fields of objects have types."""
    if not isinstance(fix.value, str):
        return msgspec.json.encode(fix.value).decode()
    typed = _SCALAR.fullmatch(fix.value) and not any(step in _TEXTS for step in _path(fix.path))
    return fix.value if typed else msgspec.json.encode(fix.value).decode()


def _path(text: str) -> Path:
    """The steps of a path in a response; none for text that is no path, so that the object as a whole is meant."""
    try:
        return parse_path(text)
    except ValueError:
        return ()
