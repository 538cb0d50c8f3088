"""Artifacts attached to a manifest in a registry: referrers of OCI 1.1, their tag schema, and the tags of cosign.

Numbers and sizes are limited. Never reads a blob, and never interprets a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.manifest import (
    CONFIG,
    EMPTY,
    INDEX,
    MANIFEST,
    Descriptor,
    Manifest,
    decode_index,
    decode_manifest,
)
from kubekeep.registry.repository import OciRepository

_ACCEPT: Final = f"{MANIFEST}, {INDEX}"
_MOST_ARTIFACTS: Final = 128
"""Maximum number of manifests that are fetched for one subject."""
_MOST_LAYERS: Final = 256
_MOST_ANNOTATIONS: Final = 128 << 10
"""Maximum number of characters of the annotations of one layer; a chain of certificates needs a few thousand."""
_UNTYPED: Final = ("", EMPTY, CONFIG)
"""Types in descriptors that do not name the content of an artifact: its manifest does."""


class Attachment(msgspec.Struct, frozen=True):
    """An artifact that refers to a manifest.

    layout: "referrers", "referrers-tag" or "legacy-tag". reference: the digest of the artifact, or its tag. subject: digest of
    the manifest. artifact_type: from the artifact's manifest, else the type of its configuration. problem: the reason why the artifact cannot be read; it has no layers then.
    """

    layout: str
    reference: str
    subject: str
    artifact_type: str = ""
    layers: tuple[Descriptor, ...] = ()
    annotations: dict[str, str] = {}
    problem: str = ""


def list_attachments(
    repository: OciRepository, subjects: Iterable[str], types: tuple[str, ...], suffixes: tuple[str, ...]
) -> Iterator[Attachment]:
    """Yield the artifacts attached to the digests in `subjects`, each once.

    types: prefixes of the artifact types to fetch; artifacts without a type are fetched too. suffixes: of tags of cosign,
    as "sig". Raises RegistryError, and RejectedArtifactError for an invalid list or above a limit.
    """
    fetched: set[str] = set()
    for subject in subjects:
        for layout, version in _list_versions(repository, subject, types, suffixes):
            if version in fetched:
                continue
            if len(fetched) == _MOST_ARTIFACTS:
                raise RejectedArtifactError(f"{subject} has more than {_MOST_ARTIFACTS} attached artifacts")
            fetched.add(version)
            attachment = fetch_attachment(repository, version, layout, subject)
            if attachment is not None:
                yield attachment


def fetch_attachment(repository: OciRepository, version: str, layout: str, subject: str) -> Attachment | None:
    """Return the artifact `version`, a tag or digest; None if it does not exist. Raises RegistryError."""
    try:
        content = repository.get_manifest(version, _ACCEPT)
        if content is None:
            return None
        manifest = decode_manifest(content, version)
        _check(manifest)
    except RejectedArtifactError as error:
        return Attachment(layout, version, subject, problem=str(error))
    artifact_type = manifest.artifact_type or manifest.config.media_type
    return Attachment(layout, version, subject, artifact_type, manifest.layers, manifest.annotations or {})


def _check(manifest: Manifest) -> None:
    if len(manifest.layers) > _MOST_LAYERS:
        raise RejectedArtifactError(f"{len(manifest.layers)} layers; at most {_MOST_LAYERS} are read")
    for layer in manifest.layers:
        length = sum(len(name) + len(value) for name, value in layer.annotations.items())
        if length > _MOST_ANNOTATIONS:
            raise RejectedArtifactError(
                f"the annotations of layer {layer.digest} have {length:,} characters; "
                f"at most {_MOST_ANNOTATIONS:,} are read"
            )


def tag_of(subject: str, suffix: str = "") -> str:
    """Return the tag of the referrers of a digest, or the tag of cosign with `suffix`."""
    return f"{subject.replace(':', '-')}{'.' if suffix else ''}{suffix}"


def _list_versions(
    repository: OciRepository, subject: str, types: tuple[str, ...], suffixes: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """Yield (layout, version) of each artifact that may be relevant.

    The tag schema is read also where the API exists: clients without the API, and registries before they had it, leave
    artifacts there.
    """
    for page in repository.iterate_referrers(subject):
        for version in _select(page, f"referrers of {subject}", types):
            yield "referrers", version
    content = repository.get_manifest(tag_of(subject), _ACCEPT)
    if content is not None:
        for version in _select(content, tag_of(subject), types):
            yield "referrers-tag", version
    for suffix in suffixes:
        yield "legacy-tag", tag_of(subject, suffix)


def _select(content: bytes, name: str, types: tuple[str, ...]) -> Iterator[str]:
    for entry in decode_index(content, name).manifests:
        if entry.artifact_type in _UNTYPED or entry.artifact_type.startswith(types):
            yield entry.digest
