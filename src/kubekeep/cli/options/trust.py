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
        from kubekeep.registry.keys import load_public_key  # noqa: PLC0415 - optional packages
        from kubekeep.signatures.sigstore.trusted_root import read_trusted_root  # noqa: PLC0415
        from kubekeep.signatures.trust import LogPolicy, Trust  # noqa: PLC0415

        if self.require_log and self.ignore_log:
            raise click.UsageError("--require-log cannot be used with --ignore-log")
        root = self.trusted_root
        log = LogPolicy.REQUIRED if self.require_log else LogPolicy.IGNORED if self.ignore_log else LogPolicy.DEFAULT
        return Trust(
            keys=tuple(load_public_key(read_small_file(key)) for key in self.keys),
            identities=self._create_identities(),
            root=None if root is None else read_trusted_root(read_small_file(root), visible(str(root))),
            log=log,
            annotations=tuple(annotations.items()),
        )

    def _create_identities(self) -> tuple[Any, ...]:
        from kubekeep.signatures.sigstore.certificates import CertificateIdentity  # noqa: PLC0415

        if (self.identity and self.identity_regexp) or (self.issuer and self.issuer_regexp):
            raise click.UsageError("name an identity and an issuer exactly or by a regular expression, not both")
        if not any((self.identity, self.issuer, self.identity_regexp, self.issuer_regexp, self.claims)):
            if not self.keys:
                raise click.UsageError("no signer is trusted: use --key FILE, or --identity with --issuer")
            return ()
        claims = tuple((name, value) for name, _, value in (text.partition("=") for text in self.claims))
        return (
            CertificateIdentity(
                identity=self.identity,
                issuer=self.issuer,
                identity_pattern=self.identity_regexp,
                issuer_pattern=self.issuer_regexp,
                claims=claims,
            ),
        )


trust_options: Final = add_groups(lambda options: {"trust": options}, TrustOptions)
"""Decorator that adds the options; they are passed on as one argument, `trust`, of type TrustOptions."""
