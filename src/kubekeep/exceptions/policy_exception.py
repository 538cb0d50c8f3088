"""An exception as a value: the resources, the controls and the expiry of an approved deviation.

Values, patterns and dates. Never decides if an exception covers a finding.
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
from kubekeep.model.package import Package

EVERYTHING: Final = "*"
"""Kubescape's wildcard for any value; not a regular expression."""
ALL_VULNERABILITIES: Final = "known-vulnerabilities"
"""Name of all known vulnerabilities together."""
CLUSTER: Final = "cluster"
CONTAINER: Final = "containerName"
IDENTITY: Final = "resourceID"
KIND: Final = "kind"
NAME: Final = "name"
NAMESPACE: Final = "namespace"
PATH: Final = "path"
IMAGE_PARTS: Final = ("registry", "organization", "imageName", "imageTag")
"""Attributes of Kubescape's exceptions for images."""
IMAGE_PREFIX: Final = "image:"
"""Beginning of an attribute that is a part of an image's name; no label has a colon in its key."""
ATTRIBUTES: Final = frozenset({CLUSTER, CONTAINER, IDENTITY, KIND, NAME, NAMESPACE, PATH})
"""The designator attributes that are not labels."""

_PLAIN: Final = r"[\w\s:,/-]*"
_GLOBBED: Final = r"[\w\s:,/.*-]*"
_GLOB: Final = r"(?:(?<=[\w/-])|^)\*"
"""A star after a character that may end a name: in a regular expression it repeats that character."""
_CHUNK: Final = 64
"""Patterns compiled into one set: few enough for RE2's memory limit."""
_DATE: Final = r"\d{4}-\d\d-\d\d"
_VULNERABILITY: Final = (
    r"(?i)(?:ALAS2?|ALBA|ALEA|ALSA|AZL|BIT|CGA|CVE|DLA|DSA|DTSA|EEF|ELSA|GHSA|GO|HSEC|MAL|MGASA|OESA|OSV|PSF|PYSEC|RHBA"
    r"|RHEA|RHSA|RLSA|RSEC|RUSTSEC|RXSA|TEMP|USN|(?:open)?SUSE-[A-Z]U)[-:]"
)
"""Beginning of the name of a vulnerability."""


class InvalidExceptionError(ValueError):
    """An invalid part of an exception. path: its position in the exception."""

    def __init__(self, message: str, path: Path = ()) -> None:
        super().__init__(message)
        self.path = path


class PosturePolicy(msgspec.Struct, frozen=True):
    """An entry of `posturePolicies`: each pattern that is not empty has to match.

    exact: the texts are names, not patterns; only `*` matches anything. severity: only controls of this severity, as in
    reports, in any case.
    """

    framework: str = ""
    control: str = ""
    title: str = ""
    rule: str = ""
    severity: str = ""
    exact: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the controls, the most exact first."""
        return tuple(filter(None, (self.control, self.title, self.rule)))


class Designator(msgspec.Struct, frozen=True):
    """An entry of `resources`: a pattern by attribute, all of which have to match. group: API group, literally.

    exact: the texts are names, not patterns.
    """

    attributes: tuple[tuple[str, str], ...]
    group: str = ""
    exact: bool = False

    @property
    def patterns(self) -> tuple[tuple[str, str], ...]:
        """The attributes with their patterns."""
        return tuple((key, escape_pattern(text)) for key, text in self.attributes) if self.exact else self.attributes


class PackageSelector(msgspec.Struct, frozen=True):
    """An entry of `packages`: each condition has to match.

    purl: a package URL; parts that it does not have match anything. patterns: by key, matching the whole text: the type
    of the package URL, the name, the version, and the file that proves the package, without a leading slash.
    """

    purl: Package | None = None
    patterns: tuple[tuple[str, str], ...] = ()


class PolicyException(msgspec.Struct, frozen=True, kw_only=True):
    """An exception: its description in reports and its scope.

    Covers findings that match one of `policies`, one of `designators`, both selectors and `exposed`. No policies: every control.
    No designators: every resource. An exception with a `flaw` covers nothing; `doubts` are reasons for a scope that may
    be wider or narrower than intended.
    """

    exception: AppliedException
    policies: tuple[PosturePolicy, ...] = ()
    designators: tuple[Designator, ...] = ()
    objects: LabelSelector | None = None
    """Selector for the labels of the object."""
    namespaces: LabelSelector | None = None
    """Selector for the labels of the object's namespace."""
    packages: tuple[PackageSelector, ...] = ()
    """If there are any, only findings about a package that one of them selects are covered."""
    unread: tuple[str, ...] = ()
    """Patterns of files in images that may stay unread; such an exception covers no finding."""
    exposed: bool | None = None
    """True for subjects that are reachable from outside only, False for those that surely are not; None for both."""
    home: str = ""
    """Namespace of the exception object, if its scope ends there: it does not cover grants in other namespaces."""
    flaw: str = ""
    doubts: tuple[str, ...] = ()
    is_about_files: bool = False
    """True if the exception accepts unread files, also one with a flaw."""


