"""Conversion of TrustRoot objects of the policy-controller to parts of a trusted root. Never updates one by TUF."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import msgspec

from kubekeep.imagepolicy.imported.documents import PolicyDocument, ResourceFields
from kubekeep.imagepolicy.imported.trusted_roots import Parts, PemError, describe_authorities, describe_log
from kubekeep.model.location import Path


class _TrustRootAuthority(ResourceFields, frozen=True):
    cert_chain: str
    subject: dict[str, Any] = msgspec.field(default_factory=dict)
    uri: str = ""


class _TrustRootLog(ResourceFields, frozen=True):
    public_key: str
    base_url: str = msgspec.field(name="baseURL", default="")
    hash_algorithm: str = ""


class _TrustRootKeys(ResourceFields, frozen=True):
    certificate_authorities: tuple[_TrustRootAuthority, ...] = ()
    t_logs: tuple[_TrustRootLog, ...] = ()
    ct_logs: tuple[_TrustRootLog, ...] = ()
    timestamp_authorities: tuple[_TrustRootAuthority, ...] = ()


class _TrustRootSpec(ResourceFields, frozen=True):
    remote: dict[str, Any] | None = None
    repository: dict[str, Any] | None = None
    sigstore_keys: _TrustRootKeys | None = None


class TrustRootDocument(ResourceFields, frozen=True):
    """A TrustRoot."""

    api_version: str
    kind: str
    spec: _TrustRootSpec
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)
    status: Any = None


def read_trust_root(document: PolicyDocument) -> Parts:
    """Return the authorities and logs of a TrustRoot, or why they cannot be evaluated. Raises InvalidPolicyError."""
    spec = document.convert(TrustRootDocument).spec
    sources = [name for name in ("remote", "repository", "sigstore_keys") if getattr(spec, name) is not None]
    if len(sources) != 1:
        raise document.create_error(("spec",), "a TrustRoot has exactly one of remote, repository and sigstoreKeys")
    keys = spec.sigstore_keys
    if keys is None:
        reason = "TUF repositories are not read; write the keys into sigstoreKeys"
        raise document.refuse(("spec", sources[0]), reason)
    at: Path = ("spec", "sigstoreKeys")
    parts: Parts = {"certificateAuthorities": [], "timestampAuthorities": [], "tlogs": [], "ctlogs": []}
    for field, target, authorities in (
        ("certificateAuthorities", "certificateAuthorities", keys.certificate_authorities),
        ("timestampAuthorities", "timestampAuthorities", keys.timestamp_authorities),
    ):
        for number, authority in enumerate(authorities):
            path = (*at, field, number, "certChain")
            parts[target] += _read(document, path, authority.cert_chain, _describe_chain)
    for field, target, logs in (("tLogs", "tlogs", keys.t_logs), ("ctLogs", "ctlogs", keys.ct_logs)):
        for number, log in enumerate(logs):
            parts[target] += _read(document, (*at, field, number, "publicKey"), log.public_key, _describe_key)
    return parts


def _read(
    document: PolicyDocument, at: Path, text: str, describe: Callable[[str], list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Return the description of Base64 text with PEM. Raises InvalidPolicyError."""
    try:
        return describe(base64.b64decode(text, validate=True).decode())
    except PemError as error:
        raise document.create_error(at, str(error)) from error
    except ValueError as error:
        raise document.create_error(at, "PEM in Base64 expected") from error


def _describe_chain(pem: str) -> list[dict[str, Any]]:
    return describe_authorities(pem, is_chain=True)


def _describe_key(pem: str) -> list[dict[str, Any]]:
    return [describe_log(pem)]
