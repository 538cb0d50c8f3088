"""An exception as a value: what somebody accepts, on which resources, for which controls, until when.

Values, the patterns in them and their dates; never decides what an exception covers.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from kubekeep.model.exception import AppliedException
from kubekeep.model.label_selector import LabelSelector
from kubekeep.model.location import Path

EVERYTHING: Final = "*"
"""No regular expression, but what Kubescape's own exceptions say for anything at all."""
CLUSTER: Final = "cluster"
CONTAINER: Final = "containerName"
IDENTITY: Final = "resourceID"
KIND: Final = "kind"
NAME: Final = "name"
NAMESPACE: Final = "namespace"
PATH: Final = "path"
ATTRIBUTES: Final = frozenset({CLUSTER, CONTAINER, IDENTITY, KIND, NAME, NAMESPACE, PATH})
"""The attributes that are no labels."""

_PLAIN: Final = re.compile(r"[\w\s:,/-]*")
_GLOBBED: Final = re.compile(r"[\w\s:,/.*-]*")
_GLOB: Final = re.compile(r"(?:(?<=[\w/-])|^)\*")
"""A star behind what a name may end with: as a regular expression it repeats one character."""
_CHUNK: Final = 64
"""Patterns that are matched at once: few enough for RE2 to keep within its memory."""
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d")


class FlawError(ValueError):
    """Something of an exception that means nothing, and the path to it in the exception."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.path = path


class Policy(msgspec.Struct, frozen=True):
    """One entry of `posturePolicies`: patterns, of which each that is not empty has to match.

    With `exact` they are names that mean themselves; only `*` still means anything.
    """

    framework: str = ""
    control: str = ""
    title: str = ""
    rule: str = ""
    exact: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """What it calls controls, in the order of how exact that is."""
        return tuple(filter(None, (self.control, self.title, self.rule)))


class Designator(msgspec.Struct, frozen=True):
    """One entry of `resources`: patterns by attribute, all of which have to match. `group` is an API group as it is.

    With `exact` they are names that mean themselves.
    """

    attributes: tuple[tuple[str, str], ...]
    group: str = ""
    exact: bool = False

    @property
    def patterns(self) -> tuple[tuple[str, str], ...]:
        """The attributes, each with the pattern that it has to match."""
        return tuple((key, literal(text)) for key, text in self.attributes) if self.exact else self.attributes


class PolicyException(msgspec.Struct, frozen=True, kw_only=True):
    """An exception: the waiver that reports name, and what it is for.

    It is for what one of `policies` and one of `designators` matches and both selectors take; without `policies`
    for every control, without `designators` for every resource. One with a `flaw` covers nothing; `doubts` say why one
    may cover more, or less, than was meant.
    """

    exception: AppliedException
    policies: tuple[Policy, ...] = ()
    designators: tuple[Designator, ...] = ()
    objects: LabelSelector | None = None
    """What labels an object has to have."""
    namespaces: LabelSelector | None = None
    """What labels the namespace of an object has to have."""
    home: str = ""
    """The namespace of who has made it, where it counts for that one alone: not for what is granted elsewhere."""
    flaw: str = ""
    doubts: tuple[str, ...] = ()


def expiry(text: str) -> dt.datetime:
    """The moment in RFC 3339 text; a date alone is the last second of that day, in UTC. Raises ValueError."""
    try:
        if _DATE.fullmatch(text):
            return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(23, 59, 59), dt.UTC)
        moment = msgspec.convert(text, dt.datetime)
        if moment.tzinfo is not None:
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text[:60]!r} is neither a date (2027-01-31) nor RFC 3339 (2027-01-31T12:00:00Z)")


@functools.lru_cache(maxsize=16_384)
def matches(pattern: str, value: str, *, any_case: bool = False) -> bool:
    """Whether the whole of `value` matches `pattern`, in RE2's syntax."""
    if pattern == EVERYTHING:
        return True
    if not any_case and is_plain(pattern):
        return pattern == value
    return _compiled(pattern, any_case=any_case).fullmatch(value.encode("utf-8", "replace").decode()) is not None


def check_pattern(pattern: str) -> None:
    """Raise ValueError for what is no regular expression of RE2."""
    if pattern != EVERYTHING:
        _compiled(pattern, any_case=False)


def is_plain(text: str) -> bool:
    """Whether `text` as a pattern means itself."""
    return _PLAIN.fullmatch(text) is not None


def is_glob(text: str) -> bool:
    """Whether `text` looks as if `*` in it stood for any text, as in a shell; as a pattern it means little then."""
    return text != EVERYTHING and _GLOBBED.fullmatch(text) is not None and _GLOB.search(text) is not None


def without_globs(text: str) -> str:
    """The pattern that says what `text`, which is a glob, seems to mean."""
    return _GLOB.sub(".*", text)


def literal(text: str) -> str:
    """The pattern that matches `text` alone."""
    if is_plain(text):
        return text
    import re2  # type: ignore[import-untyped]  # noqa: PLC0415 - as below

    return str(re2.escape(text))


@functools.lru_cache(maxsize=4_096)
def _compiled(pattern: str, *, any_case: bool) -> Any:
    # Only a scan with exceptions pays for loading it.
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not any_case
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options=options)
    except UnicodeEncodeError as error:
        raise ValueError(f"{pattern[:60]!r} is no text") from error
    except re2.error as error:
        said = error.args[0].decode(errors="replace")
        raise ValueError(f"{pattern[:60]!r} is no regular expression of RE2: {said}") from error


class Patterns:
    """Many patterns, matched all at once."""

    def __init__(self, patterns: Iterable[str]) -> None:
        found = set(patterns)
        self._always = tuple(found & {EVERYTHING})
        self._plain = frozenset(filter(is_plain, found))
        self._others = sorted(found - self._plain - {EVERYTHING})
        self._sets: list[tuple[Any, list[str]]] | None = None

    def matching(self, value: str) -> tuple[str, ...]:
        """Those that match the whole of `value`."""
        if self._sets is None:
            chunks = (self._others[at : at + _CHUNK] for at in range(0, len(self._others), _CHUNK))
            self._sets = [(_set_of(chunk), chunk) for chunk in chunks]
        text = value.encode("utf-8", "replace").decode()
        found = [chunk[index] for patterns, chunk in self._sets for index in patterns.Match(text) or ()]
        return (*self._always, *({value} & self._plain), *found)


def _set_of(patterns: Iterable[str]) -> Any:
    import re2  # noqa: PLC0415 - as above

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    found = re2.Set.FullMatchSet(options)
    for pattern in patterns:
        found.Add(pattern)
    found.Compile()
    return found
