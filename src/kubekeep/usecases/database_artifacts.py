"""Transfer of the advisory database through OCI registries: one layer per file, with signatures. Never prints."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.text import utc_text, visible
from kubekeep.registry import artifacts, keys
from kubekeep.registry.credentials import Keychain
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.keys import Password
from kubekeep.registry.manifest import TITLE, VERSION, Descriptor
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository
from kubekeep.usecases.database import list_status, refuse_older, refuse_other_keys
from kubekeep.vulnerabilities.database.bundle import (
    BundledFile,
    check_name,
    describe_file,
    list_bundled_files,
    receive_file,
)
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.locking import change_folder, publish

KIND: Final = artifacts.ArtifactFormat(
    artifact_type="application/vnd.kubekeep.advisories.v1",
    layer_type="application/vnd.kubekeep.advisories.v1.sqlite",
    maximum_bytes=16 << 30,
)
CREATED: Final = "org.opencontainers.image.created"
_MOST_FILES: Final = 500


class SharedDatabase(msgspec.Struct, frozen=True, kw_only=True):
    """A database that was pushed or pulled.

    digest: of the manifest, which a signature covers. transferred: number of files that differed. signed_by: SHA-256 of the
    public key; empty without a signature or its verification.
    """

    digest: str
    files: int
    transferred: int
    signed_by: str = ""


class ArtifactRegistry(msgspec.Struct, frozen=True, kw_only=True):
    """Access to the registry: Docker's `config.json`, and plain HTTP instead of TLS."""

    docker_config: Path
    plain_http: bool = False

    def open(self, reference: ArtifactReference) -> OciRepository:
        """Return the repository of `reference`; sends no request yet."""
        return OciRepository(reference, Keychain(self.docker_config), plain_http=self.plain_http)


def push_database(
    folder: Path,
    reference: ArtifactReference,
    registry: ArtifactRegistry,
    *,
    key: bytes | None = None,
    password: Password = bytes,
) -> SharedDatabase:
    """Push the database in `folder`, signed with the private `key`.

    Raises DatabaseError, KeyFileError, RegistryError and OSError.
    """
    signer = None if key is None else keys.load_private_key(key, password)
    paths = list_bundled_files(folder)
    files = [describe_file(folder, path) for path in paths]
    layers = [
        artifacts.ArtifactFile(path, file.name, f"sha256:{file.sha256}", file.size)
        for path, file in zip(paths, files, strict=True)
    ]
    times = [row.updated for row in list_status(folder) if row.updated]
    annotations = {TITLE: "advisories", VERSION: reference.tag} | ({CREATED: utc_text(max(times))} if times else {})
    with registry.open(reference) as repository:
        digest = artifacts.push_files(repository, reference, KIND, layers, annotations, signer)
    signed_by = keys.fingerprint(signer.public_key()) if signer else ""
    return SharedDatabase(digest=digest, files=len(files), transferred=len(files), signed_by=signed_by)


def pull_database(
    reference: ArtifactReference,
    folder: Path,
    registry: ArtifactRegistry,
    *,
    key: bytes | None = None,
    allow_older: bool = False,
) -> SharedDatabase:
    """Pull a database into `folder`; only files that differ are transferred, and all are verified before any is replaced.

    key: public key in PEM; with it, an artifact without its signature is rejected. allow_older: replace newer files too: a
    valid signature does not tell that an artifact is the newest. Raises RejectedArtifactError, DatabaseError, KeyFileError,
    RegistryError and OSError.
    """
    verifier = None if key is None else keys.load_public_key(key)
    with registry.open(reference) as repository, change_folder(folder) as staging:
        digest, manifest = artifacts.resolve(repository, reference, KIND, verifier)
        names = _list_names(manifest.layers, reference)
        changed = [
            (name, layer)
            for name, layer in zip(names, manifest.layers, strict=True)
            if not _has_content(folder / name, layer)
        ]
        for name, layer in changed:
            stream = repository.open_blob(layer.digest, layer.size)
            try:
                file = BundledFile(name, layer.size, layer.digest.removeprefix("sha256:"))
                receive_file(stream, file, staging, str(reference))
            finally:
                stream.close()
        refuse_other_keys(staging, folder, [name for name, _ in changed], str(reference))
        if not allow_older:
            refuse_older(staging, folder, [name for name, _ in changed], str(reference))
        for name, _ in changed:
            publish(staging / name, folder / name)
    signed_by = keys.fingerprint(verifier) if verifier else ""
    return SharedDatabase(digest=digest, files=len(names), transferred=len(changed), signed_by=signed_by)


def _list_names(layers: tuple[Descriptor, ...], reference: ArtifactReference) -> list[str]:
    """Return the names of the files in the layers. Raises RejectedArtifactError unless all are files of a database."""
    if not 0 < len(layers) <= _MOST_FILES:
        raise RejectedArtifactError(f"{reference}: {len(layers)} layers; a database has 1 to {_MOST_FILES}")
    names = []
    for layer in layers:
        if layer.media_type != KIND.layer_type or layer.size > KIND.maximum_bytes:
            raise RejectedArtifactError(f"{reference}: a layer is no file of a database, or too large")
        try:
            names.append(check_name(layer.annotations.get(TITLE, ""), visible(str(reference))))
        except DatabaseError as error:
            raise RejectedArtifactError(str(error)) from error
    if len({*names}) != len(names):
        raise RejectedArtifactError(f"{reference}: two layers have the same name")
    return names


def _has_content(path: Path, layer: Descriptor) -> bool:
    if not path.is_file() or path.stat().st_size != layer.size:
        return False
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == layer.digest
