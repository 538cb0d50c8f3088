"""Conversion of ImageValidatingPolicy of Kyverno (policies.kyverno.io). Its expressions are evaluated for one image.

Whatever cannot be evaluated becomes such a requirement.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from kubekeep.imagepolicy.globs import compile_glob
from kubekeep.imagepolicy.imported.documents import (
    ConvertedRules,
    FixedResultError,
    PolicyDocument,
    PolicyObjects,
    ResourceFields,
)
from kubekeep.imagepolicy.imported.identities import KeylessIdentity, convert_identity, first_key
from kubekeep.imagepolicy.imported.trusted_roots import (
    Parts,
    PemError,
    build_root,
    describe_authorities,
    describe_log,
    load_certificates,
)
from kubekeep.imagepolicy.policy import PolicySigner
from kubekeep.imagepolicy.requirements import CombinedRule, ImageExpression, ImageRequirement
from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Path
from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.keys import load_public_key
from kubekeep.signatures.predicates import PREDICATE_TYPES

_EXPRESSION = "values from expressions are not evaluated; write the value"


class _ValidatingValue(ResourceFields, frozen=True):
    value: str = ""
    expression: str = ""


class _ValidatingKey(ResourceFields, frozen=True):
    data: str = ""
    kms: str = ""
    hash_algorithm: str = ""
    expression: str = ""


class _ValidatingKeyless(ResourceFields, frozen=True):
    identities: tuple[KeylessIdentity, ...] = ()
    roots: str = ""
    additional_extensions: dict[str, str] = msgspec.field(default_factory=dict)


class _ValidatingCertificate(ResourceFields, frozen=True):
    cert: _ValidatingValue | None = None
    cert_chain: _ValidatingValue | None = None


class _ValidatingSource(ResourceFields, frozen=True):
    repository: str = ""
    pull_secrets: tuple[dict[str, Any], ...] = msgspec.field(name="PullSecrets", default=())
    tag_prefix: str = ""


class _ValidatingLog(ResourceFields, frozen=True):
    url: str = ""
    rekor_pub_key: str = ""
    ct_log_pub_key: str = ""
    tsa_cert_chain: str = ""
    insecure_ignore_tlog: bool = False
    insecure_ignore_sct: bool = msgspec.field(name="insecureIgnoreSCT", default=False)


class _ValidatingCosign(ResourceFields, frozen=True):
    key: _ValidatingKey | None = None
    keyless: _ValidatingKeyless | None = None
    certificate: _ValidatingCertificate | None = None
    source: _ValidatingSource | None = None
    ctlog: _ValidatingLog | None = None
    tuf: dict[str, Any] | None = None
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    trusted_root: _ValidatingValue | None = None


class _ValidatingNotary(ResourceFields, frozen=True):
    certs: _ValidatingValue | None = None
    tsa_certs: _ValidatingValue | None = None


class _ValidatingAttestor(ResourceFields, frozen=True):
    name: str
    cosign: _ValidatingCosign | None = None
    notary: _ValidatingNotary | None = None


class _ValidatingType(ResourceFields, frozen=True):
    type: str


class _ValidatingAttestation(ResourceFields, frozen=True):
    name: str
    intoto: _ValidatingType | None = None
    referrer: _ValidatingType | None = None


class _ValidatingReference(ResourceFields, frozen=True):
    glob: str = ""
    expression: str = ""


class _ValidatingValidation(ResourceFields, frozen=True):
    expression: str
    message: str = ""
    message_expression: str = ""
    reason: str = ""


class _ValidatingDigests(ResourceFields, frozen=True):
    mutate_digest: bool = True
    verify_digest: bool = True
    required: bool = True


class _ValidatingSpec(ResourceFields, frozen=True):
    validations: tuple[_ValidatingValidation, ...] = ()
    match_constraints: dict[str, Any] | None = None
    failure_policy: str = ""
    audit_annotations: Any = None
    validation_actions: tuple[Literal["Deny", "Audit", "Warn"], ...] = ()
    match_conditions: tuple[dict[str, Any], ...] = ()
    variables: tuple[dict[str, Any], ...] = ()
    validation_configurations: _ValidatingDigests = _ValidatingDigests()
    match_image_references: tuple[_ValidatingReference, ...] = ()
    credentials: Any = None
    images: tuple[dict[str, Any], ...] = ()
    attestors: tuple[_ValidatingAttestor, ...] = ()
    attestations: tuple[_ValidatingAttestation, ...] = ()
    webhook_configuration: Any = None
    evaluation: dict[str, Any] = msgspec.field(default_factory=dict)
    autogen: Any = None


class ImageValidatingPolicyDocument(ResourceFields, frozen=True):
    """An ImageValidatingPolicy, or one of a namespace."""

    api_version: str
    kind: str
    spec: _ValidatingSpec
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    status: Any = None


def convert_image_validating_policies(objects: PolicyObjects, rules: ConvertedRules) -> None:
    """Add the rules of all ImageValidatingPolicies. Raises InvalidPolicyError."""
    for document in objects.list_kinds("ImageValidatingPolicy", "NamespacedImageValidatingPolicy"):
        rules.rules.append(_ValidatingConversion(document, rules).convert())


class _ValidatingConversion:
    """The conversion of one policy."""

    def __init__(self, document: PolicyDocument, rules: ConvertedRules) -> None:
        self._document = document
        self._rules = rules
        self._spec = document.convert(ImageValidatingPolicyDocument).spec

    def convert(self) -> CombinedRule:
        spec, document = self._spec, self._document
        globs: list[str] = []
        expressions: list[str] = []
        for number, reference in enumerate(spec.match_image_references):
            at: Path = ("spec", "matchImageReferences", number)
            if bool(reference.glob) == bool(reference.expression):
                raise document.create_error(at, "a reference has either glob or expression")
            try:
                compile_glob("image-validating-policy", reference.glob)
            except ValueError as error:
                raise document.create_error((*at, "glob"), str(error)) from error
            (globs if reference.glob else expressions).append(reference.glob or reference.expression)
        return CombinedRule(
            name=f"{document.kind} {document.name}",
            syntax="image-validating-policy",
            images=tuple(globs) if spec.match_image_references else ("*",),
            expressions=tuple(expressions),
            require=self._convert_requirements(),
            mode="enforce" if not spec.validation_actions or "Deny" in spec.validation_actions else "warn",
            condition=self._find_condition(),
            source=document.locate(document.number, document.at),
        )

    def _convert_requirements(self) -> ImageRequirement:
        spec, document = self._spec, self._document
        settings = spec.validation_configurations
        requirements = []
        if settings.verify_digest and not settings.mutate_digest:
            requirements.append(ImageRequirement(pinned=True))
        attestors: dict[str, str] = {}
        not_evaluated: dict[str, str] = {}
        for number, attestor in enumerate(spec.attestors):
            try:
                attestors[attestor.name] = self._convert_attestor(attestor, ("spec", "attestors", number))
            except FixedResultError as error:
                attestors[attestor.name] = ""
                not_evaluated[attestor.name] = str(error)
        attestations = {
            each.name: PREDICATE_TYPES.get(each.intoto.type, each.intoto.type)
            for each in spec.attestations
            if each.intoto
        }
        requirements += (
            ImageRequirement(
                expression=ImageExpression(
                    cel=validation.expression,
                    attestors=attestors,
                    attestations=attestations,
                    not_evaluated=not_evaluated,
                    must_verify=settings.required and len(spec.validations) == 1,
                )
            )
            for validation in spec.validations
        )
        if settings.required and len(spec.validations) != 1:
            reason = "required is evaluated for one validation; join the validations by &&, or set required: false"
            requirements.append(document.decline(("spec", "validations"), reason))
        if not requirements:
            raise document.create_error(("spec", "validations"), "the policy has no validations")
        return ImageRequirement(of=tuple(requirements))

    def _convert_attestor(self, attestor: _ValidatingAttestor, at: Path) -> str:
        """Return the name of the signer of an attestor."""
        document = self._document
        if (attestor.cosign is None) == (attestor.notary is None):
            raise document.create_error(at, "an attestor has either cosign or notary")
        if attestor.cosign is not None:
            signer = self._convert_cosign(attestor.cosign, (*at, "cosign"))
        else:
            signer = self._convert_notary(attestor.notary or _ValidatingNotary(), (*at, "notary"))
        return self._rules.add_signer(f"{document.name}/{attestor.name}", signer)

    def _convert_notary(self, notary: _ValidatingNotary, at: Path) -> PolicySigner:
        document = self._document
        if notary.tsa_certs is not None:
            raise document.refuse((*at, "tsaCerts"), "timestamp authorities of notary attestors are not evaluated")
        if notary.certs is None or not notary.certs.value:
            raise document.refuse((*at, "certs"), _EXPRESSION)
        try:
            load_certificates(notary.certs.value)
        except PemError as error:
            raise document.create_error((*at, "certs"), str(error)) from error
        return PolicySigner(certificates=notary.certs.value)

    def _convert_cosign(self, cosign: _ValidatingCosign, at: Path) -> PolicySigner:
        document = self._document
        kinds = (cosign.key, cosign.keyless, cosign.certificate)
        if sum(each is not None for each in kinds) != 1:
            raise document.create_error(at, "cosign has exactly one of key, keyless and certificate")
        if cosign.certificate is not None:
            raise document.refuse((*at, "certificate"), "certificates are not evaluated; use key or keyless")
        if cosign.tuf is not None:
            raise document.refuse((*at, "tuf"), "TUF repositories are not read; write trustedRoot.value")
        if cosign.source is not None and cosign.source.tag_prefix:
            raise document.refuse((*at, "source", "tagPrefix"), "signatures with a prefix of their tags are not read")
        root = self._build_root(cosign, at)
        if cosign.key is not None:
            signer = self._convert_key(cosign.key, (*at, "key"))
        else:
            signer = self._convert_keyless(cosign.keyless or _ValidatingKeyless(), (*at, "keyless"))
        log = cosign.ctlog or _ValidatingLog()
        if log.insecure_ignore_tlog and cosign.keyless is not None and not log.tsa_cert_chain:
            reason = "without the log nothing proves the time of signing; remove it or add tsaCertChain"
            raise document.refuse((*at, "ctlog", "insecureIgnoreTlog"), reason)
        return msgspec.structs.replace(
            signer,
            log="ignored" if log.insecure_ignore_tlog else "required",
            trusted_root_data=root,
            ignore_certificate_logs=log.insecure_ignore_sct,
            format="detect",
            repository=cosign.source.repository if cosign.source else "",
            annotations=cosign.annotations,
        )

    def _convert_key(self, key: _ValidatingKey, at: Path) -> PolicySigner:
        document = self._document
        if not key.data:
            reason = "keys of a KMS are not fetched; write the public key into data" if key.kms else _EXPRESSION
            raise document.refuse((*at, "kms" if key.kms else "expression"), reason)
        algorithm = key.hash_algorithm or "sha256"
        if algorithm not in ("sha256", "sha384", "sha512"):
            raise document.refuse((*at, "hashAlgorithm"), f"{algorithm[:40]} is not supported; sign with sha256")
        text = first_key(key.data)
        try:
            load_public_key(text.encode())
        except KeyFileError as error:
            raise document.create_error((*at, "data"), str(error)) from error
        return PolicySigner(key_data=text, hash_algorithm=algorithm)  # type: ignore[arg-type]

    def _convert_keyless(self, keyless: _ValidatingKeyless, at: Path) -> PolicySigner:
        document = self._document
        if not keyless.identities:
            raise document.create_error((*at, "identities"), "keyless has at least one identity")
        if keyless.additional_extensions:
            raise document.refuse((*at, "additionalExtensions"), "extensions are not evaluated; use identities")
        identities = []
        for number, identity in enumerate(keyless.identities):
            path = (*at, "identities", number)
            if identity.subject_expression:
                raise document.refuse((*path, "subjectExpression"), _EXPRESSION)
            flaw = identity.find_flaw(is_complete=bool(keyless.roots))
            if flaw:
                raise document.refuse(path, flaw)
            identities.append(convert_identity(identity))
        return PolicySigner(identities=tuple(identities))

    def _build_root(self, cosign: _ValidatingCosign, at: Path) -> str:
        """Return the trusted root as JSON, "" for the public one."""
        document, log = self._document, cosign.ctlog or _ValidatingLog()
        root = cosign.trusted_root
        if root is not None and not root.value:
            raise document.refuse((*at, "trustedRoot"), _EXPRESSION)
        roots = cosign.keyless.roots if cosign.keyless else ""
        parts: Parts = {}
        try:
            if log.rekor_pub_key:
                parts["tlogs"] = [describe_log(log.rekor_pub_key)]
            if log.ct_log_pub_key:
                parts["ctlogs"] = [describe_log(log.ct_log_pub_key)]
            if log.tsa_cert_chain:
                parts["timestampAuthorities"] = describe_authorities(log.tsa_cert_chain, is_chain=True)
            if roots:
                parts["certificateAuthorities"] = describe_authorities(roots, is_chain=False)
        except PemError as error:
            raise document.create_error(at, str(error)) from error
        if root is not None and parts:
            raise document.refuse((*at, "trustedRoot"), "trustedRoot with other keys or roots is not evaluated")
        if root is not None:
            return root.value
        return build_root(parts, is_public=True) if parts else ""

    def _find_condition(self) -> str:
        """Return the reason why the policy may not apply to the pods of an image, or ""."""
        spec, document = self._spec, self._document
        evaluation = as_mapping(spec.evaluation)
        causes: tuple[tuple[Any, str], ...] = (
            (not _covers_pods(spec.match_constraints), "matchConstraints"),
            (spec.match_conditions, "matchConditions"),
            (spec.images, "images"),
            (as_mapping(evaluation.get("admission")).get("enabled") is False, "evaluation"),
            (evaluation.get("mode") not in (None, "", "Kubernetes"), "evaluation"),
        )
        path: Path | None = next((("spec", name) for is_set, name in causes if is_set), None)
        if path is None and document.kind.startswith("Namespaced"):
            path = ("metadata", "namespace")
        return "" if path is None else f"{document.describe(path)}: the policy applies only to some resources"


def _covers_pods(constraints: dict[str, Any] | None) -> bool:
    """Return True if a policy applies to all pods that are created. Without constraints, it applies to pods."""
    if constraints is None:
        return True
    if not set(constraints) <= {"resourceRules", "matchPolicy"}:
        return False
    rules = constraints.get("resourceRules")
    return isinstance(rules, list) and any(_is_pod_rule(as_mapping(rule)) for rule in rules)


def _is_pod_rule(rule: dict[str, Any]) -> bool:
    allowed = {
        "apiGroups": ("", "*"),
        "apiVersions": ("v1", "*"),
        "operations": ("CREATE", "*"),
        "resources": ("pods", "*", "pods/*", "*/*"),
    }
    if rule.get("resourceNames") or rule.get("scope") not in (None, "*", "Namespaced"):
        return False
    return all(
        isinstance(rule.get(field), list) and any(value in rule[field] for value in values)
        for field, values in allowed.items()
    )
