"""Facts about images that are not in them: their signatures, and the result of an image policy. Never prints."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.imagepolicy.conditions import load_image_policy
from kubekeep.imagepolicy.evaluate import ImagePolicyResult, RequirementResult
from kubekeep.imagepolicy.verify import ImagePolicyVerifier
from kubekeep.images.access.references import ReferenceKind, parse_image_reference
from kubekeep.images.errors import ImageAccessError
from kubekeep.images.options import ImageDescription, ImageIdentity
from kubekeep.model.errors import RequestError
from kubekeep.model.text import visible
from kubekeep.model.verdict import Status
from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.keys import load_public_key
from kubekeep.registry.reference import ArtifactReference
from kubekeep.signatures.access import FetchedSignatures, SignatureAccess, fetch_identity_signatures
from kubekeep.signatures.errors import SignatureError, TrustError
from kubekeep.signatures.predicates import matches_type
from kubekeep.signatures.sigstore.root_state import load_default_root
from kubekeep.signatures.stored_signature import StoredSignature
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verification import SignatureReport, VerifiedSignature
from kubekeep.signatures.verify import read_signed_content, verify_signatures
from kubekeep.usecases.request import ScanRequest

KEYS_PARAMETER: Final = "trustedCosignPublicKeys"
"""The parameter of controls with trusted keys."""


_SIGNATURE_CONTROLS: Final = ("image-signature", "image-signature-keys")
_POLICY_CONTROL: Final = "image-policy"


def add_image_facts(request: ScanRequest, *, verify: bool, policy: str) -> ScanRequest:
    """Return a request whose images are described with signatures and policy results, and whose controls read these.

    The request already has its options for images. verify: verify the signatures. policy: file of the image policy, or "".
    Raises RequestError for an invalid key, and ConfigurationError for an invalid policy.
    """
    read = request.input.read
    keys = request.rules.params.get(KEYS_PARAMETER, ())
    try:
        facts = _ImageFacts(SignatureAccess(images=read.images.access), keys, verify=verify, policy=policy)
    except TrustError as error:
        raise RequestError(str(error)) from error
    images = msgspec.structs.replace(read.images, describe=facts.describe)
    controls = (*(_SIGNATURE_CONTROLS if verify else ()), *((_POLICY_CONTROL,) if policy else ()))
    rules = msgspec.structs.replace(request.rules, controls=(*request.rules.controls, *controls))
    source = msgspec.structs.replace(request.input, read=msgspec.structs.replace(read, images=images))
    return msgspec.structs.replace(request, input=source, rules=rules)


class _ImageFacts:
    def __init__(self, access: SignatureAccess, keys: Sequence[str], *, verify: bool, policy: str) -> None:
        self._access = access
        self._reads_signatures = verify
        self._trust = Trust(keys=tuple(_load_keys(keys)), root=load_default_root()) if keys else None
        self._verifier = None
        if policy:
            self._verifier = ImagePolicyVerifier(load_image_policy(policy), access, dt.datetime.now(dt.UTC))

    def describe(self, identity: ImageIdentity) -> ImageDescription:
        """Return the fields `signatures` and `policy`, as far as they were requested."""
        fields: dict[str, Any] = {}
        problems: list[str] = []
        statements: tuple[tuple[str, bytes], ...] = ()
        name = _find_name(identity)
        if self._reads_signatures:
            try:
                fields["signatures"], statements = self._describe_signatures(name, identity)
            except ImageAccessError as error:
                fields["signatures"] = {"unread": str(error)}
                problems.append(f"signatures: {error}")
        if self._verifier is not None:
            result = _decline(identity) if name is None else self._verifier.verify_identity(identity)
            fields["policy"] = _describe_policy(result)
            problems += (
                f"image policy: {entry.requirement}: {entry.reason}"
                for entry in result.requirements
                if entry.status is Status.NOT_EVALUATED
            )
        return ImageDescription(fields, tuple(problems), statements)

    def _describe_signatures(
        self, name: ArtifactReference | None, identity: ImageIdentity
    ) -> tuple[dict[str, Any], tuple[tuple[str, bytes], ...]]:
        """Return the description of the signatures, and the VEX documents in verified attestations."""
        if name is None:
            return {"unread": "the image is not in a registry"}, ()
        fetched = fetch_identity_signatures(name, identity, self._access)
        fields: dict[str, Any] = {"attached": _count_signatures(fetched.select_root())}
        if self._trust is not None:
            report = verify_signatures(fetched.reference, fetched.digests, fetched.signatures, self._trust)
            signatures = [
                signature
                for signature in report.verified
                if not signature.predicate_type and signature.digest == fetched.root
            ]
            fields["verified"] = list(map(_describe_signature, signatures))
            fields["problems"] = msgspec.to_builtins(report.problems)
            statements = tuple(_list_statements(report))
            return fields, statements
        return fields, ()


def _list_statements(report: SignatureReport) -> Iterator[tuple[str, bytes]]:
    """Yield the VEX documents in verified attestations, each with its origin; an SBOM without statements is none."""
    for attestation in report.verified:
        is_openvex = attestation.predicate_type and matches_type(attestation.predicate_type, "openvex")
        is_cyclonedx = attestation.predicate_type and matches_type(attestation.predicate_type, "cyclonedx")
        if is_openvex or (is_cyclonedx and b'"vulnerabilities"' in attestation.predicate):
            yield f"attestation {attestation.reference}", attestation.predicate


def _load_keys(texts: Sequence[str]) -> list[Any]:
    keys = []
    for number, text in enumerate(texts):
        try:
            keys.append(load_public_key(text.encode()))
        except KeyFileError as error:
            raise TrustError(f"{KEYS_PARAMETER}[{number}]: {error}") from error
    return keys


def _find_name(identity: ImageIdentity) -> ArtifactReference | None:
    """Return the name of an image in a registry; None for another image."""
    reference = parse_image_reference(identity.reference)
    return reference.name if reference.kind is ReferenceKind.REGISTRY else None


def _count_signatures(fetched: FetchedSignatures) -> int:
    """Return the number of signatures that name the image. Their signers are not verified; attestations do not count."""
    signed = sum(_is_signature(stored) for stored in fetched.signatures)
    return signed + sum(signature.names_target for signature in fetched.notation)


def _is_signature(stored: StoredSignature) -> bool:
    if stored.signed is None:
        return False
    try:
        return not read_signed_content(stored.signed, stored.subject).predicate_type
    except SignatureError:
        return False


def _describe_signature(signature: VerifiedSignature) -> dict[str, Any]:
    signer = signature.signer
    fields = {
        "format": signature.format,
        "layout": signature.layout,
        "digest": signature.digest,
        "key": signer.key,
        "identity": signer.identity,
        "issuer": signer.issuer,
        "time": signer.time,
    }
    return {name: value for name, value in fields.items() if value}


def _decline(identity: ImageIdentity) -> ImagePolicyResult:
    reason = "the image is not in a registry: policies are for names of images"
    return ImagePolicyResult(
        visible(identity.reference), "", (RequirementResult("rule", Status.NOT_EVALUATED, reason),)
    )


def _describe_policy(result: ImagePolicyResult) -> dict[str, Any]:
    return {
        "rule": result.rule,
        "status": result.status.value,
        "requirements": [
            {"requirement": entry.requirement, "status": entry.status.value, "reason": entry.reason}
            for entry in result.requirements
        ],
    }
