"""Reports that only who has the key can read: pseudonyms, encryption, and the way back.

Pseudonyms are the first bytes of HMAC-SHA256 (RFC 2104) over a name, so nobody without the key can try names out.
Encryption is AES-256-GCM (NIST SP 800-38D) under a key of the report's own, which is encrypted in turn with one that
Argon2id (RFC 9106) makes of the master key. Never stores or prints a key.
"""

from __future__ import annotations

import base64
import hmac
import importlib
import os
import re
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.pseudonyms import Encryption
from kubekeep.model.text import json_text
from kubekeep.privacy.pseudonymise import hidden

SHORTEST_KEY: Final = 16
"""Characters of a master key, at least."""

_ITERATIONS: Final = 3
_LANES: Final = 4
_MEMORY_KIB: Final = 65536
"""The second recommended option of RFC 9106, section 4."""
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_WRAPPED: Final = b"kubekeep report key 1"
"""What the key of a report is for, which is authenticated with it."""
_PSEUDONYM_SALT: Final = b"kubekeep pseudonyms 1"
"""Not secret and always the same, so that names have the same pseudonyms in all reports of one master key."""
_PSEUDONYM_KEY: Final = b"kubekeep key of pseudonyms 1"
"""What a key of pseudonyms is made to hide to tell it from others."""
_TOKEN: Final = re.compile(r"kk1e(\d{1,9})z")


class PrivacyError(ValueError):
    """A key that cannot be used, or a report that it does not open; the message never holds either."""


class MasterKey(msgspec.Struct, frozen=True):
    """The key of a user: a sentence, or 32 bytes. Exactly one of them is there."""

    words: str = ""
    raw: bytes = b""

    def __repr__(self) -> str:
        return "MasterKey(...)"

    def derived(self, salt: bytes) -> bytes:
        """A key of 32 bytes for one use."""
        if self.raw:
            return hmac.digest(self.raw, salt, "sha256")
        argon2 = _cryptography("hazmat.primitives.kdf.argon2")
        made: bytes = argon2.Argon2id(
            salt=salt, length=_KEY_BYTES, iterations=_ITERATIONS, lanes=_LANES, memory_cost=_MEMORY_KIB
        ).derive(self.words.encode())
        return made


def master_key(words: str | None, hexadecimal: str | None) -> MasterKey | None:
    """The key in one of two settings; None without any. Raises PrivacyError for both, and for what is too short."""
    if words and hexadecimal:
        raise PrivacyError("two master keys are set: keep one")
    if hexadecimal:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", hexadecimal):
            raise PrivacyError("the master key in hexadecimal needs 64 digits")
        return MasterKey(raw=bytes.fromhex(hexadecimal))
    if words and len(words) < SHORTEST_KEY:
        raise PrivacyError(f"the master key needs {SHORTEST_KEY} characters or more")
    return MasterKey(words=words) if words else None


def with_pseudonyms(assessment: Assessment, key: MasterKey | None) -> Assessment:
    """`assessment` with pseudonyms for names and without sentences.

    With a key a name has the same pseudonym in every report; without one, in this report only.
    """
    own = key.derived(_PSEUDONYM_SALT) if key else os.urandom(_KEY_BYTES)
    told = _base32(hmac.digest(own, _PSEUDONYM_KEY, "sha256")[:10])
    return msgspec.structs.replace(hidden(assessment, _Pseudonyms(own)), pseudonyms=told)


class _Pseudonyms:
    def __init__(self, key: bytes) -> None:
        self._key = key
        self._known: dict[str, str] = {}

    def word(self, text: str) -> str:
        found = self._known.get(text)
        if found is None:
            digest = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")
            # A letter first, and nothing but letters and digits: as a name in Kubernetes, too.
            found = self._known[text] = f"h{_base32(digest[:10])}"
        return found

    def text(self, text: str) -> str:  # noqa: ARG002 - what cannot be read back is lost
        return ""


