"""Reports without names of an organisation: pseudonyms, encryption and decryption. Stores no key."""

from __future__ import annotations

from typing import BinaryIO

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.privacy.encryption import MasterKey, decrypt, encrypt, parse_master_key, pseudonymise
from kubekeep.sources.files import open_file


class ReportPrivacy(msgspec.Struct, frozen=True):
    """Treatment of names in reports: encrypted with the key, or replaced by pseudonyms."""

    encrypts: bool
    key: MasterKey | None

    def protect(self, assessment: Assessment) -> Assessment:
        """Return `assessment` for reports. Without a key, pseudonyms differ in every report."""
        if self.encrypts and self.key is not None:
            return encrypt(assessment, self.key)
        return pseudonymise(assessment, self.key)


def create_privacy(passphrase: str | None, hexadecimal: str | None, *, encrypts: bool) -> ReportPrivacy:
    """Return the privacy of reports with the key in a passphrase or in hexadecimal digits.

    Raises KubekeepError for an unusable key.
    """
    return ReportPrivacy(encrypts, parse_master_key(passphrase, hexadecimal))


def decrypt_report(path: str, stdin: BinaryIO, privacy: ReportPrivacy) -> str:
    """Return a report without encryption; `-` is standard input. Raises KubekeepError and OSError."""
    if privacy.key is None:
        raise ValueError("a report is decrypted with a key")
    if path == "-":
        return decrypt(stdin.read(), privacy.key)
    with open_file(path) as stream:
        return decrypt(stream.read(), privacy.key)
