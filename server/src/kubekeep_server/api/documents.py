"""Base of the documents of the API, and those that several operations have. Values only."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from kubekeep_server.identity import Grant, Role, check_scope

_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
"""General categories (Unicode, UAX #44) of characters that people do not see."""


def check_name(text: str) -> str:
    """Return a name that reads as it is stored. Raises ValueError."""
    if text != text.strip() or any(unicodedata.category(character) in _UNSEEN for character in text):
        raise ValueError("A name has no invisible characters, and no space at its ends")
    if not unicodedata.is_normalized("NFC", text):
        raise ValueError("A name must be in the Unicode normal form NFC")
    return text


Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$"), AfterValidator(check_name)]


class ApiModel(BaseModel):
    """Base of the documents: camelCase names, unknown fields are errors."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="forbid")


class GrantDocument(ApiModel):
    """A role in the sources of a scope: `*`, the key of a source, or the beginning of keys with `*` at the end."""

    role: Role
    scope: Annotated[str, AfterValidator(check_scope)]
    namespaces: list[Name] = Field(default=[], max_length=1000)

    @classmethod
    def describe(cls, grant: Grant) -> GrantDocument:
        """Return the document of a grant."""
        return cls(role=grant.role, scope=grant.scope, namespaces=list(grant.namespaces))

    def to_grant(self) -> Grant:
        """Return the grant."""
        return Grant(self.role, self.scope, tuple(self.namespaces))
