"""The time that a predicate states for its content. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from kubekeep.model.json_values import as_mapping
from kubekeep.signatures.errors import SignatureError


def find_time(predicate: bytes) -> str:
    """Return the time of a build, scan or document in RFC 3339, or "". Raises SignatureError for invalid JSON."""
    try:
        content = msgspec.json.decode(predicate)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SignatureError("the predicate is not valid JSON") from error
    document = as_mapping(content)
    details = as_mapping(as_mapping(document.get("runDetails")).get("metadata"))
    metadata = as_mapping(document.get("metadata"))
    creation = as_mapping(document.get("creationInfo"))
    candidates: tuple[Any, ...] = (
        *(details.get("finishedOn"), details.get("startedOn")),
        *(metadata.get("buildFinishedOn"), metadata.get("buildStartedOn"), metadata.get("scanFinishedOn")),
        *(creation.get("created"), metadata.get("timestamp"), document.get("timestamp")),
    )
    return next((text for text in candidates if isinstance(text, str) and text), "")
