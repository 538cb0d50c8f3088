"""Errors of VEX documents. Messages name the document, the position in it and the cause."""

from __future__ import annotations

from kubekeep.model.errors import KubekeepError


class VexError(KubekeepError):
    """A file is not a VEX document that can be read or written, or exceeds a limit."""
