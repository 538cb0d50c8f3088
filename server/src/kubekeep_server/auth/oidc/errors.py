"""Errors of a sign-in with an OpenID provider. Messages contain no secret, code or token."""

from __future__ import annotations


class SignInRefusedError(ValueError):
    """An answer of the provider that does not prove who the user is, or a refusal by the provider."""


class ProviderUnavailableError(Exception):
    """A provider that cannot be reached, or whose documents cannot be read: the same sign-in may succeed later."""
