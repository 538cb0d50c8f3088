"""Contract of pseudonymisation and encryption of names, and the data a reader needs to decrypt them.

Holds no key and implements no algorithm.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Pseudonymiser(Protocol):
    """Replaces names by pseudonyms. Equal text gets equal pseudonyms within an assessment, so references match."""

    def replace_name(self, text: str) -> str:
        """Return the replacement for a name, a value or a path step."""

    def replace_text(self, text: str) -> str:
        """Return the replacement for a sentence that may contain names; empty if the text has to be dropped."""


class Encryption(msgspec.Struct, frozen=True):
    """Encryption of the names in a report, with the fields of Kubescape's `encryptionMetadata`.

    `key` is the data key, encrypted with a key derived from the master key.
    """

    key: str
    key_algorithm: str
    algorithm: str = "AES256_GCM"
    version: str = "kubekeep/v1"