def encrypted(assessment: Assessment, key: MasterKey) -> Assessment:
    """`assessment` with names and sentences encrypted; `decrypt` reads a report of it back."""
    aead = _cryptography("hazmat.primitives.ciphers.aead")
    data_key, salt, nonce = os.urandom(_KEY_BYTES), os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    wrapped = aead.AESGCM(key.derived(salt)).encrypt(nonce, data_key, _WRAPPED)
    whole = hidden(assessment, _Cipher(data_key))
    algorithm = "HMAC_SHA256_AES256_GCM" if key.raw else "ARGON2ID_AES256_GCM"
    encryption = Encryption(base64.b64encode(salt + nonce + wrapped).decode(), key_algorithm=algorithm)
    return msgspec.structs.replace(whole, encryption=encryption)


class _Cipher:
    def __init__(self, key: bytes) -> None:
        self._aead = _cryptography("hazmat.primitives.ciphers.aead").AESGCM(key)
        self._known: dict[str, str] = {}

    def word(self, text: str) -> str:
        found = self._known.get(text)
        if found is None:
            nonce = os.urandom(_NONCE_BYTES)
            sealed = self._aead.encrypt(nonce, text.encode("utf-8", "surrogatepass"), None)
            letters = _base32(nonce + sealed)
            # Its length says where it ends, whatever a format puts behind it.
            found = self._known[text] = f"kk1e{len(letters)}z{letters}"
        return found

    def text(self, text: str) -> str:
        return text and self.word(text)


def decrypted(report: bytes, key: MasterKey) -> str:
    """A report in JSON as it would be without encryption. Raises PrivacyError."""
    try:
        document = msgspec.json.decode(report)
        said = document["metadata"].pop("encryptionMetadata")
        data = base64.b64decode(said["encryptedDEK"], validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PrivacyError(f"not a report in JSON: {error}") from error
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise PrivacyError("the report is not encrypted") from error
    salt, rest = data[:_SALT_BYTES], data[_SALT_BYTES:]
    if len(salt) < _SALT_BYTES:
        raise PrivacyError("the report is damaged")
    return json_text(_Opener(_Opener(key.derived(salt)).plain(rest, _WRAPPED)).value(document)) + "\n"


class _Opener:
    """Undoes what `_Cipher` does."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise PrivacyError("the report is damaged")
        self._aead = _cryptography("hazmat.primitives.ciphers.aead").AESGCM(key)
        self._invalid = _cryptography("exceptions").InvalidTag

    def plain(self, sealed: bytes, context: bytes | None = None) -> bytes:
        """What was sealed behind its nonce."""
        try:
            found: bytes = self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context)
        except (self._invalid, ValueError) as error:
            raise PrivacyError("this master key does not open the report, or the report was changed") from error
        return found

    def value(self, value: Any) -> Any:
        """`value` with every token in its texts and keys opened."""
        # loops and no comprehensions, which take a frame each: documents are nested as deep as sources allow
        if isinstance(value, dict):
            mapping: dict[str, Any] = {}
            for key, item in value.items():
                mapping[self._words(key)] = self.value(item)
            return mapping
        if isinstance(value, list):
            sequence: list[Any] = []
            for item in value:
                sequence.append(self.value(item))  # noqa: PERF401
            return sequence
        return self._words(value) if isinstance(value, str) else value

    def _words(self, text: str) -> str:
        out: list[str] = []
        at = 0
        for token in _TOKEN.finditer(text):
            if token.start() >= at:
                end = token.end() + int(token[1])
                out.extend((text[at : token.start()], self._word(text[token.end() : end])))
                at = end
        return "".join((*out, text[at:])) if out else text

    def _word(self, letters: str) -> str:
        try:
            sealed = base64.b32decode(letters.upper() + "=" * (-len(letters) % 8))
        except ValueError as error:
            raise PrivacyError("the report is damaged") from error
        return self.plain(sealed).decode("utf-8", "surrogatepass")


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def _cryptography(module: str) -> Any:
    """A module of the library, which only who encrypts pays for. Raises PrivacyError where it is missing."""
    try:
        return importlib.import_module(f"cryptography.{module}")
    except ImportError as error:
        raise PrivacyError("this needs the extra `encrypt`: pip install 'kubekeep[encrypt]'") from error
