"""Options of commands that open images: platform, registries and stores. Never opens an image itself."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import click
import msgspec

from kubekeep.cli.console import progress
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.settings import cache_folder
from kubekeep.images.access.options import AccessOptions, parse_platform
from kubekeep.images.access.settings import read_access_options
from kubekeep.images.exchange import LayerExchange
from kubekeep.images.options import ImageOptions
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible

_FILE = click.Path(exists=True, dir_okay=False)
_FOLDER = click.Path(exists=True, file_okay=False)


def image_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are passed on as one argument, `access`, of type AccessOptions."""

    @functools.wraps(function)
    def wrapper(**arguments: Any) -> None:
        function(access=_read_options(arguments), **arguments)

    for option in (*_stores(), *_registries(), _platform("Default: linux/amd64, else the platform of this machine.")):
        wrapper = option(wrapper)
    return wrapper


def registry_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options for images that are in registries; they are passed on as `access`, as by `image_options`."""

    @functools.wraps(function)
    def wrapper(**arguments: Any) -> None:
        stores = {"containerd_root": None, "containerd_namespace": AccessOptions().containerd_namespace}
        arguments |= stores
        function(access=_read_options(arguments), **arguments)

    for option in (*_registries(), _platform("Default: what REFERENCE names, which may be an index.")):
        wrapper = option(wrapper)
    return wrapper


def create_image_options(access: AccessOptions, shared_layers: LayerExchange | None = None) -> ImageOptions:
    """Return the options of reading images, with the folder of cached layers."""
    folder = cache_folder()
    return ImageOptions(
        access=access, cache_folder=str(folder / "layers") if folder else "", shared_layers=shared_layers
    )


@contextlib.contextmanager
def open_images(access: AccessOptions) -> Iterator[ImageOptions]:
    """Yield the options of reading images, and show downloads; an error ends the command with its message."""
    try:
        with progress.download() as on_bytes:
            yield msgspec.structs.replace(create_image_options(access), on_bytes=on_bytes)
    except KubekeepError as error:
        click.echo(f"failed: {visible(str(error))}", err=True)
        sys.exit(INCOMPLETE)


def _registries() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--registry-config",
            multiple=True,
            type=_FILE,
            help="Read credentials from this file in the format of Docker's config.json, for example a pull secret of "
            "Kubernetes, before the usual files; repeatable.",
        ),
        click.option(
            "--mirror",
            multiple=True,
            metavar="REGISTRY=MIRROR[/PREFIX]",
            callback=_parse_mirrors,
            help="Try this mirror before the registry, for example docker.io=mirror.example/hub; repeatable.",
        ),
        click.option(
            "--registry-ca",
            type=_FILE,
            default=None,
            help="Trust the certificates in this PEM file for registries, in addition to those of the system.",
        ),
        click.option("--plain-http", is_flag=True, help="Connect to registries without TLS. Not needed for localhost."),
    )


def _platform(default: str) -> Callable[..., Any]:
    return click.option(
        "--platform",
        default="",
        metavar="OS/ARCH[/VARIANT]",
        callback=_check_platform,
        help=f"Read the image for this platform. {default}",
    )


def _stores() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--containerd-root",
            type=_FOLDER,
            default=None,
            help="Read the containerd store in this folder. Default: /var/lib/containerd, or that of k3s, RKE2, k0s or MicroK8s.",
        ),
        click.option(
            "--containerd-namespace",
            default="k8s.io",
            show_default=True,
            help="Read containerd images of this namespace.",
        ),
    )


def _check_platform(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001
    try:
        return str(parse_platform(value)) if value else ""
    except ValueError as error:
        raise click.BadParameter(visible(str(error))) from error


def _parse_mirrors(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:  # noqa: ARG001
    mirrors = {}
    for text in value:
        registry, equals, mirror = text.partition("=")
        if not registry or not equals or not mirror:
            raise click.BadParameter(f"{visible(text)}: use REGISTRY=MIRROR, such as docker.io=mirror.example/hub")
        mirrors[registry] = mirror
    return mirrors


def _read_options(arguments: dict[str, Any]) -> AccessOptions:
    """Remove the options from `arguments` and return them with the settings of this process."""
    take = arguments.pop
    defaults = read_access_options()
    folder = cache_folder()
    return msgspec.structs.replace(
        defaults,
        platform=take("platform"),
        plain_http=take("plain_http"),
        registry_ca=take("registry_ca") or "",
        mirrors=take("mirror"),
        auth_files=(*take("registry_config"), *defaults.auth_files),
        containerd_root=take("containerd_root") or "",
        containerd_namespace=take("containerd_namespace"),
        manifest_cache=str(folder / "manifests") if folder else "",
    )
