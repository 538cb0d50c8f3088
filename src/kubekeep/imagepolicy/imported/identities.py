"""Identities of keyless signers, and keys in PEM, as imported policies name them. No I/O."""

from __future__ import annotations

import re
from typing import Final

import msgspec
import re2  # type: ignore[import-untyped]  # it has no types

from kubekeep.imagepolicy.policy import SignerIdentity

_END: Final = re.compile(r"-----END [A-Z ]*PUBLIC KEY-----")
ANY: Final = "(?s).+"


class KeylessIdentity(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """An identity with its issuer: exact, or as regular expressions that match a part of the text."""

    issuer: str = ""
    subject: str = ""
    issuer_reg_exp: str = ""
    subject_reg_exp: str = ""
    subject_expression: str = ""

    def find_flaw(self, *, is_complete: bool) -> str:
        """Return the reason why the identity is not valid, or "". is_complete: issuer and subject are required."""
        if (self.issuer and self.issuer_reg_exp) or (self.subject and self.subject_reg_exp):
            return "use the exact text or the regular expression, not both"
        if is_complete and not ((self.issuer or self.issuer_reg_exp) and (self.subject or self.subject_reg_exp)):
            return "an identity has an issuer and a subject, exact or as a regular expression"
        for pattern in filter(None, (self.issuer_reg_exp, self.subject_reg_exp)):
            try:
                re2.compile(pattern)
            except re2.error as error:
                return f"{pattern[:100]!r} is not a regular expression: {error}"
        return ""


def convert_identity(identity: KeylessIdentity) -> SignerIdentity:
    """Return the identity as signers have it; a missing part is any text."""
    return SignerIdentity(
        identity=identity.subject,
        identity_regexp="" if identity.subject else _search(identity.subject_reg_exp),
        issuer=identity.issuer,
        issuer_regexp="" if identity.issuer else _search(identity.issuer_reg_exp),
    )


def convert_wildcards(pattern: str, regexp: str) -> str:
    """Return the regular expression for a text of Kyverno with `*` and `?`, or for a regular expression."""
    if pattern:
        return "(?s)" + re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return _search(regexp)


def _search(pattern: str) -> str:
    """Return a pattern that matches the whole text if the given one matches a part of it."""
    return f"(?s:.*)(?:{pattern})(?s:.*)" if pattern else ANY


def split_keys(text: str) -> list[str]:
    """Return the public keys of a text with several PEM blocks."""
    keys, start = [], 0
    for end in _END.finditer(text):
        keys.append(text[start : end.end()].strip() + "\n")
        start = end.end()
    return keys


def first_key(text: str) -> str:
    """Return the first key, the only one that policy engines read where one key is expected; else the text."""
    keys = split_keys(text)
    return keys[0] if keys else text
