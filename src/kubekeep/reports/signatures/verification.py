"""The result of a verification of signatures, as text and as JSON."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec

from kubekeep.model.text import json_text, visible
from kubekeep.reports.shared.trusted_root_text import describe_root
from kubekeep.signatures.verification import SignatureReport, VerifiedSignature


def list_lines(
    report: SignatureReport, selected: tuple[VerifiedSignature, ...], attestation: str, now: dt.datetime
) -> Iterator[str]:
    """Yield the text for people; attestation is the type of the `selected` attestations, empty for signatures."""
    yield f"{visible(report.reference)}  {report.digest}"
    for signature in report.verified:
        kind = f"attestation {signature.predicate_type}" if signature.predicate_type else "signature"
        yield f"  valid {visible(kind)}: {visible(_describe(signature))}"
    for problem in report.problems:
        yield f"  not trusted: {visible(problem.reference)}: {visible(problem.reason)}"
    if report.root is not None:
        yield f"  trusted root: {visible(describe_root(report.root, now))}"
    noun = "attestation" if attestation else "signature"
    of_type = f" of type {visible(attestation)}" if attestation else ""
    if selected:
        yield f"verified: {len(selected)} {noun}{'s' if len(selected) > 1 else ''}{of_type}"
    elif not report.verified and not report.problems:
        yield "not verified: the image has no signatures and no attestations"
    else:
        yield f"not verified: no trusted {noun}{of_type}"


def _describe(signature: VerifiedSignature) -> str:
    signer = signature.signer
    name = f"{signer.identity}, issuer {signer.issuer}" if signer.identity else f"key {signer.key[:16]}"
    parts = [name, *([f"signed {signer.time}"] if signer.time else []), f"{signature.format}, {signature.layout}"]
    return "; ".join((*parts, *(f"{key}={value}" for key, value in signature.annotations), *signature.notes))


def encode_report(report: SignatureReport, selected: tuple[VerifiedSignature, ...]) -> str:
    """Return the report as JSON, with predicates as objects."""
    document = {
        "reference": report.reference,
        "digest": report.digest,
        "isVerified": bool(selected),
        "verified": [_encode_signature(signature) for signature in report.verified],
        "problems": msgspec.to_builtins(report.problems),
        "trustedRoot": None if report.root is None else msgspec.to_builtins(report.root),
    }
    return msgspec.json.format(json_text(document)) + "\n"


def _encode_signature(signature: VerifiedSignature) -> dict[str, Any]:
    document = {
        "format": signature.format,
        "layout": signature.layout,
        "place": signature.reference,
        "digest": signature.digest,
        "signer": msgspec.to_builtins(signature.signer),
        "annotations": dict(signature.annotations),
        "notes": list(signature.notes),
    }
    if signature.predicate_type:
        document |= {"predicateType": signature.predicate_type, "predicate": msgspec.Raw(signature.predicate)}
    return document
