"""Named formats and semantic versions of the Kubernetes CEL libraries. Only validates and compares text."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable
from typing import Any, Final

from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.network import Url
from kubekeep.engine.cel.values import EMPTY_OPTIONAL, CelError, OpaqueValue, OptionalValue

FORMATS: Final = FunctionRegistry()

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_VALUE: Final = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_ERROR: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character"
)
_SUBDOMAIN_ERROR: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)
_LABEL_1035_ERROR: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_VALUE_ERROR: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)
_NAME_ERROR: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character"
)
_UUID: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_TIME: Final = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))", re.ASCII)

Validator = Callable[[str], list[str]]


def _match_pattern(
    expression: str, max_length: int, error_text: str, examples: tuple[str, ...], *, prefix: bool = False
) -> Validator:
    compiled = re.compile(expression, re.ASCII)
    example_text = " or ".join(f"'{example}', " for example in examples)

    def check(text: str) -> list[str]:
        # A prefix may end in a dash because more characters follow.
        text = text[:-2] + "a" if prefix and len(text) > 1 and text.endswith("-") else text
        problems = [] if len(text) <= max_length else [f"must be no more than {max_length} bytes"]
        if len(text) <= max_length and not compiled.fullmatch(text):
            problems.append(f"{error_text} (e.g. {example_text}regex used for validation is '{expression}')")
        return problems

    return check


_DOMAIN: Final = _match_pattern(_SUBDOMAIN, 253, _SUBDOMAIN_ERROR, ("example.com",))
_PART: Final = _match_pattern(_NAME, 63, _NAME_ERROR, ("MyName", "my.name", "123-abc"))


def _validate_qualified_name(text: str) -> list[str]:
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return [f"a qualified name must consist of a name, optionally with a DNS prefix ('{_NAME}')"]
    problems = [] if not slash else ["prefix part must be non-empty"] if not prefix else _DOMAIN(prefix)
    return [*problems, *(_PART(name) if name else ["name part must be non-empty"])]


def _wrap_predicate(valid: Callable[[str], object], error_text: str) -> Validator:
    def check(text: str) -> list[str]:
        try:
            return [] if valid(text) else [error_text]
        except (ValueError, CelError, binascii.Error) as error:
            return [error_text or str(error)]

    return check


def _is_base64(text: str) -> bool:
    base64.b64decode(text, validate=True)
    return bool(text)


def _is_date(text: str) -> bool:
    return re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII) is not None and bool(dt.date.fromisoformat(text))


def _is_time(hours: int, minutes: int, seconds: int) -> bool:
    return hours < 24 and minutes < 60 and seconds < 60


def _is_datetime(text: str) -> bool:
    date, letter, time = text.lower().partition("t")
    match = _TIME.fullmatch(time)
    return bool(letter) and _is_date(date) and match is not None and _is_time(*map(int, match.groups()[:3]))


_DNS_LABEL: Final = (_LABEL, 63, _LABEL_ERROR, ("my-name", "123-abc"))
_DNS_NAME: Final = (_SUBDOMAIN, 253, _SUBDOMAIN_ERROR, ("example.com",))
_DNS_1035: Final = (_LABEL_1035, 63, _LABEL_1035_ERROR, ("my-name", "abc-123"))
_FORMATS: Final[dict[str, Validator]] = {
    "dns1123Label": _match_pattern(*_DNS_LABEL),
    "dns1123Subdomain": _match_pattern(*_DNS_NAME),
    "dns1035Label": _match_pattern(*_DNS_1035),
    "qualifiedName": _validate_qualified_name,
    "dns1123LabelPrefix": _match_pattern(*_DNS_LABEL, prefix=True),
    "dns1123SubdomainPrefix": _match_pattern(*_DNS_NAME, prefix=True),
    "dns1035LabelPrefix": _match_pattern(*_DNS_1035, prefix=True),
    "labelValue": _match_pattern(_VALUE, 63, _VALUE_ERROR, ("MyValue", "my_value", "12345")),
    "uri": _wrap_predicate(Url, ""),
    "uuid": _wrap_predicate(_UUID.fullmatch, "does not match the UUID format"),
    "byte": _wrap_predicate(_is_base64, "invalid base64"),
    "date": _wrap_predicate(_is_date, "invalid date"),
    "datetime": _wrap_predicate(_is_datetime, "invalid datetime"),
}


class NamedFormat(OpaqueValue):
    """A named format such as `dns1123Label`."""

    __slots__ = ("name",)
    type_name = "kubernetes.NamedFormat"

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NamedFormat) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def _return_format(named_format: NamedFormat) -> Callable[[], NamedFormat]:
    return lambda: named_format


for _name in _FORMATS:
    FORMATS.function(f"format.{_name}", "-> kubernetes.NamedFormat")(_return_format(NamedFormat(_name)))


@FORMATS.function("format.named", "string -> optional_type(kubernetes.NamedFormat)")
def _find_format(name: str) -> OptionalValue:
    return OptionalValue(is_present=True, value=NamedFormat(name)) if name in _FORMATS else EMPTY_OPTIONAL


@FORMATS.member("validate", "kubernetes.NamedFormat, string -> optional_type(list(string))")
def _validate(named_format: NamedFormat, text: str) -> OptionalValue:
    problems = _FORMATS[named_format.name](text)
    return OptionalValue(is_present=True, value=problems) if problems else EMPTY_OPTIONAL


_VERSION_PART: Final = r"(?:0|[1-9]\d*|\d*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = re.compile(
    rf"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-({_VERSION_PART}(?:\.{_VERSION_PART})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
    re.ASCII,
)
_NUMBER_MAX: Final = 2**64


class SemanticVersion(OpaqueValue):
    """A semantic version (semver.org); build metadata is ignored. `order` is the sort key."""

    __slots__ = ("numbers", "order")
    type_name = "kubernetes.Semver"

    def __init__(self, text: str) -> None:
        """Parse a version. Raises CelError."""
        match = _VERSION.fullmatch(text) if len(text) < 1000 else None
        if match is None:
            problem = "No Major.Minor.Patch elements found" if text.count(".") < 2 else "Invalid character(s) found"
            raise CelError(problem if text else "Version string empty")
        self.numbers = tuple(map(int, match.groups()[:3]))
        if max(self.numbers) >= _NUMBER_MAX:
            raise CelError("value out of range")
        # Numbers sort before words, and a version without prerelease after all its prereleases.
        parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in (match[4] or "").split(".") if part]
        self.order: Any = (self.numbers, not parts, parts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SemanticVersion) and self.order == other.order

    def __hash__(self) -> int:
        return hash(self.numbers)


@FORMATS.function("semver", "string -> kubernetes.Semver", "string, bool -> kubernetes.Semver")
def _parse_version(text: str, normalize: bool = False) -> SemanticVersion:  # noqa: FBT001, FBT002 - an argument of the language
    return SemanticVersion(_normalise(text) if normalize else text)


def _normalise(text: str) -> str:
    """Normalise to three numbers without a `v` prefix and leading zeros."""
    parts = text.removeprefix("v").split(".", 2)
    for index, part in enumerate(parts):
        bare = part.lstrip("0")
        if len(part) > 1:
            parts[index] = bare if bare[:1].isdigit() else f"0{bare}"
    if len(parts) < 3 and re.search("[+-]", parts[-1]):
        raise CelError("short version cannot contain PreRelease/Build meta data")
    return ".".join([*parts, "0", "0"][:3])


@FORMATS.function("isSemver", "string -> bool", "string, bool -> bool")
def _is_version(text: str, normalize: bool = False) -> bool:  # noqa: FBT001, FBT002 - an argument of the language
    try:
        _parse_version(text, normalize)
    except CelError:
        return False
    return True


_VERSION_PAIR: Final = "kubernetes.Semver, kubernetes.Semver -> "
FORMATS.member("isGreaterThan", _VERSION_PAIR + "bool")(lambda a, b: a.order > b.order)
FORMATS.member("isLessThan", _VERSION_PAIR + "bool")(lambda a, b: a.order < b.order)
FORMATS.member("compareTo", _VERSION_PAIR + "int")(lambda a, b: (a.order > b.order) - (a.order < b.order))
FORMATS.member("major", "kubernetes.Semver -> int")(lambda version: version.numbers[0])
FORMATS.member("minor", "kubernetes.Semver -> int")(lambda version: version.numbers[1])
FORMATS.member("patch", "kubernetes.Semver -> int")(lambda version: version.numbers[2])
