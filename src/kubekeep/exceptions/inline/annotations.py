"""Exceptions that stand beside the resource, as annotations of the object or its pods. Never decides what has failed.

`kubescape.io/skip-controls` names controls, `skip-reason` and `skip-expiry` say why and until when; the same with
`kubekeep.io/`. `kubescape.io/ignore`, a label or an annotation, is Kubescape's own exception for a whole object.

Wherever an expiry stands on the object, it counts for all its exceptions, and the earliest one ends them. A key that
looks like one of these and is none is told; while it could be the expiry, nothing is covered.
"""

from __future__ import annotations

import datetime as dt
import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.exceptions.policy_exception import Policy, PolicyException, expiry
from kubekeep.model.exception import AppliedException, ExceptionSource
from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Path
from kubekeep.model.resource import Resource
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
_PLACES: Final = {CONTROLS: _FIELDS[:1], REASON: _FIELDS[:1], EXPIRY: _FIELDS[:1], IGNORE: _FIELDS}
"""Where each key is read."""
_OURS: Final = re.compile(r"kube\W?(?:keep|scape)", re.IGNORECASE)
_SKIP: Final = re.compile(r"\W*skip", re.IGNORECASE)
_END: Final = re.compile(r"expir|until|deadline|end\W?date|valid\W?to", re.IGNORECASE)
_DATE: Final = re.compile(r"\d{4}-\d\d?-\d\d?")
_OPTION: Final = re.compile(r"=|\b(?:until|till?|expir\w*)\b", re.IGNORECASE)
_HINTS: Final = ("skip", "keep", "scape")
"""One of these is in every key that is ours or looks like it."""
_ALIKE: Final = 0.8


def annotated_exceptions(resource: Resource) -> Iterator[PolicyException]:
    """The exceptions that `resource` carries, each for itself alone; what only looks like one has a flaw."""
    counting = _counting(resource)
    metadata = {
        place: found for place in _places(counting) if (found := as_mapping(value_at_or(resource.object, place, None)))
    }
    keys = " ".join(str(key) for found in metadata.values() for field in _FIELDS for key in _texts(found, field))
    # Nearly all objects say nothing of exceptions, and every one is asked.
    said = keys.casefold()
    return (
        _Beside(resource, counting, metadata).policy_exceptions() if any(hint in said for hint in _HINTS) else iter(())
    )


class _Strange(msgspec.Struct, frozen=True):
    """A key that looks like one of an exception, where it stands, and what is wrong with it."""

    at: Path
    text: str
    may_end: bool
    """Whether it may have been meant to be the expiry."""


