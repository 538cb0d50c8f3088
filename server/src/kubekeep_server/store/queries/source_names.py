"""Names of sources for people."""

from __future__ import annotations

import functools
from typing import Final

import msgspec

from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRepository

_KEPT: Final = 4_096
_decoder: Final[msgspec.json.Decoder[ScannedSource]] = msgspec.json.Decoder(ScannedSource)


@functools.lru_cache(_KEPT)
def name_source(document: str) -> str:
    """Return the name of a source: the one that a cluster reports, the address and folders of a repository, the host of a registry.

    document: its identity, as in submissions.
    """
    identity = _decoder.decode(document)
    match identity:
        case SourceCluster():
            return identity.name or identity.uid
        case SourceRepository(paths=()):
            return identity.url
        case SourceRepository():
            return f"{identity.url}: {', '.join(identity.paths)}"
        case _:
            return identity.host
