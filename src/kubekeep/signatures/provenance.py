"""Provenance of SLSA in attestations: who has built an image, from which source. Decodes predicates; verifies nothing."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.verification import VerifiedSignature

PROVENANCE: Final = "https://slsa.dev/provenance/"
_GIT: Final = "git+"
_COMMITS: Final = ("gitCommit", "sha1")
_SOURCE_PARAMETERS: Final = ("source", "repository")
_MOST_MATERIALS: Final = 4096


class Provenance(msgspec.Struct, frozen=True, omit_defaults=True):
    """The origin of an image; a field is empty if the predicate does not have it.

    builder: identity of the builder. build_type: how to interpret the build. source: repository, without `git+` and reference.
    reference: as "refs/heads/main". commit: of the source. invocation: of the build. finished: its end in RFC 3339.
    """

    builder: str = ""
    build_type: str = ""
    source: str = ""
    reference: str = ""
    commit: str = ""
    invocation: str = ""
    finished: str = ""


class _Material(msgspec.Struct, frozen=True):
    uri: str = ""
    digest: dict[str, str] | None = None


class _Builder(msgspec.Struct, frozen=True):
    id: str = ""


class _Source(msgspec.Struct, frozen=True, rename="camel"):
    config_source: _Material | None = None


class _RunMetadata(msgspec.Struct, frozen=True, rename="camel"):
    invocation_id: str | None = None
    build_invocation_id: str | None = msgspec.field(name="buildInvocationId", default=None)
    finished_on: str | None = None
    build_finished_on: str | None = None


class _FirstPredicate(msgspec.Struct, frozen=True, rename="camel"):
    """Versions 0.1 and 0.2."""

    builder: _Builder | None = None
    build_type: str = ""
    invocation: _Source | None = None
    materials: tuple[_Material, ...] | None = None
    metadata: _RunMetadata | None = None


class _BuildDefinition(msgspec.Struct, frozen=True, rename="camel"):
    build_type: str = ""
    external_parameters: dict[str, Any] | None = None
    resolved_dependencies: tuple[_Material, ...] | None = None


class _RunDetails(msgspec.Struct, frozen=True):
    builder: _Builder | None = None
    metadata: _RunMetadata | None = None


class _Predicate(msgspec.Struct, frozen=True, rename="camel"):
    """Version 1."""

    build_definition: _BuildDefinition = _BuildDefinition()
    run_details: _RunDetails = _RunDetails()


def read_provenance(attestation: VerifiedSignature) -> Provenance:
    """Return the provenance in an attestation of SLSA 0.1, 0.2 or 1. Raises SignatureError for another predicate."""
    version = attestation.predicate_type.removeprefix(PROVENANCE)
    if not attestation.predicate_type.startswith(PROVENANCE) or not version.startswith(("v0.", "v1")):
        raise SignatureError(f"{attestation.predicate_type} is not a provenance of SLSA")
    try:
        if version.startswith("v0."):
            return _read_first(msgspec.json.decode(attestation.predicate, type=_FirstPredicate))
        return _read_second(msgspec.json.decode(attestation.predicate, type=_Predicate))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SignatureError(f"the provenance cannot be read: {error}") from error


def _read_first(predicate: _FirstPredicate) -> Provenance:
    metadata = predicate.metadata or _RunMetadata()
    configured = (predicate.invocation or _Source()).config_source
    source = _select_source([*([configured] if configured else []), *(predicate.materials or ())])
    return _create((predicate.builder or _Builder()).id, predicate.build_type, source, metadata)


def _read_second(predicate: _Predicate) -> Provenance:
    definition, details = predicate.build_definition, predicate.run_details
    source = _select_source(definition.resolved_dependencies or ())
    provenance = _create(
        (details.builder or _Builder()).id, definition.build_type, source, details.metadata or _RunMetadata()
    )
    repository, reference = _read_parameters(definition.external_parameters or {})
    if repository and not provenance.source:
        provenance = msgspec.structs.replace(provenance, source=repository)
    if reference and not provenance.reference:
        provenance = msgspec.structs.replace(provenance, reference=reference)
    return provenance


def _read_parameters(parameters: dict[str, Any]) -> tuple[str, str]:
    """Return repository and reference of the parameters of GitHub's and of generic build types."""
    workflow = parameters.get("workflow")
    fields = workflow if isinstance(workflow, dict) else parameters
    for name in _SOURCE_PARAMETERS:
        value = fields.get(name)
        uri = value.get("uri") if isinstance(value, dict) else value
        if isinstance(uri, str) and uri:
            repository, reference = _split(uri)
            explicit = fields.get("ref")
            return repository, reference or (explicit if isinstance(explicit, str) else "")
    return "", ""


def _select_source(materials: list[_Material] | tuple[_Material, ...]) -> _Material:
    """Return the first material that is a commit."""
    for material in materials[:_MOST_MATERIALS]:
        if material.uri.startswith(_GIT) or any(name in (material.digest or {}) for name in _COMMITS):
            return material
    return _Material()


def _create(builder: str, build_type: str, source: _Material, metadata: _RunMetadata) -> Provenance:
    repository, reference = _split(source.uri)
    digests = source.digest or {}
    return Provenance(
        builder=builder,
        build_type=build_type,
        source=repository,
        reference=reference,
        commit=next((digests[name] for name in _COMMITS if name in digests), ""),
        invocation=metadata.invocation_id or metadata.build_invocation_id or "",
        finished=metadata.finished_on or metadata.build_finished_on or "",
    )


def _split(uri: str) -> tuple[str, str]:
    """Split `git+https://host/repository@refs/heads/main` into repository and reference; credentials stay where they are."""
    text = uri.removeprefix(_GIT)
    host_end = text.find("/", text.find("://") + 3) if "://" in text else 0
    at = text.find("@", max(host_end, 0))
    return (text, "") if at < 0 else (text[:at], text[at + 1 :])
