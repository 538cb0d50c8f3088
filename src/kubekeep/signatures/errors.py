"""Errors of signatures: a rejected signature, and settings that cannot be used."""

from __future__ import annotations

from kubekeep.model.errors import KubekeepError


class SignatureError(Exception):
    """A signature is not valid or not trusted. The message is the reason; it names no image."""


class TrustError(KubekeepError):
    """A key, a trusted root or an option of verification cannot be used; the message names it."""
