"""Conversion of ClusterImagePolicy and TrustRoot of the sigstore policy-controller (v1alpha1 and v1beta1).

Authorities are alternatives, policies hold together. Whatever cannot be evaluated becomes such a requirement.
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
from kubekeep.imagepolicy.imported.identities import KeylessIdentity, convert_identity, first_key
from kubekeep.imagepolicy.imported.trust_root import read_trust_root
from kubekeep.imagepolicy.imported.trusted_roots import Parts, build_root
from kubekeep.imagepolicy.policy import PolicySigner
from kubekeep.imagepolicy.requirements import CombinedAttestation, CombinedRule, ImageRequirement, SigstoreRego
from kubekeep.model.location import Path
from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.keys import load_public_key
from kubekeep.signatures.predicates import PREDICATE_TYPES

_CONFIGURATION: Final = "config-policy-controller"
_TYPES: Final = PREDICATE_TYPES | {"slsaprovenance": PREDICATE_TYPES["slsaprovenance02"]}
"""Types by the short names of cosign, of which slsaprovenance means version 0.2."""
_REDUCED: Final = ("slsaprovenance", "link", "vuln")
"""Short names whose predicates the policy-controller reduces to the fields that it knows before a policy reads them."""
_HASHES: Final = {"": "sha256", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
_KMS: Final = ("awskms://", "azurekms://", "hashivault://", "gcpkms://")
_PODS: Final = ("", "v1", "pods")


class _ControllerImage(ResourceFields, frozen=True):
    glob: str


class _ControllerSecretReference(ResourceFields, frozen=True):
    name: str = ""
    namespace: str = ""


class _ControllerKey(ResourceFields, frozen=True):
    secret_ref: _ControllerSecretReference | None = None
    data: str = ""
    kms: str = ""
    hash_algorithm: str = ""


class _ControllerKeyless(ResourceFields, frozen=True):
    url: str = ""
    identities: tuple[KeylessIdentity, ...] = ()
    ca_cert: _ControllerKey | None = msgspec.field(name="ca-cert", default=None)
    trust_root_ref: str = ""
    insecure_ignore_sct: bool = msgspec.field(name="insecureIgnoreSCT", default=False)


class _ControllerStatic(ResourceFields, frozen=True):
    action: Literal["pass", "fail"]
    message: str = ""


class _ControllerSource(ResourceFields, frozen=True):
    oci: str = ""
    signature_pull_secrets: tuple[dict[str, Any], ...] = ()
    tag_prefix: str = ""


class _ControllerLog(ResourceFields, frozen=True):
    url: str = ""
    trust_root_ref: str = ""


class _ControllerTimestamp(ResourceFields, frozen=True):
    trust_root_ref: str = ""


class _ControllerRemotePolicy(ResourceFields, frozen=True):
    url: str = ""
    sha256sum: str = ""


class _ControllerConfigMapReference(ResourceFields, frozen=True):
    name: str = ""
    namespace: str = ""
    key: str = ""


class _ControllerPolicy(ResourceFields, frozen=True):
    type: Literal["cue", "rego"]
    data: str = ""
    remote: _ControllerRemotePolicy | None = None
    config_map_ref: _ControllerConfigMapReference | None = None
    fetch_config_file: bool = False
    include_spec: bool = False
    include_object_meta: bool = False
    include_type_meta: bool = False


class _ControllerAttestation(ResourceFields, frozen=True):
    name: str
    predicate_type: str
    policy: _ControllerPolicy | None = None


class _ControllerAuthority(ResourceFields, frozen=True):
    name: str = ""
    key: _ControllerKey | None = None
    keyless: _ControllerKeyless | None = None
    static: _ControllerStatic | None = None
    source: tuple[_ControllerSource, ...] = ()
    ctlog: _ControllerLog | None = None
    attestations: tuple[_ControllerAttestation, ...] = ()
    rfc3161timestamp: _ControllerTimestamp | None = None
    signature_format: Literal["", "legacy", "bundle"] = ""


class _ControllerMatch(ResourceFields, frozen=True):
    group: str = ""
    version: str = ""
    resource: str = ""
    selector: dict[str, Any] | None = None


class _ControllerSpec(ResourceFields, frozen=True):
    images: tuple[_ControllerImage, ...]
    authorities: tuple[_ControllerAuthority, ...] = ()
    policy: _ControllerPolicy | None = None
    mode: Literal["", "enforce", "warn"] = ""
    match: tuple[_ControllerMatch, ...] = ()


class ClusterImagePolicyDocument(ResourceFields, frozen=True):
    """A ClusterImagePolicy."""

    api_version: str
    kind: str
    spec: _ControllerSpec
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    status: Any = None


def convert_cluster_image_policies(objects: PolicyObjects, rules: ConvertedRules) -> None:
    """Add the rules of all ClusterImagePolicies. Raises InvalidPolicyError."""
    for document in objects.list_kinds("ClusterImagePolicy"):
        rules.rules.append(_ControllerConversion(document, objects, rules).convert())


def read_unmatched(objects: PolicyObjects) -> Literal["allow", "deny"]:
    """Return the decision on images without a policy: that of the controller's ConfigMap, else deny as in the controller."""
    document = objects.find("ConfigMap", _CONFIGURATION)
    setting = objects.read_data(document).get("no-match-policy", "deny") if document else "deny"
    return "allow" if setting in ("allow", "warn") else "deny"


