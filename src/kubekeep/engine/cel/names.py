"""Named formats of the Kubernetes library, and versions. Never says more than whether text keeps to its format."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
from collections.abc import Callable
from typing import Final

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.urls import Url
from kubekeep.engine.cel.values import NONE, CelError, Opaque, Optional

NAMES: Final = Functions()

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_VALUE: Final = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_SAYS: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character"
)
_SUBDOMAIN_SAYS: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric character"
)
_LABEL_1035_SAYS: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character"
)
_VALUE_SAYS: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and "
    "end with an alphanumeric character"
)
_NAME_SAYS: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character"
)
_UUID: Final = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
_TIME: Final = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))", re.ASCII)

Check = Callable[[str], list[str]]


def _like(expression: str, longest: int, says: str, examples: tuple[str, ...], *, prefix: bool = False) -> Check:
    compiled = re.compile(expression, re.ASCII)
    shown = " or ".join(f"'{example}', " for example in examples)

    def check(text: str) -> list[str]:
        # The end of a prefix may be a dash, because something follows.
        text = text[:-2] + "a" if prefix and len(text) > 1 and text.endswith("-") else text
        found = [] if len(text) <= longest else [f"must be no more than {longest} bytes"]
        if len(text) <= longest and not compiled.fullmatch(text):
            found.append(f"{says} (e.g. {shown}regex used for validation is '{expression}')")
        return found

    return check


_DOMAIN: Final = _like(_SUBDOMAIN, 253, _SUBDOMAIN_SAYS, ("example.com",))
_PART: Final = _like(_NAME, 63, _NAME_SAYS, ("MyName", "my.name", "123-abc"))


def _qualified(text: str) -> list[str]:
    prefix, slash, name = text.rpartition("/")
    if "/" in prefix:
        return [f"a qualified name must consist of a name, optionally with a DNS prefix ('{_NAME}')"]
    found = [] if not slash else ["prefix part must be non-empty"] if not prefix else _DOMAIN(prefix)
    return [*found, *(_PART(name) if name else ["name part must be non-empty"])]


def _checked(valid: Callable[[str], object], says: str) -> Check:
    def check(text: str) -> list[str]:
        try:
            return [] if valid(text) else [says]
        except (ValueError, CelError, binascii.Error) as error:
            return [says or str(error)]

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


_DNS_LABEL: Final = (_LABEL, 63, _LABEL_SAYS, ("my-name", "123-abc"))
_DNS_NAME: Final = (_SUBDOMAIN, 253, _SUBDOMAIN_SAYS, ("example.com",))
_DNS_1035: Final = (_LABEL_1035, 63, _LABEL_1035_SAYS, ("my-name", "abc-123"))
_FORMATS: Final[dict[str, Check]] = {
    "dns1123Label": _like(*_DNS_LABEL),
    "dns1123Subdomain": _like(*_DNS_NAME),
    "dns1035Label": _like(*_DNS_1035),
    "qualifiedName": _qualified,
    "dns1123LabelPrefix": _like(*_DNS_LABEL, prefix=True),
    "dns1123SubdomainPrefix": _like(*_DNS_NAME, prefix=True),
    "dns1035LabelPrefix": _like(*_DNS_1035, prefix=True),
    "labelValue": _like(_VALUE, 63, _VALUE_SAYS, ("MyValue", "my_value", "12345")),
    "uri": _checked(Url, ""),
    "uuid": _checked(_UUID.fullmatch, "does not match the UUID format"),
    "byte": _checked(_is_base64, "invalid base64"),
    "date": _checked(_is_date, "invalid date"),
    "datetime": _checked(_is_datetime, "invalid datetime"),
}


class Format(Opaque):
    """A named format."""

    __slots__ = ("name",)
    type_name = "kubernetes.NamedFormat"

    def __init__(self, name: str) -> None:
        self.name = name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Format) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


def _constant(found: Format) -> Callable[[], Format]:
    return lambda: found


for _name in _FORMATS:
    NAMES.function(f"format.{_name}", "-> kubernetes.NamedFormat")(_constant(Format(_name)))


@NAMES.function("format.named", "string -> optional_type(kubernetes.NamedFormat)")
def _named(name: str) -> Optional:
    return Optional(present=True, value=Format(name)) if name in _FORMATS else NONE


@NAMES.member("validate", "kubernetes.NamedFormat, string -> optional_type(list(string))")
def _validate(found: Format, text: str) -> Optional:
    problems = _FORMATS[found.name](text)
    return Optional(present=True, value=problems) if problems else NONE
