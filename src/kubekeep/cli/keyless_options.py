"""Options for the signer of a new signature: a key, or an identity. Parses; signs nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.settings import identity_variables
from kubekeep.cli.signature_options import KEY_FILE

_MOST_TOKEN: Final = 1 << 16


class SignerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options as given: either `key`, or `keyless` with the options for it."""

    key: Path | None
    keyless: bool
    identity_token: Path | None
    signing_config: Path | None
    trusted_root: Path | None
    layout: str

    def check(self) -> None:
        """Raise UsageError unless the signer is named once."""
        if (self.key is not None) == self.keyless:
            raise click.UsageError("name the signer: use --key FILE or --keyless")
        if self.keyless and self.layout != "referrers":
            raise click.UsageError("--keyless makes bundles of Sigstore: it cannot be used with --layout legacy-tag")
        if not self.keyless and any((self.identity_token, self.signing_config, self.trusted_root)):
            raise click.UsageError("--identity-token, --signing-config and --trusted-root need --keyless")

    def create_request(self, authority_file: str) -> Any:
        """Return the KeylessRequest. Raises UsageError for an unreadable token."""
        from kubekeep.signatures.keyless.tokens import TokenSources  # noqa: PLC0415 - optional packages
        from kubekeep.usecases.keyless_signing import KeylessRequest  # noqa: PLC0415

        variables = identity_variables()
        token = variables.token if self.identity_token is None else _read_token(self.identity_token)
        return KeylessRequest(
            tokens=TokenSources(
                token=token, request_url=variables.request_url, request_secret=variables.request_secret
            ),
            signing_config=self.signing_config,
            trusted_root=self.trusted_root,
            authority_file=authority_file,
        )


_NAMES: Final = tuple(name for name in SignerOptions.__struct_fields__ if name != "layout")


def signer_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are passed on as one argument, `signer`, of type SignerOptions, checked."""

    @functools.wraps(function)
    def wrapper(**arguments: Any) -> None:
        options = {name: arguments.pop(name) for name in _NAMES}
        signer = SignerOptions(**options, layout=arguments.pop("layout"))
        signer.check()
        function(signer=signer, **arguments)

    for option in reversed(_list_options()):
        wrapper = option(wrapper)
    return wrapper


def print_keyless_signature(signature: Any, noun: str) -> None:
    """Print where a new signature is, its identity, and the digest that it covers. signature: a KeylessSignature."""
    signer = signature.signer
    click.echo(f"added the {noun} {signature.reference} as {signer.identity}, issuer {signer.issuer}", err=True)
    click.echo(signature.digest)


def _list_options() -> tuple[Callable[..., Any], ...]:
    return (
        click.option("--key", type=KEY_FILE, help="Sign with this private key, of cosign or in PEM."),
        click.option("--keyless", is_flag=True, help="Sign with the identity of this CI job, or of --identity-token."),
        click.option(
            "--identity-token",
            type=KEY_FILE,
            help="Read the identity token (OpenID Connect) from this file. Default: SIGSTORE_ID_TOKEN, else of GitHub Actions.",
        ),
        click.option(
            "--signing-config",
            type=KEY_FILE,
            help="Use the services in this signing_config.json, with --trusted-root.",
        ),
        click.option(
            "--trusted-root",
            type=KEY_FILE,
            help="The authorities and logs of these services. Default of both: as `image trust show` lists.",
        ),
    )


def _read_token(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as stream:
            return stream.read(_MOST_TOKEN + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--identity-token: {path} cannot be read") from error
