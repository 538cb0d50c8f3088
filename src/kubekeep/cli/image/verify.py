"""`kubekeep image verify`: the signatures and attestations of an image.

Parses and prints; never verifies a signature itself.
"""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Final

import click

from kubekeep.cli.console.help_sections import SectionedCommand
from kubekeep.cli.console.key_files import convert_errors
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.image import registry_options
from kubekeep.cli.options.signature import annotation_option, repository_option
from kubekeep.cli.options.trust import TrustOptions, trust_options
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible
from kubekeep.usecases.package_request import PackageRequest

_NOT_VERIFIED: Final = 1
_PRETTY: Final = "pretty"


@click.command(short_help="Verify signatures and attestations of an image.", cls=SectionedCommand)
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
    packages: PackageRequest,
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

        verify_by_policy(references, policy, packages, repository, layout)
    (reference,) = references
    from kubekeep.signatures.access import SignatureAccess  # noqa: PLC0415
    from kubekeep.signatures.errors import TrustError  # noqa: PLC0415 - optional packages
    from kubekeep.usecases.image_signatures import select_attestations, verify_image  # noqa: PLC0415

    try:
        signature_access = SignatureAccess(images=packages.images.access, repository=repository)
        if notation is not None:
            from kubekeep.usecases.image_signatures import RevocationOptions, verify_with_trust_policy  # noqa: PLC0415

            revocation = RevocationOptions(lists=lists, online=check_revocation)
            report = verify_with_trust_policy(
                reference, signature_access, notation, dt.datetime.now(dt.UTC), revocation
            )
        else:
            report = verify_image(reference, signature_access, trust.load(annotations))
        selected = (
            select_attestations(report, attestation)
            if attestation
            else tuple(signature for signature in report.verified if not signature.predicate_type)
        )
    except TrustError as error:
        raise click.UsageError(visible(str(error))) from error
    except ImageAccessError as error:
        click.echo(f"failed: {visible(str(error))}", err=True)
        sys.exit(INCOMPLETE)
    from kubekeep.reports.signatures.verification import encode_report, list_lines  # noqa: PLC0415 - not for `--help`

    if layout == _PRETTY:
        for line in list_lines(report, selected, attestation, dt.datetime.now(dt.UTC)):
            click.echo(line)
    else:
        click.echo(encode_report(report, selected), nl=False)
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
