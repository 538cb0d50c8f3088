"""Exceptions in the annotations of a resource or its pod template. Never evaluates controls.

`kubescape.io/skip-controls` names controls; `skip-reason` and `skip-expiry` give reason and expiry. `kubekeep.io/`
works in the same way. `kubescape.io/ignore`, a label or an annotation, is Kubescape's exception for a whole object.

An expiry anywhere on the object applies to all its exceptions; the earliest one counts. A key that resembles one of
these is reported; if it may be an expiry, nothing is covered.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.exceptions.policy_exception import PolicyException, PosturePolicy, parse_expiry
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Path
from kubekeep.model.secret_text import mask_text
from kubekeep.model.similar_names import find_similar
from kubekeep.model.subject import Subject
from kubekeep.model.text import json_text
from kubekeep.model.workload import pod_path, value_at_or

PREFIXES: Final = ("kubekeep.io/", "kubescape.io/")
CONTROLS: Final = "skip-controls"
REASON: Final = "skip-reason"
EXPIRY: Final = "skip-expiry"
IGNORE: Final = "ignore"
_METADATA: Final[Path] = ("metadata",)
_ON: Final = frozenset({"true", "yes", "1", "enable", "enabled"})
_OFF: Final = frozenset({"false", "no", "0", "disable", "disabled", ""})
_ALL: Final = "*"
_FIELDS: Final = ("annotations", "labels")
_FIELDS_OF: Final = {CONTROLS: _FIELDS[:1], REASON: _FIELDS[:1], EXPIRY: _FIELDS[:1], IGNORE: _FIELDS}
"""The fields that may hold each key."""
_OURS: Final = r"(?i)kube\W?(?:keep|scape)"
_SKIP: Final = r"(?i)\W*skip"
_END: Final = r"(?i)expir|until|deadline|end\W?date|valid\W?to"
_DATE: Final = r"\d{4}-\d\d?-\d\d?"
_OPTION: Final = r"(?i)=|\b(?:until|till?|expir\w*)\b"
_HINTS: Final = ("skip", "keep", "scape")
"""Substrings of every key of ours or similar to one of ours."""
_CUTOFF: Final = 0.8


def find_annotated_exceptions(resource: Subject) -> Iterator[PolicyException]:
    """Yield the exceptions of a resource, each for itself alone. A key that only resembles an exception has a flaw."""
    counting = _list_effective_paths(resource)
    metadata = {
        path: mapping
        for path in _list_paths(counting)
        if (mapping := as_mapping(value_at_or(resource.object, path, None)))
    }
    keys = " ".join(
        str(key) for mapping in metadata.values() for field in _FIELDS for key in _get_texts(mapping, field)
    )
    # Nearly all objects have no exceptions, and every object is checked.
    lowered = keys.casefold()
    return (
        _MetadataExceptions(resource, counting, metadata).policy_exceptions()
        if any(hint in lowered for hint in _HINTS)
        else iter(())
    )


class _SuspiciousKey(msgspec.Struct, frozen=True):
    """A key that resembles one of an exception, its path, and the problem."""

    at: Path
    text: str
    may_end: bool
    """True if the key may be intended as the expiry."""


class _MetadataExceptions:
    """The exceptions in the metadata of one resource."""

    def __init__(
        self, resource: Subject, counting: tuple[Path, ...], metadata: Mapping[Path, Mapping[str, Any]]
    ) -> None:
        """metadata: mappings that users may put exceptions in, by path. counting: the paths with effect."""
        self._resource = resource
        self._counting = counting
        self._metadata = metadata
        self._suspicious = list(self._find_suspicious())
        self._flaw = next((key.text for key in self._suspicious if key.may_end), "")
        self._expires: dt.datetime | None = None
        for prefix in PREFIXES:
            for texts in self._all_annotations():
                self._note_expiry(f"{prefix}{EXPIRY}", texts)

    def policy_exceptions(self) -> Iterator[PolicyException]:
        """Yield the exceptions in document order, then the keys that only resemble one."""
        for path in filter(self._metadata.__contains__, self._counting):
            annotations = self._get_texts(path, "annotations")
            for prefix in PREFIXES:
                key = f"{prefix}{CONTROLS}"
                if key in annotations:
                    yield self._parse_controls((*path, "annotations", key), annotations[key])
                ignore = f"{prefix}{IGNORE}"
                for field in _FIELDS:
                    if str(self._get_texts(path, field).get(ignore, "")).casefold() in _ON:
                        yield self._policy_exception((*path, field, ignore))
        for suspicious in self._suspicious:
            yield self._policy_exception(suspicious.at, flaw=suspicious.text)

    def _parse_controls(self, at: Path, value: Any) -> PolicyException:
        key = at[-1]
        names = [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else []
        option = next((name for name in names if re.search(_OPTION, name) or re.search(_DATE, name)), None)
        flaw = ""
        if not names:
            flaw = f"{key} names no control"
        elif _ALL in names:
            flaw = f"{key} must name the controls"
        elif option is not None:
            flaw = f"{key} must contain only controls, not {option[:60]!r}: set the expiry in {EXPIRY}"
        return self._policy_exception(at, tuple(PosturePolicy(control=name, exact=True) for name in names), flaw)

    def _policy_exception(self, at: Path, policies: tuple[PosturePolicy, ...] = (), flaw: str = "") -> PolicyException:
        """Return the exception at a path, with its reason and expiry."""
        resource = self._resource
        name = f"{at[-1]} of {'/'.join(filter(None, (resource.namespace, resource.kind, resource.name)))}"
        # The prefixes may be mixed, and the reason may be on the object while the controls are on its pods.
        keys = [f"{prefix}{part}" for part in (CONTROLS, REASON, EXPIRY) for prefix in PREFIXES]
        nearest = [self._get_texts(at[:-2], "annotations"), *self._all_annotations()]
        text = {key: texts[key] for key in keys for texts in reversed(nearest) if key in texts}
        text |= {key: mask_text(str(text[key])) for key in keys[2:4] if key in text}
        reasons = [str(text[key]) for key in keys[2:4] if key in text]
        return PolicyException(
            exception=AppliedException(
                name=name,
                source=ExceptionSource.ANNOTATION,
                reason=next(iter(reasons), ""),
                expires=self._expires,
                location=resource.locate(at),
                text=json_text({"name": name, "attributes": text}),
            ),
            policies=policies,
            flaw=flaw or self._flaw,
        )

    def _note_expiry(self, key: str, annotations: Mapping[str, Any]) -> None:
        """Use the earliest expiry; an unreadable one leaves nothing covered."""
        if key not in annotations:
            return
        try:
            moment = parse_expiry(str(annotations[key]))
        except ValueError as error:
            self._flaw = self._flaw or f"{key}: {error}"
        else:
            self._expires = moment if self._expires is None else min(self._expires, moment)

    def _find_suspicious(self) -> Iterator[_SuspiciousKey]:
        for path in self._metadata:
            for field in _FIELDS:
                for key, value in self._get_texts(path, field).items():
                    problem = _check_key(key, value, field, counts=path in self._counting)
                    if problem is not None:
                        yield _SuspiciousKey((*path, field, key), problem[0], may_end=problem[1])

    def _all_annotations(self) -> list[Mapping[str, Any]]:
        return [self._get_texts(path, "annotations") for path in self._metadata]

    def _get_texts(self, path: Path, field: str) -> Mapping[str, Any]:
        return _get_texts(self._metadata[path], field)


def _list_effective_paths(resource: Subject) -> tuple[Path, ...]:
    """Return the paths of the metadata with effect: of the object and of its pods."""
    pod = pod_path(resource)
    return (_METADATA, *([(*pod, *_METADATA)] if pod else ()))


@functools.lru_cache(maxsize=64)
def _list_paths(counting: tuple[Path, ...]) -> tuple[Path, ...]:
    """Return all metadata paths that may hold exceptions, also those in between, as of a CronJob's job template."""
    pod = counting[-1][:-1]
    between = tuple((*pod[:length], *_METADATA) for length in range(1, len(pod)) if pod[length - 1] != "spec")
    return (*counting, *between)


