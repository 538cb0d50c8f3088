"""Signing of images in registries with an identity, by the services of a Sigstore instance. Never prints.

Sends an identity token to the certificate authority and the signature to the transparency log, which anybody can read.
"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible
from kubekeep.registry.errors import RegistryError
from kubekeep.signatures.access import OpenImage, SignatureAccess, open_to_write
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.keyless.services import SigningServices, select_services
from kubekeep.signatures.keyless.signing import KeylessSigner
from kubekeep.signatures.keyless.tokens import TokenSources, get_token
from kubekeep.signatures.service_client import ServiceClient, ServiceError
from kubekeep.signatures.settings import find_trust_folder
from kubekeep.signatures.signing import compact_predicate
from kubekeep.signatures.sigstore.root_state import select_root
from kubekeep.signatures.sigstore.trusted_root import TrustedRoot, read_trusted_root
from kubekeep.signatures.verification import Signer

_MAX_BYTES: Final = 4 << 20
"""Maximum size of a trusted root or a signing configuration."""


class KeylessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """An identity, and the instance that certifies it.

    signing_config and trusted_root: files of the instance; None for those of the default root. authority_file: PEM
    certificates for TLS, beside those of the system.
    """

    tokens: TokenSources
    signing_config: Path | None = None
    trusted_root: Path | None = None
    authority_file: str = ""


def request_keyless(
    *,
    token: str,
    request_url: str,
    request_secret: str,
    signing_config: Path | None,
    trusted_root: Path | None,
    authority_file: str,
) -> KeylessRequest:
    """Return the request of a signer with an identity token, or with the address of GitHub Actions to request one."""
    return KeylessRequest(
        tokens=TokenSources(token=token, request_url=request_url, request_secret=request_secret),
        signing_config=signing_config,
        trusted_root=trusted_root,
        authority_file=authority_file,
    )


class KeylessSignature(msgspec.Struct, frozen=True):
    """A new signature. digest: of the signed manifest or index. reference: digest of the signature."""

    digest: str
    reference: str
    signer: Signer


def sign_image_keyless(
    reference: str, access: SignatureAccess, request: KeylessRequest, annotations: dict[str, str]
) -> KeylessSignature:
    """Sign an image. Raises ImageAccessError, ServiceError and TrustError."""
    with _open_signer(reference, access, request) as (image, signer):
        reference, identity = signer.sign(image.subject, annotations)
    return KeylessSignature(image.subject.digest, reference, identity)


def attest_image_keyless(
    reference: str, access: SignatureAccess, request: KeylessRequest, predicate_type: str, predicate: bytes
) -> KeylessSignature:
    """Attach a signed statement to an image. predicate: JSON. Raises as `sign_image_keyless` does."""
    content = compact_predicate(predicate)
    with _open_signer(reference, access, request) as (image, signer):
        reference, identity = signer.attest(image.subject, predicate_type, content)
    return KeylessSignature(image.subject.digest, reference, identity)


@contextlib.contextmanager
def _open_signer(
    reference: str, access: SignatureAccess, request: KeylessRequest
) -> Iterator[tuple[OpenImage, KeylessSigner]]:
    """Open the image first: without it, no entry is made in a log."""
    services, root = _load_instance(request)
    try:
        client = ServiceClient(request.authority_file)
    except RegistryError as error:
        raise ServiceError(str(error)) from error
    with client, open_to_write(reference, access) as image:
        token = get_token(request.tokens, client)
        yield image, KeylessSigner(token, services, root, client, image.signatures)


def _load_instance(request: KeylessRequest) -> tuple[SigningServices, TrustedRoot]:
    now = dt.datetime.now(dt.UTC)
    if (request.signing_config is None) != (request.trusted_root is None):
        raise TrustError("--signing-config and --trusted-root belong together: use both, or none")
    if request.signing_config is not None and request.trusted_root is not None:
        name = visible(str(request.trusted_root))
        root = read_trusted_root(_read(request.trusted_root), name)
        return select_services(_read(request.signing_config), visible(str(request.signing_config)), now), root
    selected = select_root(find_trust_folder(), now)
    origin = visible(selected.root.origin.name)
    if not selected.signing_config:
        raise TrustError(f"{origin} has no signing configuration: use --signing-config and --trusted-root")
    return select_services(selected.signing_config, f"the signing configuration of {origin}", now), selected.root


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ImageAccessError(f"{visible(str(path))}: {error.strerror}") from error
    if len(content) > _MAX_BYTES:
        raise ImageAccessError(f"{visible(str(path))}: larger than {_MAX_BYTES >> 20} MiB")
    return content
