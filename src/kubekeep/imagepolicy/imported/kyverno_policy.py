"""Conversion of the verifyImages rules in ClusterPolicy and Policy of Kyverno (v1 and v2beta1).

Rules hold together. Whatever cannot be evaluated becomes such a requirement. Other rules are named in notes.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from kubekeep.imagepolicy.globs import compile_glob
from kubekeep.imagepolicy.imported.documents import (
    ConvertedRules,
    FixedResultError,
    PolicyDocument,
    PolicyObjects,
    ResourceFields,
)
from kubekeep.imagepolicy.imported.identities import ANY
from kubekeep.imagepolicy.imported.kyverno_attestors import (
    Attestor,
    AttestorContext,
    AttestorConversion,
    AttestorSet,
    ImageType,
    KyvernoKeyless,
    KyvernoKeys,
    find_variables,
)
from kubekeep.imagepolicy.policy import SignerIdentity
from kubekeep.imagepolicy.requirements import CombinedAttestation, CombinedRule, ImageRequirement
from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Path

FailureAction = Literal["", "audit", "enforce", "Audit", "Enforce"]
_PODS: Final = {"Pod", "v1/Pod", "*/Pod", "*/v1/Pod", "*", "*/*"}
_OTHER_RULES: Final = ("validate", "mutate", "generate")


class _KyvernoAttestation(ResourceFields, frozen=True):
    name: str = ""
    predicate_type: str = ""
    type: str = ""
    attestors: tuple[AttestorSet, ...] = ()
    conditions: tuple[dict[str, Any], ...] = ()


class _KyvernoImageVerification(ResourceFields, frozen=True):
    failure_action: FailureAction = ""
    type: ImageType = "Cosign"
    image: str = ""
    image_references: tuple[str, ...] = ()
    skip_image_references: tuple[str, ...] = ()
    key: str = ""
    roots: str = ""
    subject: str = ""
    issuer: str = ""
    additional_extensions: dict[str, str] = msgspec.field(default_factory=dict)
    attestors: tuple[AttestorSet, ...] = ()
    attestations: tuple[_KyvernoAttestation, ...] = ()
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    repository: str = ""
    cosign_oci11: bool = msgspec.field(name="cosignOCI11", default=False)
    mutate_digest: bool = True
    verify_digest: bool = True
    validation: Any = msgspec.field(name="validate", default=None)
    required: bool = True
    image_registry_credentials: Any = None
    use_cache: bool = True


class _KyvernoRule(ResourceFields, frozen=True):
    name: str = ""
    match: dict[str, Any] = msgspec.field(default_factory=dict)
    exclude: dict[str, Any] | None = None
    context: Any = None
    image_extractors: Any = None
    preconditions: Any = None
    cel_preconditions: Any = None
    mutate: Any = None
    validation: Any = msgspec.field(name="validate", default=None)
    generate: Any = None
    verify_images: tuple[_KyvernoImageVerification, ...] = ()
    report_properties: Any = None
    skip_background_requests: bool = True


class _KyvernoSpec(ResourceFields, frozen=True):
    rules: tuple[_KyvernoRule, ...] = ()
    apply_rules: Literal["", "All", "One"] = ""
    failure_policy: Any = None
    validation_failure_action: FailureAction = ""
    validation_failure_action_overrides: tuple[dict[str, Any], ...] = ()
    emit_warning: bool = False
    admission: bool = True
    background: bool = True
    schema_validation: Any = None
    webhook_timeout_seconds: Any = None
    mutate_existing_on_policy_update: Any = None
    generate_existing_on_policy_update: Any = None
    generate_existing: Any = None
    use_server_side_apply: Any = None
    webhook_configuration: dict[str, Any] = msgspec.field(default_factory=dict)


class KyvernoPolicyDocument(ResourceFields, frozen=True):
    """A ClusterPolicy or Policy."""

    api_version: str
    kind: str
    spec: _KyvernoSpec
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    status: Any = None


def convert_kyverno_policies(objects: PolicyObjects, rules: ConvertedRules) -> None:
    """Add the rules of all policies of Kyverno. Raises InvalidPolicyError."""
    for document in objects.list_kinds("ClusterPolicy", "Policy"):
        _KyvernoConversion(document, objects, rules).convert()


class _KyvernoConversion:
    """The conversion of one policy."""

    def __init__(self, document: PolicyDocument, objects: PolicyObjects, rules: ConvertedRules) -> None:
        self._document = document
        self._rules = rules
        self._spec = document.convert(KyvernoPolicyDocument).spec
        self._attestors = AttestorConversion(document, objects, rules)

    def convert(self) -> None:
        has_rule = False
        for number, rule in enumerate(self._spec.rules):
            at: Path = ("spec", "rules", number)
            others = [name for name in _OTHER_RULES if (rule.validation if name == "validate" else getattr(rule, name))]
            if others:
                self._rules.notes.append(
                    f"{self._document.describe((*at, others[0]))}: not a rule about images; not read"
                )
            for position, verification in enumerate(rule.verify_images):
                has_rule = True
                self._convert_verification(rule, number, verification, (*at, "verifyImages", position))
        if not has_rule:
            raise self._document.create_error(("spec", "rules"), "no rule of the policy has verifyImages")

    def _convert_verification(
        self, rule: _KyvernoRule, number: int, verification: _KyvernoImageVerification, at: Path
    ) -> None:
        images = (*verification.image_references, *filter(None, [verification.image]))
        if not images:
            raise self._document.create_error(at, "verifyImages has at least one entry in imageReferences")
        for field, globs in (("imageReferences", images), ("skipImageReferences", verification.skip_image_references)):
            for position, glob in enumerate(globs):
                try:
                    compile_glob("kyverno", glob)
                except ValueError as error:
                    raise self._document.create_error((*at, field, position), str(error)) from error
        action = verification.failure_action or self._spec.validation_failure_action or "Audit"
        suffix = f"[{at[-1]}]" if len(rule.verify_images) > 1 else ""
        name = f"{self._document.kind} {self._document.name}/{rule.name or number}{suffix}"
        has_variables = next(find_variables([*images, *verification.skip_image_references]), None) is not None
        self._rules.rules.append(
            CombinedRule(
                name=name,
                syntax="kyverno",
                images=("*",) if has_variables else images,
                skipped=() if has_variables else verification.skip_image_references,
                require=self._convert_requirements(verification, name.partition(" ")[2], at),
                mode="enforce" if action.lower() == "enforce" else "warn",
                condition=self._find_condition(rule, number, verification, has_variables=has_variables),
                source=self._document.locate(self._document.number, (*self._document.at, *at)),
            )
        )

    def _convert_requirements(self, verification: _KyvernoImageVerification, name: str, at: Path) -> ImageRequirement:
        context = AttestorContext(
            name, verification.type, verification.repository, verification.annotations, verification.cosign_oci11
        )
        requirements: list[ImageRequirement] = []
        if verification.verify_digest and not verification.mutate_digest:
            requirements.append(ImageRequirement(pinned=True))
        sets = [*verification.attestors, *_convert_deprecated(verification)]
        requirements += (
            self._attestors.convert_set(attestors, context, (*at, "attestors", position))
            for position, attestors in enumerate(sets)
        )
        for position, attestation in enumerate(verification.attestations):
            requirements.append(self._convert_attestation(attestation, context, (*at, "attestations", position)))
        if verification.additional_extensions:
            requirements.append(self._document.decline((*at, "additionalExtensions"), "extensions are not evaluated"))
        if verification.validation:
            reason = "conditions in JMESPath are not evaluated; state them in condition.cel of an ImagePolicy"
            requirements.append(self._document.decline((*at, "validate"), reason))
        if not sets and not verification.attestations:
            if verification.required:
                reason = "the effect of required without attestors depends on other policies; add attestors"
                requirements.append(self._document.decline((*at, "required"), reason))
            else:
                requirements.append(ImageRequirement(allow="required is false, and there are no attestors"))
        return ImageRequirement(of=tuple(requirements))

    def _convert_attestation(
        self, attestation: _KyvernoAttestation, context: AttestorContext, at: Path
    ) -> ImageRequirement:
        document = self._document
        predicate_type = attestation.type or attestation.predicate_type
        if not predicate_type:
            raise document.create_error(at, "an attestation has a type")
        if context.type == "Notary":
            return document.decline(at, "attestations of the Notary Project are not evaluated; use the type Cosign")
        requirements = []
        for number, attestors in enumerate(attestation.attestors):
            path = (*at, "attestors", number)
            self._attestors.check_set(attestors, path)
            entries = tuple(
                self._convert_attestor(entry, predicate_type, context, (*path, "entries", position))
                for position, entry in enumerate(attestors.entries)
            )
            requirements.append(ImageRequirement(of=entries, at_least=attestors.count or len(entries)))
        if not attestation.attestors:
            reason = "without attestors, Kyverno trusts every identity of Sigstore; name attestors"
            requirements.append(document.decline((*at, "attestors"), reason))
        if attestation.conditions:
            reason = "conditions in JMESPath are not evaluated; state them in condition.cel of an ImagePolicy"
            requirements.append(document.decline((*at, "conditions"), reason))
        return ImageRequirement(of=tuple(requirements))

    def _convert_attestor(
        self, entry: Attestor, predicate_type: str, context: AttestorContext, at: Path
    ) -> ImageRequirement:
        document = self._document
        if entry.attestor is not None:
            return document.decline((*at, "attestor"), "Kyverno ignores sets in attestations; write the entries")
        if entry.annotations or context.annotations:
            return document.decline((*at, "annotations"), "annotations of attestations are not evaluated; remove them")
        try:
            signer = self._attestors.convert_entry(entry, context, at)
        except FixedResultError as error:
            return error.requirement
        among = ""
        details = self._rules.signers[signer]
        if details.identities and context.type != "SigstoreBundle":
            # Kyverno verifies all attestations of the type, and each must be by the identity.
            anyone = msgspec.structs.replace(
                details, identities=(SignerIdentity(identity_regexp=ANY, issuer_regexp=ANY),)
            )
            among = self._rules.add_signer(f"{context.name}/any-identity", anyone)
        return ImageRequirement(attestation=CombinedAttestation(type=predicate_type, signed_by=signer, among=among))

    def _find_condition(
        self, rule: _KyvernoRule, number: int, verification: _KyvernoImageVerification, *, has_variables: bool
    ) -> str:
        """Return the reason why the rule may not apply to the pods of an image, or ""."""
        at: Path = ("spec", "rules", number)
        spec, document = self._spec, self._document
        causes: tuple[tuple[Any, Path], ...] = (
            (not _covers_pods(rule.match), (*at, "match")),
            (rule.exclude, (*at, "exclude")),
            (rule.preconditions, (*at, "preconditions")),
            (rule.cel_preconditions, (*at, "celPreconditions")),
            (rule.image_extractors, (*at, "imageExtractors")),
            (has_variables, (*at, "verifyImages")),
            (document.kind == "Policy", ("metadata", "namespace")),
            (not spec.admission, ("spec", "admission")),
            (spec.apply_rules == "One" and number, ("spec", "applyRules")),
            (spec.webhook_configuration.get("matchConditions"), ("spec", "webhookConfiguration", "matchConditions")),
            (
                not verification.failure_action and spec.validation_failure_action_overrides,
                ("spec", "validationFailureActionOverrides"),
            ),
        )
        path = next((path for is_set, path in causes if is_set), None)
        return "" if path is None else f"{document.describe(path)}: the rule applies only to some resources"


def _convert_deprecated(verification: _KyvernoImageVerification) -> list[AttestorSet]:
    """Return the attestors in deprecated fields, as Kyverno converts them; attestations do not get them."""
    if verification.attestations or not (verification.key or verification.issuer):
        return []
    entry = Attestor(
        keys=KyvernoKeys(public_keys=verification.key) if verification.key else None,
        keyless=None
        if verification.key
        else KyvernoKeyless(issuer=verification.issuer, subject=verification.subject, roots=verification.roots),
        annotations=verification.annotations,
    )
    return [AttestorSet(entries=(entry,))]


def _covers_pods(match: dict[str, Any]) -> bool:
    """Return True if a rule applies to all pods."""
    filters = match.get("any")
    if isinstance(filters, list) and filters:
        return set(match) == {"any"} and any(map(_is_pod_filter, filters))
    filters = match.get("all")
    if isinstance(filters, list) and filters:
        return set(match) == {"all"} and all(map(_is_pod_filter, filters))
    return _is_pod_filter(match)


def _is_pod_filter(value: Any) -> bool:
    """Return True if a filter of resources has only kinds with pods, and operations that create objects."""
    resources = as_mapping(as_mapping(value).get("resources"))
    kinds, operations = resources.get("kinds"), resources.get("operations")
    if not isinstance(value, dict) or set(value) != {"resources"} or not set(resources) <= {"kinds", "operations"}:
        return False
    has_pods = isinstance(kinds, list) and any(kind in _PODS for kind in kinds if isinstance(kind, str))
    return has_pods and (not operations or (isinstance(operations, list) and "CREATE" in operations))
