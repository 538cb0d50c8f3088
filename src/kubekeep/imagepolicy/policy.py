"""Image policies as values, and their checks. Never reads a file and never verifies a signature."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

import msgspec

from kubekeep.imagepolicy.globs import compile_glob
from kubekeep.imagepolicy.patterns import parse_pattern
from kubekeep.imagepolicy.requirements import CombinedRule
from kubekeep.model.location import Path
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.predicates import resolve_predicate_type

KIND: Final = "ImagePolicy"
API_VERSION: Final = "image.kubekeep.io/v1"
_AT: Final = re.compile(r" - at `\$([^`]*)`$")

Days = Annotated[int, msgspec.Meta(ge=1, le=36500)]
Names = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=1000)]
Patterns = Annotated[tuple[str, ...], msgspec.Meta(max_length=10_000)]


class InvalidPolicyError(ValueError):
    """An invalid part of a policy. path: its position in the document; number: of the document in the file, from 0."""

    def __init__(self, message: str, path: Path = (), number: int = 0) -> None:
        super().__init__(message)
        self.path = path
        self.number = number


class SignerIdentity(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """One of several identities of a signer, with its issuer; both exact, or as regular expressions of the whole text."""

    identity: str = ""
    identity_regexp: str = ""
    issuer: str = ""
    issuer_regexp: str = ""


class PolicySigner(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A signer: a key, an identity with its issuer, or trust stores of notation.

    key: file with a public key in PEM. identity and issuer, or their regular expressions: of certificates of Sigstore.
    trustedRoot: file of a private instance of Sigstore. trustStore: folder of notation; stores: names in it, as `ca:vendor`;
    subjects: distinguished names of signers; none for every signer below the roots. Paths are relative to the policy file.

    The other fields are for imported policies. keyData: the key itself. identities: several, one of which is enough. trustedRootData: the content of a trusted root.
    certificates: roots of notation in PEM. log: use of transparency logs. hashAlgorithm: of signatures with keys.
    format: accepted signatures; "detect" accepts bundles if the image has one, else those of tags. repository: with the
    signatures. ignoreCertificateLogs: certificates need no timestamp of a certificate log.
    """

    key: str = ""
    key_data: str = ""
    trusted_root_data: str = ""
    certificates: str = ""
    identities: tuple[SignerIdentity, ...] = ()
    log: Literal["default", "required", "ignored"] = "default"
    hash_algorithm: Literal["", "sha256", "sha384", "sha512"] = ""
    format: Literal["any", "legacy-tag", "cosign", "bundle", "detect"] = "any"
    repository: str = ""
    annotations: dict[str, str] = {}
    ignore_certificate_logs: bool = False
    identity: str = ""
    identity_regexp: str = ""
    issuer: str = ""
    issuer_regexp: str = ""
    trusted_root: str = ""
    trust_store: str = ""
    stores: tuple[str, ...] = ()
    subjects: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["key", "keyless", "notation", ""]:
        """The kind of signer; empty if the fields are of none or several."""
        kinds: dict[Literal["key", "keyless", "notation"], bool] = {
            "key": bool(self.key or self.key_data),
            "keyless": any((self.identity, self.identity_regexp, self.issuer, self.issuer_regexp, self.identities)),
            "notation": any((self.trust_store, self.stores, self.subjects, self.certificates)),
        }
        selected = [kind for kind, is_set in kinds.items() if is_set]
        return selected[0] if len(selected) == 1 else ""

    def find_flaw(self) -> str:
        """Return the reason why the signer cannot be used, or ""."""
        match self.kind:
            case "key":
                flaws = {
                    "use either key or keyData": bool(self.key and self.key_data),
                    "trustedRoot is for identities; remove it": bool(self.trusted_root),
                }
            case "keyless":
                flaws = self._list_identity_flaws()
            case "notation":
                is_folder = bool(self.trust_store and self.stores)
                flaws = {
                    "a signer of notation has trustStore (a folder), stores (as ca:NAME) and no trustedRoot": bool(
                        self.trusted_root
                    )
                    or not (is_folder or self.certificates),
                    "certificates cannot be used with trustStore": bool(self.certificates and self.trust_store),
                }
            case _:
                flaws = {"use either key, or identity with issuer, or trustStore with stores": True}
        return next((text for text, is_flawed in flaws.items() if is_flawed), "")

    def _list_identity_flaws(self) -> dict[str, bool]:
        single = (self.identity, self.identity_regexp, self.issuer, self.issuer_regexp)
        if self.identities:
            return {"use either identities, or identity with issuer": any(single)}
        return {
            "use exactly one of identity and identityRegexp": bool(self.identity) == bool(self.identity_regexp),
            "use exactly one of issuer and issuerRegexp": bool(self.issuer) == bool(self.issuer_regexp),
        }


