"""`kubekeep image`: packages, scans and signatures of images. Imports a subcommand only to run it."""

from __future__ import annotations

from typing import Final

import click

from kubekeep.cli.console.lazy_group import LazyGroup

REFERENCE_HELP: Final = """\b
REFERENCE is one of
  nginx:1.29                  an image in a registry
  oci:FOLDER[:TAG]            an OCI layout; also oci-archive:FILE, docker-archive:FILE
  containerd://nginx:1.29     an image of containerd; also docker-daemon:nginx:1.29
  dir:FOLDER                  files without an image
"""


@click.group(
    cls=LazyGroup,
    package=__name__,
    commands={
        "scan": ("scan", "Scan images for vulnerabilities, secrets, configuration and licences."),
        "sbom": ("sbom", "List the packages of an image, or write an SBOM."),
        "explain": ("explain", "Explain why a vulnerability affects an image or not."),
        "advise": ("advise", "Show the upgrades and base images that remove most vulnerabilities."),
        "diff": ("diff", "Compare packages and vulnerabilities of two images."),
        "verify": ("verify", "Verify signatures and attestations of an image."),
        "convert-policy": ("convert_policy", "Convert policies of other tools to an image policy."),
        "sign": ("sign", "Sign an image with a key or an identity."),
        "attest": ("attest", "Attach a signed SBOM or another statement to an image."),
        "trust": ("trust", "Show and update the authorities and logs of Sigstore that are trusted."),
    },
    short_help="List packages of images, scan, verify and sign images.",
)
def command() -> None:
    """List the packages of container images, scan them, and verify and make their signatures."""
