"""Options that name trusted signers of images: keys, identities, roots and logs. Parses; verifies nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.options.signature import KEY_FILE
from kubekeep.model.text import visible


class TrustOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options as given; files are read by `load`."""

    keys: tuple[Path, ...]
    identity: str
    issuer: str
    identity_regexp: str
    issuer_regexp: str
    claims: tuple[str, ...]
    trusted_root: Path | None
    require_log: bool
    ignore_log: bool

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


_NAMES: Final = TrustOptions.__struct_fields__


def trust_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are passed on as one argument, `trust`, of type TrustOptions."""

    @functools.wraps(function)
    def wrapper(**arguments: Any) -> None:
        options = TrustOptions(**{name: arguments.pop(name) for name in _NAMES})
        function(trust=options, **arguments)

    for option in reversed(_list_options()):
        wrapper = option(wrapper)
    return wrapper


def _list_options() -> tuple[Callable[..., Any], ...]:
    return (
        click.option("--key", "keys", type=KEY_FILE, multiple=True, help="Trust this public key, in PEM; repeatable."),
        click.option("--identity", default="", help="Trust certificates of this identity: email address or URI."),
        click.option("--issuer", default="", metavar="URL", help="The OIDC issuer of the identity."),
        click.option(
            "--identity-regexp", default="", metavar="REGEXP", help="Trust identities that match this as a whole."
        ),
        click.option("--issuer-regexp", default="", metavar="REGEXP", help="Trust issuers that match this as a whole."),
        click.option(
            "--claim",
            "claims",
            multiple=True,
            metavar="NAME=VALUE",
            help="Require this claim of a CI system in the certificate, such as source-repository=URI; repeatable.",
        ),
        click.option(
            "--trusted-root",
            type=KEY_FILE,
            help="Use the authorities and logs in this trusted_root.json, not those that `image trust show` lists.",
        ),
        click.option("--require-log", is_flag=True, help="Require an entry of a transparency log for keys too."),
        click.option(
            "--ignore-log",
            is_flag=True,
            help="Ignore entries of transparency logs; certificates then need a timestamp of RFC 3161.",
        ),
    )