class _Beside:
    """What the metadata of one resource says of exceptions."""

    def __init__(
        self, resource: Resource, counting: tuple[Path, ...], metadata: Mapping[Path, Mapping[str, Any]]
    ) -> None:
        """`metadata` is all that people may write exceptions into, `counting` where in it they count."""
        self._resource = resource
        self._counting = counting
        self._metadata = metadata
        self._strange = list(self._found_strange())
        self._flaw = next((item.text for item in self._strange if item.may_end), "")
        self._expires: dt.datetime | None = None
        for prefix in PREFIXES:
            for said in self._all_annotations():
                self._note_expiry(f"{prefix}{EXPIRY}", said)

    def policy_exceptions(self) -> Iterator[PolicyException]:
        """The exceptions in the order in which they stand, then what only looks like one."""
        for place in filter(self._metadata.__contains__, self._counting):
            said = self._texts(place, "annotations")
            for prefix in PREFIXES:
                key = f"{prefix}{CONTROLS}"
                if key in said:
                    yield self._skipped((*place, "annotations", key), said[key])
                ignore = f"{prefix}{IGNORE}"
                for field in _FIELDS:
                    if str(self._texts(place, field).get(ignore, "")).casefold() in _ON:
                        yield self._policy_exception((*place, field, ignore))
        for item in self._strange:
            yield self._policy_exception(item.at, flaw=item.text)

    def _skipped(self, at: Path, said: Any) -> PolicyException:
        key = at[-1]
        names = [name.strip() for name in said.split(",") if name.strip()] if isinstance(said, str) else []
        option = next((name for name in names if _OPTION.search(name) or _DATE.search(name)), None)
        flaw = ""
        if not names:
            flaw = f"{key} names no control"
        elif _ALL in names:
            flaw = f"{key} has to name the controls"
        elif option is not None:
            flaw = f"{key} holds controls and nothing else, not {option[:60]!r}: the day goes into {EXPIRY}"
        return self._policy_exception(at, tuple(Policy(control=name, exact=True) for name in names), flaw)

    def _policy_exception(self, at: Path, policies: tuple[Policy, ...] = (), flaw: str = "") -> PolicyException:
        """An exception that stands at `at`, with the reason beside it and the expiry."""
        resource = self._resource
        name = f"{at[-1]} of {'/'.join(filter(None, (resource.namespace, resource.kind, resource.name)))}"
        # The prefixes may be mixed, and the reason may stand on the object where the controls stand on its pods.
        keys = [f"{prefix}{part}" for part in (CONTROLS, REASON, EXPIRY) for prefix in PREFIXES]
        nearest = [self._texts(at[:-2], "annotations"), *self._all_annotations()]
        text = {key: said[key] for key in keys for said in reversed(nearest) if key in said}
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

    def _note_expiry(self, key: str, said: Mapping[str, Any]) -> None:
        """The earliest expiry counts, and one that cannot be read leaves nothing covered."""
        if key not in said:
            return
        try:
            moment = expiry(str(said[key]))
        except ValueError as error:
            self._flaw = self._flaw or f"{key}: {error}"
        else:
            self._expires = moment if self._expires is None else min(self._expires, moment)

    def _found_strange(self) -> Iterator[_Strange]:
        for place in self._metadata:
            for field in _FIELDS:
                for key, value in self._texts(place, field).items():
                    found = _strange(key, value, field, counts=place in self._counting)
                    if found is not None:
                        yield _Strange((*place, field, key), found[0], may_end=found[1])

    def _all_annotations(self) -> list[Mapping[str, Any]]:
        return [self._texts(place, "annotations") for place in self._metadata]

    def _texts(self, place: Path, field: str) -> Mapping[str, Any]:
        return _texts(self._metadata[place], field)


def _counting(resource: Resource) -> tuple[Path, ...]:
    """The metadata that exceptions count in: the object's and its pods'."""
    pod = pod_path(resource)
    return (_METADATA, *([(*pod, *_METADATA)] if pod else ()))


def _places(counting: tuple[Path, ...]) -> tuple[Path, ...]:
    """The metadata that people may write exceptions into: also what is between, as that of a CronJob's jobs."""
    pod = counting[-1][:-1]
    between = tuple((*pod[:length], *_METADATA) for length in range(1, len(pod)) if pod[length - 1] != "spec")
    return (*counting, *between)


def _texts(metadata: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    return as_mapping(metadata.get(field))


def _strange(key: str, value: Any, field: str, *, counts: bool) -> tuple[str, bool] | None:
    """What is wrong with a key that looks like one of an exception, and whether it may be meant as the expiry."""
    prefix, _, name = key.rpartition("/")
    if f"{prefix}/" in PREFIXES and name in _PLACES:
        return _misplaced(key, name, value, field, counts=counts)
    bare = name.casefold().replace("_", "-")
    if not prefix:
        return (f"{key} needs a prefix: {PREFIXES[1]}{key}", bare == EXPIRY) if bare in {CONTROLS, EXPIRY} else None
    is_skip = _SKIP.match(name) is not None
    if not (_OURS.search(prefix) or (is_skip and difflib.get_close_matches(f"{prefix}/", PREFIXES, 1, _ALIKE))):
        return None
    alike = next(iter(difflib.get_close_matches(bare, _PLACES, 1, _ALIKE)), "")
    is_end = alike == EXPIRY or _END.search(name) is not None
    if not (alike or is_skip or is_end):
        return None
    is_day = isinstance(value, str) and _DATE.match(value) is not None
    known = ", ".join(f"{PREFIXES[1]}{part}" for part in _PLACES)
    return f"{key} is not known: {known} are", is_end or is_day or not alike


def _misplaced(key: str, name: str, value: Any, field: str, *, counts: bool) -> tuple[str, bool] | None:
    """The same of a key that is known: it may stand where it does not count, or say neither yes nor no."""
    if field not in _PLACES[name]:
        return f"{key} has to be an annotation, not a label", name == EXPIRY
    # An expiry counts wherever it stands.
    if not counts and name != EXPIRY:
        return f"{key} counts on the object and on its pods alone", False
    if name == IGNORE and str(value).casefold() not in _ON | _OFF:
        return f"{key}: {str(value)[:60]!r} is neither 'true' nor 'false'", False
    return None