def _get_texts(metadata: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    return as_mapping(metadata.get(field))


def _check_key(key: str, value: Any, field: str, *, counts: bool) -> tuple[str, bool] | None:
    """Return the problem of a key that resembles one of an exception, and if the key may be the expiry."""
    prefix, _, name = key.rpartition("/")
    if f"{prefix}/" in PREFIXES and name in _FIELDS_OF:
        return _check_known_key(key, name, value, field, counts=counts)
    bare = name.casefold().replace("_", "-")
    if not prefix:
        return (f"{key} needs a prefix: {PREFIXES[1]}{key}", bare == EXPIRY) if bare in {CONTROLS, EXPIRY} else None
    is_skip = re.match(_SKIP, name) is not None
    if not (re.search(_OURS, prefix) or (is_skip and find_similar(f"{prefix}/", PREFIXES, cutoff=_CUTOFF))):
        return None
    similar = find_similar(bare, _FIELDS_OF, cutoff=_CUTOFF)
    is_end = similar == EXPIRY or re.search(_END, name) is not None
    if not (similar or is_skip or is_end):
        return None
    is_day = isinstance(value, str) and re.match(_DATE, value) is not None
    known = ", ".join(f"{PREFIXES[1]}{part}" for part in _FIELDS_OF)
    return f"{key} is unknown; known annotations: {known}", is_end or is_day or not similar


def _check_known_key(key: str, name: str, value: Any, field: str, *, counts: bool) -> tuple[str, bool] | None:
    """Return the same for a known key: it may be in a place without effect, or have a value that is no boolean."""
    if field not in _FIELDS_OF[name]:
        return f"{key} must be an annotation, not a label", name == EXPIRY
    # An expiry has effect anywhere on the object.
    if not counts and name != EXPIRY:
        return f"{key} has an effect only on the object and its pod template", False
    if name == IGNORE and str(value).casefold() not in _ON | _OFF:
        return f"{key}: {str(value)[:60]!r} is neither 'true' nor 'false'", False
    return None
