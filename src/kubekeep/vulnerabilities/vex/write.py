"""Writing of VEX documents: the formats by name. The same document gives the same bytes. No I/O."""

from __future__ import annotations

import hashlib
import uuid
from typing import Final

import msgspec

from kubekeep.images.sbom.encoding import encode
from kubekeep.model.text import json_text
from kubekeep.vulnerabilities.vex.csaf_writer import convert_csaf
from kubekeep.vulnerabilities.vex.cyclonedx_writer import convert_cyclonedx
from kubekeep.vulnerabilities.vex.document import VexDocument, find_flaw
from kubekeep.vulnerabilities.vex.errors import VexError
from kubekeep.vulnerabilities.vex.openvex_writer import convert_openvex

OPENVEX: Final = "openvex"
CYCLONEDX: Final = "cyclonedx"
CSAF: Final = "csaf"
FORMATS: Final = (OPENVEX, CYCLONEDX, CSAF)
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://kubekeep.io/vex")


def write_vex(document: VexDocument, name: str) -> bytes:
    """Return the document in the format `name`, with its identifier, else with one made of its content.

    Raises VexError for a statement that breaks a rule of VEX, and for one that the format cannot express.
    """
    if not document.statements:
        raise VexError("the document has no statement")
    for statement in document.statements:
        flaw = find_flaw(statement.status, statement.justification, statement.impact, statement.action)
        if flaw := flaw or statement.flaw:
            raise VexError(f"{statement.position or statement.vulnerability}: {flaw}")
    identifier = _create_uuid(document)
    match name:
        case "cyclonedx":
            return encode(convert_cyclonedx(document, identifier))
        case "csaf":
            return encode(convert_csaf(document, document.identifier or f"VEX-{identifier}"))
        case _:
            return encode(convert_openvex(document, document.identifier or f"urn:uuid:{identifier}"))


def _create_uuid(document: VexDocument) -> uuid.UUID:
    """Return the UUID in the identifier of the document, else one of its content (RFC 9562, version 5)."""
    if document.identifier.startswith("urn:uuid:"):
        try:
            return uuid.UUID(document.identifier.removeprefix("urn:uuid:"))
        except ValueError:
            pass
    content = msgspec.structs.replace(document, origin="", format="", identifier="", version=(1,))
    text = json_text(msgspec.to_builtins(content))
    return uuid.uuid5(_NAMESPACE, hashlib.sha256(text.encode()).hexdigest())