def parse_expiry(text: str) -> dt.datetime:
    """Parse an RFC 3339 time; a date alone means the last second of that day in UTC. Raises ValueError."""
    try:
        if re.fullmatch(_DATE, text):
            return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(23, 59, 59), dt.UTC)
        moment = msgspec.convert(text, dt.datetime)
        if moment.tzinfo is not None:
            return moment.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"{text[:60]!r} is neither a date (2027-01-31) nor RFC 3339 (2027-01-31T12:00:00Z)")


@functools.lru_cache(maxsize=16_384)
def matches(pattern: str, value: str, *, any_case: bool = False) -> bool:
    """Return True if pattern matches the whole of value, in RE2 syntax."""
    if pattern == EVERYTHING:
        return True
    if not any_case and is_plain(pattern):
        return pattern == value
    return _compile(pattern, any_case=any_case).fullmatch(value.encode("utf-8", "replace").decode()) is not None


def check_pattern(pattern: str) -> None:
    """Raises ValueError if pattern is not a valid RE2 expression."""
    if pattern != EVERYTHING:
        _compile(pattern, any_case=False)


def names_vulnerability(text: str) -> bool:
    """Return True for names of vulnerabilities, which are controls only while a package of the scan has them."""
    return text == ALL_VULNERABILITIES or re.match(_VULNERABILITY, text) is not None


def is_plain(text: str) -> bool:
    """Return True if text as a pattern matches only itself."""
    return re.fullmatch(_PLAIN, text) is not None


def is_glob(text: str) -> bool:
    """Return True if text looks like a shell glob; as a regular expression it would match very little."""
    return text != EVERYTHING and re.fullmatch(_GLOBBED, text) is not None and re.search(_GLOB, text) is not None


def convert_glob(text: str) -> str:
    """Convert a glob to the equivalent pattern."""
    return re.sub(_GLOB, ".*", text)


def escape_pattern(text: str) -> str:
    """Return the pattern that matches only text."""
    if is_plain(text):
        return text
    import re2  # type: ignore[import-untyped]  # noqa: PLC0415 - as below

    return str(re2.escape(text))


@functools.lru_cache(maxsize=4_096)
def _compile(pattern: str, *, any_case: bool) -> Any:
    # Imported lazily: only scans with exceptions need RE2.
    import re2  # noqa: PLC0415

    options = re2.Options()
    options.log_errors = False
    options.case_sensitive = not any_case
    options.max_mem = 1 << 20
    try:
        return re2.compile(pattern, options=options)
    except UnicodeEncodeError as error:
        raise ValueError(f"{pattern[:60]!r} is not text") from error
    except re2.error as error:
        message = error.args[0].decode(errors="replace")
        raise ValueError(f"{pattern[:60]!r} is not a regular expression of RE2: {message}") from error


class Patterns:
    """Many patterns, matched in one pass."""

    def __init__(self, patterns: Iterable[str]) -> None:
        unique = set(patterns)
        self._always = tuple(unique & {EVERYTHING})
        self._plain = frozenset(filter(is_plain, unique))
        self._others = sorted(unique - self._plain - {EVERYTHING})
        self._sets: list[tuple[Any, list[str]]] | None = None

    def find_matching(self, value: str) -> tuple[str, ...]:
        """Return the patterns that match the whole of value."""
        if self._sets is None:
            chunks = (self._others[at : at + _CHUNK] for at in range(0, len(self._others), _CHUNK))
            self._sets = [(_compile_set(chunk), chunk) for chunk in chunks]
        text = value.encode("utf-8", "replace").decode()
        matched = [chunk[index] for patterns, chunk in self._sets for index in patterns.Match(text) or ()]
        return (*self._always, *({value} & self._plain), *matched)


def _compile_set(patterns: Iterable[str]) -> Any:
    import re2  # noqa: PLC0415 - as above

    options = re2.Options()
    options.log_errors = False
    options.max_mem = 64 << 20
    pattern_set = re2.Set.FullMatchSet(options)
    for pattern in patterns:
        pattern_set.Add(pattern)
    pattern_set.Compile()
    return pattern_set
