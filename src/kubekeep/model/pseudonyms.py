"""What hides names: the contract of pseudonyms and encryption, and what a reader needs to undo the latter.

Holds no key and knows no algorithm.
"""

from __future__ import annotations

from typing import Protocol

import msgspec


class Pseudonymiser(Protocol):
    """Hides text. Equal text is hidden alike within one assessment, so that what belongs together still does."""

    def word(self, text: str) -> str:
        """What stands for a name, a value or a step of a path."""

    def text(self, text: str) -> str:
        """What stands for a sentence that may hold names; empty if it is lost."""


class Encryption(msgspec.Struct, frozen=True):
    """How the names of a report are encrypted, in the words of Kubescape's `encryptionMetadata`.

    `key` is the key of the names, encrypted with one that is derived from the master key.
    """

    key: str
    key_algorithm: str
    algorithm: str = "AES256_GCM"
    version: str = "kubekeep/v1"
