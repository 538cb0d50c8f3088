"""Share a library through an OCI registry: push a folder, pull it again, with signatures. Never prints."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from kubekeep.engine.rego_policies import RegoPolicySet
from kubekeep.library import package
from kubekeep.library.load import Library, LibraryError, builtin
from kubekeep.registry import artifacts, keys
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.keys import Password
from kubekeep.registry.manifest import TITLE, VERSION
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository
from kubekeep.sinks.folder import atomic_folder

KIND: Final = artifacts.ArtifactFormat(
    artifact_type="application/vnd.kubekeep.library.v1",
    layer_type="application/vnd.kubekeep.library.v1.tar+gzip",
    most_bytes=package.MOST_BYTES,
)
_FILE_NAME: Final = "library.tar.gz"
"""What tools that fetch any artifact call the layer."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the registry: Docker's `config.json`, and whether to do without TLS."""

    config: Path
    plain_http: bool = False

    def open(self, reference: ArtifactReference) -> OciRepository:
        """The repository of `reference`; nothing is sent yet."""
        return OciRepository(reference, Keychain(self.config), plain_http=self.plain_http)


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """A library that was pushed or pulled."""

    digest: str
    """Of its manifest, which is what a signature speaks for."""
    controls: int
    frameworks: int
    signed_by: str = ""
    """SHA-256 of the public key; empty when nothing was signed or verified."""


def push(
    folder: Path, reference: ArtifactReference, access: Access, *, key: bytes | None = None, password: Password = bytes
) -> Shared:
    """Push the library in `folder`, signed with the private `key` in PEM.

    Raises LibraryError for a library that does not load, KeyFileError, RegistryError.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise LibraryError(f"{folder}: no such folder")
    files = _contents(root)
    signer = None if key is None else keys.load_private_key(key, password)
    title = reference.repository.rpartition("/")[2]
    with access.open(reference) as repository:
        digest = artifacts.push(
            repository,
            reference,
            KIND,
            (package.pack(files), {TITLE: _FILE_NAME}),
            {TITLE: title, VERSION: reference.tag},
            signer,
        )
    signed_by = keys.fingerprint(signer.public_key()) if signer else ""
    return _shared(files, digest, signed_by)


def pull(reference: ArtifactReference, folder: Path, access: Access, *, key: bytes | None = None) -> Shared:
    """Pull the library of `reference` into `folder`, which appears whole or not at all.

    With `key`, a public key in PEM, only what is signed with it. Raises FileExistsError for a folder that is not a
    pulled library as it came, RefusedError for what must not be used, KeyFileError, RegistryError and OSError.
    """
    verifier = None if key is None else keys.load_public_key(key)
    _check_free(folder)
    with access.open(reference) as repository:
        pulled = artifacts.pull(repository, reference, KIND, verifier)
    signed_by = keys.fingerprint(verifier) if verifier else ""
    try:
        files = package.unpack(pulled.layer)
        origin = package.Origin(
            reference=str(reference),
            digest=pulled.digest,
            title=pulled.annotations.get(TITLE, ""),
            version=pulled.annotations.get(VERSION, ""),
            signed_by=signed_by,
            content=package.digest_of(files),
        )
        note = msgspec.json.format(msgspec.json.encode(origin)) + b"\n"
        with atomic_folder(folder, {**files, package.ORIGIN: note}) as fresh:
            _check_nothing_else(_contents(fresh), files)
            _check_free(folder)
    except LibraryError as error:
        raise RejectedArtifactError(f"{reference}: {error}") from error
    return _shared(files, pulled.digest, signed_by)


def _contents(root: Path) -> dict[str, bytes]:
    """The files of the library in `root`; everything in it was read and every rule compiled. Raises LibraryError."""
    library = Library(root, beneath=builtin())
    rules = [control for control in library.own_controls if not control.manual]
    dict(library.frameworks)
    try:
        RegoPolicySet([library.modules(rules)], [], {})
    except LibraryError:
        raise
    except ValueError as error:
        raise LibraryError(str(error)) from error
    return package.contents(library)


def _check_nothing_else(known: dict[str, bytes], files: dict[str, bytes]) -> None:
    more = next(iter(files.keys() - known.keys()), None)
    if more:
        raise LibraryError(f"{more!r} is nothing that a library consists of")


def _check_free(folder: Path) -> None:
    """Raise FileExistsError unless `folder` may be written: nothing, empty, or a pulled library that nobody changed."""
    if not folder.absolute().parent.is_dir():
        raise LibraryError(f"{folder.absolute().parent}: no such folder")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if package.origin(folder) is None:
        raise FileExistsError(f"{folder} is there already, and not a pulled library as it came: nothing is overwritten")


def _shared(files: dict[str, bytes], digest: str, signed_by: str) -> Shared:
    return Shared(
        digest=digest,
        controls=sum(path.endswith("/control.yaml") for path in files),
        frameworks=sum(path.startswith("frameworks/") for path in files),
        signed_by=signed_by,
    )
