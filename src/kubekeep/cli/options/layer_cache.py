"""Options of the cache of layers that a fleet shares through a registry. Parses only; sends no request."""

import functools
import hashlib
from pathlib import Path
from typing import Annotated, Any, Final

import click

from kubekeep.cli.console.option_group import Command, HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.options.image import create_image_options
from kubekeep.cli.settings import cache_folder, registry_settings
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.exchange import LayerExchange
from kubekeep.model.text import visible
from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.reference import ArtifactReference, parse_image_name

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_EXTRA: Final = {"cryptography", "nacl"}


def _parse_repository(ctx: click.Context, param: click.Parameter, value: str | None) -> ArtifactReference | None:  # noqa: ARG001
    if value is None:
        return None
    try:
        reference = parse_image_name(value.removeprefix("oci://"))
    except ValueError as error:
        raise click.BadParameter(visible(str(error))) from error
    if reference.tag or reference.digest:
        raise click.BadParameter(f"{visible(value)}: name a repository without a tag")
    return reference


class LayerCacheOptions(OptionGroup, frozen=True):
    """Options of the shared cache, as given."""

    section = HelpSection.REGISTRIES
    rank = 20

    layer_cache: Annotated[
        ArtifactReference | None,
        Option(
            "--layer-cache",
            "Take the content of layers from this repository if another machine has read them. Requires "
            "--layer-cache-key or --layer-cache-trusted.",
            Key.EXPLICIT,
            metavar="REGISTRY/REPOSITORY",
            callback=_parse_repository,
        ),
    ] = None
    layer_cache_key: Annotated[
        Path | None,
        Option(
            "--layer-cache-key",
            "Accept only content that is signed with this public key, in PEM.",
            Key.EXPLICIT,
            type=_FILE,
        ),
    ] = None
    layer_cache_trusted: Annotated[
        bool,
        Option(
            "--layer-cache-trusted",
            "Accept content without a signature: everyone who may write to the repository can hide packages.",
            Key.EXPLICIT,
        ),
    ] = False
    layer_cache_write: Annotated[
        bool, Option("--layer-cache-write", "Write the content of layers that this run reads.", Key.EXPLICIT)
    ] = False
    layer_cache_sign_key: Annotated[
        Path | None,
        Option(
            "--layer-cache-sign-key",
            "Sign written content with this private key, of cosign or in PEM; its password is in COSIGN_PASSWORD.",
            Key.EXPLICIT,
            type=_FILE,
        ),
    ] = None


def layer_cache_options(function: Command) -> Command:
    """Add the options below those of `image_options`; both are passed on as one argument, `images`."""

    @functools.wraps(function)
    def wrapper(access: AccessOptions, layer_cache: LayerCacheOptions, **arguments: Any) -> None:
        function(images=create_image_options(access, _open(layer_cache, access)), **arguments)

    return add_groups(lambda options: {"layer_cache": options}, LayerCacheOptions)(wrapper)


def _open(options: LayerCacheOptions, access: AccessOptions) -> LayerExchange | None:
    """Return the shared layers; None without a repository."""
    reference, is_trusted, writes = options.layer_cache, options.layer_cache_trusted, options.layer_cache_write
    key, sign_key = options.layer_cache_key, options.layer_cache_sign_key
    if reference is None:
        if key or sign_key or is_trusted or writes:
            raise click.UsageError("the options of the layer cache require --layer-cache REGISTRY/REPOSITORY")
        return None
    if bool(key) == is_trusted:
        raise click.UsageError("--layer-cache requires either --layer-cache-key or --layer-cache-trusted")
    if writes and key and not sign_key:
        raise click.UsageError("--layer-cache-write requires --layer-cache-sign-key, unless the registry is trusted")
    if sign_key and not writes:
        raise click.UsageError("--layer-cache-sign-key has no effect without --layer-cache-write")
    try:
        return _create(reference, access, key, sign_key, writes=writes)
    except KeyFileError as error:
        raise click.BadParameter(str(error), param_hint="--layer-cache-key or --layer-cache-sign-key") from error
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in _EXTRA:
            raise
        raise click.UsageError(f"{error.name} is not installed: pip install 'kubekeep[oci]'") from error


def _create(
    reference: ArtifactReference, access: AccessOptions, key: Path | None, sign_key: Path | None, *, writes: bool
) -> LayerExchange:
    from kubekeep.images.access.repositories import create_keychain, create_settings, list_origins  # noqa: PLC0415
    from kubekeep.images.layers import compute_shared_version  # noqa: PLC0415 - the help needs none of it
    from kubekeep.images.shared_layers import FragmentTrust, SharedLayers  # noqa: PLC0415
    from kubekeep.registry.keys import fingerprint, load_private_key, load_public_key  # noqa: PLC0415
    from kubekeep.registry.repository import OciRepository  # noqa: PLC0415

    public = load_public_key(read_small_file(key)) if key else None
    private = load_private_key(read_small_file(sign_key), _read_password) if sign_key else None
    # Without TLS for a registry on this machine, which rarely has it.
    origin = list_origins(reference, access)[-1]
    folder = cache_folder()
    trust = hashlib.blake2b(f"{reference.name} {fingerprint(public) if public else ''}".encode(), digest_size=16)
    return SharedLayers(
        OciRepository(reference, create_keychain(access), settings=create_settings(origin, access)),
        reference,
        FragmentTrust(key=public, is_trusted_registry=public is None),
        compute_shared_version(),
        local=folder / "shared-layers" / trust.hexdigest() if folder else None,
        writes=writes,
        writer=private,
        on_problem=lambda message: click.echo(message, err=True),
    )


def _read_password() -> bytes:
    """Return the password of the key. Raises KeyFileError without one."""
    password = registry_settings().key_password
    if password is None:
        raise KeyFileError("the key has a password: set COSIGN_PASSWORD")
    return password.encode()
