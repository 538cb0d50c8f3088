"""Evaluation of image policies on images in registries. Never prints, and never changes a registry."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from kubekeep.images.access.blob_files import read_file
from kubekeep.images.access.open_image import open_image
from kubekeep.images.configuration import decode_configuration
from kubekeep.images.errors import ImageAccessError
from kubekeep.images.options import ImageIdentity
from kubekeep.model.text import visible
from kubekeep.registry.reference import ArtifactReference, parse_image_name
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.notation.image import verify_notation
from kubekeep.signatures.notation.revocation import RevocationSources, load_list
from kubekeep.signatures.notation.trust_policy import load_trust_policy
from kubekeep.signatures.notation.trust_store import TrustStore
from kubekeep.signatures.notation.verify import NotationTrust
from kubekeep.signatures.policy.evaluate import ImagePolicyEvaluator, ImagePolicyResult
from kubekeep.signatures.policy.policy import PolicySigner
from kubekeep.signatures.service_client import ServiceClient
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verification import SignatureProblem, SignatureReport, VerifiedSignature
from kubekeep.signatures.verify import verify_signatures
from kubekeep.usecases.image_signatures import FetchedSignatures, SignatureAccess, fetch_signatures
from kubekeep.usecases.policy_conditions import ImagePolicyFile, PolicyConditions
from kubekeep.usecases.policy_languages import ImportedLanguages
from kubekeep.usecases.policy_signers import create_trust, select_signatures

_REGISTRY: Final = "docker://"
_MAX_REVOCATION_LIST: Final = 64 << 20
"""Maximum size of a list of revoked certificates."""
_REFERENCE: Final = re.compile(r"docker://\S+: ")
T = TypeVar("T")


class ImagePolicyVerifier:
    """Evaluates a policy on images, one after the other. Keys and trusted roots are read once, before the first image."""

    def __init__(self, file: ImagePolicyFile, access: SignatureAccess, now: dt.datetime) -> None:
        """Read the files that the policy names. Raises ConfigurationError and TrustError."""
        self._access = access
        self._signers = {
            name: TrustedSigner(signer, create_trust(file, name, signer, now))
            for name, signer in file.policy.signers.items()
        }
        self._evaluator = ImagePolicyEvaluator(
            file.policy, PolicyConditions(file).explain_failure, now, ImportedLanguages()
        )

    def verify(self, reference: str) -> ImagePolicyResult:
        """Return the result for the name of an image in a registry. Raises ImageAccessError for an invalid name."""
        try:
            name = parse_image_name(reference.removeprefix(_REGISTRY))
        except ValueError as error:
            raise ImageAccessError(visible(str(error))) from error
        text = reference.removeprefix(_REGISTRY)
        return self._evaluate(name, _PolicyImage(name, self._access, self._signers), text)

    def verify_identity(self, identity: ImageIdentity) -> ImagePolicyResult:
        """Return the result for an image that was read already. Raises ImageAccessError for one outside of a registry."""
        try:
            name = parse_image_name(identity.reference.removeprefix(_REGISTRY))
        except ValueError as error:
            raise ImageAccessError("signatures are kept in registries") from error
        text = identity.reference.removeprefix(_REGISTRY)
        return self._evaluate(name, _PolicyImage(name, self._access, self._signers, identity), text)

    def _evaluate(self, name: ArtifactReference, image: _PolicyImage, text: str) -> ImagePolicyResult:
        result = self._evaluator.evaluate(name, image.verify, image.find_created, text)
        return msgspec.structs.replace(result, digest=image.digest)


class TrustedSigner(msgspec.Struct, frozen=True):
    """A signer of a policy, and the trust in it."""

    signer: PolicySigner
    trust: Trust | NotationTrust


class _PolicyImage:
    """An image, read when a requirement first needs it; all requirements then see the same digest."""

    def __init__(
        self,
        name: ArtifactReference,
        access: SignatureAccess,
        signers: dict[str, TrustedSigner],
        identity: ImageIdentity | None = None,
    ) -> None:
        self._name = name
        self._access = access
        self._signers = signers
        self._identity = identity
        self._fetched: dict[str, FetchedSignatures] = {}
        self._failure: ImageAccessError | None = None

    @property
    def digest(self) -> str:
        """The digest of the index, or of the manifest without one; empty if the image was not read."""
        return (self._identity.index_digest or self._identity.digest) if self._identity else ""

    def find_created(self) -> str:
        return self._read_identity().created

    def verify(self, signer: str) -> SignatureReport:
        trusted = self._signers[signer]
        fetched = self._fetch(trusted.signer.repository)
        return select_signatures(verify_signer(fetched, trusted.trust), trusted.signer, fetched, self.digest)

    def _read_identity(self) -> ImageIdentity:
        if self._identity is None:
            self._identity = self._try(self._open)
        return self._identity

    def _try(self, read: Callable[[], T]) -> T:
        """Return the result; an image that could not be read is not requested again for the next requirement."""
        if self._failure is not None:
            raise self._failure
        try:
            return read()
        except ImageAccessError as error:
            # The result names the image already.
            self._failure = ImageAccessError(_REFERENCE.sub("", str(error), count=1))
            raise self._failure from error

    def _fetch(self, repository: str) -> FetchedSignatures:
        """Return the signatures in a repository, "" for that of the options or of the image itself."""
        if repository not in self._fetched:
            identity = self._read_identity()
            access = msgspec.structs.replace(self._access, repository=repository) if repository else self._access
            self._fetched[repository] = self._try(lambda: fetch_identity_signatures(self._name, identity, access))
        return self._fetched[repository]

    def _open(self) -> ImageIdentity:
        reference = f"{_REGISTRY}{str(self._name).removeprefix('oci://')}"
        with contextlib.closing(open_image(reference, self._access.images)) as image:
            created = decode_configuration(image.config, reference).created
            return ImageIdentity(reference, image.digest, image.index_digest, image.platform, created or "")


def fetch_identity_signatures(
    name: ArtifactReference, identity: ImageIdentity, access: SignatureAccess
) -> FetchedSignatures:
    """Fetch the signatures of the manifest and of the index of an image, by digest. Raises ImageAccessError."""
    pinned = f"{_REGISTRY}{name.name}@{identity.index_digest or identity.digest}"
    # Without a cached manifest, the first request decides between TLS and plain HTTP, and between mirrors.
    images = msgspec.structs.replace(access.images, platform=identity.platform, manifest_cache="")
    return fetch_signatures(pinned, msgspec.structs.replace(access, images=images))


def verify_signer(fetched: FetchedSignatures, trust: Trust | NotationTrust) -> SignatureReport:
    """Verify the signatures of an image with the trust in one signer. Raises TrustError."""
    if isinstance(trust, Trust):
        return verify_signatures(fetched.reference, fetched.digests, fetched.signatures, trust)
    results = list(verify_notation(fetched.notation, trust))
    return SignatureReport(
        fetched.reference,
        fetched.digests[0],
        tuple(result for result in results if isinstance(result, VerifiedSignature)),
        tuple(result for result in results if isinstance(result, SignatureProblem)),
    )


class RevocationOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Sources of the status of certificates. lists: files with CRLs. online: permission for requests to OCSP and CRL."""

    lists: tuple[Path, ...] = ()
    online: bool = False


def verify_with_trust_policy(
    reference: str, access: SignatureAccess, folder: Path, now: dt.datetime, revocation: RevocationOptions
) -> SignatureReport:
    """Verify the notation signatures of an image with the trustpolicy.json and the trust stores in a folder.

    Raises ImageAccessError, and TrustError also if no trust policy is for the repository of the image.
    """
    document = load_trust_policy(folder / "trustpolicy.json")
    try:
        name = parse_image_name(reference.removeprefix(_REGISTRY))
    except ValueError as error:
        raise ImageAccessError(visible(str(error))) from error
    policy = document.select(name.name)
    if policy is None:
        raise TrustError(f"{visible(str(folder))}: no trust policy has the scope {name.name}")
    lists = tuple(load_list(read_file(path, _MAX_REVOCATION_LIST), visible(str(path))) for path in revocation.lists)
    fetched = fetch_signatures(reference, access)
    if not revocation.online:
        sources = RevocationSources(lists) if lists else None
        return verify_signer(fetched, NotationTrust(policy, TrustStore(folder), now, sources))
    with ServiceClient() as client:
        sources = RevocationSources(lists, client)
        return verify_signer(fetched, NotationTrust(policy, TrustStore(folder), now, sources))
