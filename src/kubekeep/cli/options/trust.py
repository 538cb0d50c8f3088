"""Options that name trusted signers of images: keys, identities, roots and logs. Parses; verifies nothing."""

from pathlib import Path
from typing import Annotated, Any, Final

import click

from kubekeep.cli.console.option_group import Option, OptionGroup, add_groups
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.options.signature import KEY_FILE
from kubekeep.model.text import visible


class TrustOptions(OptionGroup, frozen=True):
    """The options as given; files are read by `load`."""

    keys: Annotated[tuple[Path, ...], Option("--key", "Trust this public key, in PEM; repeatable.", type=KEY_FILE)] = ()
    identity: Annotated[str, Option("--identity", "Trust certificates of this identity: email address or URI.")] = ""
    issuer: Annotated[str, Option("--issuer", "The OIDC issuer of the identity.", metavar="URL")] = ""
    identity_regexp: Annotated[
        str, Option("--identity-regexp", "Trust identities that match this as a whole.", metavar="REGEXP")
    ] = ""
    issuer_regexp: Annotated[
        str, Option("--issuer-regexp", "Trust issuers that match this as a whole.", metavar="REGEXP")
    ] = ""
    claims: Annotated[
        tuple[str, ...],
        Option(
            "--claim",
            "Require this claim of a CI system in the certificate, such as source-repository=URI; repeatable.",
            metavar="NAME=VALUE",
        ),
    ] = ()
    trusted_root: Annotated[
        Path | None,
        Option(
            "--trusted-root",
            "Use the authorities and logs in this trusted_root.json, not those that `image trust show` lists.",
            type=KEY_FILE,
        ),
    ] = None
    require_log: Annotated[bool, Option("--require-log", "Require an entry of a transparency log for keys too.")] = (
        False
    )
    ignore_log: Annotated[
        bool,
        Option("--ignore-log", "Ignore entries of transparency logs; certificates then need a timestamp of RFC 3161."),
    ] = False

    def load(self, annotations: dict[str, str]) -> Any:
        """Return the Trust. Raises KeyFileError, TrustError and click's errors of usage."""
        from kubekeep.usecases.signer_trust import SignerRequest, create_trust  # noqa: PLC0415 - optional packages

        if self.require_log and self.ignore_log:
            raise click.UsageError("--require-log cannot be used with --ignore-log")
        if (self.identity and self.identity_regexp) or (self.issuer and self.issuer_regexp):
            raise click.UsageError("name an identity and an issuer exactly or by a regular expression, not both")
        root = self.trusted_root
        request = SignerRequest(
            keys=tuple(map(read_small_file, self.keys)),
            identity=self.identity,
            issuer=self.issuer,
            identity_pattern=self.identity_regexp,
            issuer_pattern=self.issuer_regexp,
            claims=self.claims,
            root=None if root is None else read_small_file(root),
            root_name=visible(str(root)),
            requires_log=self.require_log,
            ignores_log=self.ignore_log,
            annotations=annotations,
        )
        if not (request.has_identity or request.keys):
            raise click.UsageError("no signer is trusted: use --key FILE, or --identity with --issuer")
        return create_trust(request)


trust_options: Final = add_groups(lambda options: {"trust": options}, TrustOptions)
"""Decorator that adds the options; they are passed on as one argument, `trust`, of type TrustOptions."""
