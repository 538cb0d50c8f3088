"""What can go wrong with a registry, apart: it did not answer, or what came must not be used. Never has secrets in it."""

from __future__ import annotations


class RegistryError(Exception):
    """A registry, a token server or a credential helper cannot be reached or says no; the message says which."""


class RefusedError(Exception):
    """What came is not what was asked for: another digest, no signature, a signature of somebody else."""


class KeyFileError(ValueError):
    """A key file that cannot be read; the message says what one has to be."""
