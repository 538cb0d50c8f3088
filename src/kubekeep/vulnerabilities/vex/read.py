"""Reading of VEX documents in any supported format, also inside of attestations.

Verifies no signature, and reads no file: callers pass the content.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from kubekeep.images.sbom.envelopes import decode_json, decode_payload
from kubekeep.model.json_values import as_mapping
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.vex.document import VexDocument, VexIdentity
from kubekeep.vulnerabilities.vex.errors import VexError
from kubekeep.vulnerabilities.vex.identities import read_hash
from kubekeep.vulnerabilities.vex.nodes import DocumentNode
from kubekeep.vulnerabilities.vex.openvex_reader import CONTEXT, read_openvex

MAX_BYTES: Final = 64 << 20
"""Maximum size of a document."""
_MAX_VALUES: Final = 4_000_000
"""Maximum number of values in a document: memory depends on them more than on the size."""
_DEEPEST_ENVELOPE: Final = 4
_MAX_LINES: Final = 100
"""Maximum number of JSON documents in a file."""
_NO_VEX: Final = (
    "not a VEX document: supported formats are OpenVEX, CycloneDX and CSAF in JSON, and attestations of these"
)

_Subjects = tuple[VexIdentity, ...]


def read_vex(content: bytes, origin: str) -> VexDocument:
    """Return the VEX document in `content`; `origin` is the name of the file or attestation. Raises VexError."""
    name = visible(origin)
    if len(content) > MAX_BYTES:
        raise VexError(f"{name}: the document has more than {MAX_BYTES >> 20} MiB")
    if content.count(b",") + content.count(b"[") + content.count(b"{") > _MAX_VALUES:
        raise VexError(f"{name}: the document has more than {_MAX_VALUES:,} values")
    try:
        return _read(content.removeprefix(b"\xef\xbb\xbf").lstrip(), origin)
    except VexError as error:
        raise VexError(f"{name}: {error}") from None


def _read(text: bytes, origin: str) -> VexDocument:
    if text[:1] != b"{":
        raise VexError(_NO_VEX)
    try:
        value = msgspec.json.decode(text)
    except RecursionError:
        raise VexError("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _read_lines(text, origin)
    return _read_document(value, origin, (), _DEEPEST_ENVELOPE)


def _read_lines(text: bytes, origin: str) -> VexDocument:
    """Return the only VEX document of several JSON documents, one a line, as `cosign download attestation` prints them."""
    documents: list[VexDocument] = []
    errors: list[VexError] = []
    for line in text.split(b"\n", _MAX_LINES):
        if not line.strip():
            continue
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise VexError(f"not valid JSON: {visible(str(error))}") from None
        # Other attestations, such as those of the build, are no VEX documents.
        with contextlib.suppress(_OtherDocumentError):
            try:
                documents.append(_read_document(value, origin, (), _DEEPEST_ENVELOPE))
            except _OtherDocumentError:
                raise
            except VexError as error:
                errors.append(error)
    if errors:
        raise errors[0]
    if len(documents) > 1:
        raise VexError("the file has several VEX documents: write each of its lines to a file of its own")
    if not documents:
        raise _OtherDocumentError(_NO_VEX)
    return documents[0]


class _OtherDocumentError(VexError):
    """A document that has no statements, of any other kind."""


def _read_document(value: Any, origin: str, subjects: _Subjects, depth: int) -> VexDocument:
    document = as_mapping(value)
    root = DocumentNode(document)
    context = document.get("@context")
    if isinstance(context, str) and context.startswith(CONTEXT):
        return read_openvex(root, origin, subjects)
    if document.get("bomFormat") == "CycloneDX":
        from kubekeep.vulnerabilities.vex.cyclonedx_reader import read_cyclonedx_vex  # noqa: PLC0415 - one reader a document

        return read_cyclonedx_vex(root, origin)
    if isinstance(as_mapping(document.get("document")).get("csaf_version"), str):
        from kubekeep.vulnerabilities.vex.csaf_reader import read_csaf  # noqa: PLC0415

        return read_csaf(root, origin)
    inner = _unwrap(document)
    if inner is None or not depth:
        raise _OtherDocumentError(_NO_VEX)
    return _read_document(inner, origin, _list_subjects(document) or subjects, depth - 1)


def _unwrap(document: dict[str, Any]) -> Any:
    """Return the document in an envelope: Sigstore bundle, DSSE, in-toto statement or the predicate of cosign."""
    for key in ("dsseEnvelope", "predicate"):
        if isinstance(document.get(key), dict):
            return document[key]
    text = document.get("Data")
    if isinstance(text, str):
        return decode_json(text.encode("utf-8", "replace"))
    if isinstance(text, dict):
        return text
    return decode_payload(document)


def _list_subjects(statement: dict[str, Any]) -> _Subjects:
    """Return the subjects of an in-toto statement: their digests identify them, their names do not."""
    subjects = statement.get("subject")
    if not isinstance(subjects, list) or len(subjects) > 1_000:
        return ()
    hashes = [
        pair
        for subject in subjects
        for algorithm, value in as_mapping(as_mapping(subject).get("digest")).items()
        if isinstance(value, str)
        for pair in read_hash(str(algorithm), value)
    ]
    return tuple(VexIdentity(hashes=(pair,)) for pair in hashes)
