"""Distinguished names of signers, as trust policies write them: `C=US, ST=WA, O=example, CN=builder`. No I/O."""

from __future__ import annotations

from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

_SHORT_NAMES: Final = {
    NameOID.SERIAL_NUMBER: "SERIALNUMBER",
    NameOID.POSTAL_CODE: "POSTALCODE",
    NameOID.EMAIL_ADDRESS: "EMAILADDRESS",
}
_SYNONYMS: Final = {"S": "ST", "E": "EMAILADDRESS"}
_REQUIRED: Final = ("C", "ST", "O")


def parse_name(text: str) -> dict[str, str]:
    """Return the attributes of a name by type. Raises ValueError if it is not valid for a trust policy."""
    attributes: dict[str, str] = {}
    for part in _split(text):
        kind, equals, value = part.partition("=")
        kind = _SYNONYMS.get(kind.strip().upper(), kind.strip().upper())
        value = _unescape(value)
        if not kind or not equals or not value:
            raise ValueError(f"{part.strip()!r} is not written as TYPE=VALUE")
        if kind in attributes:
            raise ValueError(f"two values for {kind}")
        attributes[kind] = value
    missing = [kind for kind in _REQUIRED if kind not in attributes]
    if missing:
        raise ValueError(f"{', '.join(missing)} missing; C, ST and O are required")
    return attributes


def read_subject(name: x509.Name) -> dict[str, str] | None:
    """Return the attributes of a certificate's subject; None if a type has several values, which a policy cannot name."""
    attributes: dict[str, str] = {}
    for attribute in name:
        kind = _SHORT_NAMES.get(attribute.oid, attribute.rfc4514_attribute_name).upper()
        if kind in attributes or not isinstance(attribute.value, str):
            return None
        attributes[kind] = attribute.value
    return attributes


def includes(trusted: dict[str, str], subject: dict[str, str]) -> bool:
    """Return True if `subject` has all attributes of `trusted`."""
    return trusted.items() <= subject.items()


def _split(text: str) -> list[str]:
    """Split at commas and plus signs that are not escaped."""
    parts, start, position = [], 0, 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] in ",+;":
            parts.append(text[start:position])
            start = position + 1
        position += 1
    return [*parts, text[start:]]


def _unescape(text: str) -> str:
    """Return a value without its escapes, and without spaces around it that are not escaped."""
    characters: list[tuple[str, bool]] = []
    escaped = False
    for character in text:
        if character == "\\" and not escaped:
            escaped = True
            continue
        characters.append((character, escaped))
        escaped = False
    if escaped:
        raise ValueError("a backslash at the end of a value")
    while characters and characters[0] == (" ", False):
        characters.pop(0)
    while characters and characters[-1] == (" ", False):
        characters.pop()
    return "".join(character for character, _ in characters)
