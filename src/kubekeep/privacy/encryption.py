"""Pseudonyms and encryption of names in reports, and decryption. Never stores or prints a key.

Pseudonyms are the first bytes of HMAC-SHA256 (RFC 2104) of a name, so that names cannot be guessed without the key.
Encryption is AES-256-GCM (NIST SP 800-38D) with a key per report, which is encrypted with a key derived from the master
key by Argon2id (RFC 9106).
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
from kubekeep.model.errors import KubekeepError
from kubekeep.model.pseudonyms import Encryption
from kubekeep.model.text import json_text
from kubekeep.privacy.pseudonymise import replace_names

MIN_KEY_LENGTH: Final = 16
"""Minimum length of a master key in characters."""

_ITERATIONS: Final = 3
_LANES: Final = 4
_MEMORY_KIB: Final = 65536
"""Parameters of Argon2id: the second recommended option of RFC 9106, section 4."""
_SALT_BYTES: Final = 16
_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_KEY_CONTEXT: Final = b"kubekeep report key 1"
"""Purpose of a report key, authenticated with it."""
_PSEUDONYM_SALT: Final = b"kubekeep pseudonyms 1"
"""Salt of the pseudonym key: constant, so that names have the same pseudonyms in all reports with one master key."""
_PSEUDONYM_KEY: Final = b"kubekeep key of pseudonyms 1"
"""Text whose HMAC identifies a pseudonym key."""
_TOKEN: Final = re.compile(r"kk1e(\d{1,9})z")


class PrivacyError(KubekeepError, ValueError):
    """An unusable key, or a report it cannot decrypt. The message contains neither."""


class MasterKey(msgspec.Struct, frozen=True):
    """The key of a user: a passphrase or 32 bytes, exactly one of them."""

    passphrase: str = ""
    raw: bytes = b""

    def __repr__(self) -> str:
        return "MasterKey(...)"

    def derive(self, salt: bytes) -> bytes:
        """Derive a key of 32 bytes for one purpose."""
        if self.raw:
            return hmac.digest(self.raw, salt, "sha256")
        argon2 = _import_cryptography("hazmat.primitives.kdf.argon2")
        key: bytes = argon2.Argon2id(
            salt=salt, length=_KEY_BYTES, iterations=_ITERATIONS, lanes=_LANES, memory_cost=_MEMORY_KIB
        ).derive(self.passphrase.encode())
        return key


def parse_master_key(passphrase: str | None, hexadecimal: str | None) -> MasterKey | None:
    """Parse the master key from a passphrase or 64 hexadecimal digits; None without either.

    Raises PrivacyError if both are set, for a short passphrase and for other text than 64 digits.
    """
    if passphrase and hexadecimal:
        raise PrivacyError("two master keys are set: set only one")
    if hexadecimal:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", hexadecimal):
            raise PrivacyError("the hexadecimal master key must have 64 digits")
        return MasterKey(raw=bytes.fromhex(hexadecimal))
    if passphrase and len(passphrase) < MIN_KEY_LENGTH:
        raise PrivacyError(f"the master key must have {MIN_KEY_LENGTH} characters or more")
    return MasterKey(passphrase=passphrase) if passphrase else None


def pseudonymise(assessment: Assessment, key: MasterKey | None) -> Assessment:
    """Return the assessment with pseudonyms for names, and without sentences.

    With a key a name has the same pseudonym in every report; without one pseudonyms are random for each report.
    """
    pseudonym_key = key.derive(_PSEUDONYM_SALT) if key else os.urandom(_KEY_BYTES)
    key_id = _encode_base32(hmac.digest(pseudonym_key, _PSEUDONYM_KEY, "sha256")[:10])
    return msgspec.structs.replace(replace_names(assessment, _HmacPseudonyms(pseudonym_key)), pseudonyms=key_id)


class _HmacPseudonyms:
    def __init__(self, key: bytes) -> None:
        self._key = key
        self._pseudonyms: dict[str, str] = {}

    def replace_name(self, text: str) -> str:
        pseudonym = self._pseudonyms.get(text)
        if pseudonym is None:
            digest = hmac.digest(self._key, text.encode("utf-8", "surrogatepass"), "sha256")
            # Begins with a letter and has only letters and digits, so that it is valid as a Kubernetes name.
            pseudonym = self._pseudonyms[text] = f"h{_encode_base32(digest[:10])}"
        return pseudonym

    def replace_text(self, text: str) -> str:  # noqa: ARG002 - sentences are dropped
        return ""


def encrypt(assessment: Assessment, key: MasterKey) -> Assessment:
    """Return the assessment with names and sentences encrypted; `decrypt` restores a report of it."""
    aead = _import_cryptography("hazmat.primitives.ciphers.aead")
    data_key, salt, nonce = os.urandom(_KEY_BYTES), os.urandom(_SALT_BYTES), os.urandom(_NONCE_BYTES)
    encrypted_key = aead.AESGCM(key.derive(salt)).encrypt(nonce, data_key, _KEY_CONTEXT)
    encrypted = replace_names(assessment, _NameCipher(data_key))
    algorithm = "HMAC_SHA256_AES256_GCM" if key.raw else "ARGON2ID_AES256_GCM"
    encryption = Encryption(base64.b64encode(salt + nonce + encrypted_key).decode(), key_algorithm=algorithm)
    return msgspec.structs.replace(encrypted, encryption=encryption)


class _NameCipher:
    def __init__(self, key: bytes) -> None:
        self._aead = _import_cryptography("hazmat.primitives.ciphers.aead").AESGCM(key)
        self._tokens: dict[str, str] = {}

    def replace_name(self, text: str) -> str:
        token = self._tokens.get(text)
        if token is None:
            nonce = os.urandom(_NONCE_BYTES)
            ciphertext = self._aead.encrypt(nonce, text.encode("utf-8", "surrogatepass"), None)
            letters = _encode_base32(nonce + ciphertext)
            # The length marks the end of the token, whatever text follows it in a report.
            token = self._tokens[text] = f"kk1e{len(letters)}z{letters}"
        return token

    def replace_text(self, text: str) -> str:
        return text and self.replace_name(text)


def decrypt(report: bytes, key: MasterKey) -> str:
    """Return the report, in JSON, without encryption. Raises PrivacyError."""
    try:
        document = msgspec.json.decode(report)
        metadata = document["metadata"].pop("encryptionMetadata")
        ciphertext = base64.b64decode(metadata["encryptedDEK"], validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PrivacyError(f"not a report in JSON: {error}") from error
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise PrivacyError("the report is not encrypted") from error
    salt, rest = ciphertext[:_SALT_BYTES], ciphertext[_SALT_BYTES:]
    if len(salt) < _SALT_BYTES:
        raise PrivacyError("the report is damaged")
    return (
        json_text(_Decryptor(_Decryptor(key.derive(salt)).decrypt(rest, _KEY_CONTEXT)).decrypt_value(document)) + "\n"
    )


class _Decryptor:
    """Decryption of the tokens of `_NameCipher`."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise PrivacyError("the report is damaged")
        self._aead = _import_cryptography("hazmat.primitives.ciphers.aead").AESGCM(key)
        self._invalid = _import_cryptography("exceptions").InvalidTag

    def decrypt(self, ciphertext: bytes, context: bytes | None = None) -> bytes:
        """Decrypt text that is preceded by its nonce. Raises PrivacyError for a wrong key or a changed text."""
        try:
            plaintext: bytes = self._aead.decrypt(ciphertext[:_NONCE_BYTES], ciphertext[_NONCE_BYTES:], context)
        except (self._invalid, ValueError) as error:
            raise PrivacyError("the report cannot be decrypted: wrong master key, or a changed report") from error
        return plaintext

    def decrypt_value(self, value: Any) -> Any:
        """Return value with all tokens in its texts and keys decrypted."""
        # Loops instead of comprehensions, which take a frame each: documents are nested as deep as sources allow.
        if isinstance(value, dict):
            mapping: dict[str, Any] = {}
            for key, element in value.items():
                mapping[self._decrypt_tokens(key)] = self.decrypt_value(element)
            return mapping
        if isinstance(value, list):
            sequence: list[Any] = []
            for element in value:
                sequence.append(self.decrypt_value(element))  # noqa: PERF401
            return sequence
        return self._decrypt_tokens(value) if isinstance(value, str) else value

    def _decrypt_tokens(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        for token in _TOKEN.finditer(text):
            if token.start() >= at:
                end = token.end() + int(token[1])
                parts.extend((text[at : token.start()], self._decrypt_token(text[token.end() : end])))
                at = end
        return "".join((*parts, text[at:])) if parts else text

    def _decrypt_token(self, letters: str) -> str:
        try:
            ciphertext = base64.b32decode(letters.upper() + "=" * (-len(letters) % 8))
        except ValueError as error:
            raise PrivacyError("the report is damaged") from error
        return self.decrypt(ciphertext).decode("utf-8", "surrogatepass")


def _encode_base32(raw: bytes) -> str:
    return base64.b32encode(raw).decode().rstrip("=").lower()


def _import_cryptography(module: str) -> Any:
    """Import a module of the optional library. Raises PrivacyError if it is missing."""
    try:
        return importlib.import_module(f"cryptography.{module}")
    except ImportError as error:
        raise PrivacyError("this requires the extra `encrypt`: pip install 'kubekeep[encrypt]'") from error