class PredicateCondition(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A condition on a predicate: an expression in CEL, or a file in Rego with the rule `allow` of any package."""

    cel: str = ""
    rego: str = ""


class AttestationRequirement(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """An attestation that an image needs.

    type: a short name as slsaprovenance, spdx, cyclonedx, vuln or openvex, or the URI of a predicate. signedBy: names of signers, one of which
    is enough. builder and source: of SLSA provenance; `*` stands for any characters without a slash. maximumAgeDays: since
    the time in the predicate, or the proved time of signing.
    """

    type: str
    signed_by: Names
    builder: str = ""
    source: str = ""
    maximum_age_days: Days | None = None
    condition: PredicateCondition | None = None


class ImageRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """The requirements on the images of some patterns, all of which must hold.

    images: patterns. action: allow or deny images without requirements. signedBy: names of signers, one of which is enough.
    pinned: the reference has a digest. maximumAgeDays: since the image was built.
    """

    images: Names
    action: Literal["allow", "deny", "require"] = "require"
    signed_by: tuple[str, ...] = ()
    attestations: tuple[AttestationRequirement, ...] = ()
    pinned: bool = False
    maximum_age_days: Days | None = None

    @property
    def has_requirements(self) -> bool:
        """Return True if the rule requires anything."""
        return bool(self.signed_by or self.attestations or self.pinned or self.maximum_age_days)


class ImagePolicy(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A policy file.

    unmatched: the decision on images that no rule covers. allowedRegistries and forbiddenRegistries: patterns for all
    images, before any rule; no allowed ones permit all. signers: by name. combinedRules: all that cover an image must hold,
    beside the rule for it.
    """

    api_version: Literal["image.kubekeep.io/v1"]
    kind: Literal["ImagePolicy"]
    unmatched: Literal["allow", "deny"]
    allowed_registries: Patterns = ()
    forbidden_registries: Patterns = ()
    signers: dict[str, PolicySigner] = {}
    rules: Annotated[tuple[ImageRule, ...], msgspec.Meta(max_length=10_000)] = ()
    combined_rules: Annotated[tuple[CombinedRule, ...], msgspec.Meta(max_length=10_000)] = ()
    metadata: dict[str, Any] = {}


def parse_policy(document: Any) -> ImagePolicy:
    """Return the policy in a document. Raises InvalidPolicyError with the path of the invalid part."""
    try:
        policy = msgspec.convert(document, ImagePolicy)
    except msgspec.ValidationError as error:
        raise locate_error(str(error), document) from error
    for name, signer in policy.signers.items():
        flaw = signer.find_flaw()
        if flaw:
            raise InvalidPolicyError(f"signer {name}: {flaw}", ("signers", name))
    for field, patterns in (
        ("allowedRegistries", policy.allowed_registries),
        ("forbiddenRegistries", policy.forbidden_registries),
    ):
        _check_patterns(patterns, (field,))
    spellings: dict[str, str] = {}
    for number, rule in enumerate(policy.rules):
        at: Path = ("rules", number)
        _check_rule(rule, policy, at)
        for position, pattern in enumerate(rule.images):
            canonical = parse_pattern(pattern).canonical
            if canonical in spellings:
                spelling = "" if spellings[canonical] == pattern else f", which is also {spellings[canonical]}"
                raise InvalidPolicyError(f"two rules have the pattern {pattern}{spelling}", (*at, "images", position))
            spellings[canonical] = pattern
    for number, combined in enumerate(policy.combined_rules):
        _check_combined(combined, policy, ("combinedRules", number))
    return policy


def _check_combined(rule: CombinedRule, policy: ImagePolicy, at: Path) -> None:
    flaw = rule.require.find_flaw(frozenset(policy.signers))
    if flaw:
        raise InvalidPolicyError(flaw, (*at, "require"))
    for field, globs in (("images", rule.images), ("skipped", rule.skipped)):
        for position, glob in enumerate(globs):
            try:
                compile_glob(rule.syntax, glob)
            except ValueError as error:
                raise InvalidPolicyError(str(error), (*at, field, position)) from error


def _check_rule(rule: ImageRule, policy: ImagePolicy, at: Path) -> None:
    _check_patterns(rule.images, (*at, "images"))
    if rule.action == "require" and not rule.has_requirements:
        raise InvalidPolicyError("the rule requires nothing: add signedBy or another requirement, or action: allow", at)
    if rule.action != "require" and rule.has_requirements:
        raise InvalidPolicyError(f"action: {rule.action} cannot be used with requirements", (*at, "action"))
    _check_signers(rule.signed_by, policy, (*at, "signedBy"))
    for number, attestation in enumerate(rule.attestations):
        path: Path = (*at, "attestations", number)
        _check_signers(attestation.signed_by, policy, (*path, "signedBy"))
        for position, name in enumerate(attestation.signed_by):
            if policy.signers[name].kind == "notation":
                raise InvalidPolicyError(
                    f"signer {name}: signatures of notation are not attestations", (*path, "signedBy", position)
                )
        condition = attestation.condition
        if condition is not None and bool(condition.cel) == bool(condition.rego):
            raise InvalidPolicyError("a condition has either cel or rego", (*path, "condition"))
        if (attestation.builder or attestation.source) and not attestation.type.startswith("slsaprovenance"):
            raise InvalidPolicyError("builder and source need the type slsaprovenance", path)
        try:
            resolve_predicate_type(attestation.type)
        except TrustError as error:
            raise InvalidPolicyError(str(error), (*path, "type")) from error


def _check_signers(names: tuple[str, ...], policy: ImagePolicy, at: Path) -> None:
    for position, name in enumerate(names):
        if name not in policy.signers:
            known = ", ".join(policy.signers) or "none"
            raise InvalidPolicyError(f"unknown signer {name}; the signers of this policy: {known}", (*at, position))


def _check_patterns(patterns: tuple[str, ...], at: Path) -> None:
    for position, pattern in enumerate(patterns):
        try:
            parse_pattern(pattern)
        except ValueError as error:
            raise InvalidPolicyError(str(error), (*at, position)) from error


def locate_error(message: str, document: Any) -> InvalidPolicyError:
    """Return an error with the path that msgspec appends to its message, as ` - at `$.rules[0].images``."""
    match = _AT.search(message)
    if match is None:
        return InvalidPolicyError(message)
    path: list[str | int] = []
    value = document
    for name, index in re.findall(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]", match[1]):
        # The keys of mappings are not part of the message: the first parts of the path are enough.
        if index == "..." or not isinstance(value, dict | list):
            break
        step: str | int = int(index) if index else name
        try:
            value = value[step]  # type: ignore[index]
        except LookupError:
            break
        path.append(step)
    return InvalidPolicyError(message[: match.start()], tuple(path))
