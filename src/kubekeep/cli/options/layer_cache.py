"""Options of the cache of layers that a fleet shares through a registry. Parses only; sends no request."""

import functools
from pathlib import Path
from typing import Annotated, Any, Final

import click

from kubekeep.cli.console.option_group import Command, HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.settings import cache_folder, registry_settings
from kubekeep.model.text import visible
from kubekeep.registry.errors import KeyFileError
from kubekeep.registry.reference import parse_image_name
from kubekeep.usecases.package_request import PackageRequest

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_EXTRA: Final = {"cryptography", "nacl"}


def _check_repository(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:  # noqa: ARG001
    if value is None:
        return None
    try:
        reference = parse_image_name(value.removeprefix("oci://"))
    except ValueError as error:
        raise click.BadParameter(visible(str(error))) from error
    if reference.tag or reference.digest:
        raise click.BadParameter(f"{visible(value)}: name a repository without a tag")
    return value.removeprefix("oci://")


class LayerCacheOptions(OptionGroup, frozen=True):
    """Options of the shared cache, as given."""

    section = HelpSection.REGISTRIES
    rank = 20

    layer_cache: Annotated[
        str | None,
        Option(
            "--layer-cache",
            "Take the content of layers from this repository if another machine has read them. Requires "
            "--layer-cache-key or --layer-cache-trusted.",
            Key.EXPLICIT,
            metavar="REGISTRY/REPOSITORY",
            callback=_check_repository,
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
    """Add the options; they are applied to the argument `packages`."""

    @functools.wraps(function)
    def wrapper(packages: PackageRequest, layer_cache: LayerCacheOptions, **arguments: Any) -> None:
        function(packages=_add_cache(packages, layer_cache), **arguments)

    return add_groups(lambda options: {"layer_cache": options}, LayerCacheOptions)(wrapper)


def _add_cache(packages: PackageRequest, options: LayerCacheOptions) -> PackageRequest:
    """Return the request with the shared layers; unchanged without a repository."""
    repository, is_trusted, writes = options.layer_cache, options.layer_cache_trusted, options.layer_cache_write
    key, sign_key = options.layer_cache_key, options.layer_cache_sign_key
    if repository is None:
        if key or sign_key or is_trusted or writes:
            raise click.UsageError("the options of the layer cache require --layer-cache REGISTRY/REPOSITORY")
        return packages
    if bool(key) == is_trusted:
        raise click.UsageError("--layer-cache requires either --layer-cache-key or --layer-cache-trusted")
    if writes and key and not sign_key:
        raise click.UsageError("--layer-cache-write requires --layer-cache-sign-key, unless the registry is trusted")
    if sign_key and not writes:
        raise click.UsageError("--layer-cache-sign-key has no effect without --layer-cache-write")
    try:
        return _open(packages, repository, key, sign_key, writes=writes)
    except KeyFileError as error:
        raise click.BadParameter(str(error), param_hint="--layer-cache-key or --layer-cache-sign-key") from error
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in _EXTRA:
            raise
        raise click.UsageError(f"{error.name} is not installed: pip install 'kubekeep[oci]'") from error


def _open(
    packages: PackageRequest, repository: str, key: Path | None, sign_key: Path | None, *, writes: bool
) -> PackageRequest:
    from kubekeep.usecases.layer_cache import LayerCacheRequest, open_layer_cache  # noqa: PLC0415 - optional packages

    request = LayerCacheRequest(
        repository=repository,
        folder=cache_folder(),
        key=read_small_file(key) if key else None,
        sign_key=read_small_file(sign_key) if sign_key else None,
        read_password=_read_password,
        writes=writes,
        on_problem=lambda message: click.echo(message, err=True),
    )
    return open_layer_cache(packages, request)


def _read_password() -> bytes:
    """Return the password of the key. Raises KeyFileError without one."""
    password = registry_settings().key_password
    if password is None:
        raise KeyFileError("the key has a password: set COSIGN_PASSWORD")
    return password.encode()
