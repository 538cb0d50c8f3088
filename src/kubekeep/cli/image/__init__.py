"""`kubekeep image`: the packages of an image as an SBOM, and a scan of images. Imports a subcommand only to run it."""

from __future__ import annotations

import importlib
from typing import Final

import click

_COMMANDS: Final = {
    "sbom": "List the packages of an image, or write an SBOM.",
    "scan": "Scan images for secrets, configuration and licences.",
}
REFERENCE_HELP: Final = """\b
REFERENCE is one of
  nginx:1.29                  an image in a registry
  oci:FOLDER[:TAG]            an OCI layout; also oci-archive:FILE, docker-archive:FILE
  containerd://nginx:1.29     an image of containerd; also docker-daemon:nginx:1.29
  dir:FOLDER                  files without an image
"""


class _ImageGroup(click.Group):
    """A group with one module per command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"kubekeep.cli.image.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_ImageGroup, short_help="List packages of images, and scan images.")
def command() -> None:
    """List the packages of container images, and scan images for secrets, configuration and licences."""
