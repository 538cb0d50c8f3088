"""Transfer of libraries through an OCI registry: push and pull a folder, with signatures. Never prints."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.engine.isolation.rules import check_modules
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
    maximum_bytes=package.MAX_BYTES,
)
_FILE_NAME: Final = "library.tar.gz"
"""File name of the layer in generic OCI tools."""


class RegistryAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Access to the registry: Docker's `config.json`, and plain HTTP instead of TLS."""

    config: Path
    plain_http: bool = False

    def open(self, reference: ArtifactReference) -> OciRepository:
        """Return the repository of `reference`; sends no request yet."""
        return OciRepository(reference, Keychain(self.config), plain_http=self.plain_http)


class SharedLibrary(msgspec.Struct, frozen=True, kw_only=True):
    """A library that was pushed or pulled."""

    digest: str
    """Digest of the manifest, which a signature covers."""
    controls: int
    frameworks: int
    signed_by: str = ""
    """SHA-256 of the public key; empty without a signature or its verification."""


def push(
    folder: Path,
    reference: ArtifactReference,
    access: RegistryAccess,
    *,
    key: bytes | None = None,
    password: Password = bytes,
) -> SharedLibrary:
    """Push the library in `folder`, signed with the private `key` in PEM.

    Raises LibraryError for a library that does not load, KeyFileError, RegistryError.
    """
    root = Path(os.path.realpath(folder))
    if not root.is_dir():
        raise LibraryError(f"{folder}: no such folder")
    files = _validate(root)
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
    return _describe(files, digest, signed_by)


def pull(
    reference: ArtifactReference, folder: Path, access: RegistryAccess, *, key: bytes | None = None
) -> SharedLibrary:
    """Pull the library of `reference` into `folder`, which is written completely or not at all.

    `key` is a public key in PEM; with it, a library without a valid signature is rejected. Raises FileExistsError for a
    folder other than an unchanged pulled library, RejectedArtifactError, KeyFileError, RegistryError and OSError.
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
            content=package.compute_digest(files),
        )
        origin_json = msgspec.json.format(msgspec.json.encode(origin)) + b"\n"
        with atomic_folder(folder, {**files, package.ORIGIN: origin_json}) as new_folder:
            _check_nothing_else(_validate(new_folder), files)
            _check_free(folder)
    except LibraryError as error:
        raise RejectedArtifactError(f"{reference}: {error}") from error
    return _describe(files, pulled.digest, signed_by)


def _validate(root: Path) -> dict[str, bytes]:
    """Load the library in `root`, compile its rules and return its files. Raises LibraryError."""
    library = Library(root, parent=builtin())
    rules = [control for control in library.own_controls if not control.is_manual]
    dict(library.frameworks)
    try:
        check_modules({library.get_rule(control).path: library.collect_modules([control]) for control in rules})
    except LibraryError:
        raise
    except ValueError as error:
        raise LibraryError(str(error)) from error
    return package.collect_files(library)


def _check_nothing_else(contents: dict[str, bytes], files: dict[str, bytes]) -> None:
    """Raise LibraryError for a file in `files` that is not in `contents`, the files of the library."""
    extra_file = next(iter(files.keys() - contents.keys()), None)
    if extra_file:
        raise LibraryError(f"{extra_file!r} is not a part of a library")


def _check_free(folder: Path) -> None:
    """Raise FileExistsError unless `folder` is missing, empty, or an unchanged pulled library."""
    if not folder.absolute().parent.is_dir():
        raise LibraryError(f"{folder.absolute().parent}: no such folder")
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if package.read_origin(folder) is None:
        raise FileExistsError(f"{folder} exists and is not an unchanged pulled library; it was not replaced")


def _describe(files: dict[str, bytes], digest: str, signed_by: str) -> SharedLibrary:
    return SharedLibrary(
        digest=digest,
        controls=sum(path.endswith("/control.yaml") for path in files),
        frameworks=sum(path.startswith("frameworks/") for path in files),
        signed_by=signed_by,
    )