class _ControllerConversion:
    """The conversion of one policy."""

    def __init__(self, document: PolicyDocument, objects: PolicyObjects, rules: ConvertedRules) -> None:
        self._document = document
        self._objects = objects
        self._rules = rules
        self._spec = document.convert(ClusterImagePolicyDocument).spec

    def convert(self) -> CombinedRule:
        spec, document = self._spec, self._document
        if not spec.images:
            raise document.create_error(("spec", "images"), "a ClusterImagePolicy has at least one image")
        for number, image in enumerate(spec.images):
            try:
                compile_glob("policy-controller", image.glob)
            except ValueError as error:
                raise document.create_error(("spec", "images", number, "glob"), str(error)) from error
        return CombinedRule(
            name=f"ClusterImagePolicy {document.name}",
            syntax="policy-controller",
            images=tuple(image.glob for image in spec.images),
            require=self._convert_authorities(),
            mode="warn" if spec.mode == "warn" else "enforce",
            condition=self._find_condition(),
            source=document.locate(document.number, document.at),
        )

    def _find_condition(self) -> str:
        """Return the reason why the policy may not apply to the pods of an image, or ""."""
        matches = self._spec.match
        if not matches or any(
            (each.group, "v1" if each.version == "*" else each.version, each.resource) == _PODS and not each.selector
            for each in matches
        ):
            return ""
        return f"{self._document.describe(('spec', 'match'))}: the policy applies only to some resources"

    def _convert_authorities(self) -> ImageRequirement:
        spec = self._spec
        if not spec.authorities:
            # By default, the controller refuses to store such a policy.
            raise self._document.create_error(("spec",), "a ClusterImagePolicy has at least one authority")
        alternatives = tuple(
            self._convert_authority(authority, number) for number, authority in enumerate(spec.authorities)
        )
        any_authority = ImageRequirement(of=alternatives, at_least=1)
        if spec.policy is None:
            return any_authority
        reason = f"a policy in {spec.policy.type} on all authorities is not evaluated; move it to attestations[].policy"
        return ImageRequirement(of=(any_authority, self._document.decline(("spec", "policy"), reason)))

    def _convert_authority(self, authority: _ControllerAuthority, number: int) -> ImageRequirement:
        at: Path = ("spec", "authorities", number)
        kinds = [each for each in (authority.key, authority.keyless, authority.static) if each is not None]
        if len(kinds) != 1:
            raise self._document.create_error(at, "an authority has exactly one of key, keyless and static")
        if authority.static is not None:
            others = (authority.attestations, authority.source, authority.ctlog, authority.rfc3161timestamp)
            if any(others):
                raise self._document.create_error(at, "static cannot be used with attestations, source or logs")
            if authority.static.action == "pass":
                return ImageRequirement(allow="static: pass")
            return ImageRequirement(deny=f"static: fail {authority.static.message}".strip())
        if len(authority.source) > 1:
            raise self._document.create_error((*at, "source"), "an authority has one source")
        try:
            return self._convert_signer(authority, number, at)
        except FixedResultError as error:
            return error.requirement

    def _convert_signer(self, authority: _ControllerAuthority, number: int, at: Path) -> ImageRequirement:
        signer = self._convert_source(authority, at)
        name = self._rules.add_signer(f"{self._document.name}/{authority.name or f'authority-{number}'}", signer)
        if authority.attestations:
            return ImageRequirement(
                of=tuple(
                    self._convert_attestation(attestation, name, (*at, "attestations", position))
                    for position, attestation in enumerate(authority.attestations)
                )
            )
        if signer.format == "bundle":
            reason = "the policy-controller accepts bundles only as attestations; add attestations"
            raise self._document.refuse((*at, "signatureFormat"), reason)
        return ImageRequirement(signed_by=name)

    def _convert_source(self, authority: _ControllerAuthority, at: Path) -> PolicySigner:
        """Return the signer with the location of its signatures."""
        source = authority.source[0] if authority.source else _ControllerSource()
        if source.tag_prefix:
            reason = "signatures with a prefix of their tags are not read; copy them to tags without prefix"
            raise self._document.refuse((*at, "source", 0, "tagPrefix"), reason)
        if authority.key is not None:
            signer = self._convert_key(authority, authority.key, at)
        else:
            signer = self._convert_keyless(authority, authority.keyless or _ControllerKeyless(), at)
        is_bundle = authority.signature_format == "bundle"
        return msgspec.structs.replace(signer, repository=source.oci, format="bundle" if is_bundle else "legacy-tag")

    def _convert_key(self, authority: _ControllerAuthority, key: _ControllerKey, at: Path) -> PolicySigner:
        document = self._document
        if authority.signature_format == "bundle":
            reason = "the policy-controller accepts bundles only for keyless"
            raise FixedResultError(ImageRequirement(deny=f"{document.describe(at)}: {reason}"))
        if authority.rfc3161timestamp is not None and authority.rfc3161timestamp.trust_root_ref:
            raise document.refuse((*at, "rfc3161timestamp"), "timestamps of signatures with keys are not evaluated")
        text = self._read_key(key, (*at, "key"))
        name = key.hash_algorithm.strip().lower()
        if name not in (*_HASHES, "sha224"):
            raise document.create_error((*at, "key", "hashAlgorithm"), f"unknown algorithm {name[:40]}; use sha256")
        if name == "sha224":
            raise document.refuse((*at, "key", "hashAlgorithm"), "sha224 is not supported; sign with sha256")
        log = authority.ctlog
        if log is None or not (log.url or log.trust_root_ref):
            return PolicySigner(key_data=text, hash_algorithm=_HASHES[name], log="ignored")  # type: ignore[arg-type]
        parts = self._read_parts(log.trust_root_ref, (*at, "ctlog", "trustRootRef"))
        root = build_root({"tlogs": parts["tlogs"]}, is_public=True) if parts else ""
        return PolicySigner(
            key_data=text,
            hash_algorithm=_HASHES[name],  # type: ignore[arg-type]
            log="required",
            trusted_root_data=root,
        )

    def _read_key(self, key: _ControllerKey, at: Path) -> str:
        """Return the public key of an authority, in PEM."""
        document = self._document
        reference = key.secret_ref
        if (bool(key.data) + bool(key.kms) + (reference is not None)) != 1:
            raise document.create_error(at, "a key has exactly one of data, kms and secretRef")
        text, path = key.data, (*at, "data")
        if key.kms:
            if not key.kms.startswith(_KMS):
                raise document.create_error((*at, "kms"), f"a KMS key starts with {' or '.join(_KMS)}")
            raise document.refuse((*at, "kms"), "keys of a KMS are not fetched; write the public key into data")
        if reference is not None:
            path = (*at, "secretRef")
            secret = self._objects.find("Secret", reference.name, reference.namespace)
            if secret is None:
                raise document.refuse(path, f"the Secret {reference.name[:100]} is not in the file; add it")
            values = list(self._objects.read_data(secret).values())
            if len(values) != 1:
                raise document.refuse(path, f"the Secret {secret.name} has {len(values)} entries; one is expected")
            text = values[0]
        text = first_key(text)
        try:
            load_public_key(text.encode())
        except KeyFileError as error:
            raise document.create_error(path, str(error)) from error
        return text

    def _convert_keyless(self, authority: _ControllerAuthority, keyless: _ControllerKeyless, at: Path) -> PolicySigner:
        document = self._document
        if not keyless.identities:
            raise document.create_error((*at, "keyless"), "keyless has at least one identity")
        if keyless.ca_cert is not None:
            reason = "the policy-controller does not use ca-cert to verify; name a TrustRoot in trustRootRef"
            raise document.refuse((*at, "keyless", "ca-cert"), reason)
        identities = []
        for number, identity in enumerate(keyless.identities):
            path = (*at, "keyless", "identities", number)
            flaw = identity.find_flaw(is_complete=True)
            if flaw:
                raise document.create_error(path, flaw)
            identities.append(convert_identity(identity))
        log = self._choose_log(authority, keyless, at)
        root = self._build_root(authority, keyless, at)
        return PolicySigner(
            identities=tuple(identities),
            log=log,
            trusted_root_data=root,
            ignore_certificate_logs=keyless.insecure_ignore_sct,
        )

    def _choose_log(
        self, authority: _ControllerAuthority, keyless: _ControllerKeyless, at: Path
    ) -> Literal["required", "ignored"]:
        """Return the use of transparency logs for certificates, as the controller derives it."""
        stamp, log = authority.rfc3161timestamp, authority.ctlog
        is_bundle = authority.signature_format == "bundle"
        if is_bundle:
            references = {each.trust_root_ref for each in (stamp, log, keyless) if each is not None}
            if len(references) > 1:
                reason = f"{self._document.describe(at)}: bundles need one trustRootRef for all parts"
                raise FixedResultError(ImageRequirement(deny=reason))
            if stamp is None and keyless.trust_root_ref:
                # Observed with version 0.13.1, which looks the log up by another form of its identity.
                reason = "the policy-controller does not find the log of a TrustRoot for bundles; add rfc3161timestamp"
                raise self._document.refuse((*at, "signatureFormat"), reason)
            return "required" if stamp is None else "ignored"
        if stamp is not None and stamp.trust_root_ref:
            return "ignored"
        if (log.url or log.trust_root_ref) if log is not None else not keyless.trust_root_ref:
            return "required"
        reason = "without ctlog and rfc3161timestamp nothing proves the time of signing; name one with a trustRootRef"
        raise self._document.refuse((*at, "keyless"), reason)

    def _build_root(self, authority: _ControllerAuthority, keyless: _ControllerKeyless, at: Path) -> str:
        """Return the trusted root as JSON, "" for the public one."""
        log, stamp = authority.ctlog or _ControllerLog(), authority.rfc3161timestamp or _ControllerTimestamp()
        keyless_parts = self._read_parts(keyless.trust_root_ref, (*at, "keyless", "trustRootRef"))
        log_parts = self._read_parts(log.trust_root_ref, (*at, "ctlog", "trustRootRef"))
        stamp_parts = self._read_parts(stamp.trust_root_ref, (*at, "rfc3161timestamp", "trustRootRef"))
        parts: Parts = {}
        for source, names in (
            (keyless_parts, ("certificateAuthorities", "ctlogs")),
            (log_parts, ("tlogs",)),
            (stamp_parts, ("timestampAuthorities",)),
        ):
            if source is not None:
                parts |= {name: source[name] for name in names}
        if authority.signature_format == "bundle" and isinstance(keyless_parts, dict):
            parts = dict(keyless_parts)
        if keyless_parts is not None and not parts["ctlogs"] and not keyless.insecure_ignore_sct:
            reason = "the TrustRoot has no ctLogs; add them or set insecureIgnoreSCT"
            raise self._document.refuse((*at, "keyless", "trustRootRef"), reason)
        return build_root(parts, is_public=True) if parts else ""

    def _read_parts(self, name: str, at: Path) -> Parts | None:
        """Return the parts of a TrustRoot; None if none is named."""
        if not name:
            return None
        document = self._objects.find("TrustRoot", name)
        if document is None:
            raise self._document.refuse(at, f"the TrustRoot {name[:100]} is not in the file; add it")
        return read_trust_root(document)

    def _convert_attestation(self, attestation: _ControllerAttestation, signer: str, at: Path) -> ImageRequirement:
        document = self._document
        if not attestation.name or not attestation.predicate_type:
            raise document.create_error(at, "an attestation has a name and a predicateType")
        name = attestation.predicate_type
        predicate_type = _TYPES.get(name, name)
        required = CombinedAttestation(type=predicate_type, signed_by=signer)
        policy = attestation.policy
        if policy is None:
            return ImageRequirement(attestation=required)
        path = (*at, "policy")
        try:
            text = self._read_policy(policy, path)
            if policy.type == "cue":
                raise document.refuse(path, "policies in CUE are not evaluated; write the policy in rego")
            if name in _REDUCED:
                reason = f"rego on the short type {name} is not evaluated; use the type {predicate_type}"
                raise document.refuse(path, reason)
        except FixedResultError as error:
            return ImageRequirement(of=(ImageRequirement(attestation=required), error.requirement))
        return ImageRequirement(attestation=msgspec.structs.replace(required, rego=SigstoreRego(text)))

    def _read_policy(self, policy: _ControllerPolicy, at: Path) -> str:
        """Return the text of a policy."""
        document, reference = self._document, policy.config_map_ref
        if (bool(policy.data) + (reference is not None) + (policy.remote is not None)) != 1:
            raise document.create_error(at, "a policy has exactly one of data, configMapRef and remote")
        if any((policy.fetch_config_file, policy.include_spec, policy.include_object_meta, policy.include_type_meta)):
            raise document.create_error(at, "fetchConfigFile and include fields are for spec.policy")
        if policy.remote is not None:
            raise document.refuse((*at, "remote"), "remote policies are not fetched; write the policy into data")
        if reference is None:
            return policy.data
        config_map = self._objects.find("ConfigMap", reference.name, reference.namespace)
        text = self._objects.read_data(config_map).get(reference.key, "") if config_map else ""
        if not text:
            reason = (
                f"the ConfigMap {reference.name[:100]} with the key {reference.key[:100]} is not in the file; add it"
            )
            raise document.refuse((*at, "configMapRef"), reason)
        return text
