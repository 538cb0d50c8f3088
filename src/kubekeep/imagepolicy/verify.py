"""Evaluation of image policies on images in registries. Never prints, and never changes a registry."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from collections.abc import Callable
from typing import Final, TypeVar

import msgspec

from kubekeep.imagepolicy.conditions import ImagePolicyFile, PolicyConditions
from kubekeep.imagepolicy.evaluate import ImagePolicyEvaluator, ImagePolicyResult
from kubekeep.imagepolicy.languages import ImportedLanguages
from kubekeep.imagepolicy.policy import PolicySigner
from kubekeep.imagepolicy.signers import create_trust, select_signatures
from kubekeep.images.access.open_image import open_image
from kubekeep.images.configuration import decode_configuration
from kubekeep.images.errors import ImageAccessError
from kubekeep.images.options import ImageIdentity
from kubekeep.model.text import visible
from kubekeep.registry.reference import ArtifactReference, parse_image_name
from kubekeep.signatures.access import (
    REGISTRY,
    FetchedSignatures,
    SignatureAccess,
    fetch_identity_signatures,
    verify_fetched,
)
from kubekeep.signatures.notation.verify import NotationTrust
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verification import SignatureReport

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
            name = parse_image_name(reference.removeprefix(REGISTRY))
        except ValueError as error:
            raise ImageAccessError(visible(str(error))) from error
        text = reference.removeprefix(REGISTRY)
        return self._evaluate(name, _PolicyImage(name, self._access, self._signers), text)

    def verify_identity(self, identity: ImageIdentity) -> ImagePolicyResult:
        """Return the result for an image that was read already. Raises ImageAccessError for one outside of a registry."""
        try:
            name = parse_image_name(identity.reference.removeprefix(REGISTRY))
        except ValueError as error:
            raise ImageAccessError("signatures are kept in registries") from error
        text = identity.reference.removeprefix(REGISTRY)
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
        return select_signatures(verify_fetched(fetched, trusted.trust), trusted.signer, fetched)

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
        reference = f"{REGISTRY}{str(self._name).removeprefix('oci://')}"
        with contextlib.closing(open_image(reference, self._access.images)) as image:
            created = decode_configuration(image.config, reference).created
            return ImageIdentity(reference, image.digest, image.index_digest, image.platform, created or "")
