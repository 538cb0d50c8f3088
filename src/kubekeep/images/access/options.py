"""Options of access to images, and platforms. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from kubekeep.registry.login import RegistryLogin
from kubekeep.registry.pace import RequestPace

_PART: Final = r"(?i)[a-z0-9_.-]{1,32}"
_ARCHITECTURES: Final = {
    "x86_64": "amd64",
    "x86-64": "amd64",
    "aarch64": "arm64",
    "armv7l": "arm",
    "i386": "386",
    "i686": "386",
}
_DEFAULT_VARIANTS: Final = {"arm64": "v8", "amd64": "v1", "arm": "v7"}
"""Variants that images need not name (containerd, platforms)."""


class Platform(msgspec.Struct, frozen=True, omit_defaults=True):
    """A platform with the names of the OCI image specification (those of Go)."""

    architecture: str = ""
    os: str = ""
    variant: str = ""

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)

    def normalise(self) -> Platform:
        """Return the platform with the usual names, and without the default variant."""
        architecture = _ARCHITECTURES.get(self.architecture.lower(), self.architecture.lower())
        variant = "" if self.variant.lower() == _DEFAULT_VARIANTS.get(architecture) else self.variant.lower()
        return Platform(architecture, self.os.lower(), variant)

    def accepts(self, other: Platform) -> bool:
        """Return True if an image of the platform `other` runs here; without a variant, any variant does."""
        own, others = self.normalise(), other.normalise()
        return (own.os, own.architecture) == (others.os, others.architecture) and (
            not self.variant or own.variant == others.variant
        )


DOCKER_SOCKET: Final = "unix:///var/run/docker.sock"
DEFAULT_PLATFORM: Final = Platform("amd64", "linux")


def parse_platform(text: str) -> Platform:
    """Parse `os/arch` or `os/arch/variant`. Raises ValueError with the syntax."""
    match text.split("/"):
        case [os, architecture, *variant] if len(variant) <= 1 and all(
            re.fullmatch(_PART, part) for part in (os, architecture, *variant)
        ):
            return Platform(architecture, os, "".join(variant)).normalise()
        case _:
            raise ValueError(f"{text!r} is not a platform: use os/architecture, such as linux/amd64 or linux/arm/v7")


def host_platform() -> Platform:
    """Return the platform of this machine's containers, which is Linux also on other systems."""
    import platform  # noqa: PLC0415 - for the platform of this machine only

    return Platform(platform.machine(), "linux").normalise()


class AccessOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Options of access to images.

    platform: `os/arch[/variant]` to select from an index; empty for linux/amd64, else the platform of this machine, else
    the only one. plain_http: access registries without TLS. registry_ca: a file with certificates in PEM that are
    trusted beside those of the system. mirrors: by registry, the mirror to try first, as `mirror.example/prefix`; a
    mirror as `http://...` is accessed without TLS. auth_files: with credentials, in the format of Docker's config.json;
    the first one with credentials for a registry decides. logins: credentials by registry, which take precedence.
    docker_hosts: addresses of the Docker daemon, as `unix:///run/docker.sock`; the first socket that exists is used.
    containerd_root: state folder of containerd; empty for the usual ones. containerd_namespace: of its images.
    manifest_cache: a folder to keep manifests and configurations in; empty for none. patience: longest wait in total,
    in seconds, for a registry that is busy or limits requests. pause: longest wait in seconds for the next bytes. pace:
    of requests to registries, shared by all images of a run; None for no limit.
    """

    platform: str = ""
    plain_http: bool = False
    registry_ca: str = ""
    mirrors: Mapping[str, str] = {}
    auth_files: tuple[str, ...] = ()
    logins: Mapping[str, RegistryLogin] = {}
    docker_hosts: tuple[str, ...] = (DOCKER_SOCKET,)
    containerd_root: str = ""
    containerd_namespace: str = "k8s.io"
    manifest_cache: str = ""
    patience: float = 60
    pause: float = 60
    pace: RequestPace | None = None
