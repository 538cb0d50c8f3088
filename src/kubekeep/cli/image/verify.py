"""`kubekeep image verify`: the signatures and attestations of an image.

Parses and prints; never verifies a signature itself.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.image_options import registry_options
from kubekeep.cli.signature_options import annotation_option, convert_errors, repository_option
from kubekeep.cli.standard_output import INCOMPLETE
from kubekeep.cli.trust_options import TrustOptions, trust_options
from kubekeep.cli.trusted_root_text import describe_root
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import json_text, visible
from kubekeep.signatures.verification import SignatureReport, VerifiedSignature

_NOT_VERIFIED: Final = 1
_PRETTY: Final = "pretty"


@click.command(short_help="Verify signatures and attestations of an image.")
@click.argument("references", metavar="REFERENCE...", nargs=-1, required=True)
@trust_options
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False),
    default=None,
    help="Evaluate the image policy in this file, which names the signers, or the policies of the sigstore "
    "policy-controller or of Kyverno in it; several images are allowed.",
)
@click.option(
    "--notation",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=None,
    metavar="FOLDER",
    help="Verify signatures of the Notary Project with the trustpolicy.json and the truststore in this folder.",
)
@click.option(
    "--check-revocation",
    is_flag=True,
    help="With --notation: ask the authorities if certificates are revoked, by OCSP or their lists (CRL).",
)
@click.option(
    "--crl",
    "lists",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    multiple=True,
    help="With --notation: read the list of revoked certificates in this file; repeatable.",
)
@click.option(
    "--attestation",
    default="",
    metavar="TYPE",
    help="Verify attestations of this type, not signatures: slsaprovenance, spdx, cyclonedx, vuln, openvex or a URI.",
)
@annotation_option("Require that the signature covers this annotation; repeatable.")
@repository_option("Look for signatures here, not in the repository of the image.")
@click.option("-f", "--format", "layout", type=click.Choice((_PRETTY, "json")), default=_PRETTY, show_default=True)
@registry_options
@convert_errors
def command(  # noqa: PLR0913 - options of a command
    references: tuple[str, ...],
    access: AccessOptions,
    annotations: dict[str, str],
    attestation: str,
    repository: str,
    layout: str,
    trust: TrustOptions,
    *,
    policy: str | None,
    notation: Path | None,
    check_revocation: bool,
    lists: tuple[Path, ...],
) -> None:
    """Verify the signatures of an image, or its attestations.

    Needs a trusted signer: a key, or an identity with its issuer. One valid signature is enough; all others are listed with
    the reason. Exits with 0 if verified, 1 if not, 3 if the image or its signatures could not be read.

    \b
    kubekeep image verify registry.example/app:1.0 --key cosign.pub
    kubekeep image verify registry.example/app:1.0 --identity dev@example.com --issuer https://accounts.example.com
    kubekeep image verify registry.example/app:1.0 --key cosign.pub --attestation slsaprovenance
    kubekeep image verify registry.example/app:1.0 --notation ~/.config/notation --check-revocation
    kubekeep image verify registry.example/app:1.0 registry.example/web:2.3 --policy image-policy.yaml
    """  # noqa: D301 - click takes the character itself
    if notation is None and (check_revocation or lists):
        raise click.UsageError("--check-revocation and --crl need --notation")
    _check_combination(references, trust, policy, notation, attestation=attestation, annotations=annotations)
    if policy is not None:
        from kubekeep.cli.image.policy_results import verify_by_policy  # noqa: PLC0415 - optional packages

        verify_by_policy(references, policy, access, repository, layout)
    (reference,) = references
    from kubekeep.signatures.errors import TrustError  # noqa: PLC0415 - optional packages
    from kubekeep.usecases.image_signatures import SignatureAccess, select_attestations, verify_image  # noqa: PLC0415

    try:
        signature_access = SignatureAccess(images=access, repository=repository)
        if notation is not None:
            from kubekeep.usecases.image_policy import RevocationOptions, verify_with_trust_policy  # noqa: PLC0415

            revocation = RevocationOptions(lists=lists, online=check_revocation)
            report = verify_with_trust_policy(
                reference, signature_access, notation, dt.datetime.now(dt.UTC), revocation
            )
        else:
            report = verify_image(reference, signature_access, trust.load(annotations))
        selected: tuple[VerifiedSignature, ...] = (
            select_attestations(report, attestation)
            if attestation
            else tuple(signature for signature in report.verified if not signature.predicate_type)
        )
    except TrustError as error:
        raise click.UsageError(visible(str(error))) from error
    except ImageAccessError as error:
        click.echo(f"failed: {visible(str(error))}", err=True)
        sys.exit(INCOMPLETE)
    if layout == _PRETTY:
        _print(report, selected, attestation)
    else:
        click.echo(_encode(report, selected), nl=False)
    sys.exit(0 if selected else _NOT_VERIFIED)


def _check_combination(
    references: tuple[str, ...],
    trust: TrustOptions,
    policy: str | None,
    notation: Path | None,
    *,
    attestation: str,
    annotations: dict[str, str],
) -> None:
    """Raise UsageError for options that name the signers twice."""
    has_signer = any((trust.keys, trust.identity, trust.identity_regexp, trust.issuer, trust.issuer_regexp))
    if (policy is not None) + (notation is not None) + has_signer > 1:
        raise click.UsageError("use one of --policy, --notation, and --key or --identity: each names the signers")
    if (policy or notation) and (attestation or annotations):
        raise click.UsageError("--attestation and --annotation cannot be used with --policy or --notation")
    if policy is None and len(references) > 1:
        raise click.UsageError("several images need --policy")


def _print(report: SignatureReport, selected: tuple[VerifiedSignature, ...], attestation: str) -> None:
    click.echo(f"{visible(report.reference)}  {report.digest}")
    for signature in report.verified:
        kind = f"attestation {signature.predicate_type}" if signature.predicate_type else "signature"
        click.echo(f"  valid {visible(kind)}: {visible(_describe(signature))}")
    for problem in report.problems:
        click.echo(f"  not trusted: {visible(problem.reference)}: {visible(problem.reason)}")
    if report.root is not None:
        click.echo(f"  trusted root: {visible(describe_root(report.root, dt.datetime.now(dt.UTC)))}")
    noun = "attestation" if attestation else "signature"
    of_type = f" of type {visible(attestation)}" if attestation else ""
    if selected:
        click.echo(f"verified: {len(selected)} {noun}{'s' if len(selected) > 1 else ''}{of_type}")
    elif not report.verified and not report.problems:
        click.echo("not verified: the image has no signatures and no attestations")
    else:
        click.echo(f"not verified: no trusted {noun}{of_type}")


def _describe(signature: VerifiedSignature) -> str:
    signer = signature.signer
    name = f"{signer.identity}, issuer {signer.issuer}" if signer.identity else f"key {signer.key[:16]}"
    parts = [name, *([f"signed {signer.time}"] if signer.time else []), f"{signature.format}, {signature.layout}"]
    return "; ".join((*parts, *(f"{key}={value}" for key, value in signature.annotations), *signature.notes))


def _encode(report: SignatureReport, selected: tuple[VerifiedSignature, ...]) -> str:
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
