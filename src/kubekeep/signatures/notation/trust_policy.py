"""Trust policies of notation (`trustpolicy.json`, version 1.0): scopes, levels, trust stores and trusted identities.

Never reads a trust store.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal, cast

import msgspec

from kubekeep.model.text import visible
from kubekeep.registry.reference import canonical_name
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.notation.distinguished_name import includes, parse_name
from kubekeep.signatures.notation.trust_store import STORE_TYPES, StoreType, is_store_name

ANY: Final = "*"
_SUBJECT: Final = "x509.subject:"
_LARGEST_FILE: Final = 4 << 20


class SignatureValidation(enum.StrEnum):
    """The validations of a signature besides its integrity, which is always enforced."""

    AUTHENTICITY = "authenticity"
    TIMESTAMP = "authenticTimestamp"
    EXPIRY = "expiry"
    REVOCATION = "revocation"


Action = Literal["enforce", "log", "skip"]
Level = Literal["strict", "permissive", "audit", "skip"]

_ENFORCED: Final[dict[Level, tuple[SignatureValidation, ...]]] = {
    "strict": tuple(SignatureValidation),
    "permissive": (SignatureValidation.AUTHENTICITY,),
    "audit": (),
    "skip": (),
}


class SignatureVerification(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The level of verification, with other actions for some validations."""

    level: Level
    override: dict[SignatureValidation, Action] = {}
    verify_timestamp: Literal["always", "afterCertExpiry"] = "always"

    def is_enforced(self, validation: SignatureValidation) -> bool:
        """Return True if a failure of the validation makes the signature invalid."""
        if validation in self.override:
            return self.override[validation] == "enforce"
        return validation in _ENFORCED[self.level]

    @property
    def skips_revocation(self) -> bool:
        """True if the policy forbids requests about revocation."""
        return self.override.get(SignatureValidation.REVOCATION) == "skip"


class TrustPolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The rules for some repositories. trusted_identities: names of subjects, or "*" for every signer below the roots."""

    name: str
    registry_scopes: tuple[str, ...]
    signature_verification: SignatureVerification
    trust_stores: tuple[str, ...] = ()
    trusted_identities: tuple[str, ...] = ()

    def list_stores(self, kind: StoreType) -> list[str]:
        """Return the names of the trust stores of a type."""
        return [name for store, name in self.iterate_stores() if store == kind]

    def iterate_stores(self) -> Iterator[tuple[StoreType, str]]:
        """Yield type and name of each trust store; an entry may hold several, separated by commas."""
        for entry in itertools.chain.from_iterable(text.split(",") for text in self.trust_stores):
            kind, _, name = entry.strip().partition(":")
            yield cast("StoreType", kind), name

    def list_identities(self) -> list[dict[str, str]] | None:
        """Return the attributes of the trusted subjects; None if every signer below the roots is trusted."""
        if self.trusted_identities == (ANY,):
            return None
        return [parse_name(text.removeprefix(_SUBJECT)) for text in self.trusted_identities]


class TrustPolicyDocument(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The content of a trustpolicy.json."""

    version: str
    trust_policies: tuple[TrustPolicy, ...]

    def select(self, repository: str) -> TrustPolicy | None:
        """Return the policy for a repository, as `registry.example/team/app`: an exact scope, else the global one.

        All spellings of a registry are equal, so that none leads to the global policy instead.
        """
        for scope in (canonical_name(repository), ANY):
            for policy in self.trust_policies:
                if scope in map(canonical_name, policy.registry_scopes):
                    return policy
        return None


def load_trust_policy(path: Path) -> TrustPolicyDocument:
    """Return the document in a file. Raises TrustError."""
    shown = visible(str(path))
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise TrustError(f"{shown}: {error.strerror}") from error
    if len(content) > _LARGEST_FILE:
        raise TrustError(f"{shown}: larger than {_LARGEST_FILE:,} bytes")
    return decode_trust_policy(content, shown)


def decode_trust_policy(content: bytes, name: str) -> TrustPolicyDocument:
    """Return the document in `content`, the file `name`. Raises TrustError."""
    try:
        document = msgspec.json.decode(content, type=TrustPolicyDocument)
        _check_document(document)
        for policy in document.trust_policies:
            try:
                check_policy(policy)
            except ValueError as error:
                raise ValueError(f"trust policy {policy.name!r}: {error}") from error
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise TrustError(f"{visible(name)}: {visible(str(error))}") from error
    return document


def _check_document(document: TrustPolicyDocument) -> None:
    if document.version != "1.0":
        raise ValueError(f"version {document.version!r} is not supported; use 1.0")
    if not document.trust_policies:
        raise ValueError("trustPolicies is empty")
    names: set[str] = set()
    scopes: set[str] = set()
    for policy in document.trust_policies:
        if not policy.name or policy.name in names:
            raise ValueError(f"the name {policy.name!r} is empty or used twice")
        names.add(policy.name)
        for scope in policy.registry_scopes:
            canonical = canonical_name(scope)
            if canonical in scopes:
                raise ValueError(f"two trust policies have the scope {scope!r}")
            scopes.add(canonical)


def check_policy(policy: TrustPolicy) -> None:
    """Raise ValueError with the reason if a policy is not valid."""
    _check_scopes(policy.registry_scopes)
    verification = policy.signature_verification
    if verification.level == "skip":
        if ANY in policy.registry_scopes:
            raise ValueError("the level skip cannot be used with the scope '*'")
        if verification.override or policy.trust_stores or policy.trusted_identities:
            raise ValueError("the level skip allows no override, trustStores or trustedIdentities")
        return
    for validation, action in verification.override.items():
        if action == "skip" and validation != SignatureValidation.REVOCATION:
            raise ValueError(f"override: {validation} cannot be skipped; use enforce or log")
    _check_stores(policy)
    _check_identities(policy)


def _check_stores(policy: TrustPolicy) -> None:
    stores = list(policy.iterate_stores())
    for kind, name in stores:
        if kind not in STORE_TYPES or not is_store_name(name):
            raise ValueError(f"trustStores: {kind}:{name} is not written as ca:NAME, signingAuthority:NAME or tsa:NAME")
    if all(kind == "tsa" for kind, _ in stores):
        raise ValueError("trustStores has no store of the type ca or signingAuthority")


def _check_scopes(scopes: tuple[str, ...]) -> None:
    if not scopes:
        raise ValueError("registryScopes is empty")
    for scope in scopes:
        if scope == ANY:
            if len(scopes) > 1:
                raise ValueError("the scope '*' must be the only one of a trust policy")
        elif "*" in scope or "/" not in scope:
            raise ValueError(f"the scope {scope!r} is not written as registry.example/repository, without wildcards")


def _check_identities(policy: TrustPolicy) -> None:
    if not policy.trusted_identities:
        raise ValueError("trustedIdentities is empty; use '*' to trust every signer below the roots")
    if ANY in policy.trusted_identities and len(policy.trusted_identities) > 1:
        raise ValueError("trustedIdentities: '*' must be the only entry")
    for text in policy.trusted_identities:
        if text != ANY and not text.startswith(_SUBJECT):
            raise ValueError(f"trustedIdentities: {text!r} does not begin with {_SUBJECT}")
    identities = policy.list_identities() or []
    for first, second in itertools.permutations(identities, 2):
        if includes(first, second):
            raise ValueError("trustedIdentities: two entries match the same certificate; remove the narrower one")
