"""Attestors of Kyverno's verifyImages rules, converted to signers. What cannot be evaluated becomes such a requirement."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec
from cryptography.hazmat.primitives import serialization

from kubekeep.imagepolicy.imported.documents import (
    ConvertedRules,
    FixedResultError,
    PolicyDocument,
    PolicyObjects,
    ResourceFields,
)
from kubekeep.imagepolicy.imported.identities import (
    KeylessIdentity,
    convert_identity,
    convert_wildcards,
    first_key,
    split_keys,
)
from kubekeep.imagepolicy.imported.trusted_roots import (
    Parts,
    PemError,
    build_root,
    describe_authorities,
    describe_log,
    load_certificates,
)
from kubekeep.imagepolicy.policy import PolicySigner, SignerIdentity
from kubekeep.imagepolicy.requirements import ImageRequirement
from kubekeep.model.location import Path
from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.keys import load_public_key

ImageType = Literal["Cosign", "SigstoreBundle", "Notary"]
_KEY_ENTRY: Final = "cosign.pub"
_SECRET_SCHEME: Final = "k8s://"  # noqa: S105 - a scheme of URLs


class _KyvernoSecret(ResourceFields, frozen=True):
    name: str
    namespace: str = ""


class KyvernoLog(ResourceFields, frozen=True):
    """The transparency log, with its key in PEM."""

    url: str = ""
    pubkey: str = ""
    ignore_tlog: bool = False


class KyvernoCertificateLog(ResourceFields, frozen=True):
    """The certificate log, with its key in PEM, and timestamp authorities."""

    ignore_sct: bool = msgspec.field(name="ignoreSCT", default=False)
    pubkey: str = ""
    tsa_cert_chain: str = ""


class KyvernoKeys(ResourceFields, frozen=True):
    """Public keys: in PEM, in a Secret or in a KMS."""

    public_keys: str = ""
    signature_algorithm: str = ""
    kms: str = ""
    secret: _KyvernoSecret | None = None
    rekor: KyvernoLog | None = None
    ctlog: KyvernoCertificateLog | None = None


class _KyvernoCertificates(ResourceFields, frozen=True):
    cert: str = ""
    cert_chain: str = ""
    rekor: KyvernoLog | None = None
    ctlog: KyvernoCertificateLog | None = None


class KyvernoKeyless(ResourceFields, frozen=True):
    """An identity of keyless signers; texts have `*` and `?`."""

    rekor: KyvernoLog | None = None
    ctlog: KyvernoCertificateLog | None = None
    issuer: str = ""
    issuer_reg_exp: str = ""
    subject: str = ""
    subject_reg_exp: str = ""
    roots: str = ""
    additional_extensions: dict[str, str] = msgspec.field(default_factory=dict)


class Attestor(ResourceFields, frozen=True):
    """One attestor: keys, certificates, a keyless identity or a set of attestors."""

    keys: KyvernoKeys | None = None
    certificates: _KyvernoCertificates | None = None
    keyless: KyvernoKeyless | None = None
    attestor: AttestorSet | None = None
    annotations: dict[str, str] = msgspec.field(default_factory=dict)
    repository: str = ""
    signature_algorithm: str = ""


class AttestorSet(ResourceFields, frozen=True):
    """Attestors of which `count` must have signed, all without it."""

    entries: tuple[Attestor, ...] = ()
    count: int | None = None


class AttestorContext(msgspec.Struct, frozen=True):
    """The settings of a verifyImages entry that hold for its attestors. name: of the rule, in the names of signers."""

    name: str
    type: ImageType
    repository: str
    annotations: dict[str, str]
    uses_referrers: bool


class AttestorConversion:
    """The conversion of the attestors of one policy."""

    def __init__(self, document: PolicyDocument, objects: PolicyObjects, rules: ConvertedRules) -> None:
        self._document = document
        self._objects = objects
        self._rules = rules

    def convert_set(self, attestors: AttestorSet, context: AttestorContext, at: Path) -> ImageRequirement:
        """Return the requirement of a set on the signatures of an image. Raises InvalidPolicyError."""
        self.check_set(attestors, at)
        requirements: list[ImageRequirement] = []
        for number, entry in enumerate(attestors.entries):
            path = (*at, "entries", number)
            if entry.attestor is not None:
                requirements.append(self.convert_set(entry.attestor, context, (*path, "attestor")))
                continue
            for each in _expand_keys(entry):
                try:
                    signer = self.convert_entry(each, context, path)
                except FixedResultError as error:
                    requirements.append(error.requirement)
                    continue
                counts = context.type == "SigstoreBundle"
                requirements.append(ImageRequirement(signed_by=signer, counts_attestations=counts))
        # Without a count, all keys of an entry with several keys count, as Kyverno counts them.
        return ImageRequirement(of=tuple(requirements), at_least=attestors.count or len(requirements))

    def check_set(self, attestors: AttestorSet, at: Path) -> None:
        """Raise InvalidPolicyError for an empty set or a count that no number of entries reaches."""
        if not attestors.entries:
            raise self._document.create_error((*at, "entries"), "a set of attestors has at least one entry")
        if attestors.count is not None and not 0 <= attestors.count <= len(attestors.entries):
            message = f"count is {attestors.count}, and there are {len(attestors.entries)} entries"
            raise self._document.create_error((*at, "count"), message)

    def convert_entry(self, entry: Attestor, context: AttestorContext, at: Path) -> str:
        """Return the name of the signer of an attestor, which is not a set. Raises InvalidPolicyError."""
        document = self._document
        kinds = (entry.keys, entry.certificates, entry.keyless)
        if sum(each is not None for each in kinds) != 1:
            raise document.create_error(at, "an attestor has exactly one of keys, certificates, keyless and attestor")
        variable = next(find_variables(msgspec.to_builtins(entry)), None)
        if variable is not None:
            raise document.refuse((*at, *variable), "variables are not evaluated; write the value")
        if context.type == "Notary":
            signer = self._convert_notary(entry, at)
        elif entry.keys is not None:
            signer = self._convert_keys(entry, entry.keys, context, (*at, "keys"))
        elif entry.certificates is not None:
            signer = self._convert_certificates(entry.certificates, context, (*at, "certificates"))
        else:
            signer = self._convert_keyless(entry.keyless or KyvernoKeyless(), context, (*at, "keyless"))
        repository = entry.repository or context.repository
        if context.type == "SigstoreBundle" and repository:
            raise document.refuse((*at, "repository"), "Kyverno reads bundles in the image's own repository only")
        if context.type != "Notary":
            legacy: Literal["cosign", "legacy-tag"] = "cosign" if context.uses_referrers else "legacy-tag"
            signer = msgspec.structs.replace(
                signer,
                format="bundle" if context.type == "SigstoreBundle" else legacy,
                repository=repository,
                annotations=entry.annotations or context.annotations,
            )
        return self._rules.add_signer(f"{context.name}/{kinds_name(entry)}", signer)

    def _convert_keys(self, entry: Attestor, keys: KyvernoKeys, context: AttestorContext, at: Path) -> PolicySigner:
        document = self._document
        text = self._read_keys(keys, at)
        try:
            load_public_key(text.encode())
        except KeyFileError as error:
            raise document.create_error((*at, "publicKeys"), str(error)) from error
        algorithm = keys.signature_algorithm or "sha256"
        if algorithm not in ("sha224", "sha256", "sha384", "sha512"):
            raise document.create_error((*at, "signatureAlgorithm"), f"unknown algorithm {algorithm[:40]}")
        if algorithm == "sha224":
            raise document.refuse((*at, "signatureAlgorithm"), "sha224 is not supported; sign with sha256")
        if not keys.signature_algorithm and entry.signature_algorithm not in ("", "sha256"):
            reason = "Kyverno ignores this field for keys; write it into keys.signatureAlgorithm"
            raise document.refuse((*at[:-1], "signatureAlgorithm"), reason)
        parts = self.read_logs(keys.rekor, keys.ctlog, at)
        ignores = keys.rekor is not None and keys.rekor.ignore_tlog
        if context.type == "SigstoreBundle" and ignores and not (keys.ctlog and keys.ctlog.ignore_sct):
            raise document.refuse((*at, "rekor", "ignoreTlog"), "needs ctlog.ignoreSCT for bundles; set both")
        return PolicySigner(
            key_data=text,
            hash_algorithm=algorithm,  # type: ignore[arg-type]
            log="ignored" if ignores else "required",
            trusted_root_data=build_root(parts, is_public=True) if parts else "",
        )

    def _read_keys(self, keys: KyvernoKeys, at: Path) -> str:
        """Return the first public key of an entry, in PEM."""
        document = self._document
        if not (keys.public_keys or keys.kms or keys.secret):
            raise document.create_error(at, "keys has one of publicKeys, kms and secret")
        text, reference = keys.public_keys.strip(), keys.secret
        if text.startswith(_SECRET_SCHEME):
            namespace, _, name = text.removeprefix(_SECRET_SCHEME).rpartition("/")
            reference = _KyvernoSecret(name, namespace)
        elif text:
            if "-----BEGIN" in text:
                return first_key(text)
            raise document.refuse((*at, "publicKeys"), "keys of a KMS are not fetched; write the public key")
        if reference is None:
            raise document.refuse((*at, "kms"), "keys of a KMS are not fetched; write the key into publicKeys")
        secret = self._objects.find("Secret", reference.name, reference.namespace)
        if secret is None:
            path = (*at, "publicKeys" if text else "secret")
            raise document.refuse(path, f"the Secret {reference.name[:100]} is not in the file; add it")
        value = self._objects.read_data(secret).get(_KEY_ENTRY)
        if not value:
            raise document.refuse(at, f"the Secret {secret.name} has no entry {_KEY_ENTRY}")
        return first_key(value)

    def read_logs(self, rekor: KyvernoLog | None, ctlog: KyvernoCertificateLog | None, at: Path) -> Parts:
        """Return the logs and timestamp authorities that replace those of Sigstore. Raises InvalidPolicyError."""
        parts: Parts = {}
        if rekor is not None and rekor.pubkey:
            parts["tlogs"] = [self._read(describe_log, rekor.pubkey, (*at, "rekor", "pubkey"))]
        if ctlog is not None and ctlog.pubkey:
            parts["ctlogs"] = [self._read(describe_log, ctlog.pubkey, (*at, "ctlog", "pubkey"))]
        if ctlog is not None and ctlog.tsa_cert_chain:
            parts["timestampAuthorities"] = self._read(
                lambda pem: describe_authorities(pem, is_chain=True),
                ctlog.tsa_cert_chain,
                (*at, "ctlog", "tsaCertChain"),
            )
        return parts

    def _read(self, describe: Any, pem: str, at: Path) -> Any:
        try:
            return describe(pem)
        except PemError as error:
            raise self._document.create_error(at, str(error)) from error

    def _convert_keyless(self, keyless: KyvernoKeyless, context: AttestorContext, at: Path) -> PolicySigner:
        document = self._document
        if keyless.additional_extensions:
            raise document.refuse((*at, "additionalExtensions"), "extensions are not evaluated; use subject")
        if (keyless.subject and keyless.subject_reg_exp) or (keyless.issuer and keyless.issuer_reg_exp):
            raise document.refuse(at, "the text and the regular expression are both set; use one of them")
        flaw = KeylessIdentity(
            issuer_reg_exp=keyless.issuer_reg_exp, subject_reg_exp=keyless.subject_reg_exp
        ).find_flaw(is_complete=False)
        if flaw:
            raise document.create_error(at, flaw)
        has_identity = bool((keyless.subject or keyless.subject_reg_exp) and (keyless.issuer or keyless.issuer_reg_exp))
        parts = self.read_logs(keyless.rekor, keyless.ctlog, at)
        ignores = keyless.rekor is not None and keyless.rekor.ignore_tlog
        is_bundle = context.type == "SigstoreBundle"
        if ignores and (is_bundle or "timestampAuthorities" not in parts):
            reason = "without the log nothing proves the time of signing; remove ignoreTlog or add ctlog.tsaCertChain"
            raise document.refuse((*at, "rekor", "ignoreTlog"), reason)
        if is_bundle and (not has_identity or keyless.roots or parts):
            raise document.refuse(at, "for bundles, Kyverno needs issuer and subject, and uses Sigstore's own roots")
        if keyless.roots:
            if not has_identity:
                raise document.refuse(at, "roots without issuer and subject are not evaluated; name both")
            roots = self._read(lambda pem: describe_authorities(pem, is_chain=False), keyless.roots, (*at, "roots"))
            parts["certificateAuthorities"] = roots
        return PolicySigner(
            identities=(_convert_identity(keyless, is_exact=is_bundle),),
            log="ignored" if ignores else "required",
            trusted_root_data=build_root(parts, is_public=True) if parts else "",
            # Kyverno does not verify certificate logs of bundles.
            ignore_certificate_logs=is_bundle or (keyless.ctlog is not None and keyless.ctlog.ignore_sct),
        )

    def _convert_certificates(
        self, certificates: _KyvernoCertificates, context: AttestorContext, at: Path
    ) -> PolicySigner:
        document = self._document
        if not certificates.cert or certificates.cert_chain or context.type == "SigstoreBundle":
            reason = "only a certificate without chain is evaluated, for the type Cosign; use keys or keyless"
            raise document.refuse(at, reason)
        text = certificates.cert
        if "-----BEGIN" not in text:
            try:
                text = base64.b64decode(text, validate=True).decode()
            except ValueError:
                raise document.create_error((*at, "cert"), "a certificate in PEM expected") from None
        certificate = self._read(load_certificates, text, (*at, "cert"))[0]
        key = certificate.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        parts = self.read_logs(certificates.rekor, certificates.ctlog, at)
        ignores = certificates.rekor is not None and certificates.rekor.ignore_tlog
        return PolicySigner(
            key_data=key.decode(),
            hash_algorithm="sha256",
            log="ignored" if ignores else "required",
            trusted_root_data=build_root(parts, is_public=True) if parts else "",
        )

    def _convert_notary(self, entry: Attestor, at: Path) -> PolicySigner:
        if entry.certificates is None:
            raise self._document.create_error(at, "attestors of the type Notary have certificates")
        if entry.repository or entry.annotations:
            raise self._document.refuse(at, "repository and annotations are not evaluated for the type Notary")
        text = "\n".join(filter(None, (entry.certificates.cert, entry.certificates.cert_chain)))
        self._read(load_certificates, text, (*at, "certificates"))
        return PolicySigner(certificates=text)


def _convert_identity(keyless: KyvernoKeyless, *, is_exact: bool) -> SignerIdentity:
    if is_exact:
        return convert_identity(
            KeylessIdentity(keyless.issuer, keyless.subject, keyless.issuer_reg_exp, keyless.subject_reg_exp)
        )
    return SignerIdentity(
        identity_regexp=convert_wildcards(keyless.subject, keyless.subject_reg_exp),
        issuer_regexp=convert_wildcards(keyless.issuer, keyless.issuer_reg_exp),
    )


def kinds_name(entry: Attestor) -> str:
    """Return the kind of an attestor, for the name of its signer."""
    return "key" if entry.keys else "certificate" if entry.certificates else "keyless"


def _expand_keys(entry: Attestor) -> list[Attestor]:
    """Return an attestor for each key of an entry."""
    keys = split_keys(entry.keys.public_keys) if entry.keys else []
    if len(keys) < 2 or entry.keys is None:
        return [entry]
    return [msgspec.structs.replace(entry, keys=msgspec.structs.replace(entry.keys, public_keys=key)) for key in keys]


def find_variables(value: Any, at: Path = ()) -> Iterator[Path]:
    """Yield the paths of texts with a variable of Kyverno."""
    if isinstance(value, str) and "{{" in value:
        yield at
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from find_variables(each, (*at, key))
    elif isinstance(value, list | tuple):
        for number, each in enumerate(value):
            yield from find_variables(each, (*at, number))
