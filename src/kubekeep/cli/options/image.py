"""Options of commands that open images: platform, registries and stores. Never opens an image itself."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Annotated, Final

import click
import msgspec

from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.settings import cache_folder
from kubekeep.images.access.options import parse_platform
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.usecases.package_request import ImageAccess, PackageRequest, request_images

_FILE = click.Path(exists=True, dir_okay=False)
_FOLDER = click.Path(exists=True, file_okay=False)


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


def _state_platform(default: str) -> Option:
    return Option(
        "--platform",
        f"Read the image for this platform. {default}",
        Key.DISCOVERED,
        metavar="OS/ARCH[/VARIANT]",
        callback=_check_platform,
    )


class PlatformOptions(OptionGroup, frozen=True):
    """The platform of images to read."""

    section = HelpSection.IMAGES

    platform: Annotated[str, _state_platform("Default: linux/amd64, else the platform of this machine.")] = ""


class ReferencePlatformOptions(OptionGroup, frozen=True):
    """The platform of an image that may also be an index."""

    section = HelpSection.IMAGES

    platform: Annotated[str, _state_platform("Default: what REFERENCE names, which may be an index.")] = ""


class RegistryAccessOptions(OptionGroup, frozen=True, kw_only=True):
    """Options for the access to registries, as given."""

    section = HelpSection.IMAGES

    plain_http: Annotated[
        bool,
        Option("--plain-http", "Connect to registries without TLS. Not needed for localhost.", Key.EXPLICIT),
    ] = False
    registry_ca: Annotated[
        str | None,
        Option(
            "--registry-ca",
            "Trust the certificates in this PEM file for registries, in addition to those of the system.",
            Key.EXPLICIT,
            type=_FILE,
        ),
    ] = None
    mirror: Annotated[
        dict[str, str],
        Option(
            "--mirror",
            "Try this mirror before the registry, for example docker.io=mirror.example/hub; repeatable.",
            Key.EXPLICIT,
            metavar="REGISTRY=MIRROR[/PREFIX]",
            callback=_parse_mirrors,
            repeatable=True,
        ),
    ]
    registry_config: Annotated[
        tuple[str, ...],
        Option(
            "--registry-config",
            "Read credentials from this file in the format of Docker's config.json, for example a pull secret of "
            "Kubernetes, before the usual files; repeatable.",
            Key.EXPLICIT,
            type=_FILE,
        ),
    ] = ()


class ImageStoreOptions(OptionGroup, frozen=True):
    """Options for stores of images on this machine, as given."""

    section = HelpSection.IMAGES
    rank = 20

    containerd_namespace: Annotated[
        str,
        Option(
            "--containerd-namespace", "Read containerd images of this namespace.", Key.DISCOVERED, show_default=True
        ),
    ] = "k8s.io"
    containerd_root: Annotated[
        str | None,
        Option(
            "--containerd-root",
            "Read the containerd store in this folder. Default: /var/lib/containerd, or that of k3s, RKE2, k0s or MicroK8s.",
            Key.EXPLICIT,
            type=_FOLDER,
        ),
    ] = None


class WorkloadImageOptions(OptionGroup, frozen=True):
    """The option to scan the images of workloads."""

    section = HelpSection.IMAGES

    images: Annotated[
        bool,
        Option("--images", "Also scan the images that workloads use, each image once.", Key.EXPLICIT, is_common=True),
    ] = False


def _create_request(
    platform: PlatformOptions | ReferencePlatformOptions,
    registries: RegistryAccessOptions,
    stores: ImageStoreOptions | None = None,
) -> dict[str, PackageRequest]:
    access = ImageAccess(
        platform=platform.platform,
        plain_http=registries.plain_http,
        registry_ca=registries.registry_ca or "",
        mirrors=registries.mirror,
        auth_files=registries.registry_config,
        folder=cache_folder(),
    )
    if stores is not None:
        access = msgspec.structs.replace(
            access, containerd_root=stores.containerd_root or "", containerd_namespace=stores.containerd_namespace
        )
    return {"packages": request_images(access)}


image_options: Final = add_groups(_create_request, PlatformOptions, RegistryAccessOptions, ImageStoreOptions)
"""Decorator that adds the options; they are passed on as one argument, `packages`, of type PackageRequest."""

registry_options: Final = add_groups(_create_request, ReferencePlatformOptions, RegistryAccessOptions)
"""Decorator that adds the options for images that are in registries; they are passed on as by `image_options`."""


@contextlib.contextmanager
def open_images(packages: PackageRequest) -> Iterator[PackageRequest]:
    """Yield the request with an observer that shows downloads; an error ends the command with its message."""
    from kubekeep.cli.console import progress  # noqa: PLC0415 - not for `--help`

    try:
        with progress.download() as on_bytes:
            images = msgspec.structs.replace(packages.images, on_bytes=on_bytes)
            yield msgspec.structs.replace(packages, images=images)
    except KubekeepError as error:
        click.echo(f"failed: {visible(str(error))}", err=True)
        sys.exit(INCOMPLETE)
