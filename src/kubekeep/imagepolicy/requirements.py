"""Requirements that combine others, as imported policies state them. Values and their checks only."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from kubekeep.imagepolicy.globs import GlobSyntax

Names = Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=1000)]
_DEEPEST: Final = 8


class SigstoreRego(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A module in Rego v0 of the policy-controller: `sigstore.isCompliant` on the statement of an attestation."""

    module: str


class CombinedAttestation(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """An attestation that a signer must have made.

    type: the exact URI of its predicate. among: a signer whose valid attestations of this type must all be by `signedBy`.
    rego: the condition that one attestation must meet.
    """

    type: str
    signed_by: str
    among: str = ""
    rego: SigstoreRego | None = None


class ImageExpression(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """An expression in CEL of an ImageValidatingPolicy.

    attestors: the signers by their names in the expression, "" for one that cannot be used. attestations: the types
    by their names. mustVerify: the expression has to verify the image, as `required` demands.
    """

    cel: str
    attestors: dict[str, str] = {}
    attestations: dict[str, str] = {}
    not_evaluated: Annotated[
        dict[str, str], msgspec.Meta(description="Reasons that attestors cannot be used, by their names.")
    ] = msgspec.field(default_factory=dict, name="declined")
    must_verify: bool = False


class ImageRequirement(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """One requirement, or several of which a number must hold. Exactly one kind of it is set.

    of: requirements; at least `atLeast` of them must hold, all without it. signedBy: the signer of a signature;
    countsAttestations: its attestations in bundles are signatures too. pinned: the reference has a digest. allow, deny and
    notEvaluated: a fixed result with its reason.
    """

    of: tuple[ImageRequirement, ...] = ()
    at_least: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    signed_by: str = ""
    counts_attestations: bool = False
    attestation: CombinedAttestation | None = None
    expression: ImageExpression | None = None
    pinned: bool = False
    allow: str = ""
    deny: str = ""
    not_evaluated: str = ""

    def find_flaw(self, signers: frozenset[str], depth: int = 0) -> str:
        """Return the reason why the requirement is not valid, or ""."""
        if depth > _DEEPEST:
            return f"requirements are nested more than {_DEEPEST} times"
        kinds = (
            *(self.of, self.signed_by, self.attestation, self.expression),
            *(self.pinned, self.allow, self.deny, self.not_evaluated),
        )
        if sum(map(bool, kinds)) != 1:
            return "a requirement has exactly one of of, signedBy, attestation, expression, pinned, allow, deny, notEvaluated"
        if self.at_least > len(self.of):
            return f"atLeast is {self.at_least}, and there are {len(self.of)} requirements"
        attestation, expression = self.attestation, self.expression
        names = [self.signed_by, *((attestation.signed_by, attestation.among) if attestation else ())]
        names += expression.attestors.values() if expression else ()
        unknown = sorted({name for name in names if name} - signers)
        if unknown:
            return f"unknown signer {unknown[0]}"
        flaws = (requirement.find_flaw(signers, depth + 1) for requirement in self.of)
        return next(filter(None, flaws), "")


class CombinedRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """A rule that holds beside all others that cover an image.

    images and skipped: globs in the syntax of the policy that states them. expressions: conditions in CEL on the reference,
    as alternatives to `images`. mode: warn allows an image that fails. condition: the reason why the rule may not apply to
    an image; a failure is then not evaluated. source: file and line of the policy.
    """

    name: str
    syntax: GlobSyntax
    require: ImageRequirement
    images: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    expressions: tuple[str, ...] = ()
    mode: Literal["enforce", "warn"] = "enforce"
    condition: str = ""
    source: str = ""
