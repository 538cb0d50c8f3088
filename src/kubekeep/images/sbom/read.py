"""Reading of SBOM documents in any supported format, also inside of attestations.

Verifies no signature, and reads no file: callers pass the content.
"""

from __future__ import annotations

import contextlib
from typing import Any, Final

import msgspec

from kubekeep.images.errors import SbomError
from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.envelopes import decode_json, decode_payload
from kubekeep.model.json_values import as_mapping
from kubekeep.model.location import Path

MAX_BYTES: Final = 128 << 20
"""Maximum size of a document."""
_MAX_VALUES: Final = 5_000_000
"""Maximum number of values in a document: memory depends on them more than on the size."""
_DEEPEST_ENVELOPE: Final = 4
_MAX_LINES: Final = 100
"""Maximum number of JSON documents in a file."""
_FORMATS: Final = "CycloneDX JSON, SPDX JSON or tag-value, and Syft JSON"
_NO_SBOM: Final = f"not an SBOM: supported formats are {_FORMATS}"


def read_sbom(content: bytes, name: str) -> Sbom:
    """Return the SBOM in a document; `name` is that of the file in messages. Raises SbomError."""
    if len(content) > MAX_BYTES:
        raise SbomError(f"{name}: the document has more than {MAX_BYTES >> 20} MiB")
    if content.count(b",") + content.count(b"[") + content.count(b"{") > _MAX_VALUES:
        raise SbomError(f"{name}: the document has more than {_MAX_VALUES:,} values")
    try:
        return _read(content.removeprefix(b"\xef\xbb\xbf").lstrip())
    except SbomError as error:
        raise SbomError(f"{name}: {error}") from None


def _read(text: bytes) -> Sbom:
    if text[:1] in b"{[" and text:
        return _read_json(text)
    if b"SPDXVersion:" in text[:4096]:
        return _read_tag_value(text)
    raise SbomError(f"XML is not supported: supported formats are {_FORMATS}" if text[:1] == b"<" else _NO_SBOM)


def _read_json(text: bytes) -> Sbom:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        if isinstance(error, RecursionError):
            raise SbomError("nested too deeply") from None
        return _read_lines(text)
    return _read_document(value, _DEEPEST_ENVELOPE)


def _read_lines(text: bytes) -> Sbom:
    """Return the only SBOM of several JSON documents, one a line, as `cosign download attestation` prints them."""
    sboms: list[Sbom] = []
    lines = (line for line in text.split(b"\n", _MAX_LINES) if line.strip())
    for number, line in enumerate(lines):
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise SbomError("not valid JSON") from None
        # Other attestations, such as those of the build, are no SBOMs.
        with contextlib.suppress(SbomError):
            sboms.append(_nest_entries(_read_document(value, _DEEPEST_ENVELOPE), number))
    if len(sboms) > 1:
        raise SbomError("the file has several SBOMs: write each of its lines to a file of its own")
    if not sboms:
        raise SbomError(_NO_SBOM)
    return sboms[0]


def _read_tag_value(text: bytes) -> Sbom:
    from kubekeep.images.sbom.spdx_reader import read_spdx  # noqa: PLC0415 - one reader a document
    from kubekeep.images.sbom.spdx_tag_value_reader import parse_tag_value  # noqa: PLC0415

    return read_spdx(parse_tag_value(text))


def _read_document(value: Any, depth: int) -> Sbom:
    document = as_mapping(value)
    if document.get("bomFormat") == "CycloneDX":
        from kubekeep.images.sbom.cyclonedx_reader import read_cyclonedx  # noqa: PLC0415

        return read_cyclonedx(document)
    if isinstance(document.get("spdxVersion"), str):
        from kubekeep.images.sbom.spdx_reader import read_spdx  # noqa: PLC0415

        return read_spdx(document)
    if "@graph" in document and "spdx" in str(document.get("@context"))[:4096]:
        from kubekeep.images.sbom.spdx3_reader import convert_spdx3  # noqa: PLC0415
        from kubekeep.images.sbom.spdx_reader import read_spdx  # noqa: PLC0415

        converted, paths = convert_spdx3(document)
        sbom = read_spdx(converted)
        by_entry: dict[Path, Path] = {("packages", number): path for number, path in enumerate(paths)}
        return msgspec.structs.replace(sbom, entries=tuple(by_entry[entry] for entry in sbom.entries))
    if "artifacts" in document and "descriptor" in document:
        from kubekeep.images.sbom.syft_reader import read_syft  # noqa: PLC0415

        return read_syft(document)
    key, inner = _unwrap(document)
    if inner is None or not depth:
        raise SbomError(_NO_SBOM)
    sbom = _read_document(inner, depth - 1)
    return _nest_entries(_add_digest(sbom, document), key)


def _unwrap(document: dict[str, Any]) -> tuple[str, Any]:
    """Return the document in an envelope with its key: in-toto, DSSE, Sigstore bundle or GitHub. None if there is none."""
    for key in ("dsseEnvelope", "sbom", "predicate"):
        if isinstance(document.get(key), dict):
            return key, document[key]
    if isinstance(document.get("Data"), str) and "Timestamp" in document:
        return "Data", decode_json(document["Data"].encode("utf-8", "replace"))
    return "payload", decode_payload(document)


def _nest_entries(sbom: Sbom, step: str | int) -> Sbom:
    """Return the SBOM of a document that is the value at `step`; in encoded text, its entries have no own position."""
    return msgspec.structs.replace(sbom, entries=tuple((step, *entry) for entry in sbom.entries))


def _add_digest(sbom: Sbom, statement: dict[str, Any]) -> Sbom:
    """Return the SBOM with the digest of the statement's only subject, if the document has none."""
    subjects = statement.get("subject")
    if sbom.subject.digest or not isinstance(subjects, list) or len(subjects) != 1:
        return sbom
    digest = as_mapping(as_mapping(subjects[0]).get("digest")).get("sha256")
    if not isinstance(digest, str) or len(digest) != 64:
        return sbom
    subject = msgspec.structs.replace(sbom.subject, digest=f"sha256:{digest}")
    return msgspec.structs.replace(sbom, subject=subject)
