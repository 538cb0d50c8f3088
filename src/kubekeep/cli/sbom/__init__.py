"""`kubekeep sbom`: show, scan, compare and merge SBOM documents. Imports a subcommand only to run it."""

from __future__ import annotations

import click

from kubekeep.cli.console.lazy_group import LazyGroup


@click.group(
    cls=LazyGroup,
    package=__name__,
    commands={
        "show": ("documents:show", "Show the content of an SBOM."),
        "scan": ("scan", "Find known vulnerabilities of the packages in SBOMs."),
        "diff": ("documents:diff", "Compare two SBOMs."),
        "merge": ("documents:merge", "Merge SBOMs, or convert one."),
    },
    short_help="Show, scan, compare and merge SBOM documents.",
)
def command() -> None:
    """Show, scan, compare and merge SBOM documents: CycloneDX and SPDX of any tool, Syft JSON, attestations of these."""
