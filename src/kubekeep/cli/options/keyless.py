"""Options for the signer of a new signature: a key, or an identity. Parses; signs nothing."""

import functools
from pathlib import Path
from typing import Annotated, Any, Final

import click

from kubekeep.cli.console.option_group import Command, Option, OptionGroup, add_groups
from kubekeep.cli.options.signature import KEY_FILE
from kubekeep.cli.settings import identity_variables

_MOST_TOKEN: Final = 1 << 16


class SignerOptions(OptionGroup, frozen=True):
    """The options as given: either `key`, or `keyless` with the options for it."""

    key: Annotated[Path | None, Option("--key", "Sign with this private key, of cosign or in PEM.", type=KEY_FILE)] = (
        None
    )
    keyless: Annotated[bool, Option("--keyless", "Sign with the identity of this CI job, or of --identity-token.")] = (
        False
    )
    identity_token: Annotated[
        Path | None,
        Option(
            "--identity-token",
            "Read the identity token (OpenID Connect) from this file. Default: SIGSTORE_ID_TOKEN, else of GitHub Actions.",
            type=KEY_FILE,
        ),
    ] = None
    signing_config: Annotated[
        Path | None,
        Option("--signing-config", "Use the services in this signing_config.json, with --trusted-root.", type=KEY_FILE),
    ] = None
    trusted_root: Annotated[
        Path | None,
        Option(
            "--trusted-root",
            "The authorities and logs of these services. Default of both: as `image trust show` lists.",
            type=KEY_FILE,
        ),
    ] = None

    def check(self, layout: str) -> None:
        """Raise UsageError unless the signer is named once."""
        if (self.key is not None) == self.keyless:
            raise click.UsageError("name the signer: use --key FILE or --keyless")
        if self.keyless and layout != "referrers":
            raise click.UsageError("--keyless makes bundles of Sigstore: it cannot be used with --layout legacy-tag")
        if not self.keyless and any((self.identity_token, self.signing_config, self.trusted_root)):
            raise click.UsageError("--identity-token, --signing-config and --trusted-root need --keyless")

    def create_request(self, authority_file: str) -> Any:
        """Return the KeylessRequest. Raises UsageError for an unreadable token."""
        from kubekeep.usecases.keyless_signing import request_keyless  # noqa: PLC0415 - optional packages

        variables = identity_variables()
        return request_keyless(
            token=variables.token if self.identity_token is None else _read_token(self.identity_token),
            request_url=variables.request_url,
            request_secret=variables.request_secret,
            signing_config=self.signing_config,
            trusted_root=self.trusted_root,
            authority_file=authority_file,
        )


def print_keyless_signature(signature: Any, noun: str) -> None:
    """Print where a new signature is, its identity, and the digest that it covers. signature: a KeylessSignature."""
    signer = signature.signer
    click.echo(f"added the {noun} {signature.reference} as {signer.identity}, issuer {signer.issuer}", err=True)
    click.echo(signature.digest)


def _read_token(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(_MOST_TOKEN + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--identity-token: {path} cannot be read") from error


def signer_options(function: Command) -> Command:
    """Add the options; they are passed on as one argument, `signer`, checked with the argument `layout`."""

    @functools.wraps(function)
    def wrapper(signer: SignerOptions, layout: str, **arguments: Any) -> None:
        signer.check(layout)
        function(signer=signer, layout=layout, **arguments)

    return add_groups(lambda options: {"signer": options}, SignerOptions)(wrapper)
